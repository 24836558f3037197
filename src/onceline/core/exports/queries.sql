-- name: seen
-- An export of a side, or whichever it is, without those that were deleted.
select e.serial, e.id, e.side_id as side, s.account_id as account, s.mode, e.kind, e.format, e.from_at as since,
       e.until_at as until, e.as_of, e.state, e.rows_done, e.rows_total, e.bytes, e.pieces, e.place, e.claim, e.failures,
       e.reason, e.finished_at, e.expires_at
from exports e join sides s on s.id = e.side_id
where e.id = %(id)s and e.state <> 'deleted' and (%(side)s::bigint is null or e.side_id = %(side)s)

-- name: listed
-- A side's exports, newest first. Index exports_by_side.
select e.serial, e.id, e.side_id as side, s.account_id as account, s.mode, e.kind, e.format, e.from_at as since,
       e.until_at as until, e.as_of, e.state, e.rows_done, e.rows_total, e.bytes, e.pieces, e.place, e.claim, e.failures,
       e.reason, e.finished_at, e.expires_at
from exports e join sides s on s.id = e.side_id
where e.side_id = %(side)s and e.state <> 'deleted'
  and e.serial < coalesce((select c.serial from exports c where c.id = %(before)s and c.side_id = %(side)s), 9223372036854775807)
order by e.serial desc
limit %(limit)s

-- name: lock_account
-- Who asks for exports of one account at the same moment asks one after the other.
select id from accounts where id = %(account)s for no key update

-- name: count
-- The account's exports, live and kept, on both sides.
select count(*) filter (where e.state in ('queued', 'running')) as live,
       count(*) filter (where e.state in ('queued', 'running', 'failed') or (e.state = 'ready' and e.expires_at > %(now)s)) as kept
from exports e join sides s on s.id = e.side_id
where s.account_id = %(account)s

-- name: add
insert into exports (id, side_id, kind, format, from_at, until_at, as_of, next_at)
values (%(id)s, %(side)s, %(kind)s, %(format)s, %(since)s, %(until)s, %(now)s, %(now)s)

-- name: delete
-- Gone for everybody at once; the pieces follow.
update exports set state = 'deleted' where id = %(id)s and side_id = %(side)s and state <> 'deleted'

-- name: claim
-- The export that waits longest, for one worker until %(lease)s. Index exports_due.
with due as (
    select serial
    from exports
    where state in ('queued', 'running') and next_at <= %(now)s
    order by next_at, serial
    limit 1
    for update skip locked
)
update exports e
set state = 'running', claim = e.claim + 1, next_at = %(lease)s
from due, sides s
where e.serial = due.serial and s.id = e.side_id
returning e.serial, e.id, e.side_id as side, s.account_id as account, s.mode, e.kind, e.format, e.from_at as since,
          e.until_at as until, e.as_of, e.state, e.rows_done, e.rows_total, e.bytes, e.pieces, e.place, e.claim, e.failures,
          e.reason, e.finished_at, e.expires_at

-- name: advance
-- How far the export is after a page; nothing when the claim was lost.
update exports
set rows_done = %(rows_done)s, rows_total = %(rows_total)s, bytes = %(bytes)s, pieces = %(pieces)s, place = %(place)s,
    failures = 0, next_at = %(next_at)s
where serial = %(serial)s and claim = %(claim)s and state = 'running'

-- name: add_piece
insert into export_pieces (export, n, sealed) values (%(export)s, %(n)s, %(sealed)s)

-- name: let_go
-- Give the claim back, so that others have their turn.
update exports
set next_at = %(next_at)s, failures = %(failures)s
where serial = %(serial)s and claim = %(claim)s and state = 'running'

-- name: finish
update exports
set state = %(state)s, reason = %(reason)s, finished_at = %(now)s, expires_at = %(expires_at)s,
    rows_total = case when %(state)s = 'ready' then rows_done else rows_total end
where serial = %(serial)s and claim = %(claim)s and state = 'running'

-- name: piece
-- A piece of a file that may still be read, by a grant of its side that still acts.
select p.sealed
from export_pieces p
join exports e on e.serial = p.export
join sides s on s.id = e.side_id
join accounts a on a.id = s.account_id
join grants g on g.id = %(grant)s
where p.export = %(export)s and p.n = %(n)s and e.state = 'ready' and e.expires_at > %(now)s and a.state = 'open'
  and g.side_id = e.side_id and g.revoked_at is null and (g.expires_at is null or g.expires_at > %(now)s)

-- name: may_fetch
-- Whether a grant still acts for a side.
select g.id
from grants g join sides s on s.id = g.side_id join accounts a on a.id = s.account_id
where g.id = %(grant)s and g.side_id = %(side)s and g.revoked_at is null
  and (g.expires_at is null or g.expires_at > %(now)s) and a.state = 'open'

-- name: expire
update exports set state = 'expired' where state = 'ready' and expires_at <= %(now)s

