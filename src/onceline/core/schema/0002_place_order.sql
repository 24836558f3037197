-- Placing an order is one call: allocation, hold, order, event. Measured against five statements it halves the time of a
-- lone buyer; as a function, unlike one statement, it can say which refusal it was.
set local lock_timeout = '5s';

-- A permutation of 1 .. 2^31-1: a Feistel network over 32 bits, walked until the value fits. Equal serials never meet.
create function order_id(p_serial bigint, p_key bigint) returns integer
language plpgsql immutable strict as $$
declare
    v bigint := p_serial;
    l bigint;
    r bigint;
    f bigint;
begin
    loop
        l := v >> 16;
        r := v & 65535;
        for turn in 1..4 loop
            f := ((r * 40503 + turn * 7919) # (p_key >> (turn * 11))) & 1073741823;
            f := l # (((f * 2654435761 & 4294967295) >> 16) & 65535);
            l := r;
            r := f;
        end loop;
        v := (l << 16) | r;
        exit when v between 1 and 2147483647;
    end loop;
    return v;
end $$;

-- The price of a service in a country from one pool: the most particular row wins. Null: not offered. A test service is
-- offered only where it has a price of its own.
create function price_of(
    p_pool smallint, p_kind text, p_service smallint, p_category text, p_country text, p_duration integer
) returns bigint language sql stable as $$
    select amount
    from prices
    where pool_id = p_pool and kind = p_kind and duration_s = p_duration
      and service_id in (p_service, case when p_category = 'test' then p_service else 0 end)
      and country in (p_country, '')
    order by service_id = 0, country = ''
    limit 1
$$;

-- Which numbers of a chunk are free right now, as bits. The stored map is brought up to date when nobody else is at it.
create function look_at_chunk(p_chunk integer, p_now timestamptz) returns bit(1024) language plpgsql as $$
declare
    seen bit(1024);
begin
    select coalesce(bit_or(set_bit(0::bit(1024), n.slot, 1)), 0::bit(1024)) into seen
    from numbers n
    where n.chunk_id = p_chunk and n.state = 'free' and n.available_at <= p_now;
    update chunks
    set free = seen, looked_at = p_now
    where id = (select id from chunks where id = p_chunk for no key update skip locked);
    return seen;
end $$;

-- A leasable number of a pool, locked: free, out of cool-down, not burnt for the service, and never before with this
-- side for it (no side: any number may come again, as for test services).
--
-- A chunk's map of free numbers is a hint: the number's own row decides. Taking and returning numbers does not touch it,
-- so no row is hot; a map that turns out old is looked at again, which costs one read of its 1,024 numbers. Starts in a
-- random chunk at a random slot, and never waits: numbers that others are taking are skipped.
create function pick_number(
    p_pool smallint, p_country text, p_network text, p_service smallint, p_side bigint, p_now timestamptz
) returns table (number_id integer, e164 text, network text) language plpgsql as $$
#variable_conflict use_column
declare
    start integer := floor(random() * 2147483647);
    looks integer := 0;
    chunk record;
    leasable bit(1024);
    age interval;
    at_slot integer;
    gap integer;
    misses integer;
begin
    for chunk in
        (select c.id, c.network, c.free, c.looked_at, coalesce(b.slots, 0::bit(1024)) as burnt
         from chunks c left join burns b on b.chunk_id = c.id and b.service_id = p_service
         where c.pool_id = p_pool and c.country = p_country and (p_network is null or c.network = p_network)
           and c.rnd >= start and (b.burnt is null or b.burnt < c.size)
         order by c.rnd)
        union all
        (select c.id, c.network, c.free, c.looked_at, coalesce(b.slots, 0::bit(1024)) as burnt
         from chunks c left join burns b on b.chunk_id = c.id and b.service_id = p_service
         where c.pool_id = p_pool and c.country = p_country and (p_network is null or c.network = p_network)
           and c.rnd < start and (b.burnt is null or b.burnt < c.size)
         order by c.rnd)
    loop
        network := chunk.network;
        leasable := chunk.free & ~chunk.burnt;
        age := greatest(p_now - chunk.looked_at, chunk.looked_at - p_now);
        misses := 0;
        at_slot := floor(random() * 1024);
        loop
            -- An empty or misleading map is looked at again: at once in the first chunks, later only when it is old, so
            -- that a pool with nothing left is still answered for quickly.
            if (misses = 4 or position(B'1' in leasable) = 0)
               and age > (case when looks < 8 then interval '0.2 s' else interval '5 s' end) then
                leasable := look_at_chunk(chunk.id, p_now) & ~chunk.burnt;
                age := interval '0';
                looks := looks + 1;
            end if;
            gap := position(B'1' in substring(leasable from at_slot + 1));
            if gap = 0 then
                at_slot := 0;
                gap := position(B'1' in leasable);
                exit when gap = 0;
            end if;
            at_slot := at_slot + gap - 1;
            select n.id, n.e164 into number_id, e164
            from numbers n
            where n.chunk_id = chunk.id and n.slot = at_slot and n.state = 'free' and n.available_at <= p_now
              and not exists (select from orders o where o.number_id = n.id and o.side_id = p_side
                              and o.service_id = p_service)
            for no key update of n skip locked;
            if found then
                return next;
                return;
            end if;
            leasable := set_bit(leasable, at_slot, 0);
            misses := misses + 1;
        end loop;
    end loop;
end $$;

-- A number that this side had before for the service, in its own cool-down too (an extra activation). Only while nobody
-- else has had it since: their late messages, or their account at the service, are not this side's (promise P6).
create function retake_number(p_e164 text, p_pool smallint, p_service smallint, p_side bigint)
returns table (number_id integer, e164 text, network text) language sql as $$
    select n.id, n.e164, c.network
    from numbers n join chunks c on c.id = n.chunk_id
    where n.e164 = p_e164 and n.state = 'free' and c.pool_id = p_pool
      and exists (select from orders o where o.number_id = n.id and o.side_id = p_side and o.service_id = p_service)
      and p_side = (select o.side_id from orders o where o.number_id = n.id order by o.serial desc limit 1)
    for no key update of n skip locked
$$;

-- Refuse: the whole statement is undone, and the caller learns the code and its figure (micro-units or a count).
create function refuse(p_code text, p_figure bigint default null) returns void language plpgsql as $$
begin
    raise exception using errcode = 'OL001', message = p_code, detail = coalesce(p_figure::text, '');
end $$;

-- Place one order, or answer again what the idempotency key was used for. Refusals are raised (see `refuse`). A rival
-- with the same key waits at the key's row until this transaction has ended. Lock order: number, then the side's row.
create function place_order(
    p_side bigint, p_key text, p_request bytea, p_serial bigint, p_order_key bigint, p_kind text, p_service text,
    p_country text, p_pool text, p_network text, p_max_price bigint, p_duration integer, p_e164 text, p_reference text,
    p_now timestamptz, p_window_s integer, p_cancel_lock_s integer, p_cancel_for_s integer, p_live_limit integer
) returns table (replayed boolean, account text, pool text, asks boolean, tells boolean, made orders)
language plpgsql as $$
#variable_conflict use_column
declare
    side record;
    service record;
    offer record;
    taken record;
    known record;
    order_serial bigint := coalesce(p_serial, nextval('order_serials'));
    hold bigint;
    ends timestamptz;
begin
    if p_key is not null then
        insert into idempotency (side_id, key, request, serials, made_at)
        values (p_side, p_key, p_request, array[order_serial], p_now)
        on conflict (side_id, key) do nothing;
        if not found then
            select i.request, i.serials into known from idempotency i where i.side_id = p_side and i.key = p_key;
            if known.request is distinct from p_request then
                perform refuse('idempotency_conflict');
            end if;
            return query
                select true, d.account_id, p.slug, p.asks, p.tells, o
                from orders o join pools p on p.id = o.pool_id join sides d on d.id = o.side_id
                where o.id = order_id(known.serials[1], p_order_key);
            return;
        end if;
    end if;

    select s.id, s.prohibited, s.category, s.window_factor, c.iso2 is not null as country_known into service
    from services s left join countries c on c.iso2 = p_country
    where s.slug = p_service;
    if not found then
        perform refuse('unknown_service');
    elsif service.prohibited then
        perform refuse('prohibited_service');
    elsif not service.country_known then
        perform refuse('unknown_country');
    end if;
    select s.mode into side from sides s where s.id = p_side;
    if p_pool is not null and not exists (select from pools p where p.slug = p_pool and p.mode = side.mode) then
        perform refuse('unknown_pool');
    end if;
    ends := p_now + make_interval(secs => case p_kind when 'rental' then p_duration
                                          else p_window_s * service.window_factor end);

    for offer in
        -- The same rule as price_of, written out: as a function call it is not planned together with the rest.
        select p.id, p.slug, p.asks, p.tells, priced.amount
        from pools p
        cross join lateral (
            select r.amount
            from prices r
            where r.pool_id = p.id and r.kind = p_kind and r.duration_s = p_duration
              and r.service_id in (service.id, case when service.category = 'test' then service.id else 0 end)
              and r.country in (p_country, '')
            order by r.service_id = 0, r.country = ''
            limit 1) priced
        where p.mode = side.mode and p.enabled and (p_pool is null or p.slug = p_pool)
        order by priced.amount, p.id
    loop
        if offer.asks then
            continue when p_e164 is not null;
            select null::integer as number_id, null::text as e164, coalesce(p_network, '') as network into taken;
        elsif p_e164 is not null then
            select * into taken from retake_number(p_e164, offer.id, service.id, p_side);
            continue when not found;
        else
            select * into taken from pick_number(offer.id, p_country, p_network, service.id,
                                                  case when service.category <> 'test' then p_side end, p_now);
            continue when not found;
        end if;
        if offer.amount > p_max_price then
            perform refuse('price_too_low', offer.amount);
        end if;

        -- The side's row is the last lock: it is the one that others may be waiting for. The hold's id is taken under it,
        -- so that the ids of a wallet's transfers grow in the order of their commits.
        update sides s
        set available = s.available - offer.amount, held = s.held + offer.amount, live_orders = s.live_orders + 1,
            seq = s.seq + 1
        where s.id = p_side and s.available >= offer.amount and s.live_orders < p_live_limit
        returning s.account_id, s.mode, s.wallet, s.seq into side;
        if not found then
            perform case when s.live_orders >= p_live_limit then refuse('limit_exceeded', p_live_limit)
                         else refuse('insufficient_balance', offer.amount - s.available) end
            from sides s
            where s.id = p_side;
        end if;
        hold := nextval('transfers_id_seq');
        update numbers n set state = 'leased' where n.id = taken.number_id;
        insert into orders (id, serial, side_id, kind, state, service_id, country, pool_id, network, number_id, e164,
                            price, hold_id, created_at, ends_at, expires_at, cancel_from, cancel_until, client_reference)
        values (order_id(order_serial, p_order_key), order_serial, p_side, p_kind,
                case when offer.asks then 'placing' else 'waiting' end, service.id, p_country, offer.id, taken.network,
                taken.number_id, taken.e164, offer.amount, hold, p_now, ends, ends,
                p_now + make_interval(secs => p_cancel_lock_s), p_now + make_interval(secs => p_cancel_for_s),
                p_reference)
        returning * into made;
        if offer.tells then
            insert into supplier_calls (order_id, verb, next_at, made_at) values (made.id, 'acquire', p_now, p_now);
        end if;
        insert into transfers (id, mode, kind, wallet, debit, credit, amount, made_at)
        overriding system value
        values (hold, side.mode, 'hold', side.wallet, 'available', 'held', offer.amount, p_now);
        insert into events (side_id, seq, at, type, order_id, revision)
        values (p_side, side.seq, p_now, 'order.placed', made.id, 1);
        return query select false, side.account_id, offer.slug, offer.asks, offer.tells, made;
        return;
    end loop;
    perform refuse('out_of_stock');
end $$;
