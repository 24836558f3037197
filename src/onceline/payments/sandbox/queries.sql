-- name: open
insert into sandbox_payments (id, processor, deposit, amount, currency, state, made_at, expires_at)
values (%(id)s, %(processor)s, %(deposit)s, %(amount)s, %(currency)s, 'open', %(now)s, %(expires_at)s)
on conflict (processor, deposit) do nothing

-- name: of_deposit
select id, amount from sandbox_payments where processor = %(processor)s and deposit = %(deposit)s

-- name: payment
select id, deposit, amount, currency, state, paid, refund, expires_at
from sandbox_payments
where id = %(id)s and processor = %(processor)s

-- name: locked
-- What a customer pays: of a deposit of that side.
select p.id, p.processor, p.amount, p.state
from sandbox_payments p join deposits d on d.id = p.deposit
where p.deposit = %(deposit)s and d.side_id = %(side)s
for update of p

-- name: pay
update sandbox_payments
set state = %(state)s, paid = %(paid)s, paid_at = case when %(paid)s > 0 then %(now)s::timestamptz end
where id = %(id)s

-- name: send_back
update sandbox_payments
set refund = %(refund)s, refunded_at = %(now)s
where id = %(id)s and processor = %(processor)s and refund is null and paid = %(amount)s and paid > 0

-- name: report
select id, deposit, paid, currency, paid_at, refund, refunded_at
from sandbox_payments
where processor = %(processor)s
  and (paid_at >= %(since)s and paid_at < %(until)s or refunded_at >= %(since)s and refunded_at < %(until)s)
order by id
limit 100000
