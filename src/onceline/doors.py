"""Which door of one server a request goes to: machines' paths to the edge, everything else to the desk."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

EDGE = frozenset({"api", "in", "pay", "agent", "healthz", "readyz", "metrics"})
"""First segments of the edge's paths; a test compares them with its routes."""
MOST_BYTES = 256 * 1024
BODY_S = 20


class _TooLong(Exception):
    """More than any form of ours holds."""


class Doors:
    def __init__(self, edge: ASGIApp, desk: ASGIApp) -> None:
        self._edge = edge
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pages = scope["type"] == "http" and scope["path"].lstrip("/").split("/", 1)[0] not in EDGE
        await (self._desk if pages else self._edge)(scope, receive, send)


class Whole:
    """Lets a request in when all of it is there: a slow sender takes no thread of the desk's few."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_S):
                body = await _body(receive)
        except TimeoutError:
            await turn_away(send, 408)
            return
        except _TooLong:
            await turn_away(send, 413)
            return
        if body is None:
            return

        async def whole() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, whole, send)


async def _body(receive: Receive) -> bytes | None:
    """None when the sender left before the end: half a form is no form. Raises _TooLong."""
    gathered, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        gathered += message.get("body", b"")
        more = message.get("more_body", False)
        if len(gathered) > MOST_BYTES:
            raise _TooLong
    return bytes(gathered)


async def turn_away(send: Send, status: int) -> None:
    """An answer without words, for what no browser of a person sends."""
    await send({"type": "http.response.start", "status": status, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": b""})
