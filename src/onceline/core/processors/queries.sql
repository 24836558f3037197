-- name: add
insert into processors (name, kind, mode, settings, least, most, fee, fee_ppm, bonus_ppm, made_at)
values (%(name)s, %(kind)s, %(mode)s, %(settings)s::jsonb, %(least)s, %(most)s, %(fee)s, %(fee_ppm)s, %(bonus_ppm)s, %(now)s)
on conflict (name) do nothing

-- name: change
update processors
set settings = %(settings)s::jsonb, least = %(least)s, most = %(most)s, fee = %(fee)s, fee_ppm = %(fee_ppm)s,
    bonus_ppm = %(bonus_ppm)s
where name = %(name)s

-- name: set_enabled
update processors set enabled = %(enabled)s where name = %(name)s

-- name: records
-- Every processor, or one. There are few.
select name, kind, mode, enabled, settings, least, most, fee, fee_ppm, bonus_ppm, made_at
from processors
where %(name)s::text is null or name = %(name)s
order by name
limit 1000

-- name: set_secret
insert into processor_secrets (processor, name, sealed, made_at)
values (%(processor)s, %(name)s, %(sealed)s, %(now)s)
on conflict (processor, name) do update set sealed = excluded.sealed, made_at = excluded.made_at

-- name: secrets
-- Primary key.
select processor, name, sealed, made_at
from processor_secrets
where %(processor)s::text is null or processor = %(processor)s
order by processor, name
limit 10000

-- name: opening_of_key
select side_id as side, key, request, deposit_id as deposit, return_url, url, made_at
from openings
where side_id = %(side)s and key = %(key)s

-- name: opening_of_deposit
select side_id as side, key, request, deposit_id as deposit, return_url, url, made_at
from openings
where deposit_id = %(deposit)s

-- name: openings
-- The pages of these deposits. Index openings_by_deposit.
select deposit_id as deposit, url from openings where deposit_id = any(%(deposits)s) and url is not null

-- name: add_opening
insert into openings (side_id, key, request, deposit_id, return_url, made_at)
values (%(side)s, %(key)s, %(request)s, %(deposit)s, %(return_url)s, %(now)s)

-- name: set_page
update openings set url = %(url)s where deposit_id = %(deposit)s

-- name: prune_openings
delete from openings
where (side_id, key) in (select side_id, key from openings where made_at < %(before)s order by made_at limit %(limit)s)

-- name: came_before
-- Whether an account brought in money before an instant. Index deposits_by_side.
select exists (
    select from deposits
    where side_id = %(side)s and credited_at < %(at)s and method = any(select name from processors)
) as came

-- name: age
-- When a side's account was opened.
select a.opened_at from sides s join accounts a on a.id = s.account_id where s.id = %(side)s

-- name: keep_hint
-- The same event again changes nothing, also when it was dealt with.
insert into processor_hints (method, event_id, about, object_id, came_at, look_at)
values (%(method)s, %(event_id)s, %(about)s, %(object_id)s, %(now)s, %(now)s)
on conflict (method, event_id) do nothing

-- name: claim_hints
-- Index processor_hints_due.
with due as (
    select method, event_id from processor_hints where look_at <= %(now)s order by look_at limit %(limit)s for update skip locked
)
update processor_hints h set look_at = %(until)s
from due
where h.method = due.method and h.event_id = due.event_id
returning h.method, h.event_id, h.about, h.object_id, h.came_at

-- name: look_again
update processor_hints set look_at = %(at)s where method = %(method)s and event_id = %(event_id)s

-- name: prune_hints
delete from processor_hints
where (method, event_id) in (select method, event_id from processor_hints
                             where came_at < %(before)s and look_at is null order by came_at limit %(limit)s)

-- name: refund_of_object
-- The refund that a processor calls so. Index deposit_refunds_by_processor.
select r.id
from deposit_refunds r join deposits d on d.id = r.deposit_id
where r.processor_id = %(object_id)s and d.method = %(method)s
order by r.asked_at desc
limit 1

-- name: refunds_waiting
-- Whether something of that method is on its way whose name at the processor we may not know yet. Index deposit_refunds_one.
select exists (
    select from deposit_refunds r join deposits d on d.id = r.deposit_id
    where r.state = 'sending' and r.processor_id is null and d.method = %(method)s
) as waiting

-- name: exceptions
-- What staff have to look at, newest first; the resolved ones too, when asked for.
select id, method, code, object_id, deposit_id as deposit, amount, currency, first_at, last_at, times, resolved_at, resolved_by
from payment_exceptions
where (%(all)s or resolved_at is null) and (%(before)s::bigint is null or id < %(before)s)
order by id desc
limit %(limit)s

-- name: resolve_all
-- Index payment_exceptions_open.
update payment_exceptions
set resolved_at = %(now)s, resolved_by = %(staff)s
where deposit_id = %(deposit)s and resolved_at is null

-- name: resolve
update payment_exceptions
set resolved_at = %(now)s, resolved_by = %(staff)s
where id = %(id)s and resolved_at is null

-- name: refunds
-- Refunds newest first: those that wait for a person, or all. Index deposit_refunds_by_age.
select r.id, r.deposit_id as deposit, d.method, s.mode, s.account_id as account, r.state, r.amount, r.asked_by, r.approved_by,
       r.declined_by, r.reason, r.asked_at, r.sent_at, r.ended_at
from deposit_refunds r join deposits d on d.id = r.deposit_id join sides s on s.id = d.side_id
where (%(all)s or r.state = 'asked')
  and (%(before)s::text is null
       or (r.asked_at, r.id) < (select b.asked_at, b.id from deposit_refunds b where b.id = %(before)s))
order by r.asked_at desc, r.id desc
limit %(limit)s
