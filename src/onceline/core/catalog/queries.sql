-- name: seed_digest
select seed from installation

-- name: set_seed_digest
-- Also the lock that keeps two seeders apart.
update installation set seed = %(seed)s

-- name: seed_countries
insert into countries (iso2, name, dial_code, field_id)
select * from unnest(%(iso2)s::text[], %(name)s::text[], %(dial_code)s::text[], %(field_id)s::smallint[])
on conflict (iso2) do update set name = excluded.name, dial_code = excluded.dial_code, field_id = excluded.field_id

-- name: seed_service
insert into services (slug, name, codes, category, prohibited, window_factor)
values (%(slug)s, %(name)s, %(codes)s, %(category)s, %(prohibited)s, %(window_factor)s)
on conflict (slug) do update
set name = excluded.name, codes = excluded.codes, category = excluded.category, prohibited = excluded.prohibited,
    window_factor = excluded.window_factor

-- name: seed_pool
insert into pools (slug, name, supplier, mode, asks, tells)
values (%(slug)s, %(name)s, %(supplier)s, %(mode)s, %(asks)s, %(tells)s)
on conflict (slug) do update set name = excluded.name, supplier = excluded.supplier, asks = excluded.asks, tells = excluded.tells
returning id

-- name: set_price
insert into prices (pool_id, kind, service_id, country, duration_s, amount)
values (%(pool)s, %(kind)s, coalesce((select id from services where slug = %(service)s), 0), %(country)s,
        %(duration_s)s, %(amount)s)
on conflict (pool_id, kind, service_id, country, duration_s) do update set amount = excluded.amount

-- name: countries
select iso2, name, dial_code, field_id from countries where iso2 > %(after)s order by iso2 limit %(limit)s

-- name: services
-- What can be ordered: prohibited services are not listed.
select slug, name, codes, category, window_factor
from services
where not prohibited and slug > %(after)s
  and (%(search)s::text is null or slug like %(search)s || '%%' or lower(name) like '%%' || %(search)s || '%%')
order by slug
limit %(limit)s

-- name: services_by_slug
select id, slug from services

-- name: pools
select p.slug, p.name, p.mode, p.enabled,
       array(select c.country from chunks c where c.pool_id = p.id
             union select k.country from supplier_stock k where k.pool_id = p.id and k.count > 0 order by 1) as countries
from pools p
where p.mode = %(mode)s and p.enabled
order by p.slug
limit 200

-- name: networks
-- Of which mobile networks the numbers of a country are, where that is known.
select distinct c.network
from pools p join chunks c on c.pool_id = p.id
where p.mode = %(mode)s and p.enabled and c.country = %(country)s and c.network <> ''
order by c.network
limit 100

-- name: rental_durations
-- The durations that a pool of this mode sells.
select distinct r.duration_s
from prices r join pools p on p.id = r.pool_id
where p.mode = %(mode)s and p.enabled and r.kind = 'rental'
order by 1
limit 100

-- name: leasable
-- Per pool and country what is free now (service_id null), and per service how many of those are burnt for it. Only
-- pools that sell this kind and duration, and none whose supplier says what it has. A chunk's free numbers are gathered as
-- bits once; every service takes its burnt bits away.
with free as (
    select p.id as pool_id, p.slug as pool, c.country, c.id as chunk_id, count(*) as n,
           bit_or(set_bit(0::bit(1024), n.slot, 1)) as bits
    from pools p join chunks c on c.pool_id = p.id join numbers n on n.chunk_id = c.id
    where p.mode = %(mode)s and p.enabled and p.stock_as_of is null and n.state = 'free' and n.available_at <= %(now)s
      and (%(pool)s::text is null or p.slug = %(pool)s)
      and (%(country)s::text is null or c.country = %(country)s)
      and (%(network)s::text is null or c.network = %(network)s)
      and exists (select from prices r where r.pool_id = p.id and r.kind = %(kind)s and r.duration_s = %(duration_s)s)
    group by p.id, p.slug, c.country, c.id
)
select pool_id, pool, country, null::smallint as service_id, sum(n)::bigint as n
from free
group by pool_id, pool, country
union all
select f.pool_id, f.pool, f.country, b.service_id, sum(bit_count(f.bits & b.slots))::bigint
from free f join burns b on b.chunk_id = f.chunk_id
group by f.pool_id, f.pool, f.country, b.service_id

-- name: asked_pools
-- Pools whose suppliers said what they have, and lately.
select p.id
from pools p
where p.mode = %(mode)s and p.enabled and p.stock_as_of > %(said_after)s and (%(pool)s::text is null or p.slug = %(pool)s)
  and exists (select from prices r where r.pool_id = p.id and r.kind = %(kind)s and r.duration_s = %(duration_s)s)

-- name: asked_stock
-- What such pools have for these services. Index supplier_stock_by_service.
select k.service_id, k.country, p.slug as pool, k.pool_id, k.count
from supplier_stock k join pools p on p.id = k.pool_id
where k.service_id = any(%(services)s) and k.count > 0 and k.pool_id = any(%(pools)s)
  and (%(country)s::text is null or k.country = %(country)s)

-- name: set_prices
-- Many activation prices of one pool; only what changed is written. Unknown countries and services are passed over,
-- prohibited services too (promise A1).
insert into prices (pool_id, kind, service_id, country, amount)
select p.id, 'activation', s.id, c.iso2, g.amount
from unnest(%(countries)s::text[], %(services)s::text[], %(amounts)s::bigint[]) g (country, service, amount)
join pools p on p.slug = %(pool)s
join countries c on c.iso2 = g.country
join services s on s.slug = g.service and not s.prohibited
on conflict (pool_id, kind, service_id, country, duration_s) do update
set amount = excluded.amount
where prices.amount <> excluded.amount

