-- Statements of the key store in PostgreSQL. The second speaks to the main database, the first to both, the others to the
-- key store's own.

-- name: server
-- Which server answers: every database of it shares its log, its disk and its backups.
select system_identifier::text as id from pg_control_system()

-- name: doors
-- Edges and workers that use the main database at this moment.
select count(*) as running
from pg_stat_activity
where datname = current_database() and application_name = any(%(names)s)

-- name: lock_making
-- One machine at a time makes the store or moves into it.
select pg_advisory_xact_lock(206687006)

-- name: make_keystore
-- One row that says the layout's version, and a value that opens under the right master key alone.
create table if not exists keystore (
    one boolean primary key default true check (one),
    version integer not null,
    check_value bytea not null
)

-- name: make_data_keys
-- The keys, each wrapped by the master key; without its value a key is destroyed.
create table if not exists data_keys (
    name text collate "C" primary key,
    wrapped bytea
)

-- name: keystore
select version, check_value from keystore

-- name: note_check
insert into keystore (version, check_value) values (%(version)s, %(check_value)s)

-- name: create
-- Whoever comes second gets the first one's key; one that was destroyed gets a new value.
insert into data_keys (name, wrapped)
values (%(name)s, %(wrapped)s)
on conflict (name) do update set wrapped = coalesce(data_keys.wrapped, excluded.wrapped)
returning wrapped

-- name: get
select wrapped from data_keys where name = %(name)s

-- name: patience
select set_config('statement_timeout', %(ms)s, false)

-- name: overwrite
update data_keys set wrapped = null where name = %(name)s

-- name: rewrite
-- A new file without the rows that were: UPDATE and DELETE leave them in the old one.
vacuum (full) data_keys

-- name: forget
delete from data_keys where name = %(name)s and wrapped is null

-- name: names
select name from data_keys where starts_with(name, %(kind)s) order by name limit %(most)s
