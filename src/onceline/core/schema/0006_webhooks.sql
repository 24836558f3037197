-- Endpoints of customers, their secrets, one delivery per event and endpoint, one row per attempt.
set local lock_timeout = '2s';

create table webhooks (
    id text primary key,
    side_id bigint not null references sides,
    url bytea not null,               -- sealed: a path may carry a token
    description text not null check (length(description) <= 200),
    types text[],                     -- order.message or order.*; null: every type
    payload text not null check (payload in ('full', 'thin')),
    concurrency smallint not null check (concurrency between 1 and 16),
    state text not null default 'enabled' check (state in ('enabled', 'disabled', 'deleted')),
    disabled_reason text check (disabled_reason in ('customer', 'failures', 'gone')),
    disabled_at timestamptz,
    cursor bigint not null,           -- events up to this seq have their deliveries
    created_at timestamptz not null,
    strikes integer not null default 0,            -- attempts that failed in a row
    open_until timestamptz,                        -- nothing is attempted before this
    failing_since timestamptz,
    failed_attempts integer not null default 0,    -- since then
    noticed smallint not null default 0,           -- how many notices were written since then
    last_success_at timestamptz,
    last_attempt_at timestamptz,
    check ((state = 'enabled') = (disabled_at is null)),
    check ((disabled_at is null) = (disabled_reason is null))
) with (fillfactor = 60);             -- health changes with every attempt: leave room for HOT updates
create index webhooks_by_side on webhooks (side_id);
create index webhooks_deleted on webhooks (id) where state = 'deleted';

create table webhook_secrets (
    id text primary key,
    webhook_id text not null references webhooks on delete cascade,
    kind text not null check (kind in ('v1', 'v1a')),
    sealed bytea not null,            -- 32 bytes: the HMAC key, or the seed of an Ed25519 key
    public text,                      -- whpk_… of a v1a
    serial smallint not null,         -- grows with every rotation: the newest signs first
    created_at timestamptz not null,
    expires_at timestamptz,
    check ((kind = 'v1a') = (public is not null)),
    unique (webhook_id, serial)
);
create index webhook_secrets_by_end on webhook_secrets (expires_at) where expires_at is not null;

create table deliveries (             -- no foreign keys: hot, and pruned by age
    webhook_id text not null,
    id bigint generated always as identity,
    event text not null,              -- evt_…, the same over attempts, replays and endpoints
    seq bigint,                       -- null: a test, which is no event of the side
    type text not null,
    order_id integer,
    state text not null default 'pending' check (state in ('pending', 'delivered', 'failed', 'dropped')),
    turn smallint not null default 1 check (turn between 0 and 2),  -- a test or one replayed; an event; many replayed
    attempts integer not null default 0,           -- numbers the attempts; grows when one is claimed
    tries smallint not null default 0,             -- how far the schedule has gone
    next_at timestamptz,
    claimed_until timestamptz,        -- who holds the claim has until then; known by the attempt's number
    made_at timestamptz not null,     -- of the event
    primary key (webhook_id, id),
    unique (webhook_id, event),
    check ((state = 'pending') = (next_at is not null)),
    check (claimed_until is null or state = 'pending')
) with (fillfactor = 70);
create index deliveries_pending on deliveries (webhook_id, turn, next_at, id) where state = 'pending';
create index deliveries_claimed on deliveries (webhook_id, claimed_until) where claimed_until is not null;
create index deliveries_failed on deliveries (webhook_id, id) where state = 'failed';
create index deliveries_by_age on deliveries (made_at);

create table webhook_attempts (
    delivery_id bigint not null,
    number integer not null,
    webhook_id text not null,
    at timestamptz not null,
    status smallint,                  -- null: no answer
    outcome text not null,            -- delivered, status, or why there was no answer
    duration_ms integer not null,
    sealed bytea,                     -- what was sent and what was answered, under the account's key
    primary key (delivery_id, number)
);
create index webhook_attempts_by_age on webhook_attempts (at);

