"""One reader of a side's stream, whatever carries it: the socket, the event stream and the long poll are this, rendered.

A follower has no queue. Woken, it reads what follows its cursor, hands it out, and reads again. It promises: in order,
each event once, never over a gap. Where its cursor cannot be served (events were pruned, also while it was reading; a
restored database has another epoch, also while it was open), it says `StartOver` and nothing of what is left.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, NamedTuple

from prometheus_client import Histogram

from onceline.core.errors import Unavailable
from onceline.core.outbox.store import Ahead
from onceline.edge.house import House
from onceline.edge.hub import Watch

HEARTBEAT_S = 25.0
BATCH = 100

GATEWAY_TO_SOCKET = Histogram(
    "onceline_gateway_to_socket_seconds",
    "From the first contact with a message to its event on a socket, stream or long poll (promise D2).",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


class Cursor(NamedTuple):
    """The last seq that a reader has, and the epoch it read it in, if it says."""

    after: int
    epoch: str | None


class Batch(NamedTuple):
    """What follows the cursor, at least one event, as values and as texts; `seq` is the side's newest."""

    events: list[dict[str, Any]]
    texts: list[str]
    seq: int


class Heartbeat(NamedTuple):
    """Nothing for a while. `seq` is the side's newest as the database has it; above the reader's last one: a gap."""

    seq: int


class StartOver(NamedTuple):
    """The cursor cannot be served; the stream goes on from `seq`."""

    epoch: str
    seq: int


Step = Batch | Heartbeat | StartOver


async def read(house: House, side: int, cursor: Cursor, limit: int) -> tuple[Batch | StartOver, str]:
    """What follows a cursor now (a batch may be empty here), and the epoch. Raises Unavailable."""

    found = await house.reading.ask(Ahead(side, cursor.after, limit))
    if not found.whole or cursor.epoch not in (None, found.epoch):
        return StartOver(found.epoch, found.seq), found.epoch
    return Batch(found.events, found.texts, found.seq), found.epoch


class Follower:
    """`beat_s`: how long it is silent before a heartbeat. An impatient one does not sit out a database that is away."""

    __slots__ = (
        "_beat_at",
        "_beat_s",
        "_fresh_after",
        "_house",
        "_limit",
        "_patient",
        "_side",
        "_watch",
        "cursor",
    )

    def __init__(
        self,
        house: House,
        watch: Watch,
        side: int,
        cursor: Cursor,
        *,
        beat_s: float | None = None,
        limit: int = BATCH,
        patient: bool = True,
    ) -> None:
        self.cursor = cursor
        self._house = house
        self._watch = watch
        self._side = side
        self._beat_s = HEARTBEAT_S if beat_s is None else beat_s
        self._beat_at = time.monotonic() + self._beat_s
        self._limit = limit
        self._patient = patient
        self._fresh_after: int | None = None

    async def next(self) -> Step:
        """Wait for the next thing to tell. Raises what the watch was ended with, and what reading raises."""
        while True:
            self._watch.demand()
            found = await self._read()
            if found is not None:
                return found
            if not await self._watch.wait(self._beat_at - time.monotonic()):
                self._beat_at = time.monotonic() + self._beat_s
                return Heartbeat(self._newest())

    async def _read(self) -> Batch | StartOver | None:
        """What is there; None when nothing is, or when the database is away: then the hub wakes us when it is back."""
        try:
            found, epoch = await read(self._house, self._side, self.cursor, self._limit)
        except Unavailable:
            if not self._patient:
                raise
            self._watch.missed = True
            return None
        self._watch.missed = False
        self._watch.demand()  # the key may have ended while the database answered
        if isinstance(found, StartOver):
            self.cursor = Cursor(found.seq, epoch)
            return found
        self._measure(found)
        self.cursor = Cursor(found.events[-1]["seq"] if found.events else self.cursor.after, epoch)
        return found if found.events else None

    def _newest(self) -> int:
        after = self.cursor.after
        return after if self._watch.missed else max(after, self._house.hub.newest(self._side))

    def _measure(self, batch: Batch) -> None:
        """How long messages took that came while this reader was here; the first reading is of what was before."""
        if self._fresh_after is None:
            self._fresh_after = batch.seq
        for event in batch.events:
            message = event["event"]["message"]
            if message and event["seq"] > self._fresh_after:
                received = datetime.fromisoformat(message["received_at"])
                taken_s = (self._house.clock.now() - received).total_seconds()
                GATEWAY_TO_SOCKET.observe(max(taken_s, 0))