-- name: orderable
-- Services in the order of the offers, from a slug on.
select id, slug, category
from services
where not prohibited and slug >= %(from_slug)s and (%(service)s::text is null or slug = %(service)s)
  and (slug <> 'full' or %(kind)s = 'rental')
order by slug
limit %(limit)s

-- name: prices
-- The price rows that may decide for these services.
select pool_id, service_id, country, amount
from prices
where kind = %(kind)s and duration_s = %(duration_s)s and service_id = any(%(services)s)
  and (%(country)s::text is null or country in ('', %(country)s))

-- name: records
select pool_id, service_id, country, closed, succeeded, median_s, seconds
from offer_records
where service_id = any(%(services)s)

-- name: record_offers
-- Success rate, median seconds and their histogram of each offer over the orders that closed lately.
insert into offer_records (pool_id, service_id, country, closed, succeeded, median_s, seconds, as_of)
select o.pool_id, o.service_id, o.country, count(*), count(o.took),
       percentile_cont(0.5) within group (order by o.took) filter (where o.took is not null),
       array[count(*) filter (where o.took <= 5),
             count(*) filter (where o.took > 5 and o.took <= 10),
             count(*) filter (where o.took > 10 and o.took <= 20),
             count(*) filter (where o.took > 20 and o.took <= 40),
             count(*) filter (where o.took > 40 and o.took <= 80),
             count(*) filter (where o.took > 80 and o.took <= 160),
             count(*) filter (where o.took > 160)]::integer[],
       %(now)s
from (
    select pool_id, service_id, country, extract(epoch from first_valid_at - created_at)::float8 as took
    from orders
    where closed_at > %(since)s and state <> 'failed'
) o
group by o.pool_id, o.service_id, o.country
on conflict (pool_id, service_id, country) do update
set closed = excluded.closed, succeeded = excluded.succeeded, median_s = excluded.median_s, seconds = excluded.seconds,
    as_of = excluded.as_of

-- name: add_pool
insert into pools (slug, name, supplier, mode, asks, tells)
values (%(slug)s, %(name)s, %(supplier)s, %(mode)s, %(asks)s, %(tells)s)
on conflict (slug) do nothing

-- name: every_pool
-- Pools as their operator sees them, by slug.
select id, slug, name, supplier, mode, asks, tells, enabled
from pools
where slug > %(after)s and (%(slug)s::text is null or slug = %(slug)s) and (%(supplier)s::text is null or supplier = %(supplier)s)
order by slug
limit %(limit)s

-- name: set_pool_enabled
update pools set enabled = %(enabled)s where slug = %(slug)s

-- name: services_named
select id, slug, prohibited from services where slug = any(%(slugs)s)

-- name: set_rules
insert into prices (pool_id, kind, service_id, country, duration_s, amount)
select *
from unnest(%(pools)s::smallint[], %(kinds)s::text[], %(services)s::smallint[], %(countries)s::text[],
            %(durations)s::integer[], %(amounts)s::bigint[])
on conflict (pool_id, kind, service_id, country, duration_s) do update set amount = excluded.amount

-- name: price_rules
-- Price rows in the order of their making; '*' is what holds for all that have no price of their own. Primary key.
select r.id, p.slug as pool, r.kind, coalesce(s.slug, '*') as service, coalesce(nullif(r.country, ''), '*') as country,
       r.duration_s, r.amount
from prices r join pools p on p.id = r.pool_id left join services s on s.id = r.service_id
where r.id > %(after)s
  and (%(pool)s::text is null or p.slug = %(pool)s)
  and (%(kind)s::text is null or r.kind = %(kind)s)
  and (%(services)s::smallint[] is null or r.service_id = any(%(services)s))
  and (%(countries)s::text[] is null or r.country = any(%(countries)s))
  and (%(duration_s)s::integer is null or r.duration_s = %(duration_s)s)
order by r.id
limit %(limit)s

-- name: change_prices
-- Multiply prices by ten-thousandths, up to the next 1/10,000 of the currency; or only say what that would do. Amounts are
-- read under the rows' locks, so that two changes at once both count.
with wanted as materialized (
    select r.id, r.amount
    from prices r join pools p on p.id = r.pool_id
    where p.slug = %(pool)s
      and (%(kind)s::text is null or r.kind = %(kind)s)
      and (%(services)s::smallint[] is null or r.service_id = any(%(services)s))
      and (%(countries)s::text[] is null or r.country = any(%(countries)s))
      and (%(duration_s)s::integer is null or r.duration_s = %(duration_s)s)
    order by r.id
    for update of r
), priced as (
    select id, amount, div(amount::numeric * %(factor)s + 999999, 1000000) * 100 as after from wanted
), changed as (
    update prices r set amount = w.after::bigint from priced w where r.id = w.id and %(write)s
)
select count(*) as n, min(amount) as lowest, max(amount) as highest, min(after)::bigint as lowest_after,
       max(after)::bigint as highest_after
from priced

-- name: drop_prices
-- Index prices_pool_id_kind_service_id_country_duration_s_key.
delete from prices r
using pools p
where p.id = r.pool_id and p.slug = %(pool)s
  and (%(kind)s::text is null or r.kind = %(kind)s)
  and (%(services)s::smallint[] is null or r.service_id = any(%(services)s))
  and (%(countries)s::text[] is null or r.country = any(%(countries)s))
  and (%(duration_s)s::integer is null or r.duration_s = %(duration_s)s)
