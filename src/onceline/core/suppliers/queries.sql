-- name: add
insert into suppliers (name, kind, settings, made_at) values (%(name)s, %(kind)s, %(settings)s::jsonb, %(now)s)
on conflict (name) do nothing

-- name: change
update suppliers set settings = %(settings)s::jsonb where name = %(name)s

-- name: set_enabled
update suppliers set enabled = %(enabled)s where name = %(name)s

-- name: records
-- Every supplier, or one. There are few.
select name, kind, enabled, settings, made_at
from suppliers
where %(name)s::text is null or name = %(name)s
order by name
limit 1000

-- name: add_secret
insert into supplier_secrets (supplier, name, sealed, made_at) values (%(supplier)s, %(name)s, %(sealed)s, %(now)s) returning id

-- name: drop_secret
delete from supplier_secrets where id = %(id)s and supplier = %(supplier)s

-- name: secrets
-- Newest first. Index supplier_secrets_by_supplier.
select id, supplier, name, sealed, made_at
from supplier_secrets
where %(supplier)s::text is null or supplier = %(supplier)s
order by supplier, name, id desc
limit 10000

-- name: beat
-- What devices said of themselves: a device is made when it is first heard of. Sorted, so that two writers never meet in a ring.
insert into supplier_devices (supplier, device, facts, warning, heartbeat_at, message_at)
select b.supplier, b.device, coalesce(b.facts::jsonb, '{}'), coalesce(b.warning, ''), b.heartbeat_at, b.message_at
from unnest(%(suppliers)s::text[], %(devices)s::text[], %(facts)s::text[], %(warnings)s::text[],
            %(heartbeats)s::timestamptz[], %(messages)s::timestamptz[])
     b (supplier, device, facts, warning, heartbeat_at, message_at)
join suppliers s on s.name = b.supplier
order by b.supplier, b.device
on conflict (supplier, device) do update
set facts = case when excluded.heartbeat_at is null then supplier_devices.facts else excluded.facts end,
    warning = case when excluded.heartbeat_at is null then supplier_devices.warning else excluded.warning end,
    heartbeat_at = greatest(supplier_devices.heartbeat_at, excluded.heartbeat_at),
    message_at = greatest(supplier_devices.message_at, excluded.message_at)

-- name: devices
-- A page of devices, by supplier and name. Primary key.
select supplier, device, facts, warning, heartbeat_at, message_at
from supplier_devices
where (%(supplier)s::text is null or supplier = %(supplier)s) and (supplier, device) > (%(after_supplier)s, %(after_device)s)
order by supplier, device
limit %(limit)s

-- name: alert
insert into supplier_alerts (supplier, code, subject, times, first_at, last_at)
select a.supplier, a.code, a.subject, a.times, %(now)s, %(now)s
from unnest(%(suppliers)s::text[], %(codes)s::text[], %(subjects)s::text[], %(times)s::bigint[])
     a (supplier, code, subject, times)
order by a.supplier, a.code, a.subject
on conflict (supplier, code, subject) do update
set times = supplier_alerts.times + excluded.times, last_at = excluded.last_at

-- name: alerts
-- The latest first. Index supplier_alerts_by_age.
select supplier, code, subject, times, first_at, last_at
from supplier_alerts
where (%(supplier)s::text is null or supplier = %(supplier)s) and last_at >= %(since)s
order by last_at desc, supplier, code, subject
limit %(limit)s

-- name: clear_alerts
delete from supplier_alerts where %(supplier)s::text is null or supplier = %(supplier)s

-- name: prune_alerts
delete from supplier_alerts where last_at < %(before)s

-- name: take_lease
-- Ours if nobody has it, or he who had it did not renew it in time.
insert into supplier_sessions (name, holder, until) values (%(name)s, %(holder)s, %(until)s)
on conflict (name) do update set holder = excluded.holder, until = excluded.until
where supplier_sessions.holder = excluded.holder or supplier_sessions.until < %(now)s

-- name: give_lease
delete from supplier_sessions where name = %(name)s and holder = %(holder)s
