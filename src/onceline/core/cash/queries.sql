-- name: lock_staff
-- A member of staff has no row; until the end of the transaction this stands for one.
select pg_advisory_xact_lock(hashtextextended('cash ' || %(staff)s, 0))

-- name: of_staff
-- Amounts of what somebody recorded (and nobody declined) and approved since an instant.
select (select coalesce(sum(d.amount), 0)::bigint
        from cash_receipts r
        join deposits d on d.id = r.deposit_id
        left join cash_decisions c on c.deposit_id = r.deposit_id
        where r.recorded_by = %(staff)s and r.recorded_at > %(since)s and c.verdict is distinct from 'declined') as recorded,
       (select coalesce(sum(d.amount), 0)::bigint
        from cash_decisions c join deposits d on d.id = c.deposit_id
        where c.decided_by = %(staff)s and c.decided_at > %(since)s and c.verdict = 'approved') as approved

-- name: add_receipt
insert into cash_receipts (deposit_id, document, recorded_by, recorded_at)
values (%(deposit)s, %(document)s, %(staff)s, %(now)s)
on conflict (document) do nothing

-- name: receipt
select recorded_by from cash_receipts where deposit_id = %(deposit)s

-- name: decide
insert into cash_decisions (deposit_id, verdict, decided_by, decided_at)
values (%(deposit)s, %(verdict)s, %(staff)s, %(now)s)

-- name: receipts
-- Newest first. Index cash_receipts_by_age.
select r.deposit_id as id, s.account_id as account, s.mode, d.state, d.amount, r.document, r.recorded_by, r.recorded_at,
       c.verdict, c.decided_by, c.decided_at
from cash_receipts r
join deposits d on d.id = r.deposit_id
join sides s on s.id = d.side_id
left join cash_decisions c on c.deposit_id = r.deposit_id
where %(before)s::text is null
   or (r.recorded_at, r.deposit_id) < (select o.recorded_at, o.deposit_id from cash_receipts o where o.deposit_id = %(before)s)
order by r.recorded_at desc, r.deposit_id desc
limit %(limit)s
