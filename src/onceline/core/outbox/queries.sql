-- name: append
insert into events (side_id, seq, at, type, order_id, revision, message_id, subject)
values (%(side)s, %(seq)s, %(now)s, %(type)s, %(order)s, %(revision)s, %(message)s, %(subject)s)

-- name: advance
-- The next seqs of a side, for events that move no money; the row stays locked until the commit.
update sides set seq = seq + %(count)s where id = %(side)s returning seq

-- name: pages
-- Where sides' streams stand, and their events from a cursor on, oldest first; one row of nulls when there are none.
-- One statement, so that one moment saw both. Primary keys.
select a.place, s.seq as newest, i.epoch, e.side_id, e.seq, e.at, e.type, e.order_id, e.revision, e.message_id, e.subject
from unnest(%(sides)s::bigint[], %(after)s::bigint[], %(limits)s::integer[]) with ordinality a (side, after, most, place)
join sides s on s.id = a.side
cross join installation i
left join lateral (
    select side_id, seq, at, type, order_id, revision, message_id, subject
    from events
    where side_id = a.side and seq > a.after
    order by seq
    limit a.most
) e on true
order by a.place, e.seq

-- name: horizon
select s.seq, i.epoch from sides s cross join installation i where s.id = %(side)s

-- name: newest
-- The newest seq of several sides, and the epoch: the net under lost wake-ups.
select s.id, s.seq, i.epoch from sides s cross join installation i where s.id = any(%(sides)s)

-- name: epoch
select epoch from installation

-- name: leap
-- Of every side, in the order of ids; nothing bounds the time but the operator's patience.
with free as materialized (select set_config('statement_timeout', '0', true)),
ordered as materialized (select s.id from sides s cross join free order by s.id for update of s)
update sides set seq = seq + %(leap)s from ordered where sides.id = ordered.id

-- name: new_epoch
update installation set epoch = %(epoch)s returning epoch

-- name: prune
delete from events
where ctid = any(array(select ctid from events where at < %(before)s order by at limit %(limit)s))
