-- name: insert
-- An endpoint that starts with the next event of its side.
insert into webhooks (id, side_id, url, description, types, payload, concurrency, cursor, created_at)
select %(id)s, s.id, %(url)s, %(description)s, %(types)s, %(payload)s, %(concurrency)s, s.seq, %(now)s
from sides s where s.id = %(side)s

-- name: count
select count(*) as n from webhooks where side_id = %(side)s and state <> 'deleted'

-- name: lock_side
-- Endpoints of one side are made one after the other, so that their limit holds; the side's own row stays free.
select pg_advisory_xact_lock(1463896136, hashint8(%(side)s))

-- name: listed
-- The endpoints of a side, or one of them, oldest first; `pending` counts to 1,000. Index webhooks_by_side.
select w.id, w.side_id, w.url, w.description, w.types, w.payload, w.concurrency, w.state, w.disabled_reason,
       w.disabled_at, w.cursor, w.created_at, w.strikes, w.open_until, w.failing_since, w.failed_attempts, w.noticed,
       w.last_success_at, w.last_attempt_at,
       (select count(*) from (select from deliveries d where d.webhook_id = w.id and d.state = 'pending' limit 1000) p)
         as pending
from webhooks w
where w.side_id = %(side)s and w.state <> 'deleted' and (%(id)s::text is null or w.id = %(id)s)
order by w.created_at, w.id

-- name: lock
select id from webhooks where side_id = %(side)s and id = %(id)s and state <> 'deleted' for no key update

-- name: write
-- What its owner may change.
update webhooks
set url = %(url)s, description = %(description)s, types = %(types)s, payload = %(payload)s, concurrency = %(concurrency)s
where id = %(id)s

-- name: forgive
-- Its owner changed something: what it did before is forgotten.
update webhooks
set strikes = 0, open_until = null, failing_since = null, failed_attempts = 0, noticed = 0
where id = %(id)s

-- name: enable
-- It goes on with the next event of its side.
update webhooks w
set state = 'enabled', disabled_reason = null, disabled_at = null, cursor = s.seq
from sides s
where w.id = %(id)s and w.state = 'disabled' and s.id = w.side_id

-- name: disable
update webhooks set state = 'disabled', disabled_reason = %(reason)s, disabled_at = %(now)s
where id = %(id)s and state = 'enabled'

-- name: bury
-- Stopped at once; its deliveries go with the housekeeping.
with secrets as (delete from webhook_secrets where webhook_id = %(id)s)
update webhooks
set state = 'deleted', disabled_reason = 'customer', disabled_at = %(now)s, url = '', description = '', types = null
where id = %(id)s

-- name: add_secret
insert into webhook_secrets (id, webhook_id, kind, sealed, public, serial, created_at)
select %(id)s, %(webhook)s, %(kind)s, %(sealed)s, %(public)s,
       coalesce((select max(serial) from webhook_secrets where webhook_id = %(webhook)s), 0) + 1, %(now)s

-- name: expire_secrets
-- The secrets before a rotation end at an instant, never later than they would have.
update webhook_secrets set expires_at = least(expires_at, %(at)s) where webhook_id = %(webhook)s

-- name: drop_expired_secrets
delete from webhook_secrets where webhook_id = %(webhook)s and expires_at <= %(now)s

-- name: secrets
-- What signs now, newest first.
select id, webhook_id, kind, sealed, public, created_at, expires_at
from webhook_secrets
where webhook_id = any(%(webhooks)s) and (expires_at is null or expires_at > %(now)s)
order by webhook_id, serial desc

-- name: deliveries
-- An endpoint's deliveries, newest first. Primary key, or deliveries_failed; a filter reads past what it leaves out.
select d.id, d.event, d.seq, d.type, d.order_id, d.state, d.turn <> 1 as manual, d.attempts, d.next_at, d.made_at
from deliveries d
where d.webhook_id = %(webhook)s and d.id < %(before)s
  and (%(state)s::text is null or d.state = %(state)s) and (%(type)s::text is null or d.type = %(type)s)
order by d.id desc
limit %(limit)s

-- name: failed_deliveries
-- As `deliveries`, of those that failed for good. Index deliveries_failed.
select d.id, d.event, d.seq, d.type, d.order_id, d.state, d.turn <> 1 as manual, d.attempts, d.next_at, d.made_at
from deliveries d
where d.webhook_id = %(webhook)s and d.id < %(before)s and d.state = 'failed'
  and (%(type)s::text is null or d.type = %(type)s)
order by d.id desc
limit %(limit)s

-- name: delivery
select d.id, d.event, d.seq, d.type, d.order_id, d.state, d.turn <> 1 as manual, d.attempts, d.next_at, d.made_at
from deliveries d
where d.webhook_id = %(webhook)s and d.event = %(event)s

-- name: attempts
-- Of one delivery, oldest first.
select delivery_id, number, at, status, outcome, duration_ms, sealed
from webhook_attempts
where delivery_id = %(delivery)s
order by number
limit 100

