-- name: keep
-- T1: the message is ours once this is committed. Touches no account, no order, no number row.
insert into inbound (supplier, supplier_message_id, number_id, received_at, state, intake_key, payload,
                     part_group, part_index, part_total)
values (%(supplier)s, %(supplier_message_id)s, (select id from numbers where e164 = %(number)s), %(received_at)s,
        %(state)s, %(intake_key)s, %(payload)s, %(part_group)s, %(part_index)s, %(part_total)s)
on conflict (supplier, supplier_message_id) do nothing
returning id, number_id

-- name: kept
select id, number_id from inbound where supplier = %(supplier)s and supplier_message_id = %(supplier_message_id)s

-- name: inbound
select id, supplier, supplier_message_id, number_id, received_at, state, intake_key, payload, attempts,
       part_group, part_index, part_total
from inbound
where id = %(id)s

-- name: stored_for
-- What T1 stored for a number and T2 has not decided, oldest first. Index inbound_stored.
select id, supplier, supplier_message_id, number_id, received_at, state, intake_key, payload, attempts,
       part_group, part_index, part_total
from inbound
where number_id = %(number)s and state = 'stored' and id > %(after)s
order by id
limit 100

-- name: oldest_stored
-- What T1 stored and nobody has decided yet, for the sweeper. Index inbound_undecided.
select id from inbound where state = 'stored' order by id limit %(limit)s

-- name: decide
-- The one place where a stored message changes its state: whoever changes the row decides.
update inbound
set state = %(state)s, payload = case when %(keep_payload)s then payload end
where id = %(id)s and state in ('stored', 'part')

-- name: parts
-- Every part of a split message that waits, locked in order. Index inbound_parts.
select id, supplier, supplier_message_id, number_id, received_at, state, intake_key, payload, attempts,
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
