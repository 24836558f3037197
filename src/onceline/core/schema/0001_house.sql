-- The tables of core. Forward only: a change is a new file. What each column holds and how long: docs/reference/tables.md.
set local lock_timeout = '5s';

create table installation (
    one boolean primary key default true check (one),
    epoch text not null,              -- changes when a database was restored, so that no client skips silently
    order_key bigint not null,        -- permutes order ids
    message_key bytea not null,       -- permutes message ids
    currency text not null,
    seed text,                        -- digest of the seed data that was last written
    created_at timestamptz not null
);

-- Accounts and their two sides ---------------------------------------------------------------------------------------

create table accounts (
    id text primary key,
    name text not null check (length(name) between 1 and 80),
    state text not null default 'open' check (state in ('open', 'suspended', 'closed')),
    opened_at timestamptz not null
);
create index accounts_by_name on accounts (name);

create table sides (
    id bigint generated always as identity primary key,
    account_id text not null references accounts,
    mode text not null check (mode in ('test', 'live')),
    wallet bigint not null unique,    -- random: ledger rows know a side only by this
    available bigint not null default 0 check (available >= 0),
    held bigint not null default 0 check (held >= 0),
    live_orders integer not null default 0 check (live_orders >= 0),
    seq bigint not null default 0,
    unique (account_id, mode)
) with (fillfactor = 60);             -- the row changes with every order: leave room for HOT updates

create table grants (
    id bigint generated always as identity primary key,
    side_id bigint not null references sides,
    kind text not null check (kind in ('key', 'session')),
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz
);
create index grants_by_side on grants (side_id);

create table api_keys (
    id text primary key,
    grant_id bigint not null unique references grants,
    kind text not null check (kind in ('api', 'protocol')),
    name text not null check (length(name) <= 80),
    hash bytea not null unique,       -- SHA-256 of the whole key: 160 random bits need no slow hash
    last4 text not null,
    scopes text[] not null,
    last_used_on date
);

create table socket_tickets (
    hash bytea primary key,
    grant_id bigint not null references grants,
    expires_at timestamptz not null
);

-- Ledger -------------------------------------------------------------------------------------------------------------

create table transfers (
    id bigint generated always as identity primary key,
    mode text not null check (mode in ('test', 'live')),
    kind text not null check (kind in ('deposit', 'hold', 'capture', 'release')),
    wallet bigint,                    -- whose available or held; house accounts need none
    debit text not null,
    credit text not null,
    amount bigint not null check (amount > 0),
    pending_id bigint,                -- the hold that a capture or release ends
    made_at timestamptz not null,
    check (debit <> credit),
    check ((kind in ('capture', 'release')) = (pending_id is not null))
);
create unique index transfers_one_end_per_hold on transfers (pending_id) where pending_id is not null;
create index transfers_by_wallet on transfers (wallet, id) where wallet is not null;

-- Catalogue ----------------------------------------------------------------------------------------------------------

create table countries (
    iso2 text primary key,
    name text not null,
    dial_code text not null,
    field_id smallint unique          -- the number that the field's old protocols use
);

create table services (
    id smallint generated always as identity primary key,
    slug text not null unique,
    name text not null,
    codes text[] not null,
    category text not null,
    prohibited boolean not null,
    window_factor smallint not null check (window_factor between 1 and 12)  -- times the activation window
);

create table pools (
    id smallint generated always as identity primary key,
    slug text not null unique,
    name text not null,
    supplier text not null,
    mode text not null check (mode in ('test', 'live')),
    asks boolean not null,            -- the supplier must be asked before the number is known
    tells boolean not null,           -- the supplier is told of every order
    enabled boolean not null default true,
    check (asks <= tells)
);

create table prices (
    id integer generated always as identity primary key,
    pool_id smallint not null references pools,
    kind text not null check (kind in ('activation', 'rental')),
    service_id smallint not null default 0,   -- 0: every service that has no price of its own
    country text not null default '',         -- '': every country that has no price of its own
    duration_s integer not null default 0,    -- of a rental
    amount bigint not null check (amount > 0),
    unique (pool_id, kind, service_id, country, duration_s)
);

create table offer_records (          -- how well an offer did lately: success rate and seconds to the first code
    pool_id smallint not null references pools,
    service_id smallint not null references services,
    country text not null references countries,
    closed integer not null,
    succeeded integer not null,
    median_s real,
    as_of timestamptz not null,
    primary key (pool_id, service_id, country)
);

-- Inventory ----------------------------------------------------------------------------------------------------------

create table batches (                -- provenance: promise A2
    id integer generated always as identity primary key,
    pool_id smallint not null references pools,
    country text not null references countries,
    contract text not null check (length(contract) between 1 and 120),
    added_at timestamptz not null
);

create table chunks (                 -- up to 1,024 numbers of one pool, country and network
    id integer generated always as identity primary key,
    pool_id smallint not null references pools,
    country text not null references countries,
    network text not null,
    size smallint not null check (size between 0 and 1024),
    rnd integer not null,             -- a fixed random place, so that buyers start in different chunks
    free bit(1024) not null default 0::bit(1024),       -- which numbers were free when somebody last looked: a hint
    looked_at timestamptz not null default 'epoch'
);
create index chunks_by_place on chunks (pool_id, country, rnd);

create table numbers (
    id integer generated always as identity primary key,
    e164 text not null unique,
    batch_id integer not null references batches,
    chunk_id integer not null references chunks,
    slot smallint not null,
    state text not null default 'free' check (state in ('free', 'leased', 'quarantined', 'retired')),
    available_at timestamptz not null,
    unique (chunk_id, slot)
) with (fillfactor = 70);             -- state is in no index: taking and returning a number stays HOT

