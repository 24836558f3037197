"""The short way for what is most of all traffic: placing an order, polling one, sending a test number a message.

A request that is plainly in order goes straight to what its route does. Whatever else comes (a query, a key that is not
remembered, a body that is not valid) goes the framework's way with nothing spent and nothing lost, and is answered or
refused there. So both ways give the same answers, and a test holds them together.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onceline.core.access.keys import hash_of
from onceline.core.access.model import Grant
from onceline.core.errors import OncelineError
from onceline.edge import problems, shapes
from onceline.edge.api import orders, sandbox
from onceline.edge.body import MOST_BYTES, parse
from onceline.edge.house import House
from onceline.edge.problems import BadRequest

_POLL = re.compile(r"/api/v1/orders/([1-9][0-9]{0,9})")
_KEY = re.compile(orders.KEY_PATTERN)
_LARGEST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class _Route:
    """What the envelope asks of a route: its template."""

    path: str


_POLL_ROUTE = _Route("/api/v1/orders/{order_id}")


@dataclass(frozen=True, slots=True)
class _Post:
    """A route that takes a body; `answer` is what it does with it and the Idempotency-Key."""

    path: str
    right: str
    shape: type[BaseModel]
    needs_key: bool
    test_only: bool
    answer: Callable[[House, Grant, Any, Any], Awaitable[Response]]


_POSTS = {
    post.path: post
    for post in (
        _Post("/api/v1/orders", "orders:write", shapes.PlaceOrder, True, False, orders.placed),
        _Post("/api/v1/test/messages", "test:messages", shapes.SendTestMessage, False, True, sandbox.sent),
    )
}


class ShortWay:
    """Pure ASGI, around the framework and inside the envelope."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._app = app
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["query_string"]:
            if scope["method"] == "GET":
                if await self._polled(scope, receive, send):
                    return
            elif scope["method"] == "POST" and (post := _POSTS.get(scope["path"])):
                await self._posted(post, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _polled(self, scope: Scope, receive: Receive, send: Send) -> bool:
        found = _POLL.fullmatch(scope["path"])
        headers = _headers(scope)
        grant = self._remembered(headers, "orders:read")
        if not found or int(found[1]) > _LARGEST_ID or grant is None:
            return False
        scope["route"] = _POLL_ROUTE
        condition = headers.get(b"if-none-match", b"").decode("latin-1")
        try:
            self._spend(scope, grant)
            answer = await orders.polled(self._house, grant, int(found[1]), condition)
        except OncelineError as error:
            answer = problems.of_domain(error)
        await answer(scope, receive, send)
        return True

    async def _posted(self, post: _Post, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        grant = self._remembered(headers, post.right)
        key = headers[b"idempotency-key"].decode("latin-1") if b"idempotency-key" in headers else None
        fits = not post.needs_key if key is None else _KEY.fullmatch(key)
        plain = headers.get(b"content-type") == b"application/json" and fits
        if not plain or grant is None or (post.test_only and grant.mode != "test"):
            await self._app(scope, receive, send)
            return
        read: list[Message] = []
        wanted = _wanted(post.shape, await _body(receive, read))
        if wanted is None:
            await self._app(scope, _again(read, receive), send)
            return
        scope["route"] = post
        try:
            self._spend(scope, grant)
            answer = await post.answer(self._house, grant, wanted, key)
        except OncelineError as error:
            answer = problems.of_domain(error)
        await answer(scope, receive, send)

    def _remembered(self, headers: dict[bytes, bytes], right: str) -> Grant | None:
        """The grant of a key that was checked a moment ago and has this right."""
        scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
        grant = self._house.gate.remembered(hash_of(key.decode("latin-1"))) if scheme == b"Bearer" else None
        return grant if grant and grant.kind == "api" and right in grant.scopes else None

    def _spend(self, scope: Scope, grant: Grant) -> None:
        """Raises LimitExceeded."""
        allowance = scope["state"]["allowance"] = self._house.gate.spend(grant.key)
        if allowance:
            allowance.demand()


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """None of them, if one comes twice: which one counts is not for us to say."""
    headers = dict(scope["headers"])
    return headers if len(headers) == len(scope["headers"]) else {}


async def _body(receive: Receive, read: list[Message]) -> bytes | None:
    """The whole body, or None if it is too long or ended early; what was received is kept in `read`."""
    body = bytearray()
    while len(body) <= MOST_BYTES:
        message = await receive()
        read.append(message)
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return bytes(body) if len(body) <= MOST_BYTES else None


def _wanted(shape: type[BaseModel], body: bytes | None) -> BaseModel | None:
    if body is None:
        return None
    try:
        return shape.model_validate(parse(body))
    except (BadRequest, ValidationError):
        return None


def _again(read: list[Message], receive: Receive) -> Receive:
    """What was received is received once more, then what follows."""
    messages = iter(read)

    async def replayed() -> Message:
        return next(messages, None) or await receive()

    return replayed
