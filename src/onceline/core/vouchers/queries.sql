-- name: add_batch
insert into voucher_batches (id, mode, issuer, face_value, size, state, created_by, created_at, expires_at)
values (%(id)s, %(mode)s, %(issuer)s, %(face_value)s, %(size)s, 'draft', %(staff)s, %(now)s, %(expires_at)s)

-- name: add_vouchers
-- Numbered from 1 in the order of their hashes' list.
insert into vouchers (batch_id, number, code_hash)
select %(batch)s, h.number, h.hash
from unnest(%(hashes)s::bytea[]) with ordinality h (hash, number)

-- name: batch
select id, mode, issuer, face_value, size, state, created_by, approved_by, voided_by, created_at, approved_at, voided_at, expires_at
from voucher_batches
where id = %(id)s

-- name: lock_batch
select from voucher_batches where id = %(id)s for no key update

-- name: approve
update voucher_batches set state = 'active', approved_by = %(staff)s, approved_at = %(now)s
where id = %(id)s and state = 'draft'

-- name: void_batch
update voucher_batches set state = 'void', voided_by = %(staff)s, voided_at = %(now)s
where id = %(id)s and state <> 'void'

-- name: void_vouchers
-- Those of a batch that nobody has redeemed; of one number, when it is named.
update vouchers set voided_at = %(now)s, voided_by = %(staff)s
where batch_id = %(batch)s and (%(number)s::integer is null or number = %(number)s)
  and redeemed_at is null and voided_at is null

-- name: redeem
-- Won by one. What a rival changed meanwhile is looked at again under the row's lock, so the voucher itself says whether it is
-- void; a batch is never in force again once it is not.
update vouchers v
set redeemed_deposit = %(deposit)s, redeemed_at = %(now)s, redeem_key = %(key)s
from voucher_batches b, sides s
where v.code_hash = %(hash)s and v.redeemed_at is null and v.voided_at is null
  and b.id = v.batch_id and b.state = 'active' and (b.expires_at is null or b.expires_at > %(now)s)
  and s.id = %(side)s and s.mode = b.mode
returning b.face_value

-- name: redeemed_by
-- The deposit that a code became, if it is this side's.
select d.id, v.redeem_key
from vouchers v join deposits d on d.id = v.redeemed_deposit
where v.code_hash = %(hash)s and d.side_id = %(side)s

-- name: redeemed_under
-- What a side redeemed under an Idempotency-Key. Index deposits_by_side.
select v.code_hash, d.id, d.amount
from deposits d join vouchers v on v.redeemed_deposit = d.id
where d.side_id = %(side)s and v.redeem_key = %(key)s

-- name: guesses
-- An account's wrong codes since an instant. Takes its row, so its attempts come one after the other.
insert into voucher_guesses (account_id, at) values (%(account)s, '{}')
on conflict (account_id) do update
set at = array(select one from unnest(voucher_guesses.at) one where one > %(since)s order by one)
returning at

-- name: note_guess
update voucher_guesses set at = at || %(now)s::timestamptz where account_id = %(account)s

-- name: note_guessing
-- One more wrong code of the house; how many there were in this hour.
insert into voucher_guessing (one, hour, wrong) values (true, %(hour)s, 1)
on conflict (one) do update
set wrong = case when voucher_guessing.hour = excluded.hour then voucher_guessing.wrong + 1 else 1 end, hour = excluded.hour
returning wrong

-- name: prune_guesses
delete from voucher_guesses g where not exists (select from unnest(g.at) one where one > %(before)s)

-- name: batches
-- Newest first. Index voucher_batches_by_age.
select b.id, b.mode, b.issuer, b.face_value, b.size, b.state, b.created_by, b.approved_by, b.voided_by, b.expires_at, n.redeemed, n.void
from voucher_batches b
cross join lateral (
    select count(redeemed_at) as redeemed, count(voided_at) as void from vouchers v where v.batch_id = b.id
) n
where %(before)s::text is null
   or (b.created_at, b.id) < (select o.created_at, o.id from voucher_batches o where o.id = %(before)s)
order by b.created_at desc, b.id desc
limit %(limit)s

-- name: vouchers
-- Of one batch, by number. Its primary key.
select number, redeemed_deposit, redeemed_at, voided_at, voided_by
from vouchers
where batch_id = %(batch)s and number > %(after)s
order by number
limit %(limit)s
