-- What a side looks back on: its messages, newest first, and its orders by their reference.
set local lock_timeout = '5s';

-- Whose a message is, follows from its order; but messages of a side in the order of their coming need an index that knows both.
alter table messages add column side_id bigint;
update messages m set side_id = o.side_id from orders o where o.id = m.order_id;
alter table messages alter column side_id set not null;
create index messages_by_side on messages (side_id, id);

-- With the serial, the first and last order of a reference are each one step into the index, however many share it.
drop index orders_by_reference;
create index orders_by_reference on orders (side_id, client_reference, serial) where client_reference is not null;
