"""Commands that wait at the same time travel together: one thread hand-over, one statement, one commit for all of them.

A lane takes what waits whenever it is free, so a lone request never waits for company, and company costs nobody more
than its share. Promises: each gets its own outcome; whoever cannot be answered in time gets DatabaseAway; one that
breaks the statement of all breaks only its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

import structlog

from onceline.core.db import Transaction
from onceline.core.errors import DatabaseAway, OncelineError
from onceline.edge import pool

_LOG = structlog.get_logger(__name__)
Ask = TypeVar("Ask")
Answer = TypeVar("Answer")
_Waiting = tuple[Ask, "asyncio.Future[Answer]"]

WIDTH = 2
"""Statements of one lane on their way at once: while one commits, the next one gathers."""
MOST = 32
"""Asked for in one statement."""
MOST_HANDED = 1000
"""A flood that nobody waits for grows no further in memory."""


class Lane(Generic[Ask, Answer]):
    """`together` answers all that it is given, in order, each with an answer or its refusal.

    Two with the same `identity`, where there is one, never travel together. `atomic` when it is more than one statement.
    """

    def __init__(
        self,
        commands: pool.CommandPool,
        together: Callable[[Transaction, Sequence[Ask]], Sequence[Answer | OncelineError]],
        identity: Callable[[Ask], Hashable] | None = None,
        *,
        atomic: bool = False,
    ) -> None:
        self._run = commands.run if atomic else commands.run_statement
        self._together = together
        self._identity = identity
        self._waiting: deque[_Waiting[Ask, Answer]] = deque()
        self._busy = 0
        self._drivers: set[asyncio.Task[None]] = set()

    async def ask(self, one: Ask) -> Answer:
        """Raises what `together` refused it with, Busy, and DatabaseAway when the outcome is unknown."""
        future = self._enqueue(one)
        try:
            async with asyncio.timeout(pool.COMMAND_DEADLINE_S):
                return await future
        except TimeoutError as error:
            raise DatabaseAway from error

    def hand(self, one: Ask) -> None:
        """For what nobody waits for, and somebody else finishes when it fails, or when too much waits already."""
        if len(self._waiting) < MOST_HANDED:
            self._enqueue(one).add_done_callback(_overlook)

    def _enqueue(self, one: Ask) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if self._busy < WIDTH:
            self._busy += 1
            driver = asyncio.create_task(self._drive())
            self._drivers.add(driver)
            driver.add_done_callback(self._drivers.discard)
        return future

    async def _drive(self) -> None:
        try:
            while self._waiting:
                await self._serve(self._take())
        finally:
            # Before anybody else runs, or who asks next would wait for a driver that has gone.
            self._busy -= 1

    def _take(self) -> list[_Waiting[Ask, Answer]]:
        """The next that may travel together; who gave up waiting is left out."""
        taken: dict[Hashable, _Waiting[Ask, Answer]] = {}
        left: deque[_Waiting[Ask, Answer]] = deque()
        while self._waiting and len(taken) < MOST:
            one = self._waiting.popleft()
            identity = self._identity(one[0]) if self._identity else id(one)
            if identity in taken:
                left.append(one)
            elif not one[1].done():
                taken[identity] = one
        self._waiting.extendleft(reversed(left))
        return list(taken.values())

    async def _serve(self, batch: list[_Waiting[Ask, Answer]]) -> None:
        asked = [one for one, _ in batch]
        try:
            answers = await self._run(lambda tx: self._together(tx, asked))
        except DatabaseAway as away:
            _tell(batch, [away] * len(batch))
        except Exception as fault:  # whatever one of them caused, the others must not suffer for it
            if len(batch) > 1:
                await asyncio.gather(*(self._serve([one]) for one in batch))
            else:
                _tell(batch, [fault])
        else:
            _tell(batch, answers)


def _overlook(future: asyncio.Future[Any]) -> None:
    if not future.cancelled() and (fault := future.exception()) and not isinstance(fault, OncelineError):
        _LOG.error("nobody waited for what failed", error=type(fault).__qualname__)


def _tell(
    batch: Sequence[_Waiting[Ask, Answer]], answers: Sequence[Answer | OncelineError | Exception]
) -> None:
    for (_, future), answer in zip(batch, answers, strict=True):
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
