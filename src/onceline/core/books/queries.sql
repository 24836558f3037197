-- name: through
-- Up to which transfer the accounts of the house are summed by day. Primary key.
select coalesce(max(through), 0) as through from house_days

-- name: last_before
-- The last transfer that was made before an instant: few are newer. Primary key, from its end.
select id from transfers where made_at < %(at)s order by id desc limit 1

-- name: roll
-- What moved on each account of the house since the last row, up to a transfer, which has long been committed. Primary key.
insert into house_days (day, mode, account, debit, credit, through)
select %(day)s, p.mode, p.account, sum(p.debit), sum(p.credit), %(through)s
from (
    select mode, debit as account, amount as debit, 0 as credit from transfers where id > %(after)s and id <= %(through)s
    union all
    select mode, credit, 0, amount from transfers where id > %(after)s and id <= %(through)s
) p
where p.account <> all(%(wallets)s)
group by p.mode, p.account
on conflict (through, mode, account) do nothing

-- name: accounts
-- The trial balance: accounts of the house by their days and what came since, those of customers by the figures of their sides.
-- One row per account, with what stands on its side of the books: below 0 in debit.
with after as (
    select coalesce(max(through), 0) as id from house_days
), house as (
    select mode, account, credit - debit as amount from house_days
    union all
    select t.mode, t.debit, -t.amount from transfers t where t.id > (select id from after)
    union all
    select t.mode, t.credit, t.amount from transfers t where t.id > (select id from after)
)
select mode, account, sum(amount)::bigint as balance, false as is_of_customers
from house
where account <> all(%(wallets)s)
group by mode, account
union all
select s.mode, f.account, sum(f.amount)::bigint, true
from sides s
cross join lateral (values ('available', s.available), ('held', s.held), ('refund_pending', s.refund_pending),
                           ('disputed', s.disputed), ('debt', -s.debt)) f (account, amount)
group by s.mode, f.account
order by mode, is_of_customers desc, account

-- name: month
-- What moved in a side's wallet, by kind and accounts; `is_before`: before the month, else in it. Index transfers_by_wallet.
select t.made_at < %(since)s as is_before, t.kind, t.debit, t.credit, count(*) as transfers, sum(t.amount)::bigint as amount
from transfers t
where t.wallet = (select wallet from sides where id = %(side)s) and t.made_at < %(until)s
group by 1, 2, 3, 4
order by 2, 3, 4
