"""POST /agent/v1: we are the agent, and another hub buys our numbers by the field's agent protocol.

A hub is an account's side here: its orders are that side's orders, by the same limits and the same money. It says who it is
by a protocol key of ours, or by the key that it gave us itself (`onceline hubs add`). Where the protocol and our money
differ, ours holds: SUCCESS to FINISH_ACTIVATION means "understood", and what it ends in is the order's own rule.
Never offered, never sold: prohibited services (promise A1), and numbers that a third party would have to be asked for.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from onceline.core.access import commands as access
from onceline.core.access.keys import hash_of
from onceline.core.access.model import Grant
from onceline.core.db import Row, Transaction
from onceline.core.errors import (
    CancelTooEarly,
    DatabaseAway,
    InsufficientBalance,
    KeyRefused,
    LimitExceeded,
    NotFound,
    OncelineError,
    OutOfStock,
    PriceTooLow,
    Refusal,
    SpendCapReached,
    Unavailable,
)
from onceline.core.hubs import store as hubs
from onceline.core.money import LARGEST, MICROS
from onceline.core.orders import commands, store
from onceline.core.orders.commands import NO_LIMIT, Asking, OrderRequest
from onceline.core.orders.model import Order
from onceline.edge.house import House
from onceline.suppliers.agents import places, wire
from onceline.suppliers.agents.services import codes_of, service_of
from onceline.suppliers.agents.wire import NotUnderstood

_LOG = structlog.get_logger(__name__)
PATH = "/agent/v1"
MOST_BODY = 64 * 1024
ANSWER_S = 2.8
"""The protocol gives us 3 s for a number."""
STOCK_S = 5.0
"""How old the stock that we tell may be."""
MOST_COUNT = 10_000
MOST_PREFIXES = 1000
_TRIES = 8
"""Chunks of numbers that are looked through for one that begins with no excluded prefix."""
_MOST_REMEMBERED = 1000
_OUT = (OutOfStock, PriceTooLow, InsufficientBalance, SpendCapReached, LimitExceeded)
"""Refusals that are no fault of the question: there is no number for this hub now."""

Said = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """`most` in micro-units; `excluded` are digits that the number must not begin with."""

    service: str
    country: str
    most: int
    excluded: tuple[str, ...]


class Agent:
    """One for a process: it remembers what it told each hub about the stock, for a moment."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._told: dict[int, tuple[float, Said]] = {}
        self._actions: dict[str, Callable[[Grant, Said], Coroutine[Any, Any, Said]]] = {
            "GET_SERVICES": self._services,
            "GET_NUMBER": self._number,
            "FINISH_ACTIVATION": self._finish,
        }

    async def serve(self, request: Request) -> Response:
        try:
            said = wire.read_object(await _body(request))
            act = self._actions.get(wire.text(said, "action", 64))
            if act is None:
                raise NotUnderstood("action must be GET_SERVICES, GET_NUMBER or FINISH_ACTIVATION")
            grant = await self._granted(request, said)
            return _answer(request, await act(grant, said))
        except NotUnderstood as fault:
            return _fault(request, 200, str(fault))
        except OncelineError as error:
            return _of_domain(request, error)

    # Who asks.

    async def _granted(self, request: Request, said: Said) -> Grant:
        """Raises KeyRefused, LimitExceeded and what `access.authenticate` does."""
        key = said.get("key")
        if not isinstance(key, str) or not 0 < len(key) <= hubs.LONGEST_KEY:
            raise KeyRefused("key is missing.")
        gate = self._house.gate
        remembered = hash_of("agent " + key.encode("utf-8", "replace").decode())
        grant = gate.remembered(remembered)
        if grant is None:
            grant = await self._house.commands.run(lambda tx: self._authenticated(tx, key))
            gate.remember(remembered, grant)
        allowance = request.state.allowance = gate.spend(grant.key)
        if allowance:
            allowance.demand()
        return grant

    def _authenticated(self, tx: Transaction, key: str) -> Grant:
        grant = hubs.authenticate(tx, key) or access.authenticate(tx, key, self._house.clock.now())
        if grant.kind != "protocol":
            raise KeyRefused("This is a key for /api/v1; the agent protocol wants one of kind protocol.")
        for scope in ("orders:read", "orders:write"):
            grant.demand(scope)
        hubs.hub(tx, grant.side)
        return grant

    # GET_SERVICES.

    async def _services(self, grant: Grant, _: Said) -> Said:
        told = self._told.get(grant.side)
        if told is None or time.monotonic() - told[0] > STOCK_S:
            if len(self._told) >= _MOST_REMEMBERED:
                self._told.clear()
            told = (
                time.monotonic(),
                await self._house.commands.run_statement(lambda tx: self._stock(tx, grant)),
            )
            self._told[grant.side] = told
        return told[1]

    def _stock(self, tx: Transaction, grant: Grant) -> Said:
        form = hubs.hub(tx, grant.side).countries
        limit = self._house.context.terms.live_orders or NO_LIMIT
        listed: dict[str | int, dict[str, int]] = {}
        for row in hubs.stock(tx, grant.side, limit, self._house.clock.now()):
            country = places.word(row.country, "ids" if form == "ids" else "names")
            codes = codes_of(row.service)
            if country is not None and codes:
                listed.setdefault(country, {})[codes[0]] = min(row.numbers, MOST_COUNT)
        countries = [{"country": one, "operatorMap": {"any": counts}} for one, counts in listed.items()]
        return {"status": wire.SUCCESS, "countryList": countries}

    # GET_NUMBER.

    async def _number(self, grant: Grant, said: Said) -> Said:
        """What cannot be answered in time is a 503; an order that it left behind ends by itself, and its money goes back."""
        wanted = _wanted(said, self._house.context.installation.currency)
        if wanted is None:
            return {"status": wire.NO_NUMBERS}
        try:
            async with asyncio.timeout(ANSWER_S), self._house.gate.placing(grant.side):
                order = await self._placed(grant, wanted)
        except TimeoutError as late:
            raise DatabaseAway from late
        if order is None or order.e164 is None:
            return {"status": wire.NO_NUMBERS}
        return {"status": wire.SUCCESS, "number": int(order.e164[1:]), "activationId": order.id}

    async def _placed(self, grant: Grant, wanted: _Wanted) -> Order | None:
        """Of the cheapest pool that has one."""
        pools = await self._house.commands.run_statement(
            lambda tx: hubs.pools_selling(tx, grant.side, wanted.service, wanted.country)
        )
        place = self._choosy if wanted.excluded else self._plain
        for pool in pools:
            if pool.amount <= wanted.most and (order := await place(grant, wanted, pool)):
                return order
        return None

    async def _plain(self, grant: Grant, wanted: _Wanted, pool: Row) -> Order | None:
        try:
            placed = await self._house.placing.ask(
                Asking(grant.side, _request(wanted, pool), None, cap=grant.cap)
            )
        except _OUT:
            return None
        return placed.made[0]

    async def _choosy(self, grant: Grant, wanted: _Wanted, pool: Row) -> Order | None:
        try:
            return await self._house.commands.run(lambda tx: self._chosen(tx, grant, wanted, pool))
        except _OUT:
            return None

    def _chosen(self, tx: Transaction, grant: Grant, wanted: _Wanted, pool: Row) -> Order:
        """An order for an excluded number is undone, and its kind set aside for the next try. Raises what `_OUT` lists."""
        context, aside = self._house.context, list[int]()
        for _ in range(_TRIES):
            hubs.before_try(tx)
            made = commands.place(tx, context, grant.side, [_request(wanted, pool)], None, grant.cap).made[0]
            if made.number_id is None or made.e164 is None:
                break
            if not made.e164[1:].startswith(wanted.excluded):
                hubs.bring_back(tx, aside, context.clock.now())
                return made
            hubs.undo_try(tx)
            aside += hubs.set_aside(tx, made.number_id, wanted.excluded)
        raise OutOfStock

    # FINISH_ACTIVATION.

    async def _finish(self, grant: Grant, said: Said) -> Said:
        activation, status = wire.ulong(said, "activationId"), wire.ulong(said, "status")
        if status not in (wire.DO_NOT_OFFER, wire.SOLD, wire.CANCELLED, wire.REFUNDED):
            raise NotUnderstood("status must be 1, 3, 4 or 5")
        if activation >= 2**31:
            raise NotFound("activation", activation)
        step = commands.finish if status == wire.SOLD else commands.cancel
        await self._house.commands.run(lambda tx: self._ended(tx, step, grant.side, activation))
        return {"status": wire.SUCCESS}

    def _ended(self, tx: Transaction, step: Callable[..., Order], side: int, order: int) -> None:
        """Raises NotFound. Whatever else our rules say (a code came, it is over already) is no fault of the hub's."""
        store.order(tx, order, side)
        try:
            step(tx, self._house.context, side, order)
        except CancelTooEarly as early:
            hubs.cancel_later(tx, side, order, early.facts["cancel_available_at"])
        except Refusal:
            return


