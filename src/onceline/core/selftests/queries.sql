-- name: number_ids
-- Numbers that are ours and may take part.
select n.id, n.e164, p.mode
from numbers n join chunks c on c.id = n.chunk_id join pools p on p.id = c.pool_id
where n.e164 = any(%(numbers)s) and n.state <> 'retired'

-- name: add
insert into self_tests (number_from, number_to, every_s, quarantine, next_at)
select %(number_from)s, %(number_to)s, %(every_s)s, %(quarantine)s, %(now)s
where (select count(*) from self_tests) < %(most)s
on conflict (number_from, number_to) do update set every_s = excluded.every_s, quarantine = excluded.quarantine
returning id

-- name: remove
delete from self_tests where id = %(id)s

-- name: hasten
update self_tests set next_at = %(now)s where id = %(id)s

-- name: listed
-- A page of tests, each with how its last run went. Primary key, index self_test_runs_by_test.
select t.id, a.e164 as number_from, b.e164 as number_to, t.every_s, t.quarantine, t.next_at, t.failures,
       r.sent_at, r.arrived_at, r.failed_at, r.reason, r.seconds
from self_tests t
join numbers a on a.id = t.number_from
join numbers b on b.id = t.number_to
left join lateral (
    select sent_at, arrived_at, failed_at, reason, seconds
    from self_test_runs where test_id = t.id order by id desc limit 1) r on true
where t.id > %(after)s
order by t.id
limit %(limit)s

-- name: due
-- Tests whose time has come and of which none is under way, for this worker alone. Index self_tests_by_time.
select t.id, t.number_from, t.number_to, t.every_s
from self_tests t
where t.next_at <= %(now)s
  and not exists (select from self_test_runs r
                  where r.test_id = t.id and r.arrived_at is null and r.failed_at is null)
order by t.next_at
limit %(limit)s
for update of t skip locked

-- name: idle_numbers
-- Of these numbers those that no customer has, locked: no order can take one before the run is written down. One that is
-- just being taken is passed over.
select n.id, n.e164, p.supplier
from numbers n join chunks c on c.id = n.chunk_id join pools p on p.id = c.pool_id
where n.id = any(%(ids)s) and n.state in ('free', 'quarantined')
order by n.id
for no key update of n skip locked

-- name: plan
update self_tests set next_at = %(next_at)s where id = %(id)s

-- name: begin_run
insert into self_test_runs (test_id, token_hash, sent_at) values (%(test)s, %(token_hash)s, %(now)s) returning id

-- name: sent
-- The run that a token names.
select r.id, r.test_id, n.e164 as number_to
from self_test_runs r join self_tests t on t.id = r.test_id join numbers n on n.id = t.number_to
where r.token_hash = %(token_hash)s

-- name: arrive
-- Only the first arrival counts.
with run as (
    update self_test_runs
    set arrived_at = %(now)s, seconds = extract(epoch from %(now)s - sent_at)
    where id = %(run)s and arrived_at is null
    returning test_id
)
update self_tests set failures = 0 where id in (select test_id from run)

-- name: fail
-- Unless it has ended. A sending that failed says nothing about a SIM.
with run as (
    update self_test_runs
    set failed_at = %(now)s, reason = %(reason)s
    where id = %(run)s and arrived_at is null and failed_at is null
    returning test_id
), counted as (
    update self_tests t
    set failures = t.failures + case when %(reason)s = 'not_sent' then 0 else 1 end
    from run
    where t.id = run.test_id
    returning t.id, t.number_to, t.failures, t.quarantine
)
select t.id, t.failures, t.quarantine, n.e164 as number_to, p.supplier
from counted t join numbers n on n.id = t.number_to join chunks c on c.id = n.chunk_id join pools p on p.id = c.pool_id

-- name: overdue
-- Runs that were waited for long enough. Index self_test_runs_open.
select r.id, t.number_to
from self_test_runs r join self_tests t on t.id = r.test_id
where r.arrived_at is null and r.failed_at is null and r.sent_at < %(before)s
order by r.sent_at
limit %(limit)s

-- name: lock_numbers
-- Before their runs: whoever decides about a message that came locks its number first, too.
select id from numbers where id = any(%(ids)s) order by id for no key update

-- name: prune
delete from self_test_runs
where id = any(array(select id from self_test_runs where sent_at < %(before)s order by sent_at limit %(limit)s))
