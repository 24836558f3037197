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
            f := (f * 2654435761 & 4294967295) >> 16;
            select r, (l # f) & 65535 into l, r;
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

-- A leasable number of a pool, locked: free, out of cool-down, not burnt for the service, and never before with this
-- side for it (no side: any number may come again, as for test services). Starts in a random chunk at a random slot; probes single slots first and reads the whole chunk only when
-- most of it is taken. Never waits: numbers that others are taking are skipped.
create function pick_number(
    p_pool smallint, p_country text, p_network text, p_service smallint, p_side bigint, p_now timestamptz
) returns table (number_id integer, e164 text, network text) language plpgsql as $$
#variable_conflict use_column
declare
    start integer := floor(random() * 2147483647);
    chunk record;
    at_slot integer;
    gap integer;
begin
    for chunk in
        (select c.id, c.size, c.network, b.slots
         from chunks c left join burns b on b.chunk_id = c.id and b.service_id = p_service
         where c.pool_id = p_pool and c.country = p_country and (p_network is null or c.network = p_network)
           and c.rnd >= start and (b.burnt is null or b.burnt < c.size)
         order by c.rnd)
        union all
        (select c.id, c.size, c.network, b.slots
         from chunks c left join burns b on b.chunk_id = c.id and b.service_id = p_service
         where c.pool_id = p_pool and c.country = p_country and (p_network is null or c.network = p_network)
           and c.rnd < start and (b.burnt is null or b.burnt < c.size)
         order by c.rnd)
    loop
        network := chunk.network;
        at_slot := floor(random() * chunk.size);
        for probe in 1..6 loop
            gap := 1;
            if chunk.slots is not null then
                gap := position(B'0' in substring(chunk.slots from at_slot + 1));
            end if;
            if gap = 0 or at_slot + gap > chunk.size then
                at_slot := 0;
                continue;
            end if;
            at_slot := at_slot + gap;  -- the slot looked at is at_slot - 1
            select n.id, n.e164 into number_id, e164
            from numbers n
            where n.chunk_id = chunk.id and n.slot = at_slot - 1 and n.state = 'free' and n.available_at <= p_now
              and not exists (select from orders o where o.number_id = n.id and o.side_id = p_side
                              and o.service_id = p_service)
            for update of n skip locked;
            if found then
                return next;
                return;
            end if;
            if at_slot >= chunk.size then
                at_slot := 0;
            end if;
        end loop;
        select n.id, n.e164 into number_id, e164
        from numbers n
        where n.chunk_id = chunk.id and n.state = 'free' and n.available_at <= p_now
          and (chunk.slots is null or get_bit(chunk.slots, n.slot) = 0)
          and not exists (select from orders o where o.number_id = n.id and o.side_id = p_side
                          and o.service_id = p_service)
        limit 1
        for update of n skip locked;
        if found then
            return next;
            return;
        end if;
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
    for update of n skip locked
$$;

-- Place one order. `outcome` is placed, or the code of the refusal with its `figure` (micro-units or a count); on a
-- refusal the caller rolls back. Lock order: number, then (a new row) order, then the side's row.
create function place_order(
    p_side bigint, p_serial bigint, p_kind text, p_service text, p_country text, p_pool text, p_network text,
    p_max_price bigint, p_duration integer, p_e164 text, p_reference text, p_now timestamptz, p_window_s integer, p_cancel_lock_s integer,
    p_cancel_for_s integer, p_live_limit integer
) returns table (outcome text, figure bigint, id integer, tells boolean)
language plpgsql as $$
#variable_conflict use_column
declare
    side sides%rowtype;
    service services%rowtype;
    offer record;
    taken record;
    order_serial bigint;
    hold bigint;
    window_s integer;
begin
    select * into service from services s where s.slug = p_service;
    if not found then
        return query select 'unknown_service', null::bigint, null::integer, null::boolean; return;
    elsif service.prohibited then
        return query select 'prohibited_service', null::bigint, null::integer, null::boolean; return;
    elsif not exists (select from countries c where c.iso2 = p_country) then
        return query select 'unknown_country', null::bigint, null::integer, null::boolean; return;
    end if;
    select * into side from sides s where s.id = p_side;
    if p_pool is not null and not exists (select from pools p where p.slug = p_pool and p.mode = side.mode) then
        return query select 'unknown_pool', null::bigint, null::integer, null::boolean; return;
    end if;
    window_s := case p_kind when 'rental' then p_duration else p_window_s * service.window_factor end;

    for offer in
        select p.id, p.asks, p.tells, priced.amount
        from pools p
        cross join lateral (select price_of(p.id, p_kind, service.id, service.category, p_country, p_duration) as amount) priced
        where p.mode = side.mode and p.enabled and (p_pool is null or p.slug = p_pool) and priced.amount is not null
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
            return query select 'price_too_low', offer.amount, null::integer, null::boolean; return;
        end if;

        -- The side's row is the last lock: it is the one that others may be waiting for. The hold's id is taken under it,
        -- so that the ids of a wallet's transfers grow in the order of their commits.
        update sides s
        set available = s.available - offer.amount, held = s.held + offer.amount, live_orders = s.live_orders + 1,
            seq = s.seq + 1
        where s.id = p_side and s.available >= offer.amount and s.live_orders < p_live_limit
        returning s.* into side;
        if not found then
            select * into side from sides s where s.id = p_side;
            if side.live_orders >= p_live_limit then
                return query select 'limit_exceeded', p_live_limit::bigint, null::integer, null::boolean; return;
            end if;
            return query select 'insufficient_balance', offer.amount - side.available, null::integer, null::boolean;
            return;
        end if;
        order_serial := coalesce(p_serial, nextval('order_serials'));
        id := order_id(order_serial, (select i.order_key from installation i));
        update numbers n set state = 'leased' where n.id = taken.number_id;
        hold := nextval(pg_get_serial_sequence('transfers', 'id'));
        insert into orders (id, serial, side_id, kind, state, service_id, country, pool_id, network, number_id, e164,
                            price, hold_id, created_at, ends_at, expires_at, cancel_from, cancel_until, client_reference)
        values (id, order_serial, p_side, p_kind, case when offer.asks then 'placing' else 'waiting' end, service.id,
                p_country, offer.id, taken.network, taken.number_id, taken.e164, offer.amount, hold, p_now,
                p_now + make_interval(secs => window_s), p_now + make_interval(secs => window_s),
                p_now + make_interval(secs => p_cancel_lock_s), p_now + make_interval(secs => p_cancel_for_s),
                p_reference);
        if offer.tells then
            insert into supplier_calls (order_id, verb, next_at, made_at) values (id, 'acquire', p_now, p_now);
        end if;
        insert into transfers (id, mode, kind, wallet, debit, credit, amount, made_at)
        overriding system value
        values (hold, side.mode, 'hold', side.wallet, 'available', 'held', offer.amount, p_now);
        insert into events (side_id, seq, at, type, order_id, revision)
        values (p_side, side.seq, p_now, 'order.placed', id, 1);
        return query select 'placed', null::bigint, id, offer.tells;
        return;
    end loop;
    return query select 'out_of_stock', null::bigint, null::integer, null::boolean;
end $$;
