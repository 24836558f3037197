-- name: add
insert into deposits (id, side_id, method, state, amount, fee, bonus, refunds, created_at, expires_at, look_at)
values (%(id)s, %(side)s, %(method)s, 'created', %(amount)s, %(fee)s, %(bonus)s, %(refunds)s, %(now)s, %(expires_at)s,
        %(look_at)s)

-- name: deposit
-- One deposit; of a side, when one is named.
select d.id, d.side_id as side, s.account_id as account, s.mode, d.method, d.state, d.amount, d.fee, d.bonus, d.credited, d.place,
       d.refunds, d.processor_id, d.payment_id, d.origin, d.network, d.asset, d.created_at, d.expires_at, d.credited_at,
       d.ended_at, d.look_at
from deposits d join sides s on s.id = d.side_id
where d.id = %(id)s and (%(side)s::bigint is null or d.side_id = %(side)s)

-- name: lock
select from deposits where id = %(id)s for no key update

-- name: by_payment
-- The deposit that a card's payment paid. Index deposits_by_payment.
select id from deposits where method = %(method)s and payment_id = %(payment_id)s and refunds = 'source'

-- name: by_processor
select id from deposits where method = %(method)s and processor_id = %(processor_id)s

-- name: listed
-- Newest first. Index deposits_by_side.
select d.id, d.side_id as side, s.account_id as account, s.mode, d.method, d.state, d.amount, d.fee, d.bonus, d.credited, d.place,
       d.refunds, d.processor_id, d.payment_id, d.origin, d.network, d.asset, d.created_at, d.expires_at, d.credited_at,
       d.ended_at, d.look_at
from deposits d join sides s on s.id = d.side_id
where d.side_id = %(side)s
  and (%(before)s::text is null
       or (d.created_at, d.id) < (select b.created_at, b.id from deposits b where b.id = %(before)s and b.side_id = %(side)s))
order by d.created_at desc, d.id desc
limit %(limit)s

-- name: recent
-- Deposits that an account began since an instant, and what came in since then: its velocity. Index deposits_by_side.
select count(*) filter (where d.created_at > %(since)s) as begun,
       coalesce(sum(d.credited) filter (where d.credited_at > %(since)s), 0)::bigint as credited,
       count(*) filter (where d.credited is not null) as ever
from deposits d
where d.side_id = %(side)s and d.method <> %(given)s

-- name: name_at_processor
update deposits set processor_id = %(processor_id)s where id = %(id)s and processor_id is null

-- name: become
update deposits
set state = %(state)s, look_at = %(look_at)s, ended_at = %(ended_at)s
where id = %(id)s

-- name: credit
-- Its place is the next of its side, whose row the caller holds.
update deposits d
set state = 'credited', credited = %(credited)s, bonus = %(bonus)s, credited_at = %(now)s, payment_id = %(payment_id)s,
    origin = %(origin)s, network = %(network)s, asset = %(asset)s, look_at = null, ended_at = null,
    place = (select coalesce(max(o.place), 0) + 1 from deposits o where o.side_id = d.side_id)
where d.id = %(id)s

-- name: claim_awaited
-- Index deposits_awaited.
with due as (
    select id from deposits where look_at <= %(now)s order by look_at limit %(limit)s for update skip locked
), claimed as (
    update deposits d set look_at = %(until)s from due where d.id = due.id
    returning d.id, d.side_id, d.method, d.state, d.amount, d.fee, d.bonus, d.credited, d.place, d.refunds, d.processor_id,
              d.payment_id, d.origin, d.network, d.asset, d.created_at, d.expires_at, d.credited_at, d.ended_at, d.look_at
)
select c.id, c.side_id as side, s.account_id as account, s.mode, c.method, c.state, c.amount, c.fee, c.bonus, c.credited, c.place,
       c.refunds, c.processor_id, c.payment_id, c.origin, c.network, c.asset, c.created_at, c.expires_at, c.credited_at,
       c.ended_at, c.look_at
from claimed c join sides s on s.id = c.side_id

-- name: newer
-- What later deposits that still count added; of one that was lost in part, what a payer's bank left of it.
select coalesce(sum(d.credited + d.bonus - coalesce(x.taken, 0)), 0)::bigint as given
from deposits d
left join lateral (
    select sum(amount + bonus) as taken from disputes where deposit_id = d.id and state = 'lost'
) x on d.state = 'lost'
where d.side_id = %(side)s and d.place > %(place)s and d.state in ('credited', 'lost')

-- name: open_dispute
select 1 as one
from disputes x join deposits d on d.id = x.deposit_id
where d.side_id = %(side)s and x.state = 'open'
limit 1

