-- name: pool_id
select id from pools where slug = %(pool)s

-- name: add_batch
-- Provenance; of a file that is imported again, the batch that is there. Whoever imports the same file meanwhile waits.
insert into batches (pool_id, country, contract, type, consent, file_digest, said_by, added_at)
values (%(pool)s, %(country)s, %(contract)s, %(type)s, %(consent)s, %(file_digest)s, %(said_by)s, %(now)s)
on conflict (file_digest, pool_id, country, type, contract, consent, said_by) where file_digest is not null
do update set added_at = batches.added_at
returning id

-- name: open_chunk
-- The chunk that still has room, locked so that two batches do not take the same slots.
select id, size
from chunks
where pool_id = %(pool)s and country = %(country)s and network = %(network)s and size < 1024
order by id
limit 1
for update

-- name: new_chunk
insert into chunks (pool_id, country, network, size, rnd)
values (%(pool)s, %(country)s, %(network)s, 0, floor(random() * 2147483647))
returning id, size

-- name: fill_chunk
-- Put new numbers into the next slots; known numbers are passed over, those too that somebody adds at this moment (whose
-- slots stay empty). Returns which were added.
with fresh as (
    select e164, row_number() over (order by ord) - 1 as place
    from unnest(%(numbers)s::text[]) with ordinality as given (e164, ord)
    where not exists (select from numbers n where n.e164 = given.e164)
), added as (
    insert into numbers (e164, batch_id, chunk_id, slot, available_at)
    select e164, %(batch)s, %(chunk)s, %(size)s + place, %(now)s
    from fresh
    on conflict (e164) do nothing
    returning e164, slot
)
update chunks
set size = greatest(size, (select max(slot) + 1 from added)),
    free = free | (select coalesce(bit_or(set_bit(0::bit(1024), slot, 1)), 0::bit(1024)) from added)
where id = %(chunk)s
returning array(select e164 from added) as added

-- name: numbers_of
select count(*) as n
from pools p join chunks c on c.pool_id = p.id join numbers n on n.chunk_id = c.id
where p.slug = %(pool)s and c.country = %(country)s

-- name: lock
-- Lock a number's row before its order's: the first step of every command that ends or fills an order.
select id from numbers where id = %(number)s for no key update

-- name: give_back
update numbers
set state = case state when 'leased' then coalesce(leaving, 'free') else state end, leaving = null,
    available_at = %(available_at)s
where id = %(number)s

-- name: burn
-- Messages of these services came to these numbers, pair by pair: they are not sold for them again, except to the same
-- side. Sorted, so that two statements never wait for each other's rows in a ring.
insert into burns (chunk_id, service_id, slots, burnt)
select n.chunk_id, s.id, bit_or(set_bit(0::bit(1024), n.slot, 1)), count(distinct n.slot)
from unnest(%(numbers)s::integer[], %(services)s::text[]) burnt (number, service)
join numbers n on n.id = burnt.number
join services s on s.slug = burnt.service
group by n.chunk_id, s.id
order by n.chunk_id, s.id
on conflict (chunk_id, service_id) do update
set slots = burns.slots | excluded.slots, burnt = bit_count(burns.slots | excluded.slots)
where burns.slots | excluded.slots <> burns.slots

-- name: adoptable
-- The number a supplier named, locked, unless somebody holds it, it rests, or it is burnt for the service.
select n.id
from numbers n join chunks c on c.id = n.chunk_id join pools p on p.id = c.pool_id
left join burns b on b.chunk_id = n.chunk_id and b.service_id = (select id from services where slug = %(service)s)
where n.e164 = %(e164)s and p.slug = %(pool)s and n.state = 'free' and n.available_at <= %(now)s
  and (b.slots is null or get_bit(b.slots, n.slot) = 0)
for no key update of n

-- name: lease
update numbers set state = 'leased', holder = %(order)s where id = %(number)s

-- name: pools_of
-- Of these numbers, those that are ours, and in which pool.
select n.e164, p.slug as pool
from numbers n join chunks c on c.id = n.chunk_id join pools p on p.id = c.pool_id
where n.e164 = any(%(numbers)s)

-- name: lock_each
-- Lock numbers in the order that everybody locks them in; first step of taking them out or back.
select id from numbers where e164 = any(%(numbers)s) order by id for no key update

-- name: take_out
-- Out of use, or at the end of the order that has the number; what is further out already is left alone. Returns which.
with taken as (
    update numbers
    set state = case state when 'leased' then 'leased' else %(target)s end,
        leaving = case state when 'leased' then %(target)s end
    where id = any(%(ids)s) and state <> 'retired' and (leaving is distinct from 'retired' or %(target)s = 'retired')
    returning id, e164, state = 'leased' as later
), noted as (
    insert into number_reasons (number_id, reason, said_by, said_at)
    select id, %(reason)s, %(said_by)s, %(now)s from taken
    on conflict (number_id) do update set reason = excluded.reason, said_by = excluded.said_by, said_at = excluded.said_at
)
select e164, later from taken

-- name: take_back
-- In use again, after what is left of its rest; a retired number never. Returns which.
with taken as (
    update numbers
    set state = case state when 'quarantined' then 'free' else state end, leaving = null
    where id = any(%(ids)s) and (state = 'quarantined' or leaving = 'quarantined')
    returning id, e164, false as later
), cleared as (
    delete from number_reasons where number_id in (select id from taken)
)
select e164, later from taken

