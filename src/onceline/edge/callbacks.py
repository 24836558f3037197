"""Where processors of payments call: `POST /pay/{name}`.

    verify (the raw bytes) → keep what it is about (committed) → answer → the worker reads it back

Promises: a call that the processor did not sign changes nothing: it is counted, and a log line names the processor and the reason,
never what was sent; 200 says that the hint is kept; whatever is wrong with us is a 503, so that the processor comes again.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import NamedTuple

import structlog
from prometheus_client import Counter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from onceline.core.errors import NotFound, Unavailable
from onceline.edge.house import House, house_of
from onceline.payments.base import Callback, NotAuthentic, Unreadable

_LOG = structlog.get_logger(__name__)
CALLS = Counter("onceline_payment_callbacks", "Calls of processors of payments, by what became of them.", ["processor", "outcome"])  # fmt: skip
MOST_BYTES = 64 * 1024
BODY_S = 10.0
"""For the whole body: whoever sends slower is no processor."""
_STATUS = {"not_authentic": 400, "unreadable": 400, "too_large": 413, "away": 503}


class _Template(NamedTuple):
    """For the access log: one name for all processors."""

    path: str


_TEMPLATE = _Template("/pay/{name}")


async def called(request: Request) -> Response:
    request.scope["route"] = _TEMPLATE
    house, name = house_of(request), request.path_params["name"]
    try:
        outcome = await _outcome(house, name, request)
    except NotFound:
        return Response(status_code=404)
    CALLS.labels(name, outcome).inc()
    status = _STATUS.get(outcome, 200)
    return Response(status_code=status, headers={"Retry-After": "10"} if status == 503 else None)


async def _outcome(house: House, name: str, request: Request) -> str:
    """Raises NotFound."""
    try:
        async with asyncio.timeout(BODY_S):
            body = await _body(request)
        if body is None:
            return "too_large"
        headers = {one.decode("latin-1"): value.decode("latin-1") for one, value in request.headers.raw}
        callback = Callback(headers, body, house.clock.now())
        return await house.commands.call(partial(house.till.take_hint, name, callback))
    except NotAuthentic as error:
        _LOG.warning("processor's call is not authentic", processor=name, reason=error.reason)
        return "not_authentic"
    except Unreadable:
        _LOG.warning("processor's call is unreadable", processor=name)
        return "unreadable"
    except NotFound:
        raise
    except (Unavailable, TimeoutError, ClientDisconnect) as away:
        _LOG.warning("processor's call has to come again", processor=name, cause=type(away).__name__)
        return "away"
    except Exception as fault:  # ours: the processor must come again, whatever it was
        _LOG.error("processor's call failed", processor=name, error=type(fault).__qualname__)
        return "away"


async def _body(request: Request) -> bytes | None:
    """The bytes as they were signed; None for more than any call holds."""
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > MOST_BYTES:
            return None
    return bytes(read)


routes = [Route("/pay/{name}", called, methods=["POST"])]