-- name: spender
-- The order that was the first to spend of a deposit, or to hold of it: back from the newest, until all that is missing of it and of
-- what came later is found. Nothing older is read. Released holds count not. Index transfers_by_wallet.
select coalesce((select o.id from orders o where o.hold_id = s.id),
                (select x.order_id from extensions x where x.hold_id = s.id)) as order_id
from (
    select h.id, sum(h.amount) over (order by h.id desc rows unbounded preceding) as so_far
    from transfers h
    where h.wallet = (select wallet from sides where id = %(side)s) and h.kind = 'hold'
      and coalesce((select e.kind from transfers e where e.pending_id = h.id), '') <> 'release'
) s
where s.so_far >= %(counted)s - (select available from sides where id = %(side)s)
order by s.id desc
limit 1

-- name: note_exception
insert into payment_exceptions (method, code, object_id, deposit_id, amount, currency, first_at, last_at)
values (%(method)s, %(code)s, %(object_id)s, %(deposit)s, %(amount)s, %(currency)s, %(now)s, %(now)s)
on conflict (method, code, object_id) do update
set last_at = excluded.last_at, times = payment_exceptions.times + 1, resolved_at = null, resolved_by = null,
    amount = excluded.amount, currency = excluded.currency

-- name: ask_refund
insert into deposit_refunds (id, deposit_id, state, amount, asked_by, asked_at, look_at)
values (%(id)s, %(deposit)s, %(state)s, %(amount)s, %(asked_by)s, %(now)s, %(look_at)s)

-- name: refund
select r.id, r.deposit_id as deposit, r.state, r.amount, r.asked_by, r.approved_by, r.reason, r.processor_id, r.asked_at, r.sent_at,
       r.ended_at, r.look_at
from deposit_refunds r
where r.id = %(id)s

-- name: lock_refund
select from deposit_refunds where id = %(id)s for no key update

-- name: refund_of
-- The refund of a deposit that counts, of which there is one; else the newest. Not the newest alone: clocks go back.
select r.id, r.deposit_id as deposit, r.state, r.amount, r.asked_by, r.approved_by, r.reason, r.processor_id, r.asked_at, r.sent_at,
       r.ended_at, r.look_at
from deposit_refunds r
where r.deposit_id = %(deposit)s
order by r.state in ('asked', 'approved', 'sending', 'sent') desc, r.asked_at desc, r.id
limit 1

-- name: newest_refunds
-- As refund_of, of each of these deposits.
select distinct on (r.deposit_id) r.id, r.deposit_id as deposit, r.state, r.amount, r.asked_by, r.approved_by, r.reason,
       r.processor_id, r.asked_at, r.sent_at, r.ended_at, r.look_at
from deposit_refunds r
where r.deposit_id = any(%(deposits)s)
order by r.deposit_id, r.state in ('asked', 'approved', 'sending', 'sent') desc, r.asked_at desc, r.id

-- name: refund_becomes
update deposit_refunds
set state = %(state)s, approved_by = %(approved_by)s, reason = %(reason)s, processor_id = coalesce(%(processor_id)s, processor_id),
    declined_by = %(declined_by)s, sent_at = %(sent_at)s, ended_at = %(ended_at)s, look_at = %(look_at)s
where id = %(id)s

-- name: claim_refunds
-- Indexes deposit_refunds_due, money_checks_failed. None while a check of the books has failed.
with due as (
    select id from deposit_refunds
    where look_at <= %(now)s and not exists (select from money_checks where failed_at is not null)
    order by look_at
    limit %(limit)s
    for update skip locked
)
update deposit_refunds r set state = 'sending', look_at = %(until)s
from due
where r.id = due.id
returning r.id, r.deposit_id as deposit

-- name: open_dispute_row
insert into disputes (method, id, deposit_id, state, claimed, amount, fee, owed, bonus, opened_at)
values (%(method)s, %(id)s, %(deposit)s, 'open', %(claimed)s, 0, 0, 0, 0, %(now)s)

-- name: freeze
update disputes
set amount = %(amount)s, fee = %(fee)s, owed = %(owed)s, bonus = %(bonus)s
where method = %(method)s and id = %(id)s

-- name: dispute
select method, id, deposit_id as deposit, state, claimed, amount, fee, owed, bonus, opened_at, closed_at
from disputes
where method = %(method)s and id = %(id)s

-- name: dispute_without_money
-- The first of a deposit's that took nothing, because the deposit was on its way back. Index disputes_by_deposit.
select method, id, deposit_id as deposit, state, claimed, amount, fee, owed, bonus, opened_at, closed_at
from disputes
where deposit_id = %(deposit)s and amount = 0 and state in ('open', 'lost')
order by opened_at, id
limit 1

-- name: close_dispute
update disputes set state = %(state)s, closed_at = %(now)s where method = %(method)s and id = %(id)s
