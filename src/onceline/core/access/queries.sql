-- name: open_account
insert into accounts (id, name, opened_at) values (%(account)s, %(name)s, %(now)s)

-- name: open_side
insert into sides (account_id, mode, wallet) values (%(account)s, %(mode)s, %(wallet)s)

-- name: find_account
-- By id, or by name when it is the only one of that name.
select id, name, state, opened_at from accounts where id = %(text)s or name = %(text)s order by id limit 2

-- name: accounts
select a.id, a.name, a.state, a.opened_at,
       max(s.available) filter (where s.mode = 'test') as test_available,
       max(s.available) filter (where s.mode = 'live') as live_available
from (select * from accounts where id > %(after)s order by id limit %(limit)s) a
join sides s on s.account_id = a.id
group by a.id, a.name, a.state, a.opened_at
order by a.id

-- name: set_state
update accounts set state = %(state)s where id = %(account)s

-- name: stop
update accounts set state = 'suspended' where id = %(account)s and state = 'open'

-- name: side_of
select id from sides where account_id = %(account)s and mode = %(mode)s

-- name: owner_of
select account_id, mode from sides where id = %(side)s

-- name: create_key
with made as (
    insert into grants (side_id, kind, created_at, expires_at)
    values (%(side)s, 'key', %(now)s, %(expires_at)s)
    returning id
)
insert into api_keys (id, grant_id, kind, name, hash, last4, scopes, spend_cap_id)
select %(id)s, made.id, %(kind)s, %(name)s, %(hash)s, %(last4)s, %(scopes)s, %(cap)s
from made

-- name: open_cap
insert into spend_caps (side_id, cap) values (%(side)s, %(amount)s) returning id

-- name: authenticate
select g.id, s.account_id, s.id as side, s.mode, k.id as key, k.kind, k.scopes, k.last_used_on, g.expires_at,
       g.revoked_at, a.state, k.spend_cap_id as cap
from api_keys k
join grants g on g.id = k.grant_id
join sides s on s.id = g.side_id
join accounts a on a.id = s.account_id
where k.hash = %(hash)s

-- name: used_today
update api_keys set last_used_on = %(today)s where id = %(key)s and last_used_on is distinct from %(today)s

-- name: keys
-- The keys of a side: the active ones (at most 100), then the revoked, newest first. Index grants_by_side.
select k.id, k.kind, k.name, k.last4, k.scopes, k.last_used_on, g.created_at, g.expires_at, g.revoked_at, g.id as grant_id,
       c.cap as spend_cap, c.spent
from api_keys k join grants g on g.id = k.grant_id left join spend_caps c on c.id = k.spend_cap_id
where g.side_id = %(side)s
order by g.revoked_at is not null, g.id desc
limit 200

-- name: active_keys
select count(*) as n
from api_keys k join grants g on g.id = k.grant_id
where g.side_id = %(side)s and g.revoked_at is null and (g.expires_at is null or g.expires_at > %(now)s)

-- name: key
select k.id, k.kind, k.name, k.last4, k.scopes, k.last_used_on, g.created_at, g.expires_at, g.revoked_at, g.id as grant_id,
       k.spend_cap_id as cap
from api_keys k join grants g on g.id = k.grant_id
where k.id = %(key)s and g.side_id = %(side)s

-- name: revoke
update grants set revoked_at = %(now)s where id = %(grant)s and revoked_at is null

-- name: expire
-- Let a grant end at an instant, never later than it would have.
update grants set expires_at = least(expires_at, %(at)s) where id = %(grant)s and revoked_at is null

-- name: ended_grants
-- Which of these grants no longer act: revoked, expired, or of an account that is not open.
select g.id
from grants g join sides s on s.id = g.side_id join accounts a on a.id = s.account_id
where g.id = any(%(grants)s) and (g.revoked_at is not null or g.expires_at <= %(now)s or a.state <> 'open')

-- name: issue_tickets
insert into socket_tickets (hash, grant_id, expires_at)
select t.hash, t.grant_id, %(expires_at)s from unnest(%(hashes)s::bytea[], %(grants)s::bigint[]) t (hash, grant_id)

-- name: redeem_tickets
-- One-time: a row goes with its first use.
with used as (
    delete from socket_tickets where hash = any(%(hashes)s) returning hash, grant_id, expires_at
)
select u.hash, g.id, s.account_id, s.id as side, s.mode, coalesce(k.id, '') as key, coalesce(k.kind, g.kind) as kind,
       k.scopes, g.expires_at, k.spend_cap_id as cap
from used u
join grants g on g.id = u.grant_id
left join api_keys k on k.grant_id = g.id
join sides s on s.id = g.side_id
join accounts a on a.id = s.account_id
where u.expires_at > %(now)s and g.revoked_at is null and (g.expires_at is null or g.expires_at > %(now)s)
  and a.state = 'open' and (k.id is not null or g.kind = 'session')

-- name: prune_tickets
delete from socket_tickets where expires_at < %(now)s

-- name: open_session
-- A grant for each side of the account.
with made as (
    insert into grants (side_id, kind, created_at, expires_at)
    select id, 'session', %(now)s, %(ends_at)s from sides where account_id = %(account)s
    returning id, side_id
)
select made.id, s.mode from made join sides s on s.id = made.side_id

-- name: end_sessions
update grants set revoked_at = %(now)s where id = any(%(grants)s) and kind = 'session' and revoked_at is null

-- name: session_grant
-- With the columns of a key's grant, as far as a session has them.
select g.id, s.account_id, s.id as side, s.mode, '' as key, g.kind, g.expires_at, g.revoked_at, a.state,
       null::bigint as cap
from grants g join sides s on s.id = g.side_id join accounts a on a.id = s.account_id
where g.id = %(grant)s and g.kind = 'session'

-- name: prune_sessions
-- Ended, by themselves or by hand, before an instant. Index grants_sessions_by_end.
delete from grants
where id = any(array(
    select id from grants where kind = 'session' and least(expires_at, revoked_at) < %(before)s
    order by least(expires_at, revoked_at) limit %(limit)s
))
