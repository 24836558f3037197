-- Processors of payments as an operator configured them, the pages that deposits are paid on, and the sandbox's own payments.
set local lock_timeout = '5s';

create table processors (
    name text primary key check (name ~ '^[a-z][a-z0-9-]{1,31}$'),  -- the method of its deposits
    kind text not null,
    mode text not null check (mode in ('test', 'live')),
    enabled boolean not null default true,  -- whether new deposits are begun; those begun before are heard of all the same
    settings jsonb not null,                -- what its kind's model reads; nothing secret
    least bigint not null check (least > 0),
    most bigint not null check (most >= least),
    fee bigint not null check (fee >= 0),
    fee_ppm bigint not null check (fee_ppm between 0 and 1000000),
    bonus_ppm bigint not null check (bonus_ppm between 0 and 1000000),
    made_at timestamptz not null
);
-- Test money can be paid in from the first day on.
insert into processors (name, kind, mode, settings, least, most, fee, fee_ppm, bonus_ppm, made_at)
values ('sandbox', 'sandbox', 'test', '{}', 1000000, 1000000000, 0, 0, 0, now());

create table processor_secrets (            -- one of each name: a new one takes the place of the old
    processor text not null references processors,
    name text not null,
    sealed bytea not null,                  -- under the house's own key
    made_at timestamptz not null,
    primary key (processor, name)
);

create table openings (                     -- a deposit that was asked for under a key, and the page it is paid on
    side_id bigint not null references sides,
    key text not null,
    request bytea not null,
    deposit_id text not null references deposits,
    return_url text not null,
    url text,                               -- null until the processor has opened it
    made_at timestamptz not null,
    primary key (side_id, key)
);
create unique index openings_by_deposit on openings (deposit_id);
create index openings_by_age on openings (made_at);

create table sandbox_payments (             -- what a processor knows that is none: test money alone
    id text primary key,
    processor text not null references processors,
    deposit text not null,                  -- our name of it, as any processor has it
    amount bigint not null check (amount > 0),
    currency text not null,
    state text not null check (state in ('open', 'paid', 'over', 'under', 'expired', 'failed')),
    paid bigint not null default 0 check (paid >= 0),
    refund text,                            -- our name of what was sent back
    made_at timestamptz not null,
    expires_at timestamptz not null,
    paid_at timestamptz,
    refunded_at timestamptz
);
create unique index sandbox_payments_by_deposit on sandbox_payments (processor, deposit);

create index deposit_refunds_by_processor on deposit_refunds (processor_id) where processor_id is not null;
create index deposit_refunds_by_deposit on deposit_refunds (deposit_id, asked_at desc, id);
