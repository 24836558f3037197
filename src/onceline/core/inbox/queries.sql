-- name: keep
-- T1: the message is ours once this is committed, and who holds its number is fixed. Changes no account, order or number.
insert into inbound (supplier, supplier_message_id, number_id, holder, received_at, state, intake_key, payload,
                     part_group, part_index, part_total)
select %(supplier)s, %(supplier_message_id)s, n.id, n.holder, %(received_at)s, %(state)s, %(intake_key)s, %(payload)s,
       %(part_group)s, %(part_index)s, %(part_total)s
from (select) one left join numbers n on n.e164 = %(number)s
on conflict (supplier, supplier_message_id) do nothing
returning id, number_id

-- name: kept
select id, number_id from inbound where supplier = %(supplier)s and supplier_message_id = %(supplier_message_id)s

-- name: lock_number
-- Lock the number that a message came to: before that nobody can decide about the message.
select id from numbers where id = (select number_id from inbound where id = %(id)s) for no key update

-- name: inbound
-- A message, with the country of its number.
select i.id, i.supplier, i.supplier_message_id, i.number_id, i.received_at, i.state, i.intake_key, i.payload,
       i.part_group, i.part_index, i.part_total, i.holder, c.country
from inbound i left join numbers n on n.id = i.number_id left join chunks c on c.id = n.chunk_id
where i.id = %(id)s

-- name: stored_for
-- What T1 stored for a number and T2 has not decided, oldest first. Index inbound_stored.
select i.id, i.supplier, i.supplier_message_id, i.number_id, i.received_at, i.state, i.intake_key, i.payload,
       i.part_group, i.part_index, i.part_total, i.holder, c.country
from inbound i left join numbers n on n.id = i.number_id left join chunks c on c.id = n.chunk_id
where i.number_id = %(number)s and i.state = 'stored' and i.id > %(after)s
order by i.id
limit 100

-- name: oldest_stored
-- What T1 stored and nobody has decided yet, for the sweeper. Index inbound_undecided.
select id from inbound where state = 'stored' order by id limit %(limit)s

-- name: decide
-- The one place where a stored message changes its state. Whoever reads it under its number's lock is the only one.
update inbound
set state = %(state)s, payload = case when %(keep_payload)s then payload end
where id = %(id)s and state in ('stored', 'part')

-- name: parts
-- Every part of a split message that waits, locked in order. Index inbound_parts.
select id, supplier, supplier_message_id, number_id, received_at, state, intake_key, payload,
       part_group, part_index, part_total
from inbound
where part_group = %(group)s and state = 'part'
order by id
limit 255
for update

-- name: old_parts
-- Groups whose parts have waited too long. Index inbound_parts.
select distinct part_group from inbound where state = 'part' and received_at < %(before)s limit %(limit)s

-- name: store_joined
-- The joined message takes the place of its last part.
update inbound set state = 'stored', payload = %(payload)s, part_group = null where id = %(id)s

-- name: attempted
update inbound
set attempts = attempts + 1, state = case when attempts + 1 >= %(most)s then 'unreadable' else state end
where id = %(id)s and state = 'stored'

-- name: destroy_payloads
-- Withheld and unowned text, some hours after it came. Index inbound_with_payload.
update inbound
set payload = null
where id = any(array(
    select id from inbound
    where payload is not null and state = %(state)s and received_at < %(before)s
    order by received_at limit %(limit)s))

-- name: prune
delete from inbound
where id = any(array(select id from inbound where received_at < %(before)s order by received_at limit %(limit)s))
