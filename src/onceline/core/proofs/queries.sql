-- name: i1_sums
-- Stored figures that differ from the sums of the transfers, per side. A debt grows by debits, the others by credits.
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'wallet ' || min(key) filter (where is_broken) as named
from (
    select s.wallet as key,
           s.available <> coalesce(t.available, 0) or s.held <> coalesce(t.held, 0)
           or s.refund_pending <> coalesce(t.refund_pending, 0)
           or s.disputed <> coalesce(t.disputed, 0) or s.debt <> coalesce(t.debt, 0) as is_broken
    from sides s
    left join (
        select wallet,
               sum(amount * ((credit = 'available')::int - (debit = 'available')::int)) as available,
               sum(amount * ((credit = 'held')::int - (debit = 'held')::int)) as held,
               sum(amount * ((credit = 'refund_pending')::int - (debit = 'refund_pending')::int)) as refund_pending,
               sum(amount * ((credit = 'disputed')::int - (debit = 'disputed')::int)) as disputed,
               sum(amount * ((debit = 'debt')::int - (credit = 'debt')::int)) as debt
        from transfers
        where wallet is not null
        group by wallet
    ) t on t.wallet = s.wallet
) one

-- name: i1_balance
-- Trial balance: what customers have equals what came in less what was earned, per mode; and no transfer crosses modes.
with unbalanced as (
    select mode
    from (select mode, credit as account, amount from transfers
          union all
          select mode, debit, -amount from transfers) postings
    group by mode
    having sum(amount) <> 0
)
select count(*) as checked, (select count(*) from unbalanced) + count(*) filter (where is_broken) as broken,
       coalesce('transfer ' || min(key) filter (where is_broken), (select 'mode ' || min(mode) from unbalanced)) as named
from (
    select t.id as key, t.wallet is not null and s.mode <> t.mode as is_broken
    from transfers t left join sides s on s.wallet = t.wallet
) one

-- name: i1_counters
-- Live-order counters that differ from the orders.
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'side ' || min(key) filter (where is_broken) as named
from (
    select s.id as key,
           s.live_orders <> coalesce(o.live, 0) as is_broken
    from sides s
    left join (
        select side_id, count(*) as live from orders
        where state in ('placing', 'waiting', 'received', 'resend_pending') group by side_id
    ) o on o.side_id = s.id
) one

-- name: i2_numbers
-- Numbers with more than one live order, or leased without one, or free with one, or that name another holder.
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'number ' || min(key) filter (where is_broken) as named
from (
    select n.id as key,
           coalesce(o.live, 0) > 1
           or (coalesce(o.live, 0) = 1) <> (n.state = 'leased')
           or o.id <> n.holder or (o.id is not null and n.holder is null) as is_broken
    from numbers n
    left join (
        select number_id, count(*) as live, min(id) as id from orders
        where state in ('waiting', 'received', 'resend_pending') group by number_id
    ) o on o.number_id = n.id
) one

-- name: i3_captures
-- Captured without a valid message received before the end. Its beginning is no matter of stamps: the message names its
-- holder, and a clock may have been set back.
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'order ' || min(key) filter (where is_broken) as named
from (
    select o.id as key,
           o.first_valid_at is null or o.first_valid_at > o.expires_at as is_broken
    from orders o
    where o.money = 'captured'
) one

