-- Other hubs that buy from us by the agent protocol, each a customer's side, and what they have to be sent.
set local lock_timeout = '5s';

create table hubs (
    side_id bigint primary key references sides,
    url text not null,                -- where PUSH_SMS goes
    countries text not null check (countries in ('names', 'ids')),
    sealed bytea not null,            -- the key that the hub gave, under the account's own key
    key_hash bytea not null unique,   -- SHA-256 of it: the hub may also say it to us instead of a protocol key
    cursor bigint not null,           -- the side's events up to this one were looked at
    added_at timestamptz not null
);

create table hub_pushes (             -- a shown message on its way to a hub, until it says SUCCESS
    message_id bigint primary key,
    side_id bigint not null references hubs on delete cascade,
    order_id integer not null,
    attempts smallint not null default 0,
    next_at timestamptz not null
);
create index hub_pushes_due on hub_pushes (side_id, next_at);

create table hub_cancels (            -- a hub cancelled while our orders are locked against it: done when the lock ends
    order_id integer primary key,
    side_id bigint not null references hubs on delete cascade,
    due_at timestamptz not null
);
create index hub_cancels_due on hub_cancels (due_at);
create index hub_cancels_by_side on hub_cancels (side_id);
