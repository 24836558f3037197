"""The stream of a side's events, and tickets for the socket that carries the same stream."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response
from fastapi.responses import JSONResponse

from onceline.core.access.commands import TICKET_S
from onceline.core.access.model import Grant
from onceline.core.errors import Resync
from onceline.edge import follow, shapes
from onceline.edge.api import router
from onceline.edge.auth import EventsRead
from onceline.edge.follow import Batch, Cursor, Follower, StartOver, Step
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
    cursor = Cursor(after, epoch)
    if wait:
        step, epoch = await _wait(house, grant, cursor, limit, wait)
    else:
        step, epoch = await follow.read(house, grant.side, cursor, limit)
    if isinstance(step, StartOver):
        raise Resync(step.epoch, step.seq)
    events = step.events if isinstance(step, Batch) else []
    last = events[-1]["seq"] if events else after
    return JSONResponse({"events": events, "seq": step.seq, "epoch": epoch, "more": last < step.seq})


@routes.post("/socket-tickets", status_code=201, response_model=shapes.Ticket)
async def issue_ticket(house: AnyHouse, grant: EventsRead) -> Response:
    """A one-time ticket for the first frame on /api/v1/live; keys never travel on a socket."""
    ticket = await house.ticketing.ask(grant)
    return JSONResponse({"ticket": ticket, "expires_in_s": TICKET_S}, 201)


async def _wait(
    house: House, grant: Grant, cursor: Cursor, limit: int, seconds: int
) -> tuple[Step, str | None]:
    """The first thing that a follower has to tell; silence at the end of the time is a heartbeat. Raises KeyRevoked."""
    with house.hub.watching(grant, "long poll") as watch:
        follower = Follower(house, watch, grant.side, cursor, beat_s=seconds, limit=limit, patient=False)
        step = await follower.next()
    return step, follower.cursor.epoch
