-- What an event is about when it is no order: an endpoint, an export, a key. Its public name.
set local lock_timeout = '5s';

alter table events add column subject text;
