-- name: append
insert into events (side_id, seq, at, type, order_id, revision, message_id, subject)
values (%(side)s, %(seq)s, %(now)s, %(type)s, %(order)s, %(revision)s, %(message)s, %(subject)s)

-- name: advance
-- The next seqs of a side, for events that move no money; the row stays locked until the commit.
update sides set seq = seq + %(count)s where id = %(side)s returning seq

-- name: after
-- A side's events from a cursor on, oldest first. Primary key.
select side_id, seq, at, type, order_id, revision, message_id, subject
from events
where side_id = %(side)s and seq > %(after)s
order by seq
limit %(limit)s

-- name: horizon
-- The newest seq, and the oldest that is still kept (null when none is).
select s.seq, (select min(e.seq) from events e where e.side_id = s.id) as oldest, i.epoch
from sides s cross join installation i
where s.id = %(side)s

-- name: newest
-- The newest seq of several sides: the net under lost wake-ups.
select id, seq from sides where id = any(%(sides)s)

-- name: prune
delete from events
where ctid = any(array(select ctid from events where at < %(before)s order by at limit %(limit)s))
