"""What every route of one edge process shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from onceline.config import Settings
from onceline.core.access.model import Grant
from onceline.core.clock import Clock
from onceline.core.db import Database
from onceline.core.inbox.model import Inbound
from onceline.core.inbox.store import Kept
from onceline.core.orders.commands import Asking, Placed
from onceline.core.orders.context import Context
from onceline.core.orders.view import OfSide
from onceline.core.outbox.store import Ahead
from onceline.edge.downloads import Downloads
from onceline.edge.gate import Gate
from onceline.edge.hub import Hub
from onceline.edge.inlets import Inlets
from onceline.edge.lanes import Lane
from onceline.edge.pool import CommandPool
from onceline.edge.reading import Found, Opened
from onceline.payments.till import Till
from onceline.suppliers.intake import Notebook
from onceline.suppliers.sandbox.inlet import Sending


@dataclass(frozen=True, slots=True)
class House:
    settings: Settings
    db: Database
    context: Context
    commands: CommandPool
    placing: Lane[Asking, Placed]
    polling: Lane[OfSide, dict[str, Any]]
    sending: Lane[Sending, Kept]
    receiving: Lane[Inbound, Kept]
    settling: Lane[int, None]
    reading: Lane[Ahead, Found]
    ticketing: Lane[Grant, str]
    opening: Lane[str, Opened]
    hub: Hub
    gate: Gate
    inlets: Inlets
    till: Till
    paying: CommandPool
    """For what waits for a processor of payments."""
    notes: Notebook = field(default_factory=Notebook)
    downloads: Downloads = field(default_factory=Downloads)

    @property
    def clock(self) -> Clock:
        return self.context.clock


def house_of(connection: HTTPConnection) -> House:
    house: House = connection.app.state.house
    return house


async def _house(request: Request) -> House:  # async, so that no thread is asked for it
    return house_of(request)


AnyHouse = Annotated[House, Depends(_house)]
