-- name: newest
-- What a supplier's sessions stored last, but for those that live here; names begin with their time. Unique index
-- (supplier, supplier_message_id), never further than `most` back.
select n.supplier_message_id, n.received_at
from (
    select i.supplier_message_id, i.received_at
    from inbound i
    where i.supplier = %(supplier)s
    order by i.supplier_message_id desc
    limit %(most)s) n
where split_part(n.supplier_message_id, '.', 2) <> all(%(living)s)
order by n.supplier_message_id desc
limit %(limit)s
