-- name: tell
-- A notification under the account's next number, and a mail where the account wants one. Without a mode it goes to the
-- live side's address, or the test side's where there is no other.
with counted as (
    insert into notice_counters as c (account_id, seq) values (%(account)s, 1)
    on conflict (account_id) do update set seq = c.seq + 1
    returning seq
), noted as (
    insert into notifications (account_id, seq, kind, mode, facts, at)
    select %(account)s, seq, %(kind)s, %(mode)s, %(facts)s::jsonb, %(now)s from counted
), addressed as (
    select n.side_id
    from notice_settings n join sides s on s.id = n.side_id
    where n.account_id = %(account)s and %(mail)s and n.confirmed_at is not null
      and s.mode = coalesce(%(mode)s, s.mode) and not %(kind)s = any(n.muted)
    order by s.mode
    limit 1
), mailed as (
    insert into mails (account_id, side_id, kind, mode, facts, made_at, next_at)
    select %(account)s, side_id, %(kind)s, %(mode)s, %(facts)s::jsonb, %(now)s, %(now)s
    from addressed
    where (select count(*) from (
        select 1 from mails where account_id = %(account)s and made_at > %(day)s limit %(most)s) m) < %(most)s
    returning id
)
select count(*) as mailed from mailed

-- name: notifications
select seq, kind, mode, facts, at, read_at
from notifications
where account_id = %(account)s and coalesce(mode, %(mode)s) = %(mode)s
  and seq < coalesce(%(before)s, 9223372036854775807) and (read_at is null or not %(unread)s)
order by seq desc
limit %(limit)s

-- name: unread
select count(*) as n from (
    select 1 from notifications
    where account_id = %(account)s and read_at is null and coalesce(mode, %(mode)s) = %(mode)s
    limit %(most)s
) u

-- name: mark_read
update notifications set read_at = %(now)s
where account_id = %(account)s and read_at is null and coalesce(mode, %(mode)s) = %(mode)s
  and (seq <= %(up_to)s or seq = any(%(ids)s))

-- name: prune_notifications
delete from notifications
where ctid = any(array(select ctid from notifications where at < %(before)s order by at limit %(limit)s))

-- name: low_balances
-- Sides whose balance crossed their threshold since somebody last looked, either way. Index notice_settings_low.
select n.side_id, n.account_id
from notice_settings n join sides s on s.id = n.side_id
where n.low_balance is not null and (s.available < n.low_balance) <> n.low_told
  and (n.low_told or n.low_told_at is null or n.low_told_at <= %(again)s)
order by n.side_id
limit %(limit)s

-- name: cross_threshold
-- Note the crossing; only one worker gets the row.
update notice_settings n
set low_told = not n.low_told, low_told_at = case when n.low_told then n.low_told_at else %(now)s end
from sides s, installation i
where n.side_id = %(side)s and s.id = n.side_id and n.low_balance is not null
  and (s.available < n.low_balance) <> n.low_told
  and (n.low_told or n.low_told_at is null or n.low_told_at <= %(again)s)
returning n.low_told, n.low_balance, n.account_id, s.available, s.mode, i.currency

-- name: announce
insert into policy_changes (policy, version, effective_on, significant, summary, announced_at)
values (%(policy)s, %(version)s, %(effective_on)s, %(significant)s, %(summary)s, %(now)s)
on conflict (policy, version) do nothing

-- name: announcements
-- From when each announced version of a policy holds. Index policy_changes_policy_version_key.
select version, effective_on
from policy_changes
where policy = %(policy)s
order by version
limit 1000

-- name: policy_to_tell
select id, policy, version, effective_on, significant, summary, announced_at, told_to
from policy_changes
where told_at is null
order by id
limit 1
for update skip locked

-- name: accounts_to_tell
-- Accounts that were there when it was announced, in the order of ids. Primary key.
select id from accounts
where id > %(after)s and opened_at <= %(opened)s and state <> 'closed'
order by id
limit %(limit)s

-- name: policy_told
update policy_changes set told_to = %(told_to)s, told_at = %(told_at)s where id = %(id)s

-- name: lock_account
-- Whoever changes settings or tells the account something waits here for the others, before any other row.
insert into notice_counters as c (account_id, seq) values (%(account)s, 0)
on conflict (account_id) do update set seq = c.seq

-- name: settings
select n.side_id, n.account_id, s.mode, n.mailbox, n.confirmed_at, n.pending, n.pending_at, n.muted, n.low_balance,
       c.with_code
from notice_settings n join sides s on s.id = n.side_id left join code_mails c on c.side_id = n.side_id
where n.side_id = %(side)s

-- name: change_settings
insert into notice_settings as n (side_id, account_id, muted, low_balance)
values (%(side)s, %(account)s, %(muted)s, %(low_balance)s)
on conflict (side_id) do update
set muted = excluded.muted,
    low_told = n.low_told and n.low_balance is not distinct from excluded.low_balance,
    low_told_at = case when n.low_balance is not distinct from excluded.low_balance then n.low_told_at end,
    low_balance = excluded.low_balance
returning side_id, account_id, mailbox, confirmed_at

-- name: remove_settings
delete from notice_settings where side_id = %(side)s

-- name: codes_on
-- From the next event on; a side that has it on already goes on where it is.
insert into code_mails as c (side_id, with_code, seq)
select id, %(with_code)s, seq from sides where id = %(side)s
on conflict (side_id) do update set with_code = excluded.with_code

-- name: codes_off
delete from code_mails where side_id = %(side)s

-- name: set_pending
update notice_settings set pending = %(pending)s, pending_at = %(now)s, pending_tries = 0 where side_id = %(side)s