-- name: clear_pieces
-- Of files that nobody may read any more; no piece is ever moved. Index exports_to_clear, primary key.
delete from export_pieces
where ctid = any(array(
    select p.ctid
    from exports e join export_pieces p on p.export = e.serial
    where e.state in ('failed', 'expired', 'deleted')
    limit %(limit)s))

-- name: clear_rows
delete from exports e
where e.state in ('failed', 'expired', 'deleted') and (e.state = 'deleted' or e.as_of < %(before)s)
  and not exists (select from export_pieces p where p.export = e.serial)

-- name: sides_of
select id, mode from sides where account_id = %(account)s order by mode desc

-- name: total_orders
-- How many orders there are to read, as far as it is worth counting: null beyond %(most)s. Index orders_by_side.
select case when count(*) <= %(most)s then count(*) filter (where created_at < %(before)s
                                                            and (%(since)s::timestamptz is null or created_at >= %(since)s)) end as n
from (select created_at from orders where side_id = %(side)s limit %(most)s + 1) counted

-- name: total_messages
select case when count(*) <= %(most)s then count(*) filter (where received_at < %(before)s
                                                            and (%(since)s::timestamptz is null or received_at >= %(since)s)) end as n
from (select m.received_at from orders o join messages m on m.order_id = o.id
      where o.side_id = %(side)s limit %(most)s + 1) counted

-- name: total_transfers
select case when count(*) <= %(most)s then count(*) filter (where made_at < %(before)s
                                                            and (%(since)s::timestamptz is null or made_at >= %(since)s)) end as n
from (select made_at from transfers where wallet = (select wallet from sides where id = %(side)s) limit %(most)s + 1) counted

-- name: orders
-- The next orders of a side that are wanted, of the window after a place. Index orders_by_side.
select w.id, w.serial as key
from (select id, serial, created_at from orders
      where side_id = %(side)s and serial > %(after)s order by serial limit %(window)s) w
where w.created_at < %(before)s and (%(since)s::timestamptz is null or w.created_at >= %(since)s)
order by w.serial
limit %(limit)s

-- name: orders_window
-- The edge of that window, if there is anything behind it.
select serial as key
from orders
where side_id = %(side)s and serial > %(after)s
order by serial
limit 1 offset %(window)s - 1

-- name: messages
-- The next messages of a side, by order and message. Indexes orders_by_side, messages_by_order.
select w.serial as key, m.id as key_message, m.id, w.id as order_id
from (select id, serial from orders
      where side_id = %(side)s and serial >= %(after)s order by serial limit %(window)s) w
cross join lateral (
    select id, received_at from messages
    where order_id = w.id and id > case when w.serial = %(after)s then %(message)s::bigint else 0 end
    order by id offset 0
) m
where m.received_at < %(before)s and (%(since)s::timestamptz is null or m.received_at >= %(since)s)
order by w.serial, m.id
limit %(limit)s

-- name: messages_window
select serial as key, 9223372036854775807 as key_message
from orders
where side_id = %(side)s and serial >= %(after)s
order by serial
limit 1 offset %(window)s - 1

-- name: transfers
-- The next transfers of a side, each with the order that its hold belongs to. Index transfers_by_wallet.
select t.id as key, t.id, t.kind, t.debit, t.credit, t.amount, t.made_at, coalesce(o.id, x.order_id) as order_id
from (select id, kind, debit, credit, amount, made_at, pending_id from transfers
      where wallet = (select wallet from sides where id = %(side)s) and id > %(after)s order by id limit %(window)s) t
left join orders o on o.hold_id = coalesce(t.pending_id, t.id)
left join extensions x on x.hold_id = coalesce(t.pending_id, t.id)
where t.made_at < %(before)s and (%(since)s::timestamptz is null or t.made_at >= %(since)s)
order by t.id
limit %(limit)s

-- name: transfers_window
select id as key
from transfers
where wallet = (select wallet from sides where id = %(side)s) and id > %(after)s
order by id
limit 1 offset %(window)s - 1

-- name: account
select id, name, state, opened_at from accounts where id = %(account)s

-- name: balance
select mode, available, held, refund_pending, disputed, debt, live_orders, seq from sides where id = %(side)s

-- name: keys
-- Every key of a side, oldest first. Index grants_by_side.
select g.id as key_place, k.id, k.kind, k.name, k.last4, k.scopes, g.created_at, g.expires_at, g.revoked_at, k.last_used_on,
       c.cap as spend_cap, c.spent
from grants g join api_keys k on k.grant_id = g.id left join spend_caps c on c.id = k.spend_cap_id
where g.side_id = %(side)s and g.id > %(after)s
order by g.id
limit %(limit)s

-- name: sessions
-- Every session of a side that is not forgotten yet, oldest first. Index grants_by_side.
select g.id as key_place, g.created_at, g.expires_at, g.revoked_at
from grants g
where g.side_id = %(side)s and g.kind = 'session' and g.id > %(after)s
order by g.id
limit %(limit)s

-- name: extensions
select order_id, amount, duration_s, made_at from extensions where order_id = any(%(orders)s) order by order_id, hold_id

-- name: agreed_prices
-- Of rentals that go on by themselves. Primary key.
select order_id, agreed from auto_extensions where order_id = any(%(orders)s)

