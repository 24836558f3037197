-- Who holds a number is written on the number when it is leased, and T1 copies it to the message. Neither stamps nor serials can
-- say it: a clock may be set back, and a supplier may name a number for an order that was placed before its last one (P6).
set local lock_timeout = '5s';

alter table numbers add column holder integer;      -- the order that has the number, or had it last
update numbers n
set holder = (select o.id from orders o where o.number_id = n.id order by o.serial desc limit 1)
where exists (select from orders o where o.number_id = n.id);

alter table inbound add column holder integer;      -- of its number, when the message came
update inbound i
set holder = (select n.holder from numbers n where n.id = i.number_id)
where i.state in ('stored', 'part') and i.number_id is not null;
