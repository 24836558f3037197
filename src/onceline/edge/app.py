"""The edge as one ASGI application: its routes, and what starts and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.routing import WebSocketRoute

from onceline.accesslog import AccessLog
from onceline.config import Settings
from onceline.core.access import commands as access
from onceline.core.db import Database, Transaction
from onceline.core.orders.commands import place_each
from onceline.core.orders.context import Context
from onceline.core.orders.settle import receive_each, settle_each
from onceline.core.orders.view import views_of
from onceline.core.outbox import store as outbox
from onceline.edge import callbacks, handbook, ingest, problems, status, stream
from onceline.edge.api import (
    account,
    catalog,
    deposits,
    events,
    exports,
    messages,
    months,
    notices,
    orders,
    sandbox,
    vouchers,
    webhooks,
)
from onceline.edge.contract import Door
from onceline.edge.envelope import Envelope
from onceline.edge.gate import Gate
from onceline.edge.hot import ShortWay
from onceline.edge.house import House
from onceline.edge.hub import Hub
from onceline.edge.inlets import Inlets
from onceline.edge.lanes import Lane
from onceline.edge.live import live
from onceline.edge.pool import CommandPool
from onceline.edge.protocols import agent
from onceline.edge.reading import found_each, opened_each
from onceline.payments.till import Till
from onceline.suppliers.sandbox.inlet import send_each

PAYING_AT_ONCE = 8
"""Deposits that wait for their processor to open them: none of the threads that commands run in."""


class _Net:
    """What the hub asks the database twice a second, in a thread of its own: a revoked key waits behind no queue."""

    def __init__(self, house: House) -> None:
        self._clock = house.clock
        self._commands = CommandPool(house.db, threads=1)
        self.close = self._commands.close

    async def newest(self, sides: list[int]) -> outbox.Stand:
        return await self._commands.run_statement(lambda tx: outbox.newest(tx, sides))

    async def ended(self, grants: list[int]) -> set[int]:
        now = self._clock.now()
        return await self._commands.run_statement(lambda tx: access.ended_grants(tx, grants, now))


def create_app(settings: Settings, db: Database, context: Context) -> FastAPI:
    """`db` is open; closing it is the caller's."""
    house = _house(settings, db, context)
    log = AccessLog(settings.logs, context.clock)
    app = Door(
        title="Onceline",
        version="1",
        description=handbook.INTRODUCTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(house, log),
    )
    app.state.house = house
    for part in (
        catalog, orders, messages, account, events, exports, sandbox, notices, webhooks, deposits, vouchers, months,
    ):  # fmt: skip
        app.include_router(part.routes)
    app.include_router(stream.routes)
    app.include_router(status.routes)
    app.include_router(handbook.routes)
    app.router.routes += [
        WebSocketRoute("/api/v1/live", live),
        *ingest.routes,
        *callbacks.routes,
        agent.route(house),
    ]
    problems.install(app)
    app.add_middleware(ShortWay, house=house)
    app.add_middleware(Envelope, log=log)
    return app


def _house(settings: Settings, db: Database, context: Context) -> House:
    commands = CommandPool(db)
    return House(
        settings=settings,
        db=db,
        context=context,
        commands=commands,
        placing=Lane(
            commands,
            lambda tx, asked: place_each(tx, context, asked),
            identity=lambda one: (one.side, one.key),
        ),
        polling=Lane(commands, lambda tx, asked: views_of(tx, context, asked)),
        sending=Lane(commands, lambda tx, asked: send_each(tx, context, asked)),
        receiving=Lane(commands, lambda tx, asked: receive_each(tx, context, asked)),
        reading=Lane(commands, lambda tx, asked: found_each(tx, context, asked)),
        ticketing=Lane(commands, lambda tx, grants: access.issue_tickets(tx, grants, context.clock.now())),
        opening=Lane(commands, lambda tx, tickets: opened_each(tx, tickets, context.clock.now())),
        settling=Lane(commands, lambda tx, messages: _settled(tx, context, messages), atomic=True),
        hub=Hub(),
        gate=Gate(
            rate=settings.requests_per_s, burst=settings.request_burst, enabled=settings.limits == "on"
        ),
        inlets=Inlets(commands, context, settings.public_url),
        till=Till(db, context, settings.public_url, settings.deposit_limits),
        paying=CommandPool(db, threads=PAYING_AT_ONCE),
    )


def _settled(tx: Transaction, context: Context, messages: Sequence[int]) -> list[None]:
    settle_each(tx, context, messages)
    return [None] * len(messages)


def _lifespan(house: House, log: AccessLog):  # type: ignore[no-untyped-def]  # the type FastAPI asks for is private
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.openapi()  # built once, now: it takes so long that a code behind it would wait
        house.hub.attach(asyncio.get_running_loop())
        house.db.bell.listen(house.hub.hear)
        house.db.bell.listen(house.gate.hear)
        house.db.bell.listen(house.inlets.hear)
        house.db.bell.listen(house.till.hear)
        net = _Net(house)
        tasks = [asyncio.create_task(house.hub.poll(net)), asyncio.create_task(ingest.write_notes(house))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            net.close()
            house.commands.close()
            house.paying.close()
            log.close()

    return lifespan
