set local lock_timeout = '5s';

alter table auto_extensions add column agreed bigint check (agreed >= 0);  -- micro-units an extension may cost at most
update auto_extensions a set agreed = o.price from orders o where o.id = a.order_id;
alter table auto_extensions alter column agreed set not null;