-- name: deposits
-- Index deposits_by_side.
select d.id as key_place, d.id, d.method, d.state, d.amount, d.fee, d.bonus, d.credited, d.place, d.refunds, d.processor_id,
       d.payment_id, d.origin, d.network, d.asset, d.created_at, d.expires_at, d.credited_at, d.ended_at
from deposits d
where d.side_id = %(side)s and d.id > %(after)s and d.created_at < %(before)s
order by d.id
limit %(limit)s

-- name: deposit_refunds
-- Indexes deposits_by_side, deposit_refunds_by_deposit. Who of the staff agreed is not the account's.
select r.id as key_place, r.id, r.deposit_id as deposit, r.state, r.amount, r.reason, r.processor_id, r.asked_at, r.sent_at,
       r.ended_at
from deposits d join deposit_refunds r on r.deposit_id = d.id
where d.side_id = %(side)s and r.id > %(after)s and r.asked_at < %(before)s
order by r.id
limit %(limit)s

-- name: disputes
-- Indexes deposits_by_side, disputes_by_deposit.
select x.method || ' ' || x.id as key_place, x.id, x.method, x.deposit_id as deposit, x.state, x.claimed, x.amount, x.fee, x.owed,
       x.bonus, x.opened_at, x.closed_at
from deposits d join disputes x on x.deposit_id = d.id
where d.side_id = %(side)s and x.method || ' ' || x.id > %(after)s and x.opened_at < %(before)s
order by x.method || ' ' || x.id
limit %(limit)s

-- name: deposit_keys
-- Primary key.
select key as key_place, key as name, deposit_id as deposit, return_url, url, made_at
from openings
where side_id = %(side)s and key > %(after)s and made_at < %(before)s
order by key
limit %(limit)s

-- name: events
-- Primary key.
select seq as key_place, seq, at, type, order_id, revision, message_id, subject
from events
where side_id = %(side)s and seq > %(after)s and at < %(before)s
order by seq
limit %(limit)s

-- name: idempotency
-- Primary key.
select i.key as key_place, i.key as name, i.made_at,
       array(select order_id(s, %(order_key)s) from unnest(i.serials) with ordinality as given (s, place) order by place) as orders
from idempotency i
where i.side_id = %(side)s and i.key > %(after)s
order by i.key
limit %(limit)s

-- name: asked_exports
-- Index exports_by_side.
select serial as key_place, id, kind, format, from_at as since, until_at as until, as_of as created_at, state, reason,
       finished_at, expires_at
from exports
where side_id = %(side)s and serial > %(after)s and as_of < %(before)s and state <> 'deleted'
order by serial
limit %(limit)s

-- name: endpoints
select w.id as key_place, w.id, w.url, w.description, w.types, w.payload, w.concurrency, w.state, w.disabled_reason,
       w.disabled_at, w.created_at, w.cursor, w.strikes, w.open_until, w.failing_since, w.failed_attempts,
       w.last_success_at, w.last_attempt_at
from webhooks w
where w.side_id = %(side)s and w.id > %(after)s
order by w.id
limit %(limit)s

-- name: secret_names
-- Never the secrets.
select webhook_id as key_webhook, id, kind, public, created_at, expires_at
from webhook_secrets
where webhook_id = any(%(webhooks)s)
order by webhook_id, serial

-- name: deliveries
-- Primary key, one endpoint after the other.
select w.id as key_webhook, d.id as key_delivery, w.id as webhook, d.event, d.seq, d.type, d.order_id as "order", d.state,
       d.next_at, d.made_at
from (select id from webhooks where side_id = %(side)s and id >= %(webhook)s) w
cross join lateral (
    select id, event, seq, type, order_id, state, next_at, made_at
    from deliveries
    where webhook_id = w.id and id > case when w.id = %(webhook)s then %(after)s::bigint else 0 end
      and made_at < %(before)s
    order by id
    limit %(limit)s
) d
order by w.id, d.id
limit %(limit)s

-- name: attempts
-- Primary key.
select delivery_id, number, at, status, outcome, duration_ms, sealed
from webhook_attempts
where delivery_id = any(%(deliveries)s)
order by delivery_id, number

-- name: notice_marks
-- One row, with or without settings.
select n.low_told, n.low_told_at
from sides s left join notice_settings n on n.side_id = s.id
where s.id = %(side)s

-- name: notifications
-- Primary key.
select n.seq as key_place, n.seq, n.kind, n.mode, n.facts, n.at, n.read_at
from notifications n
where n.account_id = %(account)s and n.seq > %(after)s and n.at < %(before)s
  and coalesce(n.mode, 'test') = (select mode from sides where id = %(side)s)
order by n.seq
limit %(limit)s

-- name: mails
-- Index mails_by_account.
select m.id as key_place, m.kind, m.facts, m.seq, m.state, m.attempts, m.made_at, m.next_at
from mails m
where m.account_id = %(account)s and m.side_id = %(side)s and m.id > %(after)s and m.made_at < %(before)s
order by m.id
limit %(limit)s
