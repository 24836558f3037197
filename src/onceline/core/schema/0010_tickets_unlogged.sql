-- A ticket lives for seconds: a crash may forget them all, and none of them is worth a wait for the disk.
set local lock_timeout = '2s';

alter table socket_tickets set unlogged;
