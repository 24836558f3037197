"""What every route of one edge process shares, and how a route runs a command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
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
        """In a transaction. Raises DatabaseAway after the deadline; the outcome of what still runs is then unknown."""
        return await self._threaded(self._db.transaction, command)

    async def run_statement(self, command: Callable[[Transaction], Result]) -> Result:
        """A command that is one statement, or a read that needs no snapshot. Raises as `run` does."""
        return await self._threaded(self._db.statement, command)

    async def _threaded(
        self,
        opened: Callable[[], AbstractContextManager[Transaction]],
        command: Callable[[Transaction], Result],
    ) -> Result:
        def work() -> Result:
            with opened() as tx:
                return command(tx)

        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            async with asyncio.timeout(COMMAND_DEADLINE_S):
                return await running
        except TimeoutError as error:
            raise DatabaseAway from error

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


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


async def _house(request: Request) -> House:  # async, so that no thread is asked for it
    return house_of(request)


AnyHouse = Annotated[House, Depends(_house)]
