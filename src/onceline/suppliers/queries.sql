-- name: begin
-- Written down before the supplier is asked; nothing comes back when it was already.
insert into purchases (reference, supplier, state, service, country, asked_at, polled_at, ends_at)
values (%(reference)s, %(supplier)s, 'asking', %(service)s, %(country)s, %(now)s, %(now)s, %(ends_at)s)
on conflict (reference) do nothing
returning reference, supplier, state, supplier_order_id, number, network, service, country, asked_at, polled_at, ends_at, heard,
          heard_sealed, heard_kept

-- name: purchase
select reference, supplier, state, supplier_order_id, number, network, service, country, asked_at, polled_at, ends_at, heard,
       heard_sealed, heard_kept
from purchases
where reference = %(reference)s

-- name: bought
-- Only of what was in doubt, and never what another purchase has: no two orders share a number that was bought once. What
-- turns up after a no is unwanted.
update purchases p
set state = %(state)s, supplier_order_id = %(supplier_order_id)s, number = %(number)s, network = %(network)s, polled_at = %(now)s,
    ends_at = %(ends_at)s
where p.reference = %(reference)s
  and (p.state in ('asking', 'unknown') or p.state = 'none' and %(state)s = 'unwanted')
  and not exists (select from purchases o where o.supplier = p.supplier and o.supplier_order_id = %(supplier_order_id)s)

-- name: set_state
update purchases set state = %(state)s where reference = %(reference)s and state = any(%(of)s)

-- name: known_remotes
-- Of what a supplier calls active, what our purchases know. Index purchases_by_remote.
select supplier_order_id from purchases where supplier = %(supplier)s and supplier_order_id = any(%(supplier_order_ids)s)

-- name: in_doubt
-- How many purchases of the same thing nobody knows the outcome of. Index purchases_in_doubt.
select count(*) as n
from purchases
where supplier = %(supplier)s and service = %(service)s and country = %(country)s and state in ('asking', 'unknown')

-- name: lease_due
-- What the supplier is to be asked about next, the longest unasked first; nobody else asks meanwhile. Asked less often the
-- older it is: after 1, 5 and 20 minutes every 3, 6 and 15 seconds. Index purchases_to_poll.
update purchases p
set polled_at = %(now)s
from (
    select d.reference
    from purchases d
    where d.supplier = %(supplier)s and d.state in ('bought', 'unwanted')
      and d.polled_at <= %(now)s - make_interval(secs =>
          greatest(3, least(15, round(extract(epoch from %(now)s - d.asked_at) / 60))))
    order by d.polled_at
    limit %(limit)s
    for no key update skip locked) due
where p.reference = due.reference
returning p.reference, p.supplier, p.state, p.supplier_order_id, p.number, p.network, p.service, p.country, p.asked_at,
          p.polled_at, p.ends_at, p.heard, p.heard_sealed, p.heard_kept

-- name: hear
-- One more message, noted before it is kept; only if nobody noted one meanwhile.
update purchases
set heard = heard + 1, heard_sealed = %(sealed)s, heard_kept = false
where reference = %(reference)s and heard = %(heard)s and heard_kept

-- name: kept
update purchases set heard_kept = true where reference = %(reference)s and heard = %(heard)s

-- name: awaits_again
-- The supplier waits for one more message: the next is a new one, be it word for word the last.
update purchases set heard_sealed = null where reference = %(reference)s and heard = %(heard)s and heard_kept

-- name: prune
-- Of those that are over. Index purchases_by_age.
delete from purchases
where ctid = any(array(select ctid from purchases
                       where asked_at < %(before)s and state <> 'bought' or asked_at < %(long_before)s
                       order by asked_at limit %(limit)s))

-- name: pool_of
-- Whose pool it is, and whether it is one that has to be asked.
select supplier, asks from pools where slug = %(pool)s

-- name: set_stock
-- The whole stock of a pool: only rows that changed are written, and what is not named has none. Unknown countries and
-- services are passed over, prohibited services too (promise A1).
with given as materialized (
    select c.iso2 as country, s.id as service_id, g.count
    from (select country, service, max(count) as count
          from unnest(%(countries)s::text[], %(services)s::text[], %(counts)s::integer[]) given (country, service, count)
          group by country, service) g (country, service, count)
    join countries c on c.iso2 = g.country
    join services s on s.slug = g.service and not s.prohibited
), pool as (
    update pools set stock_as_of = %(now)s where slug = %(pool)s and asks returning id
), vanished as (
    update supplier_stock k
    set count = 0, as_of = %(now)s
    from pool
    where k.pool_id = pool.id and k.count > 0
      and (k.country, k.service_id) not in (select g.country, g.service_id from given g)
)
insert into supplier_stock (pool_id, country, service_id, count, as_of)
select pool.id, g.country, g.service_id, g.count, %(now)s from given g cross join pool
on conflict (pool_id, country, service_id) do update
set count = excluded.count, as_of = excluded.as_of
where supplier_stock.count <> excluded.count
