"""Turns wake-ups into asyncio events: sockets and long polls wait here, never on a database connection.

Wake-ups may be lost, so a poll looks twice a second at the newest seq of every side that somebody waits for, and at
the grants of all who wait: what a revoked one waited with is closed within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

import structlog

from onceline.core.access.commands import GRANTS_WORD
from onceline.core.access.model import Grant
from onceline.core.errors import KeyRevoked, LimitExceeded, OncelineError

Kind = Literal["socket", "long poll"]
MOST_WAITERS: dict[Kind, int] = {"socket": 100, "long poll": 400}
"""Of one side in one process: an event wakes all of them, and each reads the database."""
POLL_S = 0.5
_SIDE = "side:"
_LOG = structlog.get_logger(__name__)


class Net(Protocol):
    """What the poll asks the database."""

    async def newest(self, sides: list[int]) -> dict[int, int]: ...

    async def ended(self, grants: list[int]) -> set[int]: ...


class Watch:
    """One waiter on a side: a socket or a long poll. `ended` is set when its grant may not act any more."""

    def __init__(self, grant: Grant, kind: Kind) -> None:
        self.grant = grant.id
        self.kind = kind
        self.ended = False
        self._woken = asyncio.Event()

    def demand(self) -> None:
        """Raises KeyRevoked."""
        if self.ended:
            raise KeyRevoked("The key of this request has ended.")

    def wake(self) -> None:
        self._woken.set()

    async def wait(self, seconds: float) -> bool:
        """Until something happened on the side, or the time is over; says which."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True


class Hub:
    def __init__(self) -> None:
        self._watches: dict[int, set[Watch]] = {}
        self._seen: dict[int, int] = {}
        self._grants_changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def hear(self, words: frozenset[str]) -> None:
        """Called from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._tell, words)

    @contextmanager
    def watching(self, grant: Grant, kind: Kind) -> Iterator[Watch]:
        """Raises LimitExceeded when too many of this kind wait on the side already."""
        side, watch = grant.side, Watch(grant, kind)
        if self._count(side, kind) >= MOST_WAITERS[kind]:
            detail = f"{MOST_WAITERS[kind]} {kind}s of this account are open; close one first."
            raise LimitExceeded(detail, limit=f"{kind}s", retry_after_s=1)
        self._watches.setdefault(side, set()).add(watch)
        try:
            yield watch
        finally:
            watches = self._watches[side]
            watches.discard(watch)
            if not watches:
                del self._watches[side]
                self._seen.pop(side, None)

    def _count(self, side: int, kind: Kind) -> int:
        return sum(watch.kind == kind for watch in self._watches.get(side, ()))

    async def poll(self, net: Net) -> None:
        """The net under lost wake-ups; runs as long as the process."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._grants_changed.wait()
            self._grants_changed.clear()
            try:
                await self._look(net)
            except OncelineError as away:
                _LOG.warning("live poll waits for the database", code=away.code)
            except Exception as fault:  # whatever it is: without this loop no revoked key loses its socket
                _LOG.error("live poll failed, looking again", error=type(fault).__qualname__)

    async def _look(self, net: Net) -> None:
        if not self._watches:
            return
        for side, seq in (await net.newest(list(self._watches))).items():
            if self._seen.get(side) != seq:
                self._seen[side] = seq
                self._wake(side)
        ended = await net.ended(list({watch.grant for watch in self._all()}))
        for watch in self._all():
            if watch.grant in ended:
                watch.ended = True
                watch.wake()

    def _all(self) -> list[Watch]:
        return [watch for watches in self._watches.values() for watch in watches]

    def _tell(self, words: frozenset[str]) -> None:
        for word in words:
            if word == GRANTS_WORD:
                self._grants_changed.set()
            elif word.startswith(_SIDE):
                self._wake(int(word.removeprefix(_SIDE)))

    def _wake(self, side: int) -> None:
        for watch in self._watches.get(side, ()):
            watch.wake()
