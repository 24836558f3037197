"""Hands requests for pages to the process that makes them, and its answers back: whole ones, for a page is small.

A page costs tens of milliseconds of Python: in the edge's interpreter a busy dashboard would delay every order and every
code (docs/decisions/0025). The way between the two is a socket that only this user can reach.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpcore
from starlette.types import Receive, Scope, Send

from onceline.doors import turn_away

ANSWER_S = 60
MOST_AT_ONCE = 200
BACKLOG = 1024
_OF_ONE_CONNECTION = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}  # fmt: skip
_OURS = {b"x-forwarded-for", b"x-forwarded-proto", b"content-length"}
_AWAY = "The pages are starting. Please try again in a moment.\n页面正在启动，请稍后再试。\n"


class Meeting(NamedTuple):
    """Where the relay and the pages meet: the path, and the socket that listens there, also while nobody accepts."""

    path: str
    listening: socket.socket


@contextmanager
def meeting() -> Iterator[Meeting]:
    with tempfile.TemporaryDirectory(prefix="onceline-pages-") as folder:
        path = str(Path(folder, "pages"))
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen(BACKLOG)
            yield Meeting(path, listening)


class Relay:
    """An ASGI application; takes whole requests (`doors.Whole`). A slow reader keeps none of the pages' threads."""

    def __init__(self, path: str) -> None:
        # A connection for each request: one that was kept could end just as a form is sent on it.
        self._pool = httpcore.AsyncConnectionPool(
            uds=path, max_connections=MOST_AT_ONCE, max_keepalive_connections=0
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        asked = self._pool.stream(
            scope["method"], _address(scope), headers=_headers(scope, len(body)), content=body
        )
        try:
            async with asyncio.timeout(ANSWER_S), asked as answer:
                text = await answer.aread()
        except httpcore.LocalProtocolError:  # what the client sent cannot be said in HTTP
            await turn_away(send, 400)
            return
        except (TimeoutError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
            await _say_away(send)
            return
        kept = [one for one in answer.headers if one[0].lower() not in _OF_ONE_CONNECTION | {b"date"}]
        await send({"type": "http.response.start", "status": answer.status, "headers": kept})
        await send({"type": "http.response.body", "body": text})


def _address(scope: Scope) -> httpcore.URL:
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    return httpcore.URL(scheme=b"http", host=b"pages", target=target)


def _headers(scope: Scope, length: int) -> list[tuple[bytes, bytes]]:
    """As the client sent them, but for what belongs to its connection, and with who it is."""
    client = scope.get("client")
    kept = [one for one in scope["headers"] if one[0] not in _OF_ONE_CONNECTION | _OURS]
    return [
        *kept,
        (b"x-forwarded-for", (client[0] if client else "-").encode()),
        (b"x-forwarded-proto", scope["scheme"].encode()),
        (b"content-length", str(length).encode()),
    ]


async def _say_away(send: Send) -> None:
    text = _AWAY.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"2"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": text})
