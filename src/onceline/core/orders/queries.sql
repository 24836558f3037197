-- name: installation
select currency, message_key, order_key from installation

-- name: claim_key
-- Take the idempotency key with the serials that its orders will have; nothing comes back when the key is known.
insert into idempotency (side_id, key, request, serials, made_at)
select %(side)s, %(key)s, %(request)s, array(select nextval('order_serials') from generate_series(1, %(count)s)), %(now)s
on conflict (side_id, key) do nothing
returning serials

-- name: known_key
select request, serials from idempotency where side_id = %(side)s and key = %(key)s

-- name: place
-- One call for all; a row for each in the order of asking: an order, or why it was refused.
select p.refused, p.figure, p.replayed, (p.made).id, (p.made).serial, (p.made).side_id as side, p.account,
       (p.made).kind, (p.made).state, p.service, (p.made).country, p.pool, (p.made).network, p.asks as asked, p.tells,
       (p.made).number_id, (p.made).e164, (p.made).e164_sealed, (p.made).price, 0 as extended, (p.made).hold_id,
       (p.made).money, (p.made).created_at, (p.made).ends_at, (p.made).expires_at, (p.made).cancel_from,
       (p.made).cancel_until, (p.made).closed_at, (p.made).first_shown_at, (p.made).first_valid_at,
       (p.made).captured_at, (p.made).withheld, (p.made).revision, (p.made).client_reference, false as auto_extend
from place_orders(%(orders)s::json, %(order_key)s, %(now)s, %(window_s)s, %(cancel_lock_s)s, %(live_orders)s) p
order by p.place

-- name: by_ids
-- Orders, of one side when it is named; or, where messages are named, those that held their numbers then. Primary keys.
select o.id, o.serial, o.side_id as side, d.account_id as account, o.kind, o.state, s.slug as service, o.country,
       p.slug as pool, o.network, p.asks as asked, p.tells, o.number_id, o.e164, o.e164_sealed, o.price,
       case when o.kind = 'rental' then (select coalesce(sum(x.amount), 0)::bigint from extensions x where x.order_id = o.id)
            else 0 end as extended,
       o.hold_id, o.money, o.created_at, o.ends_at, o.expires_at, o.cancel_from, o.cancel_until, o.closed_at,
       o.first_shown_at, o.first_valid_at, o.captured_at, o.withheld, o.revision, o.client_reference,
       case when o.kind = 'rental' then exists (select from auto_extensions a where a.order_id = o.id)
            else false end as auto_extend
from orders o
join sides d on d.id = o.side_id
join services s on s.id = o.service_id
join pools p on p.id = o.pool_id
where o.id = any(case when %(messages)s::bigint[] is null then %(ids)s::integer[]
                      else array(select i.holder from inbound i where i.id = any(%(messages)s)) end)
  and (%(side)s::bigint is null or o.side_id = %(side)s)

-- name: lock
-- Lock an order's row, after its number's.
select id from orders where id = %(id)s for no key update

-- name: by_serials
-- The ids that these serials were given, in that order.
select order_id(s, %(order_key)s) as id
from unnest(%(serials)s::bigint[]) with ordinality as given (s, place)
order by place

-- name: order_bounds
-- Between which serials a side's orders lie: of one order, of a reference, before a cursor; low above high where there are
-- none. Primary keys, index orders_by_reference.
select greatest(
           case when %(order)s::integer is null then 0
                else coalesce((select o.serial from orders o where o.id = %(order)s and o.side_id = %(side)s), 9223372036854775807) end,
           case when %(client_reference)s::text is null then 0
                else coalesce((select min(r.serial) from orders r
                               where r.side_id = %(side)s and r.client_reference = %(client_reference)s), 9223372036854775807) end
       ) as low,
       least((select o.serial from orders o where o.id = %(order)s and o.side_id = %(side)s),
             (select max(r.serial) from orders r
              where r.side_id = %(side)s and r.client_reference = %(client_reference)s),
             (select b.serial - 1 from orders b where b.id = %(before)s and b.side_id = %(side)s),
             9223372036854775806) as high

-- name: listed
-- A side's orders, newest first, by the state that readers see at %(now)s; only so many are looked at. Index orders_by_side.
select o.id, o.serial
from (
    select id, serial, kind, state, service_id, country, e164, money, created_at, expires_at, closed_at, client_reference
    from orders
    where side_id = %(side)s and serial between %(low)s and %(high)s
    order by serial desc
    limit %(looked_at)s
) o
where (%(states)s::text[] is null
       or case when o.closed_at is not null or o.expires_at > %(now)s then o.state
               when o.money = 'captured' then 'finished' else 'expired' end = any(%(states)s))
  and (%(service)s::text is null or o.service_id = (select id from services where slug = %(service)s))
  and (%(country)s::text is null or o.country = %(country)s)
  and (%(client_reference)s::text is null or o.client_reference = %(client_reference)s)
  and (%(kind)s::text is null or o.kind = %(kind)s)
  and (%(number)s::text is null or o.e164 like '%%' || %(number)s)
  and (%(since)s::timestamptz is null or o.created_at >= %(since)s)
  and (%(until)s::timestamptz is null or o.created_at < %(until)s)