-- name: add_test
insert into deliveries (webhook_id, event, type, turn, next_at, made_at)
values (%(webhook)s, %(event)s, %(type)s, 0, %(now)s, %(now)s)

-- name: waiting_by_hand
-- What was asked for by hand and is not done, up to a bound.
select count(*) as n
from (select from deliveries where webhook_id = %(webhook)s and state = 'pending' and turn = 0 limit %(most)s) d

-- name: probe_now
-- Somebody asks by hand: an endpoint that is left alone for a while is tried at once.
update webhooks set open_until = null where id = %(id)s

-- name: events_between
select e.seq, e.type, e.order_id, e.subject, e.at
from events e
where e.side_id = %(side)s and e.seq > %(after)s and e.seq <= %(until)s
order by e.seq
limit %(limit)s

-- name: replay_events
-- Send these again, or for the first time; one that is on its way is left alone.
insert into deliveries as old (webhook_id, event, seq, type, order_id, turn, next_at, made_at)
select %(webhook)s, e.event, e.seq, e.type, e.order_id, 2, %(now)s, e.at
from unnest(%(events)s::text[], %(seqs)s::bigint[], %(types)s::text[], %(orders)s::integer[], %(at)s::timestamptz[])
     as e (event, seq, type, order_id, at)
order by e.seq
on conflict (webhook_id, event) do update
set state = 'pending', turn = case when old.state = 'pending' then old.turn else 2 end, tries = 0, next_at = %(now)s, claimed_until = null
where old.state <> 'pending' or old.claimed_until is null or old.claimed_until <= %(now)s

-- name: replay_failed
-- Send again what failed for good, oldest first. Index deliveries_failed.
update deliveries d
set state = 'pending', turn = 2, tries = 0, next_at = %(now)s, claimed_until = null
where d.webhook_id = %(webhook)s and d.state = 'failed'
  and d.id = any(array(select f.id from deliveries f
                       where f.webhook_id = %(webhook)s and f.state = 'failed' and f.made_at >= %(since)s
                       order by f.id limit %(limit)s))

-- name: replay_one
update deliveries d
set state = 'pending', turn = case when d.state = 'pending' then d.turn else 0 end, tries = 0, next_at = %(now)s, claimed_until = null
where d.webhook_id = %(webhook)s and d.event = %(event)s
  and (d.state <> 'pending' or d.claimed_until is null or d.claimed_until <= %(now)s)

-- name: sides_with_endpoints
-- Whose wake-ups are worth hearing.
select distinct side_id from webhooks where state = 'enabled' limit 100000

-- name: sides_with_work
-- The net under lost wake-ups: events without deliveries, and deliveries that are due.
select w.side_id
from webhooks w join sides s on s.id = w.side_id
where w.state = 'enabled' and w.cursor < s.seq
union
select w.side_id
from webhooks w
cross join lateral (
    select from deliveries d
    where d.webhook_id = w.id and d.state = 'pending' and d.next_at <= %(now)s
      and (d.claimed_until is null or d.claimed_until <= %(now)s) and (w.state = 'enabled' or d.turn <> 1)
    order by d.turn, d.next_at, d.id
    limit 1
) due
where w.state <> 'deleted' and (w.open_until is null or w.open_until <= %(now)s)
limit 1000

-- name: unsent
-- Events after the cursors of these sides' endpoints; null where all were pruned. Primary keys, webhooks_by_side.
select w.id, w.side_id, w.cursor, w.types, s.seq as head, e.seq, e.type, e.order_id, e.subject, e.at
from webhooks w
join sides s on s.id = w.side_id
join accounts a on a.id = s.account_id
left join lateral (
    select n.seq, n.type, n.order_id, n.subject, n.at
    from events n
    where n.side_id = w.side_id and n.seq > w.cursor
    order by n.seq
    limit %(each)s
) e on true
where w.side_id = any(%(sides)s) and w.state = 'enabled' and a.state = 'open' and w.cursor < s.seq
order by w.id, e.seq
limit %(limit)s

-- name: fan_out
-- Deliveries for what an endpoint wants, and its cursor moved, if it still stands where it was read; says whose moved.
-- An endpoint in other hands is left for the next look. What a crash undoes is done again: no wait for the disk.
with lazy as materialized (select set_config('synchronous_commit', 'off', true)),
locked as materialized (
    select w.id, m.upto
    from unnest(%(endpoints)s::text[], %(since)s::bigint[], %(upto)s::bigint[]) as m (id, since, upto)
    join webhooks w on w.id = m.id and w.cursor = m.since and w.state = 'enabled'
    cross join lazy
    order by w.id
    for no key update of w skip locked
),
moved as (
    update webhooks w set cursor = l.upto from locked l where w.id = l.id returning w.id
),
made as (
    insert into deliveries (webhook_id, event, seq, type, order_id, next_at, made_at)
    select d.webhook_id, d.event, d.seq, d.type, d.order_id, %(now)s, d.at
    from unnest(%(webhooks)s::text[], %(events)s::text[], %(seqs)s::bigint[], %(types)s::text[], %(orders)s::integer[],
                %(at)s::timestamptz[]) as d (webhook_id, event, seq, type, order_id, at)
    join moved on moved.id = d.webhook_id
    order by d.seq, d.webhook_id
    on conflict (webhook_id, event) do nothing
)
select id from moved

