"""What every route of one edge process shares, and how a route runs a command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from onceline.config import Settings
from onceline.core.clock import Clock
from onceline.core.db import Database, Transaction
from onceline.core.errors import DatabaseAway
from onceline.core.orders.context import Context
from onceline.edge.gate import Gate
from onceline.edge.hub import Hub

COMMAND_DEADLINE_S = 4.5
"""A database that hangs must be answered for within five seconds."""

Result = TypeVar("Result")


class CommandPool:
    """Runs commands in a bounded set of threads, one transaction each."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._threads = ThreadPoolExecutor(db.size, thread_name_prefix="command")

    async def run(self, command: Callable[[Transaction], Result]) -> Result:
        """Raises DatabaseAway after the deadline; the outcome of what still runs is then unknown."""
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._in_transaction, command)
        try:
            async with asyncio.timeout(COMMAND_DEADLINE_S):
                return await work
        except TimeoutError as error:
            raise DatabaseAway from error

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _in_transaction(self, command: Callable[[Transaction], Result]) -> Result:
        with self._db.transaction() as tx:
            return command(tx)


@dataclass(frozen=True, slots=True)
class House:
    settings: Settings
    db: Database
    context: Context
    commands: CommandPool
    hub: Hub
    gate: Gate

    @property
    def clock(self) -> Clock:
        return self.context.clock


def house_of(connection: HTTPConnection) -> House:
    house: House = connection.app.state.house
    return house


def _house(request: Request) -> House:
    return house_of(request)


AnyHouse = Annotated[House, Depends(_house)]