def route(house: House) -> Route:
    return Route(PATH, Agent(house).serve, methods=["POST"])


def _wanted(said: Said, currency: str) -> _Wanted | None:
    """None for what we never offered, or nothing at all is bid for. Raises NotUnderstood."""
    service = service_of(wire.text(said, "service", 16))
    if not isinstance(said.get("country"), str):
        wire.ulong(said, "country")
    country = places.place(said["country"])
    if service is None or country is None:
        raise NotUnderstood("this service or this country is not served here")
    if wire.text(said, "operator", 64) != "any":
        return None
    most = _micros(said, currency)
    return _Wanted(service, country, most, _prefixes(said)) if most > 0 else None


def _micros(said: Said, currency: str) -> int:
    """`sum`, cut to micro-units: never more than the hub bids."""
    if said.get("currency", wire.CURRENCIES.get(currency)) != wire.CURRENCIES.get(currency):
        raise NotUnderstood(f"currency must be that of {currency}, in which numbers are sold here")
    bid = said.get("sum")
    if isinstance(bid, bool) or not isinstance(bid, int | Decimal) or not 0 <= bid <= LARGEST // MICROS:
        raise NotUnderstood("sum must be a number without quotes, and not negative")
    return int(bid * MICROS)


def _prefixes(said: Said) -> tuple[str, ...]:
    given = said.get("exceptionPhoneSet") or []
    sound = isinstance(given, list) and len(given) <= MOST_PREFIXES
    if not sound or not all(
        isinstance(one, str) and one.isascii() and one.isdigit() and len(one) <= 15 for one in given
    ):
        raise NotUnderstood(f"exceptionPhoneSet must be a list of at most {MOST_PREFIXES} texts of digits")
    return tuple(given)


