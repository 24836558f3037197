"""Orders: place, read, wait, cancel, finish, ask again, extend."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from onceline.core.access.model import Grant
from onceline.core.db import Transaction
from onceline.core.errors import NotFound
from onceline.core.exports.model import parse_instant
from onceline.core.money import parse_amount
from onceline.core.orders import commands, model, store, view
from onceline.core.orders.commands import Asking, OrderRequest
from onceline.core.orders.model import CLOSED, LIVE
from onceline.core.orders.store import Wanted
from onceline.core.orders.view import OfSide
from onceline.edge import shapes
from onceline.edge.api import router
from onceline.edge.api.paging import (
    Cursor,
    From,
    Limit,
    NumberEnd,
    OfOrder,
    Until,
    foreign_cursor,
    read_cursor,
    write_cursor,
)
from onceline.edge.auth import OrdersRead, OrdersWrite
from onceline.edge.house import AnyHouse, House

routes = router("orders")

LONGEST_WAIT_S = 60
Id = Annotated[int, Path(ge=1, le=2147483647)]
KEY_PATTERN = r"^[\x21-\x7e]{1,255}$"
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=KEY_PATTERN,
        description="The same key and body give the same answer for seven days, whatever happened between.",
    ),
]
OrderState = Annotated[
    str | None,
    Query(
        pattern=r"^(live|closed|placing|waiting|received|resend_pending|finished|cancelled|expired|failed)$"
    ),
]


@routes.post("/orders", status_code=201, response_model=shapes.Order)
async def place_order(
    house: AnyHouse, grant: OrdersWrite, wanted: shapes.PlaceOrder, idempotency_key: IdempotencyKey
) -> Response:
    """Lease a number. The price is held now, captured with the first code, released when none comes."""
    return await placed(house, grant, wanted, idempotency_key)


async def placed(house: House, grant: Grant, wanted: shapes.PlaceOrder, key: str) -> Response:
    async with house.gate.placing(grant.side):
        outcome = await house.placing.ask(Asking(grant.side, _request(wanted), key, cap=grant.cap))
    return _answer(view.created_view(house.context, outcome.made[0]), 201, outcome.replayed)


@routes.post("/orders/batch", status_code=201, response_model=shapes.Orders)
async def place_orders(
    house: AnyHouse, grant: OrdersWrite, wanted: shapes.PlaceOrders, idempotency_key: IdempotencyKey
) -> Response:
    """All of them or none, in one transaction."""
    requests = [_request(one) for one in wanted.orders]
    async with house.gate.placing(grant.side):
        outcome = await house.commands.run(
            lambda tx: commands.place(tx, house.context, grant.side, requests, idempotency_key, grant.cap)
        )
    views = [view.created_view(house.context, order) for order in outcome.made]
    return _answer({"orders": views, "next": None}, 201, outcome.replayed)


@routes.get("/orders", response_model=shapes.Orders)
async def list_orders(
    house: AnyHouse,
    grant: OrdersRead,
    state: OrderState = None,
    service: shapes.Slug | None = None,
    country: shapes.Country | None = None,
    client_reference: shapes.ClientReference | None = None,
    kind: Literal["activation", "rental"] | None = None,
    number: NumberEnd = None,
    since: From = None,
    until: Until = None,
    order: OfOrder = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Newest first. A page looks at 20,000 orders at most, so one that was filtered may be short and have a `next`."""
    place = read_cursor(cursor, int)
    wanted = Wanted(
        house.clock.now(), _states(state), service, country, client_reference,
        kind, number, parse_instant(since), parse_instant(until), order,
    )  # fmt: skip

    def read(tx: Transaction) -> dict[str, Any]:
        before = _own(tx, grant, int(place[0])) if place else None
        page = store.listed(tx, grant.side, wanted, before=before, limit=limit)
        views = view.order_views(tx, house.context, [row.id for row in page.rows])
        return {"orders": views, "next": write_cursor(page.next) if page.next else None}

    return JSONResponse(await house.commands.run(read))


@routes.get("/orders/{order_id}", response_model=shapes.Order, responses={304: {"description": "Unchanged."}})
async def read_order(
    request: Request,
    house: AnyHouse,
    grant: OrdersRead,
    order_id: Id,
    wait: Annotated[int, Query(ge=0, le=LONGEST_WAIT_S, description="Seconds to wait for a change.")] = 0,
    after: Annotated[
        int, Query(ge=0, description="The revision you know; a newer one is answered at once.")
    ] = 1,
) -> Response:
    """One order; with `wait`, as soon as its revision is above `after` or it is over."""
    condition = request.headers.get("if-none-match", "")
    if not wait:
        return await polled(house, grant, order_id, condition)
    return _unless_known(await _wait(house, grant, order_id, wait, after), condition)


async def polled(house: House, grant: Grant, order_id: int, condition: str) -> Response:
    """The order as it is now; 304 if `condition` (If-None-Match) names just that."""
    return _unless_known(await house.polling.ask(OfSide(order_id, grant.side)), condition)


@routes.post("/orders/{order_id}/cancel", response_model=shapes.Order)
async def cancel_order(house: AnyHouse, grant: OrdersWrite, order_id: Id) -> Response:
    """Close without a code; what was held is released. A code that came first wins, and says so."""
    return await _change(house, grant, order_id, commands.cancel)


