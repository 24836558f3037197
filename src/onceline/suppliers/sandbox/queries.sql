-- name: send_later
-- A name that was sent already is known to the inbox too, so that a repeated call sends nothing twice.
insert into sandbox_messages (name, due_at, e164, sender, text)
values (%(name)s, %(due_at)s, %(number)s, %(sender)s, %(text)s)
on conflict (name) do nothing

-- name: take_due
-- Messages whose time has come, taken with the transaction that keeps them. Index sandbox_messages_due.
delete from sandbox_messages
where id in (
    select id from sandbox_messages where due_at <= %(now)s order by due_at limit %(limit)s for update skip locked)
returning name, e164, sender, text
