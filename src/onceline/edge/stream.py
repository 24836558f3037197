"""Server-Sent Events: the same stream as the live socket, over plain HTTP, where an upgrade does not come through.

    event: event      id: <epoch>:<seq>   data: {"seq","id","event"}    in order, each once
    event: heartbeat  id: <epoch>:<seq>   data: {"seq"}                 above the id's seq: a gap, connect again
    event: resync     id: <epoch>:<seq>   data: {"epoch","seq"}         read your orders, go on from here

The id that a client saw last, sent as Last-Event-ID, resumes the stream. The key comes in the Authorization header and
nowhere else. A reader that does not read holds up nobody and is closed (follow.py, hub.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, NoReturn

from fastapi import Header, Query, Response
from prometheus_client import Gauge
from starlette.types import Receive, Scope, Send

from onceline.core.access.model import Grant
from onceline.core.errors import OncelineError, Restarting
from onceline.core.outbox import store as outbox
from onceline.edge.api import router
from onceline.edge.auth import EventsRead
from onceline.edge.follow import Batch, Cursor, Follower, Heartbeat, Step
from onceline.edge.house import AnyHouse, House
from onceline.edge.hub import Watch
from onceline.edge.reading import written

routes = router("events")
RETRY_MS = 1000
FINISH_S = 1.0
MARK = r"^([0-9A-Za-z_-]{1,32}:[0-9]{1,18})?$"

STREAMS = Gauge("onceline_streams", "Open event streams of this process.")


class _Gone(Exception):
    """The client has closed the connection."""


class EventStream(Response):
    """Sends until the client has gone, the key has ended or the process stops."""

    media_type = "text/event-stream"

    def __init__(self, house: House, grant: Grant, cursor: Cursor, *, resumed: bool) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._house = house
        self._grant = grant
        self._cursor = cursor
        self._resumed = resumed

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        with self._house.hub.watching(self._grant, "stream") as watch, STREAMS.track_inprogress():
            gone = asyncio.ensure_future(_until_gone(receive))
            gone.add_done_callback(lambda _: watch.end(_Gone()))
            try:
                await self._follow(watch, send)
            except (_Gone, TimeoutError):
                return  # nobody is there, or does not read: the server cuts what was not finished
            except Restarting as restarting:
                await _finish(send, f"retry: {restarting.back_in_s * 1000:.0f}\n\n")
            except OncelineError:
                await _finish(send, "")
            finally:
                gone.cancel()

    async def _follow(self, watch: Watch, send: Send) -> NoReturn:
        follower = Follower(self._house, watch, self._grant.side, self._cursor)
        await watch.send(_start(send, self.raw_headers))
        await watch.send(_write(send, f": onceline\nretry: {RETRY_MS}\n\n"))
        if not self._resumed:
            await watch.send(_write(send, _texts(self._cursor, Heartbeat(self._cursor.after))[0]))
        while True:
            step = await follower.next()
            for text in _texts(follower.cursor, step):
                await watch.send(_write(send, text))


@routes.get("/stream", status_code=200, response_class=EventStream)
async def stream(
    house: AnyHouse,
    grant: EventsRead,
    after: Annotated[int | None, Query(ge=0, le=2**62, description="The last seq you have.")] = None,
    epoch: Annotated[str | None, Query(max_length=32, description="The epoch you read it in.")] = None,
    last_event_id: Annotated[
        str,
        Header(
            alias="Last-Event-ID", pattern=MARK, description="The last id you have; it counts before after."
        ),
    ] = "",
) -> Response:
    """Every event of the side as it happens, as Server-Sent Events; without a cursor from now on."""
    if last_event_id:
        epoch, _, seq = last_event_id.rpartition(":")
        after = int(seq)
    if after is not None:
        return EventStream(house, grant, Cursor(after, epoch), resumed=True)
    horizon = await house.commands.run_statement(lambda tx: outbox.horizon(tx, grant.side))
    return EventStream(house, grant, Cursor(horizon.seq, horizon.epoch), resumed=False)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _texts(cursor: Cursor, step: Step) -> list[str]:
    """A step as it goes over the wire; `cursor` is where the reader stands after it."""
    match step:
        case Batch():
            told = zip(step.events, step.texts, strict=True)
            return [_text("event", cursor.epoch, event["seq"], text) for event, text in told]
        case Heartbeat():
            return [_text("heartbeat", cursor.epoch, cursor.after, written({"seq": step.seq}))]
    return [_text("resync", step.epoch, step.seq, written({"epoch": step.epoch, "seq": step.seq}))]


def _text(kind: str, epoch: str | None, seq: int, data: str) -> str:
    """JSON holds no line break. While no reading has told the epoch there is no id."""
    mark = f"id: {epoch}:{seq}\n" if epoch else ""
    return f"event: {kind}\n{mark}data: {data}\n\n"


async def _start(send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _write(send: Send, text: str, *, last: bool = False) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": not last})


async def _finish(send: Send, text: str) -> None:
    """An orderly end, unless nobody reads it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FINISH_S):
            await _write(send, text, last=True)
