-- Money in and out: deposits, their way back, disputes, and what processors said that fits nothing of ours.
set local lock_timeout = '5s';

alter table sides
    add column refund_pending bigint not null default 0 check (refund_pending >= 0),
    add column disputed bigint not null default 0 check (disputed >= 0),
    add column debt bigint not null default 0 check (debt >= 0);

alter table transfers drop constraint transfers_kind_check;
alter table transfers add constraint transfers_kind_check check (kind in (
    'deposit', 'bonus', 'fee', 'hold', 'capture', 'release',
    'refund_asked', 'refund_sent', 'refund_undone', 'bonus_undone', 'fee_undone',
    'dispute', 'dispute_owed', 'dispute_lost', 'dispute_won', 'debt_paid', 'debt_undone'));

create table deposits (
    id text primary key,
    side_id bigint not null references sides,
    method text not null,                       -- name of the processor; cash, voucher
    state text not null check (state in ('created', 'confirming', 'review', 'credited', 'expired', 'failed',
                                         'refunding', 'refunded', 'disputed', 'lost')),
    amount bigint not null check (amount > 0),  -- asked for
    fee bigint not null check (fee >= 0),       -- paid on top
    bonus bigint not null check (bonus >= 0),   -- given on top; less what a dispute took back
    credited bigint check (credited > 0),       -- what came
    place bigint,                               -- among the credited ones of its side, in the order of their coming
    refunds text not null check (refunds in ('source', 'origin', 'never')),  -- said before payment
    processor_id text,
    payment_id text,
    origin text,
    network text,
    asset text,                                 -- what was paid, to be read: 0.00042 BTC
    created_at timestamptz not null,
    expires_at timestamptz,
    credited_at timestamptz,
    ended_at timestamptz,
    look_at timestamptz,                        -- when the processor is asked next; null: nothing is awaited
    check ((credited is null) = (place is null)),
    check ((credited is null) = (credited_at is null))
);
-- What was credited before there were deposits: test money. Nothing of it goes back.
insert into deposits (id, side_id, method, state, amount, fee, bonus, credited, place, refunds, created_at, credited_at)
select 'dep_' || translate(substr(md5(t.id::text || random()::text), 1, 16), '0189', 'wxyz'), s.id, t.debit, 'credited', t.amount, 0, 0, t.amount,
       row_number() over (partition by s.id order by t.id), 'never', t.made_at, t.made_at
from transfers t join sides s on s.wallet = t.wallet
where t.kind = 'deposit';

create unique index deposits_by_processor on deposits (method, processor_id);
-- A card's payment pays one deposit; a transaction of a chain may pay several of them, each at its own address.
create unique index deposits_by_payment on deposits (method, payment_id) where refunds = 'source';
create unique index deposits_waterline on deposits (side_id, place);
create index deposits_by_side on deposits (side_id, created_at desc, id);
create index deposits_awaited on deposits (look_at) where look_at is not null;

create table deposit_refunds (
    id text primary key,
    deposit_id text not null references deposits,
    state text not null check (state in ('asked', 'approved', 'sending', 'sent', 'refused', 'undone')),
    amount bigint not null check (amount > 0),  -- what goes back to the payer: credited and fee
    asked_by text not null,                     -- account, or a member of staff
    approved_by text[] not null default '{}',
    declined_by text,                           -- a member of staff; `dispute` when a payer's bank was faster
    reason text not null default '',            -- why it was refused or undone
    processor_id text,
    asked_at timestamptz not null,
    sent_at timestamptz,
    ended_at timestamptz,
    look_at timestamptz
);
create unique index deposit_refunds_one on deposit_refunds (deposit_id) where state in ('asked', 'approved', 'sending', 'sent');
create index deposit_refunds_due on deposit_refunds (look_at) where look_at is not null;
create index deposit_refunds_by_age on deposit_refunds (asked_at desc, id);

create table disputes (
    method text not null,
    id text not null,                           -- the processor's
    deposit_id text not null references deposits,
    state text not null check (state in ('open', 'won', 'lost')),
    claimed bigint not null check (claimed >= 0), -- what the payer's bank wants
    amount bigint not null check (amount >= 0), -- what was taken of the deposit; 0 of one that had gone back already
    fee bigint not null check (fee >= 0),       -- what is taken of the fee that was paid on top
    owed bigint not null check (owed >= 0),     -- of it, what had been spent: a debt
    bonus bigint not null check (bonus >= 0),   -- what was taken back of the deposit's bonus
    opened_at timestamptz not null,
    closed_at timestamptz,
    primary key (method, id),
    check (owed <= amount)
);
create index disputes_by_deposit on disputes (deposit_id);

create table processor_hints (                  -- callbacks as they came, read back before anything moves
    method text not null,
    event_id text not null,
    about text not null check (about in ('payment', 'refund', 'dispute')),
    object_id text not null,
    came_at timestamptz not null,
    look_at timestamptz,                        -- null: dealt with
    primary key (method, event_id)
);
create index processor_hints_due on processor_hints (look_at) where look_at is not null;
create index processor_hints_by_age on processor_hints (came_at);

create table payment_exceptions (               -- for staff: money, or a word of a processor, that fits nothing of ours
    id bigint generated always as identity primary key,
    method text not null,
    code text not null,
    object_id text not null,
    deposit_id text references deposits,
    amount bigint,
    currency text,
    first_at timestamptz not null,
    last_at timestamptz not null,
    times bigint not null default 1,
    resolved_at timestamptz,
    resolved_by text,
    unique (method, code, object_id)
);
create index payment_exceptions_open on payment_exceptions (id) where resolved_at is null;
