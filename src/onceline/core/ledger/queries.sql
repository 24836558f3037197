-- name: lock
select s.available, s.held, s.mode, s.refund_pending, s.disputed, s.debt, i.currency
from sides s cross join installation i
where s.id = %(side)s
for no key update of s

-- name: post
-- Transfers of one side in their order, and its figures with them; nothing when the available balance does not cover it.
with side as (
    update sides
    set available = available + %(available)s, refund_pending = refund_pending + %(refund_pending)s,
        disputed = disputed + %(disputed)s, debt = debt + %(debt)s, seq = seq + %(events)s
    where id = %(side)s and available + %(available)s >= 0
    returning wallet, mode, seq
), moved as (
    insert into transfers (mode, kind, wallet, debit, credit, amount, made_at)
    select side.mode, m.kind, side.wallet, m.debit, m.credit, m.amount, %(now)s
    from side,
         unnest(%(kinds)s::text[], %(debits)s::text[], %(credits)s::text[], %(amounts)s::bigint[])
             with ordinality m (kind, debit, credit, amount, place)
    order by m.place
)
select seq from side

-- name: post_house
insert into transfers (mode, kind, debit, credit, amount, made_at)
values (%(mode)s, %(kind)s, %(debit)s, %(credit)s, %(amount)s, %(now)s)

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
select s.available, s.held, s.mode, s.refund_pending, s.disputed, s.debt, i.currency
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
