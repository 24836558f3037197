-- name: pool_id
select id from pools where slug = %(pool)s

-- name: add_batch
insert into batches (pool_id, country, contract, added_at)
values (%(pool)s, %(country)s, %(contract)s, %(now)s)
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
-- Put new numbers into the next slots; known numbers are passed over. Returns how many were added.
with fresh as (
    select e164, row_number() over (order by ord) - 1 as place
    from unnest(%(numbers)s::text[]) with ordinality as given (e164, ord)
    where not exists (select from numbers n where n.e164 = given.e164)
), added as (
    insert into numbers (e164, batch_id, chunk_id, slot, available_at)
    select e164, %(batch)s, %(chunk)s, %(size)s + place, %(now)s
    from fresh
    returning slot
)
update chunks
set size = size + (select count(*) from added),
    free = free | (select coalesce(bit_or(set_bit(0::bit(1024), slot, 1)), 0::bit(1024)) from added)
where id = %(chunk)s
returning size - %(size)s as added

-- name: numbers_of
select count(*) as n
from pools p join chunks c on c.pool_id = p.id join numbers n on n.chunk_id = c.id
where p.slug = %(pool)s and c.country = %(country)s

-- name: lock
-- Lock a number's row before its order's: the first step of every command that ends or fills an order.
select id from numbers where id = %(number)s for no key update

-- name: give_back
update numbers
set state = case state when 'leased' then 'free' else state end, available_at = %(available_at)s
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
