-- name: send_later
insert into sandbox_messages (due_at, e164, sender, text) values (%(due_at)s, %(number)s, %(sender)s, %(text)s)

-- name: take_due
-- Messages whose time has come, taken with the transaction that keeps them. Index sandbox_messages_due.
delete from sandbox_messages
where id in (
    select id from sandbox_messages where due_at <= %(now)s order by due_at limit %(limit)s for update skip locked)
returning id, e164, sender, text