order by o.serial desc
limit %(limit)s

-- name: looked_at
-- The last order that such a page looked at, and the one after it. Index orders_by_side.
select id, serial, created_at
from orders
where side_id = %(side)s and serial between %(low)s and %(high)s
order by serial desc
offset %(looked_at)s - 1
limit 2

-- name: side_message_bounds
-- Between which ids a side's messages lie: of one order, before a cursor, among the latest so many; low above high where there
-- are none. `searched` counts those latest, `older` says whether there are more. Indexes messages_by_side, messages_by_order.
with latest as (
    select id
    from messages
    where (side_id, id) between (%(side)s, 0) and (%(side)s, 9223372036854775807) and %(searched)s::integer is not null
    order by side_id desc, id desc
    limit %(searched)s + 1
), counted as (
    select count(*) as n, (select id from latest order by id desc offset %(searched)s - 1 limit 1) as last
    from latest
)
select greatest(
           case when %(order)s::integer is null then 0
                else coalesce((select min(m.id) from messages m where m.order_id = %(order)s), 9223372036854775807) end,
           coalesce(c.last, 0)
       ) as low,
       least((select max(m.id) from messages m where m.order_id = %(order)s), %(before)s::bigint - 1, 9223372036854775806) as high,
       least(c.n, %(searched)s)::integer as searched, c.n > %(searched)s as older,
       (select d.account_id from sides d where d.id = %(side)s) as account
from counted c

-- name: side_messages
-- A side's messages, newest first; only so many are looked at. Index messages_by_side: compared and ordered by side and id
-- together, or the planner might go through everybody's messages by the primary key; and with an offset, or it might read all
-- orders to join them at once.
select m.id, m.order_id, m.received_at, m.sealed, m.has_code, m.late, m.revision
from (
    select side_id, id, order_id, received_at, sealed, has_code, late, revision
    from messages
    where (side_id, id) between (%(side)s, %(low)s) and (%(side)s, %(high)s)
    order by side_id desc, id desc
    limit %(looked_at)s
) m
cross join lateral (select service_id, e164 from orders where id = m.order_id offset 0) o
where (%(order)s::integer is null or m.order_id = %(order)s)
  and (%(service)s::text is null or o.service_id = (select id from services where slug = %(service)s))
  and (%(number)s::text is null or o.e164 like '%%' || %(number)s)
  and (%(since)s::timestamptz is null or m.received_at >= %(since)s)
  and (%(until)s::timestamptz is null or m.received_at < %(until)s)
order by m.side_id desc, m.id desc
limit %(limit)s

-- name: messages_looked_at
-- The last message that such a page looked at, and the one after it. Index messages_by_side.
select id, received_at
from messages
where (side_id, id) between (%(side)s, %(low)s) and (%(side)s, %(high)s)
order by side_id desc, id desc
offset %(looked_at)s - 1
limit 2

-- name: recent_choices
-- What a side ordered lately, each choice once, the latest first. Index orders_by_side.
select s.slug as service, r.country, r.kind
from (
    select service_id, country, kind, serial
    from orders
    where side_id = %(side)s
    order by serial desc
    limit %(looked_at)s
) r
join services s on s.id = r.service_id
group by s.slug, r.country, r.kind
order by max(r.serial) desc
limit %(limit)s

-- name: add_extension
insert into extensions (hold_id, order_id, amount, duration_s, made_at, spend_cap_id)
values (%(hold)s, %(id)s, %(amount)s, %(duration_s)s, %(now)s, %(cap)s)

-- name: spend
-- Count an extension against a cap, if so much is left.
update spend_caps set spent = spent + %(amount)s
where id = %(cap)s and side_id = %(side)s and spent + %(amount)s <= cap

-- name: cap_left
select cap - spent as amount from spend_caps where id = %(cap)s and side_id = %(side)s

-- name: add_auto_extension
insert into auto_extensions (order_id, next_at, spend_cap_id, agreed) values (%(id)s, %(at)s, %(cap)s, %(agreed)s)

-- name: drop_auto_extension
delete from auto_extensions where order_id = %(id)s

-- name: plan_auto_extension
update auto_extensions set next_at = %(at)s where order_id = %(id)s

-- name: claim_auto_extensions
-- The rentals whose turn it is, for whoever asks first until %(next_at)s. Index auto_extensions_due.
update auto_extensions
set next_at = %(next_at)s
where order_id in (select order_id from auto_extensions where next_at <= %(now)s order by next_at limit %(limit)s for update skip locked)
returning order_id

