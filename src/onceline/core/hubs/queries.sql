-- name: add
-- From the side's newest event on. A hub that is there gets the new address and key, and misses nothing.
insert into hubs (side_id, url, countries, sealed, key_hash, cursor, added_at)
select s.id, %(url)s, %(countries)s, %(sealed)s, %(key_hash)s, s.seq, %(now)s from sides s where s.id = %(side)s
on conflict (side_id) do update
set url = excluded.url, countries = excluded.countries, sealed = excluded.sealed, key_hash = excluded.key_hash

-- name: remove
delete from hubs where side_id = %(side)s

-- name: hubs
-- Every hub, or one side's. There are few.
select h.side_id as side, d.account_id as account, d.mode, h.url, h.countries, h.sealed, h.cursor, h.added_at,
       (select count(*) from hub_pushes p where p.side_id = h.side_id) as waiting
from hubs h join sides d on d.id = h.side_id
where %(side)s::bigint is null or h.side_id = %(side)s
order by h.side_id
limit 1000

-- name: by_key
select h.side_id as side, d.account_id as account, d.mode, a.state
from hubs h join sides d on d.id = h.side_id join accounts a on a.id = d.account_id
where h.key_hash = %(key_hash)s

-- name: fan_out
-- Shown messages since each hub's cursor become pushes, and the cursor moves past what was looked at: in one statement, so
-- none is skipped and none is made twice. `head` is taken first: an event below it is there to be seen, since a side's
-- events are written with its row.
with stands as materialized (
    select h.side_id, h.cursor, least(d.seq, h.cursor + %(most)s) as upto
    from hubs h join sides d on d.id = h.side_id
    where d.seq > h.cursor
    order by h.side_id
    for no key update of h skip locked
), moved as (
    update hubs h set cursor = s.upto from stands s where h.side_id = s.side_id
)
insert into hub_pushes (message_id, side_id, order_id, next_at)
select e.message_id, s.side_id, e.order_id, %(now)s
from stands s join events e on e.side_id = s.side_id and e.seq > s.cursor and e.seq <= s.upto
where e.type = 'order.message' and e.message_id is not null and e.order_id is not null
on conflict (message_id) do nothing

-- name: claim
-- Pushes of a hub that are due, the oldest first, leased to the caller. Index hub_pushes_due.
update hub_pushes
set attempts = least(attempts + 1, 30000), next_at = %(until)s
where message_id in (
    select p.message_id from hub_pushes p
    where p.side_id = %(side)s and p.next_at <= %(now)s
    order by p.next_at, p.message_id
    limit %(limit)s
    for update skip locked)
returning message_id, order_id

-- name: end_push
delete from hub_pushes where message_id = %(message)s

-- name: retry_push
update hub_pushes set next_at = %(next_at)s where message_id = %(message)s

-- name: cancel_later
insert into hub_cancels (order_id, side_id, due_at) values (%(order)s, %(side)s, %(due_at)s)
on conflict (order_id) do nothing

-- name: due_cancels
-- Taken with the transaction that makes them. Index hub_cancels_due.
delete from hub_cancels
where order_id in (
    select order_id from hub_cancels where due_at <= %(now)s order by due_at limit %(limit)s for update skip locked)
returning order_id, side_id

-- name: stock
-- How many numbers a side could get right now, by country and service: of pools whose numbers are known at once, at a price
-- that it can pay, without those that are burnt for the service and those that it had for it before. A chunk's free
-- numbers are gathered as bits once, and every service takes its own away.
with me as (
    select d.id, d.mode, d.available, greatest(%(live_orders)s - d.live_orders, 0) as room from sides d where d.id = %(side)s
), free as (
    select p.id as pool_id, c.country, c.id as chunk_id, count(*) as n,
           bit_or(set_bit(0::bit(1024), n.slot, 1)) as bits
    from me join pools p on p.mode = me.mode join chunks c on c.pool_id = p.id join numbers n on n.chunk_id = c.id
    where p.enabled and not p.asks and n.state = 'free' and n.available_at <= %(now)s
    group by p.id, c.country, c.id
), taken as (
    select t.chunk_id, t.service_id, bit_or(t.slots) as slots
    from (select b.chunk_id, b.service_id, b.slots
          from burns b where b.chunk_id in (select f.chunk_id from free f)
          union all
          select n.chunk_id, o.service_id, bit_or(set_bit(0::bit(1024), n.slot, 1))
          from orders o join numbers n on n.id = o.number_id
          where o.side_id = %(side)s and n.chunk_id in (select f.chunk_id from free f)
          group by n.chunk_id, o.service_id) t
    group by t.chunk_id, t.service_id
), spoilt as (
    select f.pool_id, f.country, t.service_id, sum(bit_count(f.bits & t.slots)) as n
    from free f join taken t on t.chunk_id = f.chunk_id
    group by f.pool_id, f.country, t.service_id
), offered as (
    select f.country, s.slug, f.n - coalesce(x.n, 0) as n
    from (select pool_id, country, sum(n) as n from free group by pool_id, country) f
    cross join me
    join services s on s.codes <> '{}' and not s.prohibited and s.slug <> 'full'
    cross join lateral (
        select r.amount from prices r
        where r.pool_id = f.pool_id and r.kind = 'activation' and r.duration_s = 0
          and r.service_id in (s.id, case when s.category = 'test' then s.id else 0 end)
          and r.country in (f.country, '')
        order by r.service_id = 0, r.country = ''
        limit 1) priced
    left join spoilt x on x.pool_id = f.pool_id and x.country = f.country and x.service_id = s.id
    where priced.amount <= me.available
)
select o.country, o.slug as service, least(sum(o.n), me.room)::integer as numbers
from offered o cross join me
where me.room > 0
group by o.country, o.slug, me.room
having sum(o.n) > 0
order by o.country, o.slug
limit %(limit)s

-- name: pools_selling
-- Pools whose numbers are known at once and that sell a service in a country, the cheapest first.
select p.slug, priced.amount
from sides d
join pools p on p.mode = d.mode and p.enabled and not p.asks
join services s on s.slug = %(service)s and not s.prohibited
cross join lateral (
    select r.amount from prices r
    where r.pool_id = p.id and r.kind = 'activation' and r.duration_s = 0
      and r.service_id in (s.id, case when s.category = 'test' then s.id else 0 end)
      and r.country in (%(country)s, '')
    order by r.service_id = 0, r.country = ''
    limit 1) priced
where d.id = %(side)s and exists (select from chunks c where c.pool_id = p.id and c.country = %(country)s)
order by priced.amount, p.id
limit 20

-- name: before_try
savepoint before_try

-- name: undo_try
rollback to savepoint before_try

-- name: set_aside
-- In this transaction alone: the free numbers of a number's chunk that begin so are not free until they are brought back.
update numbers
set state = 'leased'
where id in (
    select n.id from numbers n
    where n.chunk_id = (select chunk_id from numbers where id = %(number)s) and n.state = 'free'
      and n.e164 like any(%(patterns)s)
    for no key update skip locked)
returning id

-- name: bring_back
-- The maps of their chunks were looked at meanwhile, and are looked at again.
with back as (
    update numbers set state = 'free' where id = any(%(numbers)s) returning chunk_id
)
select distinct chunk_id from back

-- name: look_again
select look_at_chunk(c, %(now)s) from unnest(%(chunks)s::integer[]) c