-- name: claim
select * from claim_deliveries(%(sides)s::bigint[], %(now)s::timestamptz, %(until)s::timestamptz,
                               %(slots)s::bigint, %(doubtful)s::bigint, %(of_side)s::bigint)

-- name: release
-- Claims of a worker that stops: others may take them at once.
update deliveries d
set claimed_until = null
from unnest(%(webhooks)s::text[], %(ids)s::bigint[], %(numbers)s::integer[]) as c (webhook_id, id, number)
where d.webhook_id = c.webhook_id and d.id = c.id and d.attempts = c.number

-- name: record
-- What came of attempts, each only if its claim still stands; says which were recorded. Endpoints that are well and had
-- nothing but successes are noted here, once a second. A crash that undoes it has them attempted again.
with lazy as materialized (select set_config('synchronous_commit', 'off', true)),
told as (
    select t.*
    from unnest(%(webhooks)s::text[], %(ids)s::bigint[], %(numbers)s::integer[], %(states)s::text[],
                %(tries)s::smallint[], %(next_at)s::timestamptz[], %(at)s::timestamptz[], %(status)s::smallint[],
                %(outcomes)s::text[], %(durations)s::integer[], %(sealed)s::bytea[])
         as t (webhook_id, id, number, state, tries, next_at, at, status, outcome, duration_ms, sealed)
    cross join lazy
),
recorded as (
    update deliveries d
    set state = t.state, tries = t.tries, next_at = t.next_at, claimed_until = null
    from told t
    where d.webhook_id = t.webhook_id and d.id = t.id and d.state = 'pending' and d.attempts = t.number
      and d.claimed_until is not null
    returning d.id, d.attempts as number
),
logged as (
    insert into webhook_attempts (delivery_id, number, webhook_id, at, status, outcome, duration_ms, sealed)
    select t.id, t.number, t.webhook_id, t.at, t.status, t.outcome, t.duration_ms, t.sealed
    from told t
    join recorded r on r.id = t.id and r.number = t.number
),
well as (
    update webhooks w
    set last_success_at = g.at, last_attempt_at = g.at
    from unnest(%(well)s::text[], %(well_at)s::timestamptz[]) as g (id, at)
    where w.id = g.id and w.strikes = 0 and w.failing_since is null and w.last_success_at < g.at - interval '1 second'
)
select id as delivery_id from recorded

-- name: sure_commit
-- From here on it is kept before it is answered.
select set_config('synchronous_commit', 'on', true)

-- name: lock_health
select w.id, w.side_id as side, s.account_id as account, s.mode, w.state, w.strikes, w.open_until, w.failing_since,
       w.failed_attempts, w.noticed, w.last_success_at, w.last_attempt_at
from webhooks w
join sides s on s.id = w.side_id
where w.id = any(%(ids)s) and w.state <> 'deleted'
order by w.id
for no key update of w

-- name: write_health
update webhooks w
set strikes = h.strikes, open_until = h.open_until, failing_since = h.failing_since,
    failed_attempts = h.failed_attempts, noticed = h.noticed, last_success_at = h.last_success_at,
    last_attempt_at = h.last_attempt_at
from unnest(%(ids)s::text[], %(strikes)s::integer[], %(open_until)s::timestamptz[], %(failing_since)s::timestamptz[],
            %(failed_attempts)s::integer[], %(noticed)s::smallint[], %(last_success_at)s::timestamptz[],
            %(last_attempt_at)s::timestamptz[])
     as h (id, strikes, open_until, failing_since, failed_attempts, noticed, last_success_at, last_attempt_at)
where w.id = h.id

-- name: prune_deliveries
delete from deliveries
where ctid = any(array(select ctid from deliveries where made_at < %(before)s order by made_at limit %(limit)s))

-- name: prune_attempts
delete from webhook_attempts
where ctid = any(array(select ctid from webhook_attempts where at < %(before)s order by at limit %(limit)s))

-- name: prune_secrets
delete from webhook_secrets where expires_at <= %(now)s

-- name: prune_deleted
-- Deliveries of endpoints that were deleted, with their attempts.
with gone as (
    delete from deliveries
    where ctid = any(array(select d.ctid from webhooks w join deliveries d on d.webhook_id = w.id
                           where w.state = 'deleted' limit %(limit)s))
    returning id
),
logs as (delete from webhook_attempts a using gone g where a.delivery_id = g.id)
select id from gone

-- name: prune_endpoints
delete from webhooks w
where w.state = 'deleted' and not exists (select from deliveries d where d.webhook_id = w.id)
