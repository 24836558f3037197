"""The live socket: a ticket in the first frame, then every event of the side from a cursor on, in order, none skipped.

    client  {"type": "auth", "ticket", "after"?, "epoch"?}
    server  {"type": "ready", "epoch", "seq"}      seq: where the stream stands
            {"type": "event", "seq", "event"}      in order, each once
            {"type": "heartbeat", "seq"}           a seq above your last one means a gap: reconnect with `after`
            {"type": "resync", "epoch", "seq"}     your cursor cannot be served: read your orders, go on from seq

A socket has no queue: it reads the events after its own cursor when it is woken, and sends them before it reads on. A
reader that does not read holds up nobody and is closed. Only keys with events:read get a ticket; the socket ends with
its key.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from prometheus_client import Gauge, Histogram
from starlette.websockets import WebSocket, WebSocketDisconnect

from onceline.core.access import commands as access
from onceline.core.access.model import Grant
from onceline.core.db import Transaction
from onceline.core.errors import KeyRefused, LimitExceeded, OncelineError, Unavailable
from onceline.core.orders import view
from onceline.core.outbox import store as outbox
from onceline.core.outbox.store import Horizon
from onceline.edge.body import parse
from onceline.edge.house import House, house_of
from onceline.edge.hub import Watch
from onceline.edge.problems import BadRequest

FIRST_FRAME_S = 5.0
HEARTBEAT_S = 15.0
SEND_S = 10.0
AWAY_S = 0.5
BATCH = 100

NOT_ALLOWED, BAD_FRAME, TOO_SLOW, TOO_MANY, TRY_LATER = 4401, 4400, 4408, 4429, 1013

GATEWAY_TO_SOCKET = Histogram(
    "onceline_gateway_to_socket_seconds",
    "From the first contact with a message to its event on a socket (promise D2).",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
SOCKETS = Gauge("onceline_sockets", "Open live sockets of this process.")


class _Closed(Exception):
    """Ends the socket with a code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Opening:
    grant: Grant
    horizon: Horizon
    after: int
    must_resync: bool


async def live(socket: WebSocket) -> None:
    house = house_of(socket)
    await socket.accept()
    try:
        opening = await _open(socket, house)
        with house.hub.watching(opening.grant, "socket") as watch, SOCKETS.track_inprogress():
            await _serve(socket, house, opening, watch)
    except _Closed as closed:
        await _close(socket, closed.code, closed.reason)
    except LimitExceeded as refusal:
        await _close(socket, TOO_MANY, refusal.detail)
    except WebSocketDisconnect:
        pass  # the client has gone


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the client may have gone first
        await socket.close(code, reason)


async def _open(socket: WebSocket, house: House) -> _Opening:
    frame = await _first_frame(socket)
    after, epoch = frame.get("after"), frame.get("epoch")

    def redeem(tx: Transaction) -> tuple[Grant, Horizon]:
        grant = access.redeem_ticket(tx, frame["ticket"], house.clock.now())
        return grant, outbox.horizon(tx, grant.side)

    try:
        grant, horizon = await house.commands.run(redeem)
    except KeyRefused as error:
        raise _Closed(NOT_ALLOWED, error.detail[:120]) from error
    except Unavailable as error:
        raise _Closed(TRY_LATER, error.code) from error
    must_resync = after is not None and (
        not horizon.covers(after) or (epoch is not None and epoch != horizon.epoch)
    )
    return _Opening(grant, horizon, horizon.seq if after is None or must_resync else after, must_resync)


async def _first_frame(socket: WebSocket) -> dict[str, Any]:
    try:
        async with asyncio.timeout(FIRST_FRAME_S):
            frame = parse((await _receive(socket)).encode())
    except TimeoutError as error:
        raise _Closed(NOT_ALLOWED, "no auth frame in time") from error
    except BadRequest as error:
        raise _Closed(BAD_FRAME, "the first frame is not JSON text") from error
    if not _is_auth(frame):
        raise _Closed(BAD_FRAME, 'the first frame must be {"type":"auth","ticket":…,"after"?:…,"epoch"?:…}')
    return frame  # type: ignore[no-any-return]  # _is_auth looked at its shape


async def _receive(socket: WebSocket) -> str:
    """The text of the next frame; a binary one counts as empty. Raises WebSocketDisconnect."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    return message.get("text") or ""


def _is_auth(frame: Any) -> bool:
    if not isinstance(frame, dict) or frame.get("type") != "auth" or not isinstance(frame.get("ticket"), str):
        return False
    after, epoch = frame.get("after"), frame.get("epoch")
    known = frame.keys() <= {"type", "ticket", "after", "epoch"}
    return known and (after is None or (type(after) is int and after >= 0)) and isinstance(epoch, str | None)


async def _serve(socket: WebSocket, house: House, opening: _Opening, watch: Watch) -> None:
    """The writer and the reader; whoever ends first ends the socket."""
    horizon = opening.horizon
    await _send(socket, {"type": "ready", "epoch": horizon.epoch, "seq": horizon.seq})
    if opening.must_resync:
        await _send(socket, {"type": "resync", "epoch": horizon.epoch, "seq": horizon.seq})
    writer = asyncio.create_task(_write(socket, house, opening, watch))
    reader = asyncio.create_task(_read_nothing(socket))
    try:
        await asyncio.wait({writer, reader}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (writer, reader):
            task.cancel()
        results = await asyncio.gather(writer, reader, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _write(socket: WebSocket, house: House, opening: _Opening, watch: Watch) -> NoReturn:
    cursor, side = opening.after, opening.grant.side
    beat_at = time.monotonic() + HEARTBEAT_S
    while True:
        if watch.ended:
            raise _Closed(NOT_ALLOWED, "the key of this socket has ended")
        events = await _read_events(house, watch, side, cursor)
        for event in events:
            await _send(socket, {"type": "event", **event})
            cursor = event["seq"]
            _observe(house, event, fresh=cursor > opening.horizon.seq)
        if events:
            continue
        if not await watch.wait(beat_at - time.monotonic()):
            await _send(socket, {"type": "heartbeat", "seq": cursor})
            beat_at = time.monotonic() + HEARTBEAT_S


async def _read_events(house: House, watch: Watch, side: int, cursor: int) -> list[dict[str, Any]]:
    """The next events; while the database is away the socket stays open, and looks again every AWAY_S."""

    def read(tx: Transaction) -> list[dict[str, Any]]:
        return view.event_views(tx, house.context, outbox.after(tx, side, cursor, BATCH))

    try:
        return await house.commands.run_statement(read)
    except Unavailable:
        await asyncio.sleep(AWAY_S)
        watch.wake()
        return []
    except OncelineError as error:
        raise _Closed(TRY_LATER, error.code) from error


async def _read_nothing(socket: WebSocket) -> NoReturn:
    """After the first frame a client has nothing to say; its closing is noticed here."""
    await _receive(socket)
    raise _Closed(BAD_FRAME, "only the auth frame is expected")


async def _send(socket: WebSocket, frame: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(SEND_S):
            await socket.send_text(json.dumps(frame, separators=(",", ":")))
    except TimeoutError as error:
        raise _Closed(TOO_SLOW, "resync") from error


def _observe(house: House, event: dict[str, Any], *, fresh: bool) -> None:
    message = event["event"]["message"]
    if fresh and message:
        received = datetime.fromisoformat(message["received_at"])
        GATEWAY_TO_SOCKET.observe(max((house.clock.now() - received).total_seconds(), 0))
