"""The stream of a side's events, and tickets for the socket that carries the same stream."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Query, Response
from fastapi.responses import JSONResponse

from onceline.core.access import commands as access
from onceline.core.access.commands import TICKET_S
from onceline.core.access.model import Grant
from onceline.core.db import Transaction
from onceline.core.errors import Resync
from onceline.core.orders import view
from onceline.core.outbox import store as outbox
from onceline.edge import shapes
from onceline.edge.api import router
from onceline.edge.auth import EventsRead
from onceline.edge.house import AnyHouse, House

routes = router("events")
LONGEST_WAIT_S = 60


@routes.get("/events", response_model=shapes.Events)
async def list_events(
    house: AnyHouse,
    grant: EventsRead,
    after: Annotated[int, Query(ge=0, le=2**62, description="The last seq you have.")] = 0,
    epoch: Annotated[str | None, Query(max_length=32, description="The epoch you read it in.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    wait: Annotated[
        int, Query(ge=0, le=LONGEST_WAIT_S, description="Seconds to wait for the next event.")
    ] = 0,
) -> Response:
    """Events after a cursor, oldest first. 410 `resync` when what followed it is no longer kept."""
    found = await _read(house, grant, after, epoch, limit)
    if wait and not found["events"]:
        found = await _wait(house, grant, wait, lambda: _read(house, grant, after, epoch, limit))
    return JSONResponse(found)


@routes.post("/socket-tickets", status_code=201, response_model=shapes.Ticket)
async def issue_ticket(house: AnyHouse, grant: EventsRead) -> Response:
    """A one-time ticket for the first frame on /api/v1/live; keys never travel on a socket."""
    now = house.clock.now()
    ticket = await house.commands.run(lambda tx: access.issue_ticket(tx, grant, now))
    return JSONResponse({"ticket": ticket, "expires_in_s": TICKET_S}, 201)


async def _wait(
    house: House, grant: Grant, wait: int, read: Callable[[], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Read again at each wake-up of the side until there are events or the time is over. Raises KeyRevoked."""
    deadline = time.monotonic() + wait
    with house.hub.watching(grant, "long poll") as watch:
        found = await read()
        while not found["events"] and await watch.wait(deadline - time.monotonic()):
            watch.demand()
            found = await read()
    return found


async def _read(house: House, grant: Grant, after: int, epoch: str | None, limit: int) -> dict[str, Any]:
    def read(tx: Transaction) -> dict[str, Any]:
        horizon = outbox.horizon(tx, grant.side)
        if not horizon.covers(after) or (epoch is not None and epoch != horizon.epoch):
            raise Resync(horizon.epoch, horizon.seq)
        rows = outbox.after(tx, grant.side, after, limit)
        newest = max(horizon.seq, rows[-1].seq if rows else 0)
        return {
            "events": view.event_views(tx, house.context, rows),
            "seq": newest,
            "epoch": horizon.epoch,
            "more": bool(rows) and rows[-1].seq < newest,
        }

    return await house.commands.run(read)
