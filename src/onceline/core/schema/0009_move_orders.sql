-- What transitions do to orders, sides, holds and events, for many orders at once.
set local lock_timeout = '5s';

-- p_orders: what orders become, whose numbers' locks the caller holds. p_steps: what that does to their sides, sorted by
-- side, so that two calls never wait for each other's sides in a ring; each hold is ended once by the unique index on
-- pending_id. A step's first event names its message. Transfers and events are numbered under the side's row.
create function move_orders(p_orders json, p_steps json, p_now timestamptz) returns void language plpgsql as $$
declare
    one record;
    step record;
    side record;
begin
    for one in
        select * from json_to_recordset(p_orders) as o (
            id integer, state text, money text, number_id integer, e164 text, network text, expires_at timestamptz,
            closed_at timestamptz, first_shown_at timestamptz, first_valid_at timestamptz, captured_at timestamptz,
            withheld smallint, revision integer)
    loop
        update orders
        set state = one.state, money = one.money, number_id = one.number_id, e164 = one.e164, network = one.network,
            expires_at = one.expires_at, closed_at = one.closed_at, first_shown_at = one.first_shown_at,
            first_valid_at = one.first_valid_at, captured_at = one.captured_at, withheld = one.withheld,
            revision = one.revision
        where id = one.id;
    end loop;
    for step in
        select * from json_to_recordset(p_steps) as s (
            id integer, side bigint, capture bigint, release bigint, closed integer, ends text, credit text,
            types text[], revision integer, message bigint)
    loop
        update sides
        set held = held - step.capture - step.release, available = available + step.release,
            live_orders = live_orders - step.closed, seq = seq + cardinality(step.types)
        where id = step.side
        returning seq - cardinality(step.types) as last_seq into side;
        if step.ends is not null then
            insert into transfers (mode, kind, wallet, debit, credit, amount, pending_id, made_at)
            select h.mode, step.ends, h.wallet, 'held', step.credit, h.amount, h.id, p_now
            from transfers h
            where h.id in (select o.hold_id from orders o where o.id = step.id
                           union all
                           select x.hold_id from extensions x where x.order_id = step.id);
        end if;
        insert into events (side_id, seq, at, type, order_id, revision, message_id)
        select step.side, side.last_seq + e.place, p_now, e.type, step.id, step.revision,
               case when e.place = 1 then step.message end
        from unnest(step.types) with ordinality e (type, place);
    end loop;
end $$;
