-- Suppliers that an operator configured, what they and their devices say of themselves, and what staff should know.
set local lock_timeout = '5s';

create table suppliers (
    name text primary key check (name ~ '^[a-z][a-z0-9-]{1,31}$'),
    kind text not null,
    enabled boolean not null default true,
    settings jsonb not null,          -- what its kind's model reads; nothing secret
    made_at timestamptz not null
);

create table supplier_secrets (       -- several of one name may be active: rotation without a gap
    id bigint generated always as identity primary key,
    supplier text not null references suppliers,
    name text not null,
    sealed bytea not null,            -- under the house's own key
    made_at timestamptz not null
);
create index supplier_secrets_by_supplier on supplier_secrets (supplier, name);

create table supplier_devices (       -- a modem, a phone, a bind: whatever the supplier tells apart
    supplier text not null references suppliers,
    device text not null check (length(device) <= 64),
    facts jsonb not null default '{}',
    warning text not null default '',
    heartbeat_at timestamptz,
    message_at timestamptz,           -- the last message that came through it
    primary key (supplier, device)
);

create table supplier_alerts (        -- what staff should look at; the same again counts up
    supplier text not null,
    code text not null,
    subject text not null check (length(subject) <= 64),
    times bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (supplier, code, subject)
);
create index supplier_alerts_by_age on supplier_alerts (last_at);

create table supplier_sessions (      -- which worker runs a session; an abandoned lease runs out
    name text primary key,
    holder text not null,
    until timestamptz not null
);

create table supplier_stock (         -- what a supplier that must be asked first says it has
    pool_id smallint not null references pools,
    country text not null references countries,
    service_id smallint not null references services,
    count integer not null check (count >= 0),
    as_of timestamptz not null,
    primary key (pool_id, country, service_id)
);

create table purchases (              -- what we asked such a supplier for, written down before it was asked
    reference text primary key,
    supplier text not null references suppliers,
    state text not null check (state in ('asking', 'bought', 'none', 'unknown', 'ended')),
    supplier_order_id text,                   -- what the supplier calls it
    number text,
    network text,
    service text not null,
    country text not null,
    asked_at timestamptz not null,
    polled_at timestamptz not null,
    ends_at timestamptz not null      -- until then the supplier is asked for messages
);
create unique index purchases_by_remote on purchases (supplier, supplier_order_id) where supplier_order_id is not null;
create index purchases_to_poll on purchases (supplier, polled_at) where state = 'bought';
create index purchases_by_age on purchases (asked_at);

-- A supplier may name a number only after its message came: the number is noted where it is not ours, until the text goes.
alter table inbound add column e164 text;
create index inbound_unowned on inbound (e164, id) where e164 is not null;
create index inbound_of_orders on inbound (id) where state = 'stored' and holder is not null;

alter table inbound add column shown_as bigint;     -- the message as which a part was shown before the others came
create index inbound_waiting on inbound (number_id, id) where state in ('stored', 'part');
drop index inbound_stored;

-- A bought number's provenance named its order, for longer than the link from a number to an order may live (promise A4).
update batches set contract = 'asked of ' || split_part(contract, ':', 1) where contract like '%: ol-%';
