"""What every route of one edge process shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from onceline.config import Settings
from onceline.core.clock import Clock
from onceline.core.db import Database
from onceline.core.orders.commands import Asking, Placed
from onceline.core.orders.context import Context
from onceline.core.orders.view import OfSide
from onceline.edge.gate import Gate
from onceline.edge.hub import Hub
from onceline.edge.lanes import Lane
from onceline.edge.pool import CommandPool


@dataclass(frozen=True, slots=True)
class House:
    settings: Settings
    db: Database
    context: Context
    commands: CommandPool
    placing: Lane[Asking, Placed]
    polling: Lane[OfSide, dict[str, Any]]
    hub: Hub
    gate: Gate

    @property
    def clock(self) -> Clock:
        return self.context.clock


def house_of(connection: HTTPConnection) -> House:
    house: House = connection.app.state.house
    return house


async def _house(request: Request) -> House:  # async, so that no thread is asked for it
    return house_of(request)


AnyHouse = Annotated[House, Depends(_house)]