-- Take what is due of these sides, in turns: the first of each endpoint before anybody's second; of an endpoint no more
-- than its concurrency, or one while it is in doubt (failing, or never yet reached); of a side, and of all endpoints in
-- doubt, a share of the slots.
-- The endpoints are locked first, by a statement of its own: so the claims of others are seen when ours are counted.
create function claim_deliveries(
    p_sides bigint[], p_now timestamptz, p_until timestamptz, p_slots bigint, p_doubtful bigint, p_of_side bigint
) returns table (
    webhook_id text, id bigint, event text, seq bigint, type text, manual boolean, attempts integer, tries smallint,
    made_at timestamptz, side_id bigint, account_id text, url bytea, payload text, enabled boolean, doubtful boolean,
    at timestamptz, order_id integer, revision integer, message_id bigint, subject text,
    secret_ids text[], secret_kinds text[], secrets bytea[]
) language plpgsql as $$
#variable_conflict use_column
declare
    ready text[];
begin
    select array_agg(r.id) into ready
    from (
        select w.id
        from webhooks w
        join sides s on s.id = w.side_id
        join accounts a on a.id = s.account_id
        cross join lateral (  -- a look into the index for each, however many wait
            select from deliveries d
            where d.webhook_id = w.id and d.state = 'pending' and d.next_at <= p_now
              and (d.claimed_until is null or d.claimed_until <= p_now) and (w.state = 'enabled' or d.turn <> 1)
            order by d.turn, d.next_at, d.id
            limit 1
        ) due
        where w.side_id = any(p_sides) and w.state <> 'deleted' and a.state = 'open'
          and (w.open_until is null or w.open_until <= p_now)
        order by w.id
        limit 500
        for no key update of w skip locked
    ) r;
    if ready is null then
        return;
    end if;
    perform set_config('synchronous_commit', 'off', true);  -- a claim that a crash undoes is made again
    return query
    with room as (
        select w.id, w.side_id, w.state, q.doubtful,
               (case when q.doubtful then 1 else w.concurrency end)
                 - (select count(*) from deliveries d where d.webhook_id = w.id and d.claimed_until > p_now) as free
        from webhooks w
        cross join lateral (
            select w.failing_since is not null or w.last_success_at is null or w.strikes > 0 as doubtful
        ) q
        where w.id = any(ready)
    ),
    due as (
        select r.id as webhook_id, d.id, r.side_id, r.doubtful, d.next_at,
               row_number() over (partition by r.id order by d.turn, d.next_at, d.id) as place
        from room r
        cross join lateral (
            select p.id, p.turn, p.next_at
            from deliveries p
            where p.webhook_id = r.id and p.state = 'pending' and p.next_at <= p_now
              and (p.claimed_until is null or p.claimed_until <= p_now) and (r.state = 'enabled' or p.turn <> 1)
            order by p.turn, p.next_at, p.id
            limit greatest(r.free, 0)
        ) d
    ),
    ranked as (
        select u.webhook_id, u.id, u.doubtful,
               row_number() over (partition by u.doubtful order by u.place, u.next_at, u.id) as turn,
               row_number() over (partition by u.side_id order by u.place, u.next_at, u.id) as of_side
        from due u
    ),
    chosen as (
        select k.webhook_id, k.id
        from ranked k
        where k.of_side <= p_of_side and k.turn <= (case when k.doubtful then p_doubtful else p_slots end)
        order by k.doubtful, k.turn
        limit p_slots
    ),
    claimed as (
        update deliveries d
        set claimed_until = p_until, attempts = d.attempts + 1
        from chosen c
        where d.webhook_id = c.webhook_id and d.id = c.id and d.state = 'pending'
        returning d.webhook_id, d.id, d.event, d.seq, d.type, d.turn <> 1 as manual, d.attempts, d.tries, d.made_at
    )
    select c.webhook_id, c.id, c.event, c.seq, c.type, c.manual, c.attempts, c.tries, c.made_at, w.side_id, s.account_id,
           w.url, w.payload, w.state = 'enabled', r.doubtful,
           e.at, e.order_id, e.revision, e.message_id, e.subject, k.ids, k.kinds, k.seals
    from claimed c
    join webhooks w on w.id = c.webhook_id
    join room r on r.id = c.webhook_id
    join sides s on s.id = w.side_id
    left join events e on e.side_id = w.side_id and e.seq = c.seq
    cross join lateral (
        select array_agg(n.id order by n.serial desc) as ids, array_agg(n.kind order by n.serial desc) as kinds,
               array_agg(n.sealed order by n.serial desc) as seals
        from webhook_secrets n
        where n.webhook_id = c.webhook_id and (n.expires_at is null or n.expires_at > p_now)
    ) k
    order by c.id;
end $$;