def _request(wanted: _Wanted, pool: Row) -> OrderRequest:
    return OrderRequest(wanted.service, wanted.country, pool=pool.slug, max_price=wanted.most)


async def _body(request: Request) -> bytes:
    """Raises NotUnderstood."""
    read = bytearray()
    try:
        async for piece in request.stream():
            read += piece
            if len(read) > MOST_BODY:
                raise NotUnderstood("the body is too long")
    except ClientDisconnect:
        raise NotUnderstood("the body ended early") from None
    return wire.unpacked(bytes(read), request.headers.get("content-encoding", ""), MOST_BODY)


def _of_domain(request: Request, error: OncelineError) -> Response:
    """What a hub can do nothing about is a 503, so that it asks again; a key has a status of its own."""
    if isinstance(error, Unavailable):
        _LOG.warning("agent request could not be served", code=error.code)
        return _fault(request, 503, "not now, ask again")
    status = 429 if isinstance(error, LimitExceeded) else 401 if isinstance(error, KeyRefused) else 200
    return _fault(request, status, error.detail)


def _fault(request: Request, status: int, words: str) -> Response:
    return _answer(request, {"status": wire.ERROR, "error": words}, status)


def _answer(request: Request, said: Said, status: int = 200) -> Response:
    body = json.dumps(said, separators=(",", ":")).encode()
    content, headers = wire.packed(body, request.headers.get("accept-encoding", ""))
    return Response(content, status, headers, media_type="application/json")
