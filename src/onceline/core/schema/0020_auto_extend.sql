-- Rentals that are extended by themselves. A row of its own, not a column of `orders`: placing an order and moving one, which
-- write whole rows, pay nothing for it, and the clock's list is as long as there are such rentals.
set local lock_timeout = '5s';

create table auto_extensions (        -- a rental that has one goes on; once it is over, the row goes at next_at
    order_id integer primary key references orders,
    next_at timestamptz not null,     -- a claim moves it on: whoever dies leaves the rental to the next
    told_for timestamptz,             -- the end for which it was told that the rental could not be extended
    spend_cap_id bigint               -- of the key that said so, if it has one: what it may spend holds for this too
);
create index auto_extensions_due on auto_extensions (next_at);
