-- name: days
-- The first and the newest day of a processor that were compared.
select min(day) as first, max(day) as newest from reports where method = %(method)s

-- name: claim_day
-- Its row, which nobody else changes before this transaction has ended; what was booked for the day so far.
insert into reports (method, day, read_at, lines) values (%(method)s, %(day)s, %(now)s, 0)
on conflict (method, day) do update set read_at = excluded.read_at
returning fees

-- name: end_day
update reports set lines = %(lines)s, fees = %(fees)s, others = %(others)s where method = %(method)s and day = %(day)s

-- name: forget_lines
delete from report_lines where method = %(method)s and day = %(day)s

-- name: add_lines
insert into report_lines (method, day, place, kind, object_id, deposit, amount, currency, at)
select %(method)s, %(day)s, l.place, l.kind, l.object_id, l.deposit, l.amount, l.currency, l.at
from unnest(%(kinds)s::text[], %(objects)s::text[], %(deposits)s::text[], %(amounts)s::bigint[], %(currencies)s::text[],
            %(ats)s::timestamptz[]) with ordinality l (kind, object_id, deposit, amount, currency, at, place)

-- name: scope
-- Deposits to compare: those that the day's lines name, those that moved that day, those that differed before, also as lines
-- of which we knew no deposit.
with lines as (
    select kind, object_id, deposit from report_lines where method = %(method)s and day = %(day)s
    union
    select l.kind, l.object_id, l.deposit
    from payment_exceptions e
    join report_lines l on l.method = e.method and l.object_id = substr(e.object_id, strpos(e.object_id, ':') + 1)
    where e.method = %(method)s and e.code = any(%(codes)s) and e.resolved_at is null and e.deposit_id is null
)
select d.id from lines l join deposits d on d.method = %(method)s and d.payment_id = l.object_id and d.refunds = 'source'
union select d.id from lines l join deposits d on d.method = %(method)s and d.processor_id = l.object_id
union select d.id from lines l join deposits d on d.id = l.deposit and d.method = %(method)s
union select d.id from lines l join deposit_refunds r on r.processor_id = l.object_id
      join deposits d on d.id = r.deposit_id and d.method = %(method)s
union select x.deposit_id from lines l join disputes x on x.method = %(method)s and x.id = l.object_id
union select id from deposits where method = %(method)s and credited_at >= %(since)s and credited_at < %(until)s
union select d.id from deposit_refunds r join deposits d on d.id = r.deposit_id
      where d.method = %(method)s and r.sent_at >= %(since)s and r.sent_at < %(until)s
union select deposit_id from disputes where method = %(method)s and opened_at >= %(since)s and opened_at < %(until)s
union select deposit_id from payment_exceptions
      where method = %(method)s and code = any(%(codes)s) and resolved_at is null and deposit_id is not null

-- name: theirs
-- Every line, of whatever day, that belongs to these deposits; and those of the day, or that differed before, which belong to
-- none. An object that we know by its name is that deposit's, whatever else the line says. Fees are no customer's, but those in
-- another currency cannot be booked.
with names as (
    select payment_id as name from deposits where id = any(%(deposits)s) and refunds = 'source'
    union select processor_id from deposits where id = any(%(deposits)s)
    union select processor_id from deposit_refunds where deposit_id = any(%(deposits)s)
    union select id from disputes where method = %(method)s and deposit_id = any(%(deposits)s)
    union select substr(object_id, strpos(object_id, ':') + 1) from payment_exceptions
          where method = %(method)s and code = any(%(codes)s) and resolved_at is null and deposit_id is null
), places as (
    select day, place from report_lines where method = %(method)s and day = %(day)s
    union select day, place from report_lines where method = %(method)s and deposit = any(%(deposits)s)
    union select l.day, l.place from names n join report_lines l on l.method = %(method)s and l.object_id = n.name
)
select l.kind, l.object_id,
       coalesce(
           (select d.id from deposits d where d.method = l.method and d.payment_id = l.object_id and d.refunds = 'source'),
           (select d.id from deposits d where d.method = l.method and d.processor_id = l.object_id),
           (select d.id from deposit_refunds r join deposits d on d.id = r.deposit_id
            where r.processor_id = l.object_id and d.method = l.method limit 1),
           (select x.deposit_id from disputes x where x.method = l.method and x.id = l.object_id),
           (select d.id from deposits d where d.id = l.deposit and d.method = l.method)
       ) as deposit,
       l.amount, l.currency
from places p join report_lines l on l.method = %(method)s and l.day = p.day and l.place = p.place
where l.kind in ('payment', 'refund', 'dispute') or l.kind = 'fee' and l.currency <> %(currency)s

-- name: ours
-- What should have come, gone back, and been taken, of each deposit. What moved after the days that were compared, or may have
-- moved before them, need not be in the reports; nor what is under way.
select d.id as deposit, 'payment' as kind, d.credited + d.fee as amount,
       d.credited_at < %(until)s and d.created_at >= %(first)s as is_due
from deposits d
where d.id = any(%(deposits)s) and d.credited is not null
union all
select r.deposit_id, 'refund', -r.amount,
       r.state = 'sent' and r.sent_at < %(until)s and r.asked_at >= %(first)s
from deposit_refunds r
where r.deposit_id = any(%(deposits)s) and r.state in ('sending', 'sent')
union all
select x.deposit_id, 'dispute', -(x.amount + x.fee),
       x.opened_at < %(until)s and x.opened_at >= %(first)s
from disputes x
where x.deposit_id = any(%(deposits)s) and x.state <> 'won' and x.amount > 0

-- name: note
-- Seen again, it says nothing new; it opens anew when it changed, or when it had gone by itself.
insert into payment_exceptions (method, code, object_id, deposit_id, amount, currency, first_at, last_at)
values (%(method)s, %(code)s, %(object_id)s, %(deposit)s, %(amount)s, %(currency)s, %(now)s, %(now)s)
on conflict (method, code, object_id) do update
set last_at = excluded.last_at, times = payment_exceptions.times + 1, resolved_at = null, resolved_by = null,
    amount = excluded.amount, currency = excluded.currency, deposit_id = excluded.deposit_id
where payment_exceptions.amount is distinct from excluded.amount
   or payment_exceptions.currency is distinct from excluded.currency
   or payment_exceptions.resolved_by = %(itself)s

-- name: open_notes
select id, code, object_id
from payment_exceptions
where method = %(method)s and code = any(%(codes)s) and resolved_at is null

-- name: end_notes
update payment_exceptions set resolved_at = %(now)s, resolved_by = %(itself)s where id = any(%(ids)s)

-- name: totals
-- Per processor: what its reports add up to, and up to which day. Without what went to the house's own bank.
select r.method, min(r.day) as first, max(r.day) as through,
       (select coalesce(sum(l.amount), 0)::bigint from report_lines l
        where l.method = r.method and l.kind <> 'other' and l.currency = i.currency) as reported
from reports r cross join installation i
group by r.method, i.currency
order by r.method