-- name: note_unextended
-- Once for each end of a rental that still goes on; whose it is comes back.
update auto_extensions a
set told_for = o.expires_at
from orders o join sides d on d.id = o.side_id join services s on s.id = o.service_id
where a.order_id = %(id)s and o.id = a.order_id and a.told_for is distinct from o.expires_at and o.expires_at > %(now)s
returning d.account_id as account, d.mode, s.slug as service, o.expires_at

-- name: auto_extension
-- Whether the account of a rental may order, whose cap its extension counts against, and what it may cost.
select a.state, x.spend_cap_id as cap, x.agreed
from auto_extensions x join orders o on o.id = x.order_id join sides d on d.id = o.side_id join accounts a on a.id = d.account_id
where x.order_id = %(id)s

-- name: move
select move_orders(%(orders)s::json, %(steps)s::json, %(now)s)

-- name: extension_price
select price_of(o.pool_id, 'rental', o.service_id, s.category, o.country, %(duration_s)s) as amount
from orders o join services s on s.id = o.service_id
where o.id = %(id)s

-- name: add_messages
insert into messages (id, order_id, received_at, sealed, has_code, late, revision, side_id)
select m.*, (select o.side_id from orders o where o.id = m.order_id)
from unnest(%(ids)s::bigint[], %(orders)s::integer[], %(received_at)s::timestamptz[], %(sealed)s::bytea[],
            %(has_code)s::boolean[], %(late)s::boolean[], %(revisions)s::integer[])
     as m (id, order_id, received_at, sealed, has_code, late, revision)
on conflict (id) do update
set sealed = excluded.sealed, has_code = excluded.has_code, revision = excluded.revision

-- name: messages
-- An order's messages, oldest first. Index messages_by_order.
select id, order_id, received_at, sealed, has_code, late, revision
from messages
where order_id = %(order)s and id > %(after)s
order by id
limit %(limit)s

-- name: latest_messages
-- The latest messages of several orders, oldest first.
select m.id, m.order_id, m.received_at, m.sealed, m.has_code, m.late, m.revision
from unnest(%(orders)s::integer[]) wanted (id)
cross join lateral (
    select id, order_id, received_at, sealed, has_code, late, revision
    from messages
    where order_id = wanted.id
    order by id desc
    limit %(limit)s
) m
order by m.order_id, m.id

-- name: messages_by_id
select id, order_id, received_at, sealed, has_code, late, revision from messages where id = any(%(ids)s)

-- name: ended
-- Live orders whose end lies behind the drain, without a lock. Index orders_by_end.
select id, number_id, side_id
from orders
where expires_at <= %(before)s and state in ('placing', 'waiting', 'received', 'resend_pending')
order by expires_at
limit %(limit)s

-- name: add_call
insert into supplier_calls (order_id, verb, next_at, made_at) values (%(order)s, %(verb)s, %(now)s, %(now)s)

-- name: due_calls
-- The oldest unanswered call of each order of a supplier, leased to the caller until next_at. Index supplier_calls_due.
update supplier_calls
set next_at = %(lease_until)s, attempts = attempts + 1
where id in (
    select c.id
    from supplier_calls c
    where c.next_at <= %(now)s
      and exists (select from orders o join pools p on p.id = o.pool_id
                  where o.id = c.order_id and p.supplier = %(supplier)s)
      and not exists (select from supplier_calls e where e.order_id = c.order_id and e.id < c.id)
    order by c.next_at
    limit %(limit)s
    for update skip locked)
returning id, order_id, verb, attempts, made_at

-- name: end_call
delete from supplier_calls where id = %(id)s

-- name: retry_call
update supplier_calls set next_at = %(next_at)s where id = %(id)s

-- name: bare_numbers
-- Closed orders whose number is due to be sealed (promise A4), locked with their numbers and never waited for. Index
-- orders_to_seal.
select o.id, o.e164, d.account_id as account
from orders o join sides d on d.id = o.side_id join numbers n on n.id = o.number_id
where o.closed_at < %(before)s
order by o.closed_at
limit %(limit)s
for update of n, o skip locked

-- name: seal_number
-- Cut the link both ways.
with freed as (
    update numbers set holder = null where holder = %(id)s and id = (select o.number_id from orders o where o.id = %(id)s)
)
update orders set number_id = null, e164 = null, e164_sealed = %(sealed)s where id = %(id)s

-- name: prune_keys
delete from idempotency
where ctid = any(array(select ctid from idempotency where made_at < %(before)s order by made_at limit %(limit)s))

-- name: sandbox_owners
-- Of test numbers, the sides whose live or latest orders have them.
select n.e164, owner.side_id
from numbers n
cross join lateral (
    select o.side_id
    from orders o join sides d on d.id = o.side_id
    where o.number_id = n.id and d.mode = 'test'
    order by o.closed_at is null desc, o.serial desc
    limit 1
) owner
where n.e164 = any(%(numbers)s)
