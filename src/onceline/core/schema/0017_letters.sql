-- Mails of the house to people: sealed as what has no owner yet, and gone as soon as they are sent.
set local lock_timeout = '5s';

create table letters (
    id text primary key,              -- random; the Message-ID follows from it
    intake_key text not null,         -- the day's key, destroyed 48 h after its day
    sealed bytea not null,            -- recipient, subject and body
    attempts smallint not null default 0,
    made_at timestamptz not null,
    next_at timestamptz not null      -- a claim moves it on: whoever dies leaves the letter to the next
);
create index letters_due on letters (next_at);
create index letters_by_age on letters (made_at);

create table letter_counts (          -- how often somebody was written to lately
    recipient bytea primary key,      -- digest of the address under the day's intake key
    posted timestamptz[] not null,    -- within an hour of the newest
    forget_at timestamptz not null
);
create index letter_counts_by_age on letter_counts (forget_at);