-- name: wrong_code
-- The last try that is allowed takes the waiting address away.
update notice_settings
set pending_tries = pending_tries + 1,
    pending = case when pending_tries + 1 < %(most)s then pending end,
    pending_at = case when pending_tries + 1 < %(most)s then pending_at end
where side_id = %(side)s

-- name: confirm
-- The address that was there before is overwritten (P2).
update notice_settings set mailbox = %(mailbox)s, confirmed_at = %(now)s, pending = null, pending_at = null
where side_id = %(side)s

-- name: unconfirm
-- Only the address that was refused, not one that was confirmed meanwhile.
update notice_settings set confirmed_at = null where side_id = %(side)s and mailbox = %(mailbox)s

-- name: drop_pending
update notice_settings set pending = null, pending_at = null
where side_id = %(side)s and pending_at = %(pending_at)s

-- name: mails_since
select count(*) as n from mails where account_id = %(account)s and made_at > %(day)s and kind = %(kind)s

-- name: code_mails_since
select count(*) as n from mails
where account_id = %(account)s and made_at > %(day)s and kind = %(kind)s and side_id = %(side)s

-- name: told_since
select 1 as one from notifications
where account_id = %(account)s and kind = %(kind)s and mode = %(mode)s and at > %(day)s
limit 1

-- name: confirm_mail
insert into mails (account_id, side_id, kind, mode, facts, made_at, next_at)
values (%(account)s, %(side)s, 'mail.confirm', %(mode)s, jsonb_build_object('asked', %(asked)s::text), %(now)s, %(now)s)

-- name: sides_with_news
select c.side_id, s.account_id from code_mails c join sides s on s.id = c.side_id
where s.seq > c.seq
order by c.side_id
limit %(limit)s

-- name: code_cursor
select c.side_id, c.seq, s.seq as newest, s.account_id, s.mode, n.confirmed_at
from code_mails c join sides s on s.id = c.side_id left join notice_settings n on n.side_id = c.side_id
where c.side_id = %(side)s
for update of c skip locked

-- name: events_with_codes
-- The side's next events; has_code where one shows a message with a code. Primary keys.
select e.seq, e.order_id, coalesce(m.has_code, false) as has_code, o.expires_at
from events e
left join messages m on m.id = e.message_id and e.type = 'order.message'
left join orders o on o.id = m.order_id
where e.side_id = %(side)s and e.seq > %(seq)s
order by e.seq
limit %(limit)s

-- name: move_code_cursor
update code_mails set seq = %(seq)s where side_id = %(side)s

-- name: code_mails
insert into mails (account_id, side_id, kind, mode, facts, seq, made_at, next_at)
select %(account)s, %(side)s, %(kind)s, %(mode)s, jsonb_build_object('order', one.order_id), one.seq, %(now)s, %(now)s
from unnest(%(seqs)s::bigint[], %(orders)s::bigint[]) as one (seq, order_id)
on conflict (side_id, seq) where seq is not null do nothing

-- name: mails_due
-- Letters are mails too. Indexes mails_due, letters_due.
select count(*) as n from (
    (select 1 from mails where state = 'due' and next_at <= %(now)s limit %(most)s)
    union all
    (select 1 from letters where next_at <= %(now)s limit %(most)s)
    limit %(most)s
) m

-- name: claim_mail
-- The mail that waits longest. Index mails_due.
update mails set attempts = attempts + 1, next_at = %(until)s
where id = (
    select id from mails where state = 'due' and next_at <= %(now)s
    order by next_at limit 1 for update skip locked
)
returning id, account_id, side_id, kind, mode, facts, seq, attempts, made_at

-- name: end_mail
-- Only under the claim that sent it.
update mails set state = %(state)s where id = %(id)s and attempts = %(attempts)s and state = 'due'

-- name: retry_mail
update mails set next_at = %(at)s where id = %(id)s and attempts = %(attempts)s and state = 'due'

-- name: prune_mails
delete from mails
where ctid = any(array(select ctid from mails where made_at < %(before)s order by made_at limit %(limit)s))

-- name: carry_letters
-- What was counted under yesterday's key counts today, unless somebody has begun to count anew.
update letter_counts set recipient = %(recipient)s
where recipient = %(before)s and not exists (select from letter_counts c where c.recipient = %(recipient)s)

-- name: count_letter
-- One more letter, if fewer than so many were posted within the hour; no row is changed otherwise.
insert into letter_counts as c (recipient, posted, forget_at)
values (%(recipient)s, array[%(now)s::timestamptz], %(forget_at)s)
on conflict (recipient) do update
set posted = array(select at from unnest(c.posted) at where at > %(hour)s) || %(now)s::timestamptz,
    forget_at = excluded.forget_at
where (select count(*) from unnest(c.posted) at where at > %(hour)s) < %(most)s

-- name: post_letter
insert into letters (id, intake_key, sealed, made_at, next_at)
values (%(id)s, %(intake_key)s, %(sealed)s, %(now)s, %(now)s)

-- name: claim_letter
-- The letter that waits longest. Index letters_due.
update letters set attempts = attempts + 1, next_at = %(until)s
where id = (select id from letters where next_at <= %(now)s order by next_at limit 1 for update skip locked)
returning id, intake_key, sealed, attempts, made_at

-- name: end_letter
-- Only under the claim that sent it.
delete from letters where id = %(id)s and attempts = %(attempts)s

-- name: retry_letter
update letters set next_at = %(at)s where id = %(id)s and attempts = %(attempts)s

-- name: prune_letters
delete from letters
where id = any(array(select id from letters where made_at < %(before)s order by made_at limit %(limit)s))

-- name: prune_letter_counts
-- Index letter_counts_by_age.
delete from letter_counts
where recipient = any(array(
    select recipient from letter_counts where forget_at <= %(now)s order by forget_at limit %(limit)s
))
