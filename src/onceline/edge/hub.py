"""Turns wake-ups into asyncio events: sockets, streams and long polls wait here, never on a database connection.

Wake-ups may be lost, so a poll looks twice a second at the newest seq of every side that somebody waits for, at the
epoch, and at the grants of all who wait: what a revoked one waited with ends within a second. When the process is to
stop, everybody is sent away with a moment of their own to come back.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import structlog

from onceline.core.access.commands import GRANTS_WORD
from onceline.core.access.model import SESSION, Grant
from onceline.core.errors import KeyRevoked, LimitExceeded, OncelineError, Restarting
from onceline.core.outbox.store import EPOCH_WORD, Stand

Kind = Literal["socket", "stream", "long poll"]
MOST_WAITERS: dict[Kind, int] = {"socket": 100, "stream": 100, "long poll": 400}
"""Of one side in one process: an event wakes all of them, and each reads the database."""
MOST_OF_SESSION = 20
"""Of the sockets of a side, those of one person's session: whoever opens tabs leaves the side's keys their room."""
MOST_KNOCKING = 2000
"""Sockets of one process that have not proven yet who they are."""
POLL_S = 0.5
SEND_S = 10.0
"""A reader that has not read for so long is closed."""
BACK_PER_S = 500
"""How many a second are asked to come back after a restart."""
SHORTEST_BACK_S, LONGEST_BACK_S = 1.0, 30.0
FAREWELL_S = 5.0
_SIDE = "side:"
_LOG = structlog.get_logger(__name__)


class Net(Protocol):
    """What the poll asks the database."""

    async def newest(self, sides: list[int]) -> Stand: ...

    async def ended(self, grants: list[int]) -> set[int]: ...


class Watch:
    """One waiter on a side: a socket, a stream or a long poll. Nothing here grows: what happened is a single flag."""

    __slots__ = ("_end", "_sending", "_waiter", "_woken", "grant", "kind", "missed")

    def __init__(self, grant: Grant, kind: Kind) -> None:
        self.grant = grant
        self.kind = kind
        self.missed = False
        """Its last reading failed: the poll wakes it when the database is back."""
        self._end: Exception | None = None
        self._woken = False
        self._waiter: asyncio.Future[None] | None = None
        self._sending: asyncio.Timeout | None = None

    def demand(self) -> None:
        """Raises what it was ended with: KeyRevoked, Restarting, or what its own door said."""
        if self._end is not None:
            raise self._end

    def end(self, why: Exception) -> None:
        """It may not act any more, not even finish what it is sending; the first reason counts."""
        if self._end is None:
            self._end = why
            self.wake()
            if self._sending is not None and not self._sending.expired():
                self._sending.reschedule(asyncio.get_running_loop().time())

    def wake(self) -> None:
        self._woken = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, seconds: float) -> bool:
        """Until something happened on the side, or the time is over; says which. One at a time."""
        if not self._woken:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(max(seconds, 0), _ring, self._waiter)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        woken, self._woken = self._woken, False
        return woken

    async def send(self, sending: Coroutine[Any, Any, None]) -> None:
        """Wait for it SEND_S at most, and not beyond the end. Raises TimeoutError, and as `demand`."""
        if self._end is not None:
            sending.close()
            raise self._end
        try:
            async with asyncio.timeout(SEND_S) as self._sending:
                await sending
        except TimeoutError:
            self.demand()
            raise
        finally:
            self._sending = None


def _ring(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Hub:
    def __init__(self) -> None:
        self._watches: dict[int, set[Watch]] = {}
        self._seen: dict[int, int] = {}
        self._epoch: str | None = None
        self._knocking = 0
        self._back_within_s: float | None = None
        self._look_now = asyncio.Event()
        self._nobody_waits = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def hear(self, words: frozenset[str]) -> None:
        """Called from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._tell, words)

    @contextmanager
    def knocking(self) -> Iterator[None]:
        """Around a socket that has not proven yet who it is. Raises LimitExceeded, Restarting."""
        if self._back_within_s is not None:
            raise _restarting(self._back_within_s)
        if self._knocking >= MOST_KNOCKING:
            detail = "Too many sockets are being opened; try again in a moment."
            raise LimitExceeded(detail, limit="opening sockets", retry_after_s=1)
        self._knocking += 1
        try:
            yield
        finally:
            self._knocking -= 1

    @contextmanager
    def watching(self, grant: Grant, kind: Kind) -> Iterator[Watch]:
        """Raises LimitExceeded when too many of this kind wait on the side already, or of this session, Restarting."""
        side, watch = grant.side, Watch(grant, kind)
        if self._back_within_s is not None:
            raise _restarting(self._back_within_s)
        if self._count(side, kind) >= MOST_WAITERS[kind]:
            detail = f"{MOST_WAITERS[kind]} {kind}s of this account are open; close one first."
            raise LimitExceeded(detail, limit=f"{kind}s", retry_after_s=1)
        if grant.kind == SESSION and self._count_of(grant) >= MOST_OF_SESSION:
            detail = f"{MOST_OF_SESSION} sockets of this session are open; close a tab first."
            raise LimitExceeded(detail, limit="sockets", retry_after_s=1)
        self._watches.setdefault(side, set()).add(watch)
        try:
            yield watch
        finally:
            watches = self._watches[side]
            watches.discard(watch)
            if not watches:
                del self._watches[side]
                self._seen.pop(side, None)
            if not self._watches and self._back_within_s is not None:
                self._nobody_waits.set()

    def newest(self, side: int) -> int:
        """The newest seq of a side that somebody waits for, as the database had it at the last look; 0 before it."""
        return self._seen.get(side, 0)

    def _count(self, side: int, kind: Kind) -> int:
        return sum(watch.kind == kind for watch in self._watches.get(side, ()))

    def _count_of(self, grant: Grant) -> int:
        return sum(watch.grant.id == grant.id for watch in self._watches.get(grant.side, ()))

    async def leave(self) -> None:
        """Send everybody away, and whoever comes now, each with its own moment to come back; returns when they went.

        That moment lies in a window that grows with their number, so that the next process is not run over.
        """
        waiting = self._all()
        window_s = min(max(len(waiting) / BACK_PER_S, SHORTEST_BACK_S), LONGEST_BACK_S)
        self._back_within_s = window_s
        for watch in waiting:
            watch.end(_restarting(window_s))
        if waiting:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._nobody_waits.wait()

    async def poll(self, net: Net) -> None:
        """The net under lost wake-ups; runs as long as the process."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._look_now.wait()
            self._look_now.clear()
            try:
                await self._look(net)
            except OncelineError as away:
                _LOG.warning("live poll waits for the database", code=away.code)
            except Exception as fault:  # whatever it is: without this loop no revoked key loses its socket
                _LOG.error("live poll failed, looking again", error=type(fault).__qualname__)

    async def _look(self, net: Net) -> None:
        if not self._watches:
            return
        self._compare(await net.newest(list(self._watches)))
        ended = await net.ended(list({watch.grant.id for watch in self._all()}))
        for watch in self._all():
            if watch.grant.id in ended:
                watch.end(KeyRevoked("The key of this request has ended."))
            elif watch.missed:
                watch.wake()

    def _compare(self, stand: Stand) -> None:
        """Wake the sides that have something new; all of them in a new epoch."""
        for side, seq in stand.seqs.items():
            if side in self._watches and (self._seen.get(side) != seq or self._epoch != stand.epoch):
                self._seen[side] = seq
                self._wake(side)
        self._epoch = stand.epoch

    def _all(self) -> list[Watch]:
        return [watch for watches in self._watches.values() for watch in watches]

    def _tell(self, words: frozenset[str]) -> None:
        for word in words:
            if word in (GRANTS_WORD, EPOCH_WORD):
                self._look_now.set()
            elif word.startswith(_SIDE):
                self._wake(int(word.removeprefix(_SIDE)))

    def _wake(self, side: int) -> None:
        for watch in self._watches.get(side, ()):
            watch.wake()


def _restarting(window_s: float) -> Restarting:
    return Restarting(round(secrets.randbelow(1000) / 1000 * window_s, 1))