-- name: standing
-- How a number stands: state, provenance, who has it, what it was used for, how its orders of the last 30 days went.
select n.e164, n.state, n.leaving, n.available_at, n.holder, coalesce(h.closed_at is null, false) and h.id is not null as live,
       p.slug as pool, p.supplier, c.country, c.network, b.type, b.contract, b.consent, b.file_digest, b.said_by,
       b.added_at, r.reason, r.said_by as reason_said_by, r.said_at as reason_said_at,
       (select count(*) from burns u where u.chunk_id = n.chunk_id and get_bit(u.slots, n.slot) = 1) as burnt,
       o.orders, o.succeeded, o.message_at
from numbers n
join chunks c on c.id = n.chunk_id
join batches b on b.id = n.batch_id
join pools p on p.id = c.pool_id
left join number_reasons r on r.number_id = n.id
left join orders h on h.id = n.holder
cross join lateral (
    select count(*) as orders, count(*) filter (where o.first_valid_at is not null) as succeeded,
           max(o.first_shown_at) as message_at
    from orders o
    where o.number_id = n.id) o
where n.e164 = %(e164)s

-- name: listed
-- A pool's numbers, or all, chunk by chunk. Indexes chunks_by_place, numbers_chunk_id_slot_key.
select n.e164, n.state, n.leaving, n.available_at, p.slug as pool, c.country, c.network
from numbers n join chunks c on c.id = n.chunk_id join pools p on p.id = c.pool_id
where (%(pool)s::text is null or p.slug = %(pool)s)
  and (%(country)s::text is null or c.country = %(country)s)
  and (%(state)s::text is null
       or %(state)s = case when n.state = 'free' and n.available_at > %(now)s then 'resting' else n.state end)
  and (%(after)s::text is null
       or (n.chunk_id, n.slot) > (select a.chunk_id, a.slot from numbers a where a.e164 = %(after)s))
order by n.chunk_id, n.slot
limit %(limit)s

-- name: counts
-- How many numbers of each pool and country are in which state.
select p.slug as pool, c.country,
       count(*) filter (where n.state = 'free' and n.available_at <= %(now)s) as free,
       count(*) filter (where n.state = 'free' and n.available_at > %(now)s) as resting,
       count(*) filter (where n.state = 'leased') as leased,
       count(*) filter (where n.state = 'quarantined') as quarantined,
       count(*) filter (where n.state = 'retired') as retired
from pools p join chunks c on c.pool_id = p.id join numbers n on n.chunk_id = c.id
where (%(pool)s::text is null or p.slug = %(pool)s) and (%(country)s::text is null or c.country = %(country)s)
  and (p.slug, c.country) > (%(after_pool)s, %(after_country)s)
group by p.slug, c.country
order by p.slug, c.country
limit %(limit)s

-- name: lately
-- How orders of the last days went, per pool and country. Index orders_by_offer.
select p.slug as pool, o.country, count(*) as closed, count(*) filter (where o.first_valid_at is not null) as succeeded,
       max(o.first_shown_at) as message_at
from orders o join pools p on p.id = o.pool_id
where o.closed_at > %(since)s and o.state <> 'failed' and (%(pool)s::text is null or p.slug = %(pool)s)
  and (%(country)s::text is null or o.country = %(country)s)
group by p.slug, o.country

-- name: silent
-- Of the next numbers, how often each was ordered in the last 30 days, where no message ever came. Primary key,
-- orders_by_number. What burnt a number was a message.
with turn as (
    select n.id, n.e164, n.state, n.chunk_id, n.slot
    from numbers n
    where n.id > %(after)s
    order by n.id
    limit %(turn)s
)
select t.id, t.e164, t.state, p.slug as pool, c.country, o.orders,
       o.orders >= %(least)s and o.messages = 0 and t.state <> 'retired'
       and (%(pool)s::text is null or p.slug = %(pool)s) and (%(country)s::text is null or c.country = %(country)s)
       and not exists (select from burns u where u.chunk_id = t.chunk_id and get_bit(u.slots, t.slot) = 1) as dead
from turn t
join chunks c on c.id = t.chunk_id
join pools p on p.id = c.pool_id
cross join lateral (
    select count(*) as orders, count(*) filter (where o.first_shown_at is not null or o.withheld > 0) as messages
    from orders o
    where o.number_id = t.id and o.closed_at is not null) o
order by t.id

-- name: pool_counts
-- How many numbers of these pools are in which state.
select p.slug as pool, count(*) filter (where n.state = 'free' and n.available_at <= %(now)s) as free,
       count(*) filter (where n.state = 'free' and n.available_at > %(now)s) as resting,
       count(*) filter (where n.state = 'leased') as leased,
       count(*) filter (where n.state = 'quarantined') as quarantined,
       count(*) filter (where n.state = 'retired') as retired
from pools p join chunks c on c.pool_id = p.id join numbers n on n.chunk_id = c.id
where p.slug = any(%(pools)s)
group by p.slug

-- name: last_messages
-- When the newest message of each supplier came, among those that came last.
select i.supplier, max(i.received_at) as at
from (select supplier, received_at from inbound order by id desc limit 50000) i
group by i.supplier