create table burns (                  -- bit per slot: a message of this service came to that number
    chunk_id integer not null references chunks,
    service_id smallint not null references services,
    slots bit(1024) not null,
    burnt smallint not null check (burnt between 1 and 1024),
    primary key (chunk_id, service_id)
) with (fillfactor = 70);

-- Orders -------------------------------------------------------------------------------------------------------------

create sequence order_serials;

create table orders (
    id integer primary key,
    serial bigint not null,           -- the order of placing; the id is its permutation
    side_id bigint not null references sides,
    kind text not null check (kind in ('activation', 'rental')),
    state text not null check (state in
        ('placing', 'waiting', 'received', 'resend_pending', 'finished', 'cancelled', 'expired', 'failed')),
    service_id smallint not null,
    country text not null,
    pool_id smallint not null,
    network text not null,
    number_id integer,
    e164 text,
    e164_sealed bytea,                -- 30 days after the close the number is only here
    price bigint not null check (price > 0),
    hold_id bigint not null unique,
    money text not null default 'held' check (money in ('held', 'captured', 'released')),
    created_at timestamptz not null,
    ends_at timestamptz not null,     -- the end that the placing promised
    expires_at timestamptz not null,  -- moves when a rental is extended
    cancel_from timestamptz not null,
    cancel_until timestamptz not null,
    closed_at timestamptz,
    first_shown_at timestamptz,
    first_valid_at timestamptz,
    captured_at timestamptz,
    withheld smallint not null default 0,
    revision integer not null default 1,
    client_reference text,
    check ((money = 'captured') = (captured_at is not null)),
    check (money <> 'captured' or first_valid_at is not null),
    check ((state in ('finished', 'cancelled', 'expired', 'failed')) = (closed_at is not null)),
    check ((state = 'placing') <= (number_id is null))
) with (fillfactor = 70);
create unique index orders_one_live_per_number on orders (number_id)
    where state in ('waiting', 'received', 'resend_pending');
create index orders_by_number on orders (number_id, serial) where number_id is not null;
create index orders_by_side on orders (side_id, serial);
create index orders_by_reference on orders (side_id, client_reference) where client_reference is not null;
create index orders_by_end on orders (expires_at) where state in ('placing', 'waiting', 'received', 'resend_pending');
create index orders_to_seal on orders (closed_at) where number_id is not null and closed_at is not null;
create index orders_by_offer on orders (closed_at, pool_id, service_id, country) where closed_at is not null;

create table extensions (             -- each extension of a rental is a hold of its own
    hold_id bigint primary key,
    order_id integer not null references orders,
    amount bigint not null,
    duration_s integer not null,
    made_at timestamptz not null
);
create index extensions_by_order on extensions (order_id);

create table idempotency (            -- the answer is rendered again from the orders' unchanging columns
    side_id bigint not null references sides,
    key text not null,
    request bytea not null,           -- keyed hash of the input
    serials bigint[] not null,
    made_at timestamptz not null,
    primary key (side_id, key)
);
create index idempotency_by_age on idempotency (made_at);

create table supplier_calls (         -- what suppliers have to be told, in order, until they answered
    id bigint generated always as identity primary key,
    order_id integer not null references orders,
    verb text not null check (verb in ('acquire', 'finish', 'cancel', 'resend')),
    attempts smallint not null default 0,
    next_at timestamptz not null,
    made_at timestamptz not null
);
create index supplier_calls_due on supplier_calls (next_at);
create index supplier_calls_by_order on supplier_calls (order_id, id);

-- Messages -----------------------------------------------------------------------------------------------------------

create table inbound (
    id bigint generated always as identity primary key,
    supplier text not null,
    supplier_message_id text not null,
    number_id integer,                -- null: not one of our numbers
    received_at timestamptz not null, -- our own stamp at first contact
    state text not null check (state in ('stored', 'part', 'joined', 'shown', 'withheld', 'unowned', 'counted', 'unreadable')),
    intake_key text not null,
    payload bytea,                    -- sealed sender and text, until matched or destroyed
    attempts smallint not null default 0,
    part_group bytea,
    part_index smallint,
    part_total smallint,
    unique (supplier, supplier_message_id)
);
create index inbound_stored on inbound (number_id, id) where state = 'stored';
create index inbound_undecided on inbound (id) where state = 'stored';
create index inbound_parts on inbound (part_group) where state = 'part';
create index inbound_with_payload on inbound (received_at) where payload is not null;
create index inbound_by_age on inbound (received_at);

create table messages (               -- what customers see
    id bigint primary key,            -- of the inbound row
    order_id integer not null references orders,
    received_at timestamptz not null,
    sealed bytea not null,            -- sender, text and code, under the account's key
    has_code boolean not null,
    late boolean not null,
    revision integer not null         -- of the order when this message came
);
create index messages_by_order on messages (order_id, id);

-- Outbox -------------------------------------------------------------------------------------------------------------

create table events (
    side_id bigint not null,          -- no foreign key: the side's row is always changed in the same transaction
    seq bigint not null,
    at timestamptz not null,
    type text not null,
    order_id integer,
    revision integer,
    message_id bigint,
    primary key (side_id, seq)
);
create index events_by_age on events (at);
create index events_by_message on events (message_id) where message_id is not null;

-- Sandbox ------------------------------------------------------------------------------------------------------------

create table sandbox_messages (       -- what the scripted test services will send
    id bigint generated always as identity primary key,
    name text not null unique,        -- a call that comes twice schedules its messages once
    due_at timestamptz not null,
    e164 text not null,
    sender text not null,
    text text not null
);
create index sandbox_messages_due on sandbox_messages (due_at);
