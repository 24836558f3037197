"""How the loop runs commands: in a bounded set of threads, as many as there are connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

from onceline.core.db import Database, Transaction
from onceline.core.errors import DatabaseAway

COMMAND_DEADLINE_S = 4.5
"""A database that hangs must be answered for within five seconds."""

Result = TypeVar("Result")


class CommandPool:
    """Runs commands in a bounded set of threads, one transaction each; `threads`: as many as connections if not told."""

    def __init__(self, db: Database, threads: int | None = None) -> None:
        self._db = db
        self._threads = ThreadPoolExecutor(threads or db.size, thread_name_prefix="command")

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

        return await self.call(work)

    async def call(self, work: Callable[[], Result], deadline_s: float | None = None) -> Result:
        """Something that opens its transactions itself. Raises DatabaseAway after the deadline, as `run` does."""
        deadline_s = COMMAND_DEADLINE_S if deadline_s is None else deadline_s
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            async with asyncio.timeout(deadline_s):
                return await running
        except TimeoutError as error:
            raise DatabaseAway from error

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