-- name: i4_streams
-- Shown messages (younger than the stream's memory) that are not exactly once in their owner's stream, or in another's.
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'message ' || min(key) filter (where is_broken) as named
from (
    select m.id as key,
           coalesce(e.own, 0) <> 1 or coalesce(e.others, 0) <> 0 as is_broken
    from messages m
    join orders o on o.id = m.order_id
    left join lateral (
        select count(*) filter (where e.side_id = o.side_id) as own, count(*) filter (where e.side_id <> o.side_id) as others
        from events e
        where e.message_id = m.id
    ) e on true
    where m.received_at > %(since)s
) one

-- name: i4_numbering
-- Streams with a gap, or whose newest event is not the side's seq; a new epoch leaps over 1,000,000,000 of them.
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'side ' || min(key) filter (where is_broken) as named
from (
    select s.id as key,
           e.newest is not null
           and (mod(s.seq - e.newest, 1000000000) <> 0 or mod(e.newest - e.oldest + 1 - e.n, 1000000000) <> 0) as is_broken
    from sides s
    left join (
        select side_id, max(seq) as newest, min(seq) as oldest, count(*) as n from events group by side_id
    ) e on e.side_id = s.id
) one

-- name: i6_holds
-- Holds of closed orders that did not end exactly once and in full, and ends of holds that no order points to.
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'transfer ' || min(key) filter (where is_broken) as named
from (
    select h.hold_id as key,
           (h.closed and e.id is null) or (e.id is not null and e.amount <> t.amount)
                        or (h.money = 'held') <> (e.id is null)
                        or (e.id is not null and (e.kind = 'capture') <> (h.money = 'captured')) as is_broken
    from (
        select hold_id, closed_at is not null as closed, money from orders
        union all
        select x.hold_id, o.closed_at is not null, o.money from extensions x join orders o on o.id = x.order_id
    ) h
    left join transfers t on t.id = h.hold_id
    left join transfers e on e.pending_id = h.hold_id
) one

-- name: i7_caps
-- Spend caps that count another sum than that of the orders and extensions placed under them, without what was released.
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'cap ' || min(key) filter (where is_broken) as named
from (
    select c.id as key,
           c.spent <> coalesce(p.amount, 0) as is_broken
    from spend_caps c
    left join (
        select cap, sum(amount) as amount
        from (select spend_cap_id as cap, price as amount from orders where spend_cap_id is not null and money <> 'released'
              union all
              select x.spend_cap_id, x.amount from extensions x join orders o on o.id = x.order_id
              where x.spend_cap_id is not null and o.money <> 'released') one
        group by cap
    ) p on p.cap = c.id
) one

-- name: i8_deposits
-- Sides whose deposits say another sum came in, went back, or waits to, than their transfers.
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'wallet ' || min(key) filter (where is_broken) as named
from (
    select s.wallet as key,
           coalesce(d.came, 0) <> coalesce(t.came, 0) or coalesce(d.waits, 0) <> s.refund_pending
           or coalesce(d.gone, 0) <> coalesce(t.gone, 0) as is_broken
    from sides s
    left join (
        select side_id, sum(credited) as came, sum(credited) filter (where state = 'refunding') as waits,
               sum(credited) filter (where state = 'refunded') as gone
        from deposits
        group by side_id
    ) d on d.side_id = s.id
    left join (
        select wallet, sum(amount) filter (where kind = 'deposit') as came,
               coalesce(sum(amount) filter (where kind = 'refund_sent'), 0)
               - coalesce(sum(amount) filter (where kind = 'refund_undone' and debit <> 'refund_pending'), 0) as gone
        from transfers
        where wallet is not null
        group by wallet
    ) t on t.wallet = s.wallet
) one

-- name: i9_vouchers
-- Modes in which the house owes another sum than the vouchers in force are worth, or where one became another deposit than its own.
with owed as (
    select mode, sum(amount * ((credit = 'vouchers')::int - (debit = 'vouchers')::int)) as amount
    from transfers
    where 'vouchers' in (debit, credit)
    group by mode
), in_force as (
    select b.mode, sum(b.face_value) as amount
    from voucher_batches b join vouchers v on v.batch_id = b.id
    where b.state = 'active' and v.redeemed_at is null and v.voided_at is null
    group by b.mode
), misfits as (
    select s.mode
    from deposits d
    join sides s on s.id = d.side_id
    left join vouchers v on v.redeemed_deposit = d.id
    left join voucher_batches b on b.id = v.batch_id
    where (d.method = 'voucher') <> (v.number is not null)
       or v.number is not null and (d.credited is distinct from b.face_value or s.mode <> b.mode)
)
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'mode ' || min(key) filter (where is_broken) as named
from (
    select m.mode as key,
           coalesce(o.amount, 0) <> coalesce(i.amount, 0)
           or m.mode in (select mode from misfits) as is_broken
    from (values ('test'), ('live')) m (mode)
    left join owed o on o.mode = m.mode
    left join in_force i on i.mode = m.mode
) one

-- name: i10_cash
-- Deposits of cash that count without a receipt, or without the yes of another person than the one who wrote it.
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'deposit ' || min(key) filter (where is_broken) as named
from (
    select d.id as key,
           d.method = 'cash' and (r.recorded_by is null or c.verdict is distinct from 'approved'
           or c.decided_by = r.recorded_by) as is_broken
    from deposits d
    left join cash_receipts r on r.deposit_id = d.id
    left join cash_decisions c on c.deposit_id = d.id
    where d.credited is not null
) one

-- name: i1_recent
-- As i1_sums, of wallets with a transfer since the one given. Indexes transfers_pkey, transfers_by_wallet.
with moved as (
    select distinct wallet from transfers where id > %(after)s and wallet is not null
)
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'wallet ' || min(key) filter (where is_broken) as named
from (
    select s.wallet as key,
           s.available <> t.available or s.held <> t.held or s.refund_pending <> t.refund_pending
           or s.disputed <> t.disputed or s.debt <> t.debt as is_broken
    from moved m
    join sides s on s.wallet = m.wallet
    cross join lateral (
        select sum(amount * ((credit = 'available')::int - (debit = 'available')::int)) as available,
               sum(amount * ((credit = 'held')::int - (debit = 'held')::int)) as held,
               sum(amount * ((credit = 'refund_pending')::int - (debit = 'refund_pending')::int)) as refund_pending,
               sum(amount * ((credit = 'disputed')::int - (debit = 'disputed')::int)) as disputed,
               sum(amount * ((debit = 'debt')::int - (credit = 'debt')::int)) as debt
        from transfers
        where wallet = m.wallet
    ) t
) one

-- name: i11_held
-- Sides that hold another sum than their open orders and extensions do. Index orders_by_end.
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'wallet ' || min(key) filter (where is_broken) as named
from (
    select s.wallet as key,
           s.held <> coalesce(h.amount, 0) as is_broken
    from sides s
    left join (
        select o.side_id, sum(o.price + coalesce(x.amount, 0)) as amount
        from orders o
        left join lateral (select sum(amount) as amount from extensions where order_id = o.id) x on true
        where o.money = 'held' and o.state in ('placing', 'waiting', 'received', 'resend_pending')
        group by o.side_id
    ) h on h.side_id = s.id
) one

-- name: i12_ends
-- Orders that hold money long after their end. Index orders_by_end.
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'order ' || min(key) filter (where is_broken) as named
from (
    select id as key,
           expires_at < %(late)s and money = 'held' as is_broken
    from orders
    where state in ('placing', 'waiting', 'received', 'resend_pending')
) one

-- name: i13_lots
-- Sides whose figures are not what follows from their deposits, disputes and orders, which is derived without one transfer:
-- docs/explain/money.md has the derivation. And sides that have another sum disputed than their open disputes say.
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'wallet ' || min(key) filter (where is_broken) as named
from (
    select s.wallet as key,
           s.available::numeric + s.held - s.debt
           <> coalesce(d.given, 0) - coalesce(x.gone, 0) - coalesce(o.spent, 0) - coalesce(e.spent, 0)
           or s.disputed <> coalesce(x.frozen, 0) as is_broken
    from sides s
    left join (
        select side_id, sum(credited + bonus) as given
        from deposits
        where credited is not null and state not in ('refunding', 'refunded')
        group by side_id
    ) d on d.side_id = s.id
    left join (
        select d.side_id, sum(x.amount + x.bonus) as gone, sum(x.amount) filter (where x.state = 'open') as frozen
        from disputes x join deposits d on d.id = x.deposit_id
        where x.state <> 'won'
        group by d.side_id
    ) x on x.side_id = s.id
    left join (select side_id, sum(price) as spent from orders where money = 'captured' group by side_id) o on o.side_id = s.id
    left join (
        select o.side_id, sum(x.amount) as spent
        from extensions x join orders o on o.id = x.order_id
        where o.money = 'captured'
        group by o.side_id
    ) e on e.side_id = s.id
) one

-- name: i14_trial
-- Modes in which the stored figures of all sides and the accounts of the house, by their days and what came since, do not sum
-- to zero.
with after as (
    select coalesce(max(through), 0) as id from house_days
), books as (
    select mode, available::numeric + held + refund_pending + disputed - debt as amount from sides
    union all
    select mode, credit - debit from house_days
    union all
    select mode, case when credit in ('available', 'held', 'refund_pending', 'disputed', 'debt') then 0 else amount end
                 - case when debit in ('available', 'held', 'refund_pending', 'disputed', 'debt') then 0 else amount end
    from transfers
    where id > (select id from after)
), sums as (
    select mode, sum(amount) as amount from books group by mode
)
select count(*) as checked, count(*) filter (where is_broken) as broken,
       'mode ' || min(key) filter (where is_broken) as named
from (
    select m.mode as key,
           coalesce(s.amount, 0) <> 0 as is_broken
    from (values ('test'), ('live')) m (mode) left join sums s on s.mode = m.mode
) one

-- name: i15_days
-- Modes in which an account of the house has another sum by day than its transfers.
with ranges as (
    select through, lag(through, 1, 0::bigint) over (order by through) as after
    from (select distinct through from house_days) one
), postings as (
    select r.through, t.mode, t.debit as account, t.amount as debit, 0 as credit
    from ranges r join transfers t on t.id > r.after and t.id <= r.through
    union all
    select r.through, t.mode, t.credit, 0, t.amount
    from ranges r join transfers t on t.id > r.after and t.id <= r.through
), sums as (
    select through, mode, account, sum(debit) as debit, sum(credit) as credit
    from postings
    where account not in ('available', 'held', 'refund_pending', 'disputed', 'debt')
    group by through, mode, account
), misfits as (
    select coalesce(h.mode, s.mode) as mode,
           coalesce(h.account, s.account) || ' up to transfer ' || coalesce(h.through, s.through) as account
    from house_days h full join sums s on s.through = h.through and s.mode = h.mode and s.account = h.account
    where h.debit is distinct from s.debit or h.credit is distinct from s.credit
)
select count(*) as checked, count(*) filter (where is_broken) as broken,
       (select 'account ' || min(account) from misfits) as named
from (
    select m.mode as key,
           m.mode in (select mode from misfits) as is_broken
    from (values ('test'), ('live')) m (mode)
) one

-- name: place
-- Where the next look at recent wallets begins: the last transfer that was committed for sure. Primary key, from its end.
select coalesce((select through from money_checks where name = 'i1_recent'), 0) as after,
       coalesce((select id from transfers where made_at < %(settled)s order by id desc limit 1), 0) as through

-- name: record
-- The outcome of a check. A failure stays until the check passes and staff have acknowledged it; one that grew needs a new word.
insert into money_checks as c (name, checked_at, checked, broken, through, failed_at)
values (%(name)s, %(now)s, %(checked)s, %(broken)s, %(through)s, case when %(broken)s > 0 then %(now)s::timestamptz end)
on conflict (name) do update
set checked_at = excluded.checked_at, checked = excluded.checked, broken = excluded.broken, through = excluded.through,
    failed_at = case when excluded.broken > 0 then coalesce(c.failed_at, excluded.failed_at)
                     when c.acknowledged_at is null then c.failed_at end,
    acknowledged_at = case when excluded.broken between 1 and c.broken then c.acknowledged_at end,
    acknowledged_by = case when excluded.broken between 1 and c.broken then c.acknowledged_by end

-- name: failed
-- What refunds wait for.
select name, checked_at, broken, failed_at, acknowledged_at, acknowledged_by
from money_checks
where failed_at is not null
order by name

-- name: acknowledge
update money_checks
set failed_at = case when broken > 0 then failed_at end,
    acknowledged_at = case when broken > 0 then %(now)s::timestamptz end,
    acknowledged_by = case when broken > 0 then %(staff)s end
where failed_at is not null

-- name: resolve
update payment_exceptions
set resolved_at = %(now)s, resolved_by = %(staff)s
where method = %(method)s and resolved_at is null

-- name: proven_at
-- When everything was proved last.
select min(checked_at) as at from money_checks where name = any(%(names)s) having count(*) = cardinality(%(names)s)
