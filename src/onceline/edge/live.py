"""The live socket: a ticket in the first frame, then every event of the side from a cursor on, in order, none skipped.

    client  {"type": "auth", "ticket", "after"?, "epoch"?, "heartbeat_s"?}
    server  {"type": "ready", "epoch", "seq"}      seq: where the stream stands
            {"type": "event", "seq", "id", "event"}  in order, each once
            {"type": "heartbeat", "seq"}           a seq above your last one means a gap: reconnect with `after`
            {"type": "resync", "epoch", "seq"}     your cursor cannot be served: read your orders, go on from seq

A socket has no queue (follow.py). A reader that does not read holds up nobody and is closed. Only keys with events:read
get a ticket; the socket ends with its key.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, NamedTuple, NoReturn

from prometheus_client import Gauge
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from onceline.core.access.model import Grant
from onceline.core.errors import KeyRefused, LimitExceeded, OncelineError, Restarting
from onceline.core.outbox.store import Horizon
from onceline.edge import problems
from onceline.edge.body import parse
from onceline.edge.follow import HEARTBEAT_S, Batch, Cursor, Follower, Heartbeat, Step
from onceline.edge.house import House, house_of
from onceline.edge.hub import Watch
from onceline.edge.problems import BadRequest
from onceline.edge.reading import written

FIRST_FRAME_S = 5.0
LEAST_HEARTBEAT_S = 2
CLOSE_S = 1.0

NOT_ALLOWED, BAD_FRAME, TOO_SLOW, TOO_MANY, TRY_LATER, RESTARTING = 4401, 4400, 4408, 4429, 1013, 1012

SOCKETS = Gauge("onceline_sockets", "Open live sockets of this process.")


class _Closed(Exception):
    """Ends the socket with a code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class _Opening(NamedTuple):
    grant: Grant
    horizon: Horizon
    cursor: Cursor
    beat_s: float | None


async def live(socket: WebSocket) -> None:
    house = house_of(socket)
    try:
        with house.hub.knocking():
            await socket.accept()
            opening = await _open(socket, house)
        with house.hub.watching(opening.grant, "socket") as watch, SOCKETS.track_inprogress():
            await _serve(socket, house, opening, watch)
    except WebSocketDisconnect:
        pass  # the client has gone
    except OncelineError as refusal:
        if socket.application_state is WebSocketState.CONNECTING:  # no close code yet: the answer is HTTP
            await socket.send_denial_response(problems.of_domain(refusal))
        else:
            await _close(socket, *_told(refusal))
    except _Closed as closed:
        await _close(socket, closed.code, closed.reason)


def _told(end: OncelineError) -> tuple[int, str]:
    """The close code and the reason, which may be 123 bytes long."""
    match end:
        case LimitExceeded():
            return TOO_MANY, end.detail[:120]
        case KeyRefused():
            return NOT_ALLOWED, end.detail[:120]
        case Restarting():
            return RESTARTING, f"reconnect in {end.back_in_s:.1f}s"
    return TRY_LATER, end.code


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    """A client that does not read is not waited for."""
    with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):  # or it may have gone first
        async with asyncio.timeout(CLOSE_S):
            await socket.close(code, reason)


async def _open(socket: WebSocket, house: House) -> _Opening:
    frame = await _first_frame(socket)
    after, epoch = frame.get("after"), frame.get("epoch")

    grant, horizon = await house.opening.ask(frame["ticket"])
    cursor = Cursor(horizon.seq, horizon.epoch) if after is None else Cursor(after, epoch)
    return _Opening(grant, horizon, cursor, frame.get("heartbeat_s"))


async def _first_frame(socket: WebSocket) -> dict[str, Any]:
    try:
        async with asyncio.timeout(FIRST_FRAME_S):
            frame = parse((await _receive(socket)).encode())
    except TimeoutError as error:
        raise _Closed(NOT_ALLOWED, "no auth frame in time") from error
    except BadRequest as error:
        raise _Closed(BAD_FRAME, "the first frame is not JSON text") from error
    if not _is_auth(frame):
        raise _Closed(
            BAD_FRAME,
            'the first frame must be {"type":"auth","ticket":…,"after"?:…,"epoch"?:…,"heartbeat_s"?:2–25}',
        )
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
    after, epoch, beat_s = frame.get("after"), frame.get("epoch"), frame.get("heartbeat_s")
    known = frame.keys() <= {"type", "ticket", "after", "epoch", "heartbeat_s"}
    return (
        known
        and (after is None or (type(after) is int and after >= 0))
        and isinstance(epoch, str | None)
        and (beat_s is None or (type(beat_s) is int and LEAST_HEARTBEAT_S <= beat_s <= HEARTBEAT_S))
    )


async def _serve(socket: WebSocket, house: House, opening: _Opening, watch: Watch) -> NoReturn:
    """Until the watch ends: by its key, by the process, or by what its client says or does."""
    seq, epoch = opening.horizon
    await _send(socket, watch, written({"type": "ready", "epoch": epoch, "seq": seq}))
    follower = Follower(house, watch, opening.grant.side, opening.cursor, beat_s=opening.beat_s)
    heard = asyncio.ensure_future(socket.receive())
    heard.add_done_callback(lambda done: _end_by(watch, done))
    try:
        while True:
            for frame in _frames(await follower.next()):
                await _send(socket, watch, frame)
    finally:
        heard.cancel()


def _end_by(watch: Watch, heard: asyncio.Future[Any]) -> None:
    """After the first frame a client has nothing to say; its closing is noticed here."""
    if heard.cancelled():
        return
    gone = heard.exception() or heard.result()["type"] == "websocket.disconnect"
    watch.end(WebSocketDisconnect() if gone else _Closed(BAD_FRAME, "only the auth frame is expected"))


def _frames(step: Step) -> list[str]:
    match step:
        case Batch():
            return ['{"type":"event",' + text.removeprefix("{") for text in step.texts]
        case Heartbeat():
            return [written({"type": "heartbeat", "seq": step.seq})]
    return [written({"type": "resync", "epoch": step.epoch, "seq": step.seq})]


async def _send(socket: WebSocket, watch: Watch, frame: str) -> None:
    try:
        await watch.send(socket.send_text(frame))
    except TimeoutError as error:
        raise _Closed(TOO_SLOW, "resync") from error
