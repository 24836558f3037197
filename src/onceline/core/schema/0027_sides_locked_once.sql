-- A batch of orders locked its side's row once for each order, and could wait in a ring with whoever waited for that row.
set local lock_timeout = '5s';

-- Place orders, each by itself, or answer again what their idempotency keys were used for.
--
-- p_orders: [{"place", "side", "key", "request", "serial", "kind", "service", "country", "pool", "network", "max_price",
-- "duration_s", "number", "client_reference", "cancel_for_s", "cap"}]; place counts from 1, request is the hex digest of
-- what is asked, cap the spend cap of the key that asks, if it has one, and no two have the same side and key. One row
-- comes back for each: its order, or why it was refused (a code of the error tree, with its figure in micro-units or a
-- count).
--
-- Locks: first every key, in order, where a rival with the same key waits until this transaction has ended; then the
-- sides' rows, in order and each once (who locks a row a second time in one statement may wait for somebody who waits for its
-- older version), with the spend caps of its keys, which nobody changes without their side's row; numbers last,
-- and those are never waited for. So nobody waits here for what comes before the
-- thing that he holds, and there is no circle. Hold ids are taken under the side's row, so that the ids of a wallet's
-- transfers grow in the order of their commits.
create or replace function place_orders(
    p_orders json, p_order_key bigint, p_now timestamptz, p_window_s integer, p_cancel_lock_s integer, p_live_limit integer
) returns table (place integer, refused text, figure bigint, replayed boolean, account text, service text,
                 pool text, asks boolean, tells boolean, made orders)
language plpgsql
-- A handful of rows by their keys: any other plan reads a whole table (and a plan made while the tables are still empty
-- would go on doing so), and planning anew for each call costs more than a better plan could save.
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    fresh bigint[] := array(select nextval('order_serials') from generate_series(1, json_array_length(p_orders)));
    wanted record;
    offer record;
    taken record;
    own_id integer;
    this_side bigint;
    available bigint;
    live integer;
    seq bigint;
    ends timestamptz;
    kept orders[] := '{}';
    seqs bigint[] := '{}';
    told integer[] := '{}';
    refused_keys text[] := '{}';
    refused_sides bigint[] := '{}';
