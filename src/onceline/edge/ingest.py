"""Where suppliers push their messages: `/in/{supplier}` and what follows it.

    verify → read → keep (T1, committed) → answer → match (T2)

Promises: nothing is acknowledged that is not committed; whatever is wrong with us is a 5xx, so that the supplier comes again;
a request that is not from the supplier changes nothing and is counted; a log line names the supplier and the outcome, never
what was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import structlog
from prometheus_client import Counter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from onceline.core.db import Transaction
from onceline.core.errors import Unavailable
from onceline.core.inbox.store import Kept
from onceline.core.suppliers import store
from onceline.edge.body import MOST_BYTES
from onceline.edge.house import House, house_of
from onceline.edge.inlets import Disabled, Unknown
from onceline.suppliers import base
from onceline.suppliers.base import Answer, Arrival, Heartbeat, Inlet, Outcome
from onceline.suppliers.intake import inbound, note_kept

_LOG = structlog.get_logger(__name__)
REQUESTS = Counter("onceline_supplier_requests", "Requests of suppliers, by how they were answered.", ["supplier", "outcome"])  # fmt: skip
MOST_MESSAGES = 1000
"""In one request; a supplier that sends more splits them."""
FLUSH_S = 5.0


class _Template(NamedTuple):
    """For the access log: what follows the supplier's name may be a secret."""

    path: str


_TEMPLATE = _Template("/in/{supplier}")


async def taken(request: Request) -> Response:
    """Any method and media type that a supplier may use; which are right, its inlet knows."""
    request.scope["route"] = _TEMPLATE
    house = house_of(request)
    name = request.path_params["supplier"]
    try:
        async with asyncio.timeout(base.ANSWERS_WITHIN_S):
            inlet = await house.inlets.find(name)
    except Unknown:
        return Response(status_code=404)
    except (Disabled, Unavailable, TimeoutError) as away:
        _LOG.warning("supplier's request has to come again", supplier=name, cause=type(away).__name__)
        return Response(status_code=503, headers={"Retry-After": "10"})
    return _response(await _outcome(house, name, inlet, request), inlet, name)


async def _outcome(house: House, name: str, inlet: Inlet, request: Request) -> Outcome:
    try:
        async with asyncio.timeout(inlet.answers_within_s):
            wanted = await _wanted(house, request)
            await _keep(house, name, inlet.read(wanted))
    except base.NotAuthentic as error:
        _LOG.warning("supplier's request is not authentic", supplier=name, reason=error.reason)
        house.notes.alert(name, "signature_refused", error.reason)
        return Outcome.UNSIGNED if error.reason == "missing" else Outcome.NOT_AUTHENTIC
    except base.Unreadable as error:
        _LOG.warning("supplier's request is unreadable", supplier=name, fault=str(error)[:200])
        house.notes.alert(name, "unreadable")
        return Outcome.UNREADABLE
    except (Unavailable, TimeoutError, ClientDisconnect) as away:
        _LOG.warning("supplier's request has to come again", supplier=name, cause=type(away).__name__)
        return Outcome.AWAY
    except Exception as fault:  # ours: the supplier must come again, whatever it was
        _LOG.error("supplier's request failed", supplier=name, error=type(fault).__qualname__)
        return Outcome.AWAY
    return Outcome.KEPT


async def _wanted(house: House, request: Request) -> base.Request:
    """Raises Unreadable, ClientDisconnect."""
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > MOST_BYTES:
            raise base.Unreadable(f"a body of more than {MOST_BYTES} bytes")
    path, query = (request.scope[one].decode("latin-1") for one in ("raw_path", "query_string"))
    public = house.settings.public_url
    return base.Request(
        method=request.method,
        rest=request.path_params.get("rest", ""),
        query=query,
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.raw},
        body=bytes(read),
        url=f"{public}{path}{'?' if query else ''}{query}" if public else None,
        received_at=house.clock.now(),
    )


async def _keep(house: House, name: str, found: Sequence[Arrival | Heartbeat]) -> None:
    """T1 of all, then T2 of those that somebody waits for. Raises Unavailable."""
    now = house.clock.now()
    arrivals = [one for one in found if isinstance(one, Arrival)]
    if len(arrivals) > MOST_MESSAGES:
        raise base.Unreadable(f"more than {MOST_MESSAGES} messages")
    messages = [inbound(house.context.vault, name, arrival, now) for arrival in arrivals]
    kept: list[Kept] = list(await asyncio.gather(*map(house.receiving.ask, messages)))
    for one in found:
        if isinstance(one, Heartbeat):
            house.notes.beat(name, one, now)
    note_kept(house.notes, name, arrivals, kept, now)
    for message in kept:
        if message.is_leased:  # whatever came to numbers that nobody has, the sweeper reads
            house.settling.hand(message.id)


def _response(outcome: Outcome, inlet: Inlet, name: str) -> Response:
    REQUESTS.labels(name, outcome.name.lower()).inc()
    answer: Answer = inlet.answer(outcome)
    headers = {"Retry-After": "5"} if answer.status == 503 else None
    media_type = answer.media_type if answer.body else None
    return Response(answer.body, answer.status, headers, media_type)


async def write_notes(house: House) -> None:
    """Devices and alerts, every FLUSH_S, until cancelled; then once more."""
    try:
        while True:
            await asyncio.sleep(FLUSH_S)
            await _flush(house)
    finally:
        await _flush(house)


async def _flush(house: House) -> None:
    noted = house.notes.taken()
    if not noted:
        return

    def write(tx: Transaction) -> None:
        store.beat(tx, noted.beats)
        store.alert(tx, noted.alerts, house.clock.now())

    try:
        await house.commands.run(write)
    except Exception as away:
        _LOG.info("notes about suppliers wait", cause=type(away).__name__)
        house.notes.take_back(noted)


routes = [
    Route("/in/{supplier}", taken, methods=["GET", "POST"]),
    Route("/in/{supplier}/{rest:path}", taken, methods=["GET", "POST"]),
]
