"""Around every request: an id, fixed headers, the answer to a fault of ours, the access log line, the metrics."""

from __future__ import annotations

import secrets
import time
from typing import Any

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onceline.accesslog import AccessLog
from onceline.edge.gate import Allowance
from onceline.edge.problems import unforeseen

REQUESTS = Histogram(
    "onceline_request_seconds",
    "Time to answer, by route template and status class.",
    ["route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
UNMATCHED = "(unmatched)"
_STARTS = ("http.response.start", "websocket.http.response.start")
"""The latter answers a handshake that is turned away."""


class Envelope:
    """Pure ASGI: no body is buffered, a socket passes through untouched but for its log line."""

    def __init__(self, app: ASGIApp, log: AccessLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status = 101 if scope["type"] == "websocket" else 0
        state = scope.setdefault("state", {})
        request_id = f"req_{secrets.token_hex(8)}"

        async def sealed(message: Message) -> None:
            nonlocal status
            if message["type"] in _STARTS:
                status = message["status"]
                headers = [*message["headers"], *_headers(request_id, state.get("allowance"))]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message["headers"] = headers
            await send(message)

        try:
            await self._app(scope, receive, sealed)
        except Exception as error:
            if status:
                raise  # too late for another answer: the server cuts the connection
            await unforeseen(error, request_id)(scope, receive, sealed)
        finally:
            self._record(scope, status or 500, time.monotonic() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = _template(scope)
        method = scope.get("method", "WS")
        if scope["type"] == "http":
            REQUESTS.labels(route, f"{status // 100}xx").observe(seconds)
        address = (scope.get("client") or ("-", 0))[0]
        self._log.write(address=address, method=method, route=route, status=status, seconds=seconds)


def _template(scope: Scope) -> str:
    route: Any = scope.get("route")
    return getattr(route, "path", UNMATCHED)


def _headers(request_id: str, allowance: Allowance | None) -> list[tuple[bytes, bytes]]:
    added = [
        (b"x-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]
    if allowance:
        added += [
            (b"ratelimit-policy", b'"key";q=%d;w=%d' % (allowance.quota, allowance.window_s)),
            (b"ratelimit", b'"key";r=%d;t=%d' % (allowance.left, allowance.reset_s)),
        ]
    return added
