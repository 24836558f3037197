-- Files that customers ask for: what was asked, how far it is, and the sealed pieces of the file.
set local lock_timeout = '2s';

create table exports (
    serial bigint generated always as identity primary key,
    id text not null unique,
    side_id bigint not null references sides,
    kind text not null check (kind in ('orders', 'codes', 'statement', 'account')),
    format text not null check (format in ('csv', 'json')),
    from_at timestamptz,
    until_at timestamptz,
    as_of timestamptz not null,       -- when it was asked for: nothing younger is in it
    state text not null default 'queued' check (state in ('queued', 'running', 'ready', 'failed', 'expired', 'deleted')),
    rows_done bigint not null default 0,
    rows_total bigint,                -- an estimate; null: not known
    bytes bigint not null default 0,  -- of the file, before it is packed
    pieces integer not null default 0,
    place jsonb,                      -- how far the pieces reach; null: nowhere yet
    claim integer not null default 0, -- grows with every claim: a worker that lost its claim writes nothing
    failures smallint not null default 0,                 -- in a row
    next_at timestamptz not null,     -- when it may be claimed: the end of a lease, or of a pause after a failure
    reason text,
    finished_at timestamptz,
    expires_at timestamptz,
    check ((state = 'failed') <= (reason is not null)),
    check ((state = 'ready') <= (expires_at is not null))
);
create index exports_by_side on exports (side_id, serial);
create index exports_due on exports (next_at, serial) where state in ('queued', 'running');
create index exports_to_expire on exports (expires_at) where state = 'ready';
create index exports_to_clear on exports (serial) where state in ('failed', 'expired', 'deleted');

create table export_pieces (
    export bigint not null references exports on delete cascade,
    n integer not null,
    sealed bytea not null,            -- packed, then sealed under the account's key
    primary key (export, n)
);
alter table export_pieces alter column sealed set storage external;      -- it cannot be packed any further
