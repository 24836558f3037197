-- What processors report, the accounts of the house by day, and the checks that stop money from leaving.
set local lock_timeout = '5s';

alter table transfers drop constraint transfers_kind_check;
alter table transfers add constraint transfers_kind_check check (kind in (
    'deposit', 'bonus', 'fee', 'hold', 'capture', 'release',
    'refund_asked', 'refund_sent', 'refund_undone', 'bonus_undone', 'fee_undone',
    'dispute', 'dispute_owed', 'dispute_lost', 'dispute_won', 'debt_paid', 'debt_undone',
    'voucher_sold', 'voucher_void', 'processor_fee', 'processor_fee_undone'));

create table reports (                          -- a day of a processor that was compared with the books
    method text not null,
    day date not null,
    read_at timestamptz not null,
    lines integer not null check (lines >= 0),
    fees bigint not null default 0,             -- what the processor kept that day, as booked; below 0: it gave back more
    others bigint not null default 0,           -- what is no customer's: paid out to the house's bank, above all
    primary key (method, day)
);

create table report_lines (                     -- a processor's own words, line by line
    method text not null,
    day date not null,
    place integer not null,
    kind text not null check (kind in ('payment', 'refund', 'dispute', 'fee', 'other')),
    object_id text not null,
    deposit text,                               -- as the processor has it; it may be none of ours
    amount bigint not null,                     -- what left is negative
    currency text not null,
    at timestamptz not null,
    primary key (method, day, place),
    foreign key (method, day) references reports on delete cascade
);
create index report_lines_by_object on report_lines (method, object_id);
create index report_lines_by_deposit on report_lines (method, deposit) where deposit is not null;
create index deposits_by_credit on deposits (method, credited_at) where credited_at is not null;
create index deposit_refunds_by_sending on deposit_refunds (sent_at) where sent_at is not null;

create table house_days (                       -- what moved on each account of the house, up to a transfer
    day date not null,
    mode text not null check (mode in ('test', 'live')),
    account text not null,
    debit bigint not null check (debit >= 0),
    credit bigint not null check (credit >= 0),
    through bigint not null,                    -- the last transfer that is counted; the next row begins after it
    primary key (through, mode, account)
);

create table money_checks (                     -- the newest outcome of every check; one that failed stops refunds
    name text primary key,
    checked_at timestamptz not null,
    checked bigint not null,
    broken bigint not null check (broken >= 0),
    through bigint,                             -- of a check that goes on where it ended: the last transfer that it saw
    failed_at timestamptz,                      -- null: nothing is stopped by it
    acknowledged_at timestamptz,
    acknowledged_by text,
    check ((acknowledged_at is null) = (acknowledged_by is null)),
    check (acknowledged_at is null or failed_at is not null)
);
create index money_checks_failed on money_checks (name) where failed_at is not null;
