-- Seconds to the first valid code of each offer, counted in steps: up to 5, 10, 20, 40, 80, 160, and more.
set local lock_timeout = '5s';

alter table offer_records add column seconds integer[] check (cardinality(seconds) = 7);
