-- name: i1_sums
-- Stored figures that differ from the sums of the transfers, per side.
select count(*) as checked,
       count(*) filter (where s.available <> coalesce(t.available, 0) or s.held <> coalesce(t.held, 0)) as broken
from sides s
left join (
    select wallet,
           sum(case when credit = 'available' then amount when debit = 'available' then -amount else 0 end) as available,
           sum(case when credit = 'held' then amount when debit = 'held' then -amount else 0 end) as held
    from transfers
    where wallet is not null
    group by wallet
) t on t.wallet = s.wallet

-- name: i1_balance
-- Trial balance: what customers have equals what came in less what was earned, per mode; and no transfer crosses modes.
select count(*) as checked,
       (select count(*) from (
            select mode
            from (select mode, credit as account, amount from transfers
                  union all
                  select mode, debit, -amount from transfers) postings
            group by mode
            having sum(amount) <> 0) unbalanced)
       + count(*) filter (where t.wallet is not null and s.mode <> t.mode) as broken
from transfers t left join sides s on s.wallet = t.wallet

-- name: i1_counters
-- Live-order counters that differ from the orders.
select count(*) as checked, count(*) filter (where s.live_orders <> coalesce(o.live, 0)) as broken
from sides s
left join (
    select side_id, count(*) as live from orders
    where state in ('placing', 'waiting', 'received', 'resend_pending') group by side_id
) o on o.side_id = s.id

-- name: i2_numbers
-- Numbers with more than one live order, or leased without one, or free with one, or that name another holder.
select count(*) as checked,
       count(*) filter (where coalesce(o.live, 0) > 1
                        or (coalesce(o.live, 0) = 1) <> (n.state = 'leased')
                        or o.id <> n.holder or (o.id is not null and n.holder is null)) as broken
from numbers n
left join (
    select number_id, count(*) as live, min(id) as id from orders
    where state in ('waiting', 'received', 'resend_pending') group by number_id
) o on o.number_id = n.id

-- name: i3_captures
-- Captured without a valid message received before the end. Its beginning is no matter of stamps: the message names its
-- holder, and a clock may have been set back.
select count(*) as checked,
       count(*) filter (where o.first_valid_at is null or o.first_valid_at > o.expires_at) as broken
from orders o
where o.money = 'captured'

-- name: i4_streams
-- Shown messages (younger than the stream's memory) that are not exactly once in their owner's stream, or in another's.
select count(*) as checked,
       count(*) filter (where coalesce(e.own, 0) <> 1 or coalesce(e.others, 0) <> 0) as broken
from messages m
join orders o on o.id = m.order_id
left join lateral (
    select count(*) filter (where e.side_id = o.side_id) as own, count(*) filter (where e.side_id <> o.side_id) as others
    from events e
    where e.message_id = m.id
) e on true
where m.received_at > %(since)s

-- name: i4_numbering
-- Streams with a gap, or whose newest event is not the side's seq; a new epoch leaps over 1,000,000,000 of them.
select count(*) as checked,
       count(*) filter (
           where e.newest is not null
             and (mod(s.seq - e.newest, 1000000000) <> 0 or mod(e.newest - e.oldest + 1 - e.n, 1000000000) <> 0)
       ) as broken
from sides s
left join (
    select side_id, max(seq) as newest, min(seq) as oldest, count(*) as n from events group by side_id
) e on e.side_id = s.id

-- name: i6_holds
-- Holds of closed orders that did not end exactly once and in full, and ends of holds that no order points to.
select count(*) as checked,
       count(*) filter (where (h.closed and e.id is null) or (e.id is not null and e.amount <> t.amount)
                        or (h.money = 'held') <> (e.id is null)
                        or (e.id is not null and (e.kind = 'capture') <> (h.money = 'captured'))) as broken
from (
    select hold_id, closed_at is not null as closed, money from orders
    union all
    select x.hold_id, o.closed_at is not null, o.money from extensions x join orders o on o.id = x.order_id
) h
left join transfers t on t.id = h.hold_id
left join transfers e on e.pending_id = h.hold_id

-- name: i7_caps
-- Spend caps that count another sum than that of the orders and extensions placed under them, without what was released.
select count(*) as checked, count(*) filter (where c.spent <> coalesce(p.amount, 0)) as broken
from spend_caps c
left join (
    select cap, sum(amount) as amount
    from (select spend_cap_id as cap, price as amount from orders where spend_cap_id is not null and money <> 'released'
          union all
          select x.spend_cap_id, x.amount from extensions x join orders o on o.id = x.order_id
          where x.spend_cap_id is not null and o.money <> 'released') one
    group by cap
) p on p.cap = c.id
