-- name: deposit
-- Money in: from a house account to the side's available balance, with the event's seq. One statement.
with side as (
    update sides
    set available = available + %(amount)s, seq = seq + 1
    where id = %(side)s
    returning wallet, mode, seq
), moved as (
    insert into transfers (mode, kind, wallet, debit, credit, amount, made_at)
    select mode, 'deposit', wallet, %(source)s, 'available', %(amount)s, %(now)s
    from side
)
select seq from side

-- name: advance_side
-- The side's row, once per command: figures, live orders and event counter together.
update sides
set held = held + %(hold)s - %(capture)s - %(release)s,
    available = available - %(hold)s + %(release)s,
    live_orders = live_orders - %(closed)s,
    seq = seq + %(events)s
where id = %(side)s and available >= %(hold)s
returning seq, wallet, mode

-- name: available
select available from sides where id = %(side)s

-- name: next_transfer
select nextval(pg_get_serial_sequence('transfers', 'id')) as id

-- name: hold
insert into transfers (id, mode, kind, wallet, debit, credit, amount, made_at)
overriding system value
values (%(id)s, %(mode)s, 'hold', %(wallet)s, 'available', 'held', %(amount)s, %(now)s)

-- name: end_holds
-- Capture or release whole holds; the unique index on pending_id refuses a second end.
insert into transfers (mode, kind, wallet, debit, credit, amount, pending_id, made_at)
select h.mode, %(kind)s, h.wallet, 'held', %(credit)s, h.amount, h.id, %(now)s
from transfers h
where h.id = any(%(holds)s)

-- name: balance
select s.available, s.held, s.mode, i.currency
from sides s cross join installation i
where s.id = %(side)s

-- name: statement
-- Every transfer of a wallet, newest first, with the order that its hold belongs to. Index transfers_by_wallet.
select t.id, t.kind, t.debit, t.credit, t.amount, t.made_at, coalesce(o.id, x.order_id) as order_id
from transfers t
left join orders o on o.hold_id = coalesce(t.pending_id, t.id)
left join extensions x on x.hold_id = coalesce(t.pending_id, t.id)
where t.wallet = (select wallet from sides where id = %(side)s) and t.id < %(before)s
order by t.id desc
limit %(limit)s
