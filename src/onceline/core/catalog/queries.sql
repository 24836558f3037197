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
       array(select distinct c.country from chunks c where c.pool_id = p.id order by 1) as countries
from pools p
where p.mode = %(mode)s and p.enabled
order by p.slug
limit 200

-- name: rental_durations
-- The durations that a pool of this mode sells.
select distinct r.duration_s
from prices r join pools p on p.id = r.pool_id
where p.mode = %(mode)s and p.enabled and r.kind = 'rental'
order by 1
limit 100

-- name: offer_places
-- Services, countries and pools with a price, in the order of the cursor, with what is free and not burnt right now.
-- A chunk's free numbers are gathered as bits once; each service takes its burnt bits away.
with places as (
    select p.id as pool_id, p.slug as pool, c.iso2 as country
    from pools p cross join countries c
    where p.mode = %(mode)s and p.enabled and (%(pool)s::text is null or p.slug = %(pool)s)
      and (%(country)s::text is null or c.iso2 = %(country)s)
), free as (
    select c.pool_id, c.country, c.id as chunk_id, count(*) as free,
           bit_or(set_bit(repeat('0', 1024)::bit(1024), n.slot, 1)) as bits
    from chunks c join numbers n on n.chunk_id = c.id
    where n.state = 'free' and n.available_at <= %(now)s
      and (%(network)s::text is null or c.network = %(network)s)
      and (c.pool_id, c.country) in (select pool_id, country from places)
    group by c.pool_id, c.country, c.id
), totals as (
    select pool_id, country, sum(free) as free from free group by pool_id, country
), burnt as (
    select f.pool_id, f.country, b.service_id, sum(bit_count(f.bits & b.slots)) as burnt
    from free f join burns b on b.chunk_id = f.chunk_id
    group by f.pool_id, f.country, b.service_id
), listed as (
    select s.slug as service, pl.country, pl.pool, price_of(pl.pool_id, %(kind)s, s.id, s.category, pl.country, %(duration_s)s) as amount,
           t.free - coalesce(b.burnt, 0) as stock, pl.pool_id, s.id as service_id
    from totals t
    join places pl on pl.pool_id = t.pool_id and pl.country = t.country
    cross join services s
    left join burnt b on b.pool_id = t.pool_id and b.country = t.country and b.service_id = s.id
    where not s.prohibited and (%(service)s::text is null or s.slug = %(service)s)
      and (s.slug <> 'full' or %(kind)s = 'rental')
      and (s.slug, pl.country, pl.pool) > (%(after_service)s, %(after_country)s, %(after_pool)s)
)
select l.service, l.country, l.pool, l.amount, l.stock, r.closed, r.succeeded, r.median_s
from listed l
left join offer_records r on r.pool_id = l.pool_id and r.service_id = l.service_id and r.country = l.country
where l.amount is not null and l.stock > 0
order by l.service, l.country, l.pool
limit %(limit)s

-- name: record_offers
-- Success rate and median seconds of each offer over the orders that closed lately.
insert into offer_records (pool_id, service_id, country, closed, succeeded, median_s, as_of)
select o.pool_id, o.service_id, o.country, count(*),
       count(*) filter (where o.first_valid_at is not null),
       percentile_cont(0.5) within group (order by extract(epoch from o.first_valid_at - o.created_at))
           filter (where o.first_valid_at is not null),
       %(now)s
from orders o
where o.closed_at > %(since)s and o.state <> 'failed'
group by o.pool_id, o.service_id, o.country
on conflict (pool_id, service_id, country) do update
set closed = excluded.closed, succeeded = excluded.succeeded, median_s = excluded.median_s, as_of = excluded.as_of