begin
    insert into idempotency (side_id, key, request, serials, made_at)
    select w.side, w.key, decode(w.request, 'hex'), array[fresh[w.place]], p_now
    from json_to_recordset(p_orders) w (place integer, side bigint, key text, request text)
    where w.key is not null
    order by w.side, w.key
    on conflict (side_id, key) do nothing;

    for wanted in
        with own as materialized (
            select * from sides
            where id in (select side from json_to_recordset(p_orders) w (side bigint))
            order by id
            for no key update
        )
        select w.*, coalesce(w.serial, fresh[w.place]) as own_serial,
               i.serials, i.request is distinct from decode(w.request, 'hex') as conflicts,
               s.id as service_id, s.prohibited, s.category, s.window_factor, c.iso2 is not null as country_known,
               p.id is not null as pool_known, d.mode, d.account_id, d.available, d.live_orders, d.seq
        from json_to_recordset(p_orders) w (
            place integer, side bigint, key text, request text, serial bigint, kind text, service text, country text,
            pool text, network text, max_price bigint, duration_s integer, number text, client_reference text,
            cancel_for_s integer, cap bigint)
        join own d on d.id = w.side
        left join idempotency i on i.side_id = w.side and i.key = w.key
        left join services s on s.slug = w.service
        left join countries c on c.iso2 = w.country
        left join pools p on p.slug = w.pool and p.mode = d.mode
        order by w.side, w.place
    loop
        place := wanted.place;
        refused := null;
        figure := null;
        replayed := false;
        made := null;
        account := wanted.account_id;
        service := wanted.service;
        if wanted.side is distinct from this_side then
            this_side := wanted.side;
            available := wanted.available;
            live := wanted.live_orders;
            seq := wanted.seq;
        end if;
        if wanted.key is not null and wanted.serials[1] <> wanted.own_serial then
            if wanted.conflicts then
                refused := 'idempotency_conflict';
                return next;
            else
                replayed := true;
                select o.* into made from orders o where o.id = order_id(wanted.serials[1], p_order_key);
                select p.slug, p.asks, p.tells into pool, asks, tells from pools p where p.id = made.pool_id;
                return next;
            end if;
            continue;
        end if;

        taken := null;
        own_id := order_id(wanted.own_serial, p_order_key);
        refused := case when wanted.service_id is null then 'unknown_service'
                        when wanted.prohibited then 'prohibited_service'
                        when not wanted.country_known then 'unknown_country'
                        when wanted.pool is not null and not wanted.pool_known then 'unknown_pool' end;
        if refused is null then
            refused := 'out_of_stock';
            for offer in
                -- The same rule as price_of, written out: as a function call it is not planned together with the rest.
                select p.id, p.slug, p.asks, p.tells, p.stock_as_of, priced.amount
                from pools p
                cross join lateral (
                    select r.amount
                    from prices r
                    where r.pool_id = p.id and r.kind = wanted.kind and r.duration_s = wanted.duration_s
                      and r.service_id in (wanted.service_id,
                                           case when wanted.category = 'test' then wanted.service_id else 0 end)
                      and r.country in (wanted.country, '')
                    order by r.service_id = 0, r.country = ''
                    limit 1) priced
                where p.mode = wanted.mode and p.enabled and (wanted.pool is null or p.slug = wanted.pool)
                order by priced.amount, p.id
            loop
                if offer.asks then
                    continue when wanted.number is not null;
                    continue when offer.stock_as_of is not null and not has_asked_stock(
                        offer.id, wanted.country, wanted.service_id, offer.stock_as_of, p_now);
                    select null::integer as number_id, null::text as e164, coalesce(wanted.network, '') as network,
                           null::integer as holder
                    into taken;
                elsif wanted.number is not null then
                    select * into taken from retake_number(wanted.number, offer.id, wanted.service_id, wanted.side, own_id);
                    continue when not found;
                else
                    select * into taken
                    from take_number(offer.id, wanted.country, wanted.network, wanted.service_id,
                                     case when wanted.category <> 'test' then wanted.side end, p_now, own_id);
                    continue when not found;
                end if;
                refused := null;
                exit;
            end loop;
        end if;
        if refused is null then
            if offer.amount > wanted.max_price then
                refused := 'price_too_low';
                figure := offer.amount;
            elsif live >= p_live_limit then
                refused := 'limit_exceeded';
                figure := p_live_limit;
            elsif available < offer.amount then
                refused := 'insufficient_balance';
                figure := offer.amount - available;
            elsif wanted.cap is not null then
                -- The last of the reasons: what is counted here is placed.
                update spend_caps c set spent = c.spent + offer.amount
                where c.id = wanted.cap and c.side_id = wanted.side and c.spent + offer.amount <= c.cap;
                if not found then
                    refused := 'spend_cap_reached';
                    select c.cap - c.spent into figure from spend_caps c
                    where c.id = wanted.cap and c.side_id = wanted.side;
                end if;
            end if;
            if refused is not null then
                update numbers set state = 'free', holder = taken.holder where id = taken.number_id;
            end if;
        end if;
        if refused is not null then
            if wanted.key is not null then
                refused_sides := refused_sides || wanted.side;
                refused_keys := refused_keys || wanted.key;
            end if;
            return next;
            continue;
        end if;

        available := available - offer.amount;
        live := live + 1;
        seq := seq + 1;
        ends := p_now + make_interval(secs => case wanted.kind when 'rental' then wanted.duration_s
                                              else p_window_s * wanted.window_factor end);
        pool := offer.slug;
        asks := offer.asks;
        tells := offer.tells;
        made.id := own_id;
        made.serial := wanted.own_serial;
        made.side_id := wanted.side;
        made.kind := wanted.kind;
        made.state := case when offer.asks then 'placing' else 'waiting' end;
        made.service_id := wanted.service_id;
        made.country := wanted.country;
        made.pool_id := offer.id;
        made.network := taken.network;
        made.number_id := taken.number_id;
        made.e164 := taken.e164;
        made.price := offer.amount;
        made.hold_id := nextval('transfers_id_seq');
        made.money := 'held';
        made.created_at := p_now;
        made.ends_at := ends;
        made.expires_at := ends;
        made.cancel_from := p_now + make_interval(secs => p_cancel_lock_s);
        made.cancel_until := p_now + make_interval(secs => wanted.cancel_for_s);
        made.withheld := 0;
        made.revision := 1;
        made.client_reference := wanted.client_reference;
        made.spend_cap_id := wanted.cap;
        kept := kept || made;
        seqs := seqs || seq;
        if tells then
            told := told || made.id;
        end if;
        return next;
    end loop;

    if refused_keys <> '{}' then
        delete from idempotency i
        using unnest(refused_sides, refused_keys) r (side, key)
        where i.side_id = r.side and i.key = r.key;
    end if;
    if kept = '{}' then
        return;
    end if;
    with paid as (
        update sides s
        set available = s.available - k.amount, held = s.held + k.amount, live_orders = s.live_orders + k.placed,
            seq = s.seq + k.placed
        from (select side_id, sum(price)::bigint as amount, count(*) as placed from unnest(kept) group by side_id) k
        where s.id = k.side_id
        returning s.id, s.mode, s.wallet
    ), moved as (
        insert into transfers (id, mode, kind, wallet, debit, credit, amount, made_at)
        overriding system value
        select k.hold_id, paid.mode, 'hold', paid.wallet, 'available', 'held', k.price, p_now
        from unnest(kept) k join paid on paid.id = k.side_id
    ), noted as (
        insert into events (side_id, seq, at, type, order_id, revision)
        select k.side_id, seqs[k.ordinality], p_now, 'order.placed', k.id, 1
        from unnest(kept) with ordinality k
    )
    insert into orders select k.* from unnest(kept) k;
    insert into supplier_calls (order_id, verb, next_at, made_at)
    select one, 'acquire', p_now, p_now from unnest(told) one;
end $$;
