-- name: unread
-- Of gammu's database: what nobody has processed, in the order of its coming. `age_s`: since gammu wrote the row, by its
-- own server's clock.
select "ID" as id, "RecipientID" as phone, "SenderNumber" as sender, "Text" as hex, "TextDecoded" as text,
       "Coding" as coding, "UDH" as udh, "ReceivingDateTime"::text as said_at,
       extract(epoch from now() - "UpdatedInDB"::timestamptz)::float8 as age_s
from inbox
where not "Processed" and "ID" <> all(%(refused)s)
order by "ID"
limit %(limit)s

-- name: mark
-- Of gammu's database: we have kept these.
update inbox set "Processed" = true where "ID" = any(%(ids)s)

-- name: delete_read
-- Of gammu's database: texts that were read long ago lie in clear there. The row changed last when it was marked.
delete from inbox
where "ID" in (
    select "ID" from inbox
    where "Processed" and "UpdatedInDB"::timestamptz <= now() - %(after_s)s * interval '1 second'
    order by "ID"
    limit %(limit)s)

-- name: phones
-- Of gammu's database: the latest row of each phone; a modem that was replaced left one of its own. No IMEI, no IMSI.
select distinct on ("ID") "ID" as phone, "Signal" as signal, "NetCode" as net_code, "NetName" as net_name,
       "Battery" as battery, "Received" as received, "TimeOut"::timestamptz as timeout,
       extract(epoch from now() - "TimeOut"::timestamptz)::float8 as silent_s
from phones
order by "ID", "TimeOut" desc
limit %(limit)s

-- name: version
-- Of gammu's database: which layout its tables have.
select "Version" as version from gammu limit 1

-- name: rights
-- Of gammu's database: what our user may do there.
select has_table_privilege('inbox', 'select') and has_column_privilege('inbox', 'Processed', 'update') as reads,
       has_table_privilege('inbox', 'delete') as deletes, has_table_privilege('phones', 'select') as sees_phones,
       has_table_privilege('outbox', 'insert') and has_table_privilege('outbox', 'delete')
       and has_table_privilege('sentitems', 'delete') and has_sequence_privilege('"outbox_ID_seq"', 'usage') as sends

-- name: forget_unsent
-- Of gammu's database: an earlier self-test that this phone never sent.
delete from outbox where "CreatorID" = %(creator)s and "SenderID" = %(phone)s

-- name: forget_sent
delete from sentitems where "CreatorID" = %(creator)s and "SenderID" = %(phone)s

-- name: send
-- Of gammu's database: the daemon of that phone sends it.
insert into outbox ("DestinationNumber", "TextDecoded", "CreatorID", "Coding", "SenderID", "DeliveryReport")
values (%(number)s, %(text)s, %(creator)s, 'Default_No_Compression', %(phone)s, 'no')
