-- name: keep
-- T1: the messages are ours once this is committed, and who holds their numbers is fixed. Changes no account, order or
-- number. Numbered as they came. A number is ours only for the supplier that it came from: no supplier's message reaches
-- another's number. Each number is looked up by itself: any other plan would read all of them.
with arrived as materialized (
    select m.*, n.id as number_id, n.holder, coalesce(n.state = 'leased', false) as is_leased
    from unnest(%(suppliers)s::text[], %(names)s::text[], %(numbers)s::text[], %(received_at)s::timestamptz[],
                %(states)s::text[], %(intake_keys)s::text[], %(payloads)s::bytea[], %(part_groups)s::bytea[],
                %(part_indexes)s::smallint[], %(part_totals)s::smallint[]) with ordinality
         m (supplier, name, number, received_at, state, intake_key, payload, part_group, part_index, part_total, place)
    left join lateral (
        select n.id, n.holder, n.state
        from numbers n join chunks c on c.id = n.chunk_id join pools p on p.id = c.pool_id
        where n.e164 = m.number and p.supplier = m.supplier
        limit 1) n on true
), kept as (
    insert into inbound (supplier, supplier_message_id, number_id, holder, e164, received_at, state, intake_key, payload,
                         part_group, part_index, part_total)
    select supplier, name, number_id, holder, case when number_id is null then number end, received_at,
           case when number_id is null then 'unowned' else state end, intake_key, payload, part_group, part_index, part_total
    from arrived
    order by place
    on conflict (supplier, supplier_message_id) do nothing
    returning id, supplier, supplier_message_id
)
select k.id, a.number_id, k.supplier, k.supplier_message_id, a.is_leased
from kept k join arrived a on a.supplier = k.supplier and a.name = k.supplier_message_id

-- name: kept
select i.id, i.number_id, i.supplier, i.supplier_message_id, false as is_leased
from unnest(%(suppliers)s::text[], %(names)s::text[]) m (supplier, name)
join inbound i on i.supplier = m.supplier and i.supplier_message_id = m.name

-- name: lock_numbers
-- Lock the numbers that messages came to, in their order: before that nobody can decide about the messages.
select id
from numbers
where id = any(array(select number_id from inbound where id = any(%(ids)s)))
order by id
for no key update

-- name: inbound
-- Messages in the order of their coming, with the countries of their numbers.
select i.id, i.supplier, i.supplier_message_id, i.number_id, i.received_at, i.state, i.intake_key, i.payload,
       i.part_group, i.part_index, i.part_total, i.holder, i.shown_as, c.country
from inbound i left join numbers n on n.id = i.number_id left join chunks c on c.id = n.chunk_id
where i.id = any(%(ids)s)
order by i.id

-- name: stored_for
-- What T1 stored for a number and T2 has not decided, oldest first. Index inbound_waiting.
select i.id, i.supplier, i.supplier_message_id, i.number_id, i.received_at, i.state, i.intake_key, i.payload,
       i.part_group, i.part_index, i.part_total, i.holder, i.shown_as, c.country
from inbound i left join numbers n on n.id = i.number_id left join chunks c on c.id = n.chunk_id
where i.number_id = %(number)s and i.state in ('stored', 'part') and i.id > %(after)s
order by i.id
limit 100

-- name: oldest_stored
-- What T1 stored and nobody has decided yet, for the sweeper: first what came to numbers that somebody ordered, so that a
-- flood to others delays nobody. Indexes inbound_of_orders, inbound_undecided.
(select id from inbound where state = 'stored' and holder is not null order by id limit %(limit)s)
union all
(select id from inbound where state = 'stored' and holder is null order by id limit %(limit)s)
limit %(limit)s

-- name: decide
-- The one place where stored messages change their states. Whoever reads them under their numbers' locks is the only one.
update inbound i
set state = d.state, payload = case when d.keep_payload then i.payload end
from unnest(%(ids)s::bigint[], %(states)s::text[], %(keep_payload)s::boolean[]) d (id, state, keep_payload)
where i.id = d.id and i.state in ('stored', 'part')

-- name: parts
-- Every part of a split message that waits, locked in order. Index inbound_parts.
select i.id, i.supplier, i.supplier_message_id, i.number_id, i.received_at, i.state, i.intake_key, i.payload,
       i.part_group, i.part_index, i.part_total, i.holder, i.shown_as, c.country
from inbound i left join numbers n on n.id = i.number_id left join chunks c on c.id = n.chunk_id
where i.part_group = %(group)s and i.state = 'part'
order by i.id
limit 255
for update of i

-- name: lock_part_numbers
select id
from numbers
where id = any(array(select number_id from inbound where part_group = %(group)s and state = 'part' limit 255))
order by id
for no key update

-- name: old_parts
-- Groups whose parts have waited too long. Index inbound_parts.
select distinct part_group from inbound where state = 'part' and received_at < %(before)s limit %(limit)s

-- name: store_joined
-- The joined message takes the place of its last part; it knows the message as which a part of it was shown early.
update inbound
set state = 'stored', payload = %(payload)s, part_group = null, shown_as = %(shown_as)s
where id = %(id)s

-- name: note_shown
-- These parts were shown before the others came.
update inbound set shown_as = %(shown_as)s where id = any(%(ids)s)

-- name: adopt
-- What came for a number before we knew it as that supplier's, since an order asked for it: it is the order's.
update inbound i
set number_id = n.id, holder = n.holder, e164 = null, state = case when i.part_group is null then 'stored' else 'part' end
from numbers n join chunks c on c.id = n.chunk_id join pools p on p.id = c.pool_id
where n.id = %(number)s and i.e164 = n.e164 and i.supplier = p.supplier and i.state = 'unowned' and i.payload is not null
  and i.received_at >= %(since)s

-- name: attempted
update inbound
set attempts = attempts + 1, state = case when attempts + 1 >= %(most)s then 'unreadable' else state end
where id = %(id)s and state = 'stored'

-- name: destroy_payloads
-- Withheld and unowned text, some hours after it came. Index inbound_with_payload.
update inbound
set payload = null, e164 = null
where id = any(array(
    select id from inbound
    where payload is not null and state = %(state)s and received_at < %(before)s
    order by received_at limit %(limit)s))

-- name: prune
delete from inbound
where id = any(array(select id from inbound where received_at < %(before)s order by received_at limit %(limit)s))
