-- Whose number it was when a message came is written down by T1, in the order of commits. Stamps cannot say it: a clock that
-- was set back, or that of another machine, would hand one lessee's message to the other (promise P6).
set local lock_timeout = '5s';

alter table inbound add column holder integer;      -- the number's newest order when the message came
update inbound i
set holder = (select o.id from orders o where o.number_id = i.number_id order by o.serial desc limit 1)
where i.state in ('stored', 'part') and i.number_id is not null;
