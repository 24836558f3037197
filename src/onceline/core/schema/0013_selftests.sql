-- SMS that we send ourselves from one number of ours to another, and how each went: a SIM may die without a word.
set local lock_timeout = '5s';

create table self_tests (
    id integer generated always as identity primary key,
    number_from integer not null references numbers,
    number_to integer not null references numbers,
    every_s integer not null check (every_s between 3600 and 2592000),
    quarantine boolean not null,      -- take the receiving number out of use when it fails again and again
    next_at timestamptz not null,
    failures integer not null default 0,      -- in a row
    unique (number_from, number_to),
    check (number_from <> number_to)
);
create index self_tests_by_time on self_tests (next_at);

create table self_test_runs (
    id bigint generated always as identity primary key,
    test_id integer not null references self_tests on delete cascade,
    token_hash bytea not null unique, -- SHA-256: what was sent knows itself again by its token alone
    sent_at timestamptz not null,
    arrived_at timestamptz,
    failed_at timestamptz,            -- one that arrives after this stays failed
    reason text not null default '' check (reason in ('', 'not_sent', 'no_arrival', 'wrong_number')),
    seconds real                      -- from sending to keeping
);
create index self_test_runs_by_test on self_test_runs (test_id, id);
create index self_test_runs_open on self_test_runs (sent_at) where arrived_at is null and failed_at is null;
create index self_test_runs_by_age on self_test_runs (sent_at);
