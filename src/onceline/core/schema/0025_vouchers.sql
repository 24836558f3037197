-- Money that staff bring into the house: vouchers that resellers sell, and cash. Each takes two persons.
set local lock_timeout = '5s';

alter table transfers drop constraint transfers_kind_check;
alter table transfers add constraint transfers_kind_check check (kind in (
    'deposit', 'bonus', 'fee', 'hold', 'capture', 'release',
    'refund_asked', 'refund_sent', 'refund_undone', 'bonus_undone', 'fee_undone',
    'dispute', 'dispute_owed', 'dispute_lost', 'dispute_won', 'debt_paid', 'debt_undone',
    'voucher_sold', 'voucher_void'));

create table voucher_batches (
    id text primary key,
    mode text not null check (mode in ('test', 'live')),
    issuer text not null,                       -- who sells them
    face_value bigint not null check (face_value > 0),
    size integer not null check (size between 1 and 10000),
    state text not null check (state in ('draft', 'active', 'void')),
    created_by text not null,
    approved_by text check (approved_by <> created_by),
    voided_by text,
    created_at timestamptz not null,
    approved_at timestamptz,
    voided_at timestamptz,
    expires_at timestamptz check (expires_at > created_at),   -- of what is not redeemed; a balance never expires
    check ((approved_by is null) = (approved_at is null)),
    check ((voided_by is null) = (voided_at is null)),
    check (state <> 'active' or approved_by is not null),
    check ((state = 'void') = (voided_at is not null))
);
create index voucher_batches_by_age on voucher_batches (created_at desc, id);

create table vouchers (
    batch_id text not null references voucher_batches,
    number integer not null,                    -- as printed beside the code
    code_hash bytea not null unique,            -- keyed; the code is kept nowhere
    -- The deposit is written after the voucher was won, in the same transaction.
    redeemed_deposit text unique references deposits deferrable initially deferred,
    redeemed_at timestamptz,
    redeem_key text,                            -- the Idempotency-Key it was redeemed under, if any
    voided_at timestamptz,
    voided_by text,
    primary key (batch_id, number),
    check ((redeemed_deposit is null) = (redeemed_at is null)),
    check ((voided_by is null) = (voided_at is null)),
    check (redeemed_at is null or voided_at is null)
);

create table voucher_guesses (                  -- wrong codes of an account, within the last hour
    account_id text primary key references accounts,
    at timestamptz[] not null check (cardinality(at) <= 5)
);

create table voucher_guessing (                 -- wrong codes of everybody, within the hour that the clock shows
    one boolean primary key check (one),
    hour timestamptz not null,
    wrong bigint not null
);

create table cash_receipts (
    deposit_id text primary key references deposits,
    document text not null unique,
    recorded_by text not null,
    recorded_at timestamptz not null
);
create index cash_receipts_by_staff on cash_receipts (recorded_by, recorded_at);
create index cash_receipts_by_age on cash_receipts (recorded_at desc, deposit_id);

create table cash_decisions (
    deposit_id text primary key references cash_receipts,
    verdict text not null check (verdict in ('approved', 'declined')),
    decided_by text not null,
    decided_at timestamptz not null
);
create index cash_decisions_by_staff on cash_decisions (decided_by, decided_at);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is written once and never changed', tg_table_name;
end $$;
create trigger written_once before update or delete or truncate on cash_receipts
    for each statement execute function refuse_change();
create trigger written_once before update or delete or truncate on cash_decisions
    for each statement execute function refuse_change();
-- Nothing has ever changed a transfer; from here on nothing can, short of taking this away first.
create trigger written_once before update or delete or truncate on transfers
    for each statement execute function refuse_change();
