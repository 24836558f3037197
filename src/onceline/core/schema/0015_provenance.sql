-- All that is known of where numbers came from (promise A2), and why a number is out of use.
set local lock_timeout = '5s';

alter table batches
    add column type text not null default 'unknown' check (type in ('mobile', 'virtual', 'fixed', 'toll-free', 'unknown')),
    add column consent text not null default '' check (length(consent) <= 400),   -- how their holder agreed, as the file says
    add column file_digest bytea check (length(file_digest) = 32),                -- SHA-256 of that file
    add column said_by text not null default '' check (length(said_by) <= 80),    -- who imported it
    add check (file_digest is null or (consent <> '' and said_by <> ''));
create unique index batches_by_file on batches (file_digest, pool_id, country, type, contract, consent, said_by)
    where file_digest is not null;    -- a file that is imported again finds its batches

-- A number that an order holds stays leased until the order ends, and only then becomes what is written here: a number
-- with a live order is always leased (I2).
alter table numbers add column leaving text check (leaving in ('quarantined', 'retired'));

create table number_reasons (         -- of numbers that are out of use, or will be
    number_id integer primary key references numbers,
    reason text not null check (length(reason) between 1 and 200),
    said_by text not null check (length(said_by) between 1 and 80),
    said_at timestamptz not null
);
