-- What accounts are told: in the house, and by mail to an address they confirmed.
set local lock_timeout = '2s';

create table notice_counters (        -- the newest notification of an account; its row orders those who tell it
    account_id text primary key references accounts,
    seq bigint not null
);

create table notifications (
    account_id text not null references accounts,
    seq bigint not null,              -- without a gap, in the order of commits: "read up to" swallows none
    kind text not null,
    mode text check (mode in ('test', 'live')),       -- null: about the account as a whole
    facts jsonb not null,             -- names and figures, never a secret; the text is made at reading
    at timestamptz not null,
    read_at timestamptz,
    primary key (account_id, seq)
);
create index notifications_unread on notifications (account_id, seq) where read_at is null;
create index notifications_by_age on notifications (at);

create table notice_settings (        -- of a side, as its keys are: a test key cannot send live codes anywhere
    side_id bigint primary key references sides,
    account_id text not null references accounts,
    mailbox bytea,                    -- sealed
    confirmed_at timestamptz,         -- null: the mail server refused the address, so it is not used
    pending bytea,                    -- sealed: an address that waits for its code, and the code
    pending_at timestamptz,
    pending_tries smallint not null default 0,
    muted text[] not null default '{}',               -- kinds that are not mailed
    low_balance bigint check (low_balance > 0),       -- micro-units; null: off
    low_told boolean not null default false,          -- since the balance was last above it
    low_told_at timestamptz,
    check (mailbox is not null or confirmed_at is null),
    check ((pending is null) = (pending_at is null))
);
create index notice_settings_by_account on notice_settings (account_id);
create index notice_settings_low on notice_settings (side_id) where low_balance is not null;

create table code_mails (             -- a side whose codes are mailed; no row: off
    side_id bigint primary key references sides,
    with_code boolean not null,
    seq bigint not null               -- the last event that was looked at
);

create table mails (
    id bigint generated always as identity primary key,
    account_id text not null references accounts,
    side_id bigint not null references sides,         -- whose address it goes to
    kind text not null,
    mode text check (mode in ('test', 'live')),
    facts jsonb not null,             -- as of notifications; a code is read when the mail is written
    seq bigint,                       -- the event of that side that it tells of, if there is one
    state text not null default 'due' check (state in ('due', 'sent', 'failed', 'dropped')),
    attempts smallint not null default 0,
    made_at timestamptz not null,
    next_at timestamptz not null      -- a claim moves it on: whoever dies leaves the mail to the next
);
create index mails_due on mails (next_at) where state = 'due';
create index mails_by_age on mails (made_at);
create index mails_by_account on mails (account_id, made_at);
create unique index mails_once_per_event on mails (side_id, seq) where seq is not null;

create table policy_changes (         -- promise P15
    id integer generated always as identity primary key,
    policy text not null check (length(policy) between 1 and 80),
    version text not null check (length(version) between 1 and 40),
    effective_on date not null,
    significant boolean not null,
    summary text not null check (length(summary) between 1 and 500),
    announced_at timestamptz not null,
    told_to text not null default '', -- the last account that was told, in the order of ids
    told_at timestamptz,              -- when the last was
    unique (policy, version)
);