@routes.post("/orders/{order_id}/finish", response_model=shapes.Order)
async def finish_order(house: AnyHouse, grant: OrdersWrite, order_id: Id) -> Response:
    """Close after the code."""
    return await _change(house, grant, order_id, commands.finish)


@routes.post("/orders/{order_id}/resend", response_model=shapes.Order)
async def resend_order(house: AnyHouse, grant: OrdersWrite, order_id: Id) -> Response:
    """Wait for one more message within the window, free."""
    return await _change(house, grant, order_id, commands.resend)


@routes.post("/orders/{order_id}/extend", response_model=shapes.Order)
async def extend_order(
    house: AnyHouse,
    grant: OrdersWrite,
    order_id: Id,
    wanted: shapes.ExtendOrder,
    idempotency_key: IdempotencyKey,
) -> Response:
    """Lengthen a rental by one of the durations on offer, for `max_price` at most."""
    max_price = parse_amount(wanted.max_price) if wanted.max_price else None

    def change(tx: Transaction) -> dict[str, Any]:
        commands.extend(
            tx, house.context, grant.side, order_id, wanted.duration, idempotency_key, grant.cap, max_price
        )
        return view.order_views(tx, house.context, [order_id])[0]

    return _answer(await house.commands.run(change), 200, replayed=False)


@routes.post("/orders/{order_id}/auto-extend", response_model=shapes.Order)
async def auto_extend_order(
    house: AnyHouse, grant: OrdersWrite, order_id: Id, wanted: shapes.AutoExtend
) -> Response:
    """Let a rental go on by itself, or no more: by what it was ordered for, for what that costs now at most."""
    command = partial(commands.set_auto_extend, on=wanted.on, cap=grant.cap)
    return await _change(house, grant, order_id, command)


@routes.get("/orders/{order_id}/messages", response_model=shapes.Messages)
async def list_messages(
    house: AnyHouse, grant: OrdersRead, order_id: Id, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Every message of an order, oldest first."""
    place = read_cursor(cursor, str)
    ids = house.context.installation.message_ids
    after = ids.row(str(place[0])) if place else 0
    if after is None:
        raise foreign_cursor()

    def read(tx: Transaction) -> dict[str, Any]:
        order = store.order(tx, order_id, grant.side)
        found = store.messages(tx, house.context.vault, order.account, order_id, after=after, limit=limit + 1)
        page = found[:limit]
        more = len(found) > limit
        return {
            "messages": [view.message_view(house.context, message) for message in page],
            "next": write_cursor(ids.public(page[-1].id)) if more else None,
        }

    return JSONResponse(await house.commands.run(read))


def _request(wanted: shapes.PlaceOrder) -> OrderRequest:
    return OrderRequest(
        service=wanted.service,
        country=wanted.country,
        kind=wanted.kind,
        pool=wanted.pool,
        network=wanted.network,
        max_price=parse_amount(wanted.max_price) if wanted.max_price else None,
        duration_s=wanted.duration or 0,
        number=wanted.number,
        client_reference=wanted.client_reference,
    )


def _answer(body: dict[str, Any], status: int, replayed: bool) -> JSONResponse:
    return JSONResponse(body, status, {"Idempotent-Replayed": "true"} if replayed else None)


def _own(tx: Transaction, grant: Grant, order_id: int) -> int:
    """The place of a cursor, if it is an order of this side. Raises InvalidInput."""
    try:
        return store.order(tx, order_id, grant.side).id
    except NotFound as error:
        raise foreign_cursor() from error


def _states(state: str | None) -> list[str] | None:
    if state == "live":
        return sorted(LIVE)
    if state == "closed":
        return sorted(CLOSED)
    return [state] if state else None


async def _wait(house: House, grant: Grant, order_id: int, wait: int, after: int) -> dict[str, Any]:
    """Read again at each wake-up of the side, and at the order's own end, until there is news or the time is over.

    Raises KeyRevoked.
    """
    deadline = time.monotonic() + wait
    wanted = OfSide(order_id, grant.side)
    found = await house.polling.ask(wanted)  # a stranger's order is refused before it counts as waiting
    with house.hub.watching(grant, "long poll") as watch:
        found = await house.polling.ask(wanted)
        while found["revision"] <= after and found["state"] in LIVE:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            end = datetime.fromisoformat(found["expires_at"]) - house.clock.now()
            await watch.wait(min(left, end.total_seconds()))
            watch.demand()
            found = await house.polling.ask(wanted)
    return found


def _unless_known(found: dict[str, Any], condition: str) -> Response:
    body = json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    if _matches(condition, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, headers={"ETag": tag}, media_type="application/json")


def _matches(condition: str, tag: str) -> bool:
    """If-None-Match compares weakly, and may list several (RFC 9110, 13.1.2)."""
    return tag in (one.strip().removeprefix("W/") for one in condition.split(","))


async def _change(house: House, grant: Grant, order_id: int, command: Callable[..., model.Order]) -> Response:
    def change(tx: Transaction) -> dict[str, Any]:
        command(tx, house.context, grant.side, order_id)
        return view.order_views(tx, house.context, [order_id])[0]

    return JSONResponse(await house.commands.run(change))
