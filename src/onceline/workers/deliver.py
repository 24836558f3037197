"""Calls the customers' endpoints: hears of events, claims deliveries, makes the attempts, records what came of them.

One loop in one thread makes every attempt of a process; the database is spoken to in threads beside it, for many deliveries
at a time. Promises: an event is sent at least once to every endpoint that wants it, over kill -9 too; a dead endpoint delays
nobody else; several processes share the work. Never: a call from inside a transaction, or a call that outlives its claim.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import structlog
import uvloop
from prometheus_client import Counter, Gauge, Histogram

from onceline.core.db import Database
from onceline.core.errors import OutboundRefused, Unavailable
from onceline.core.orders.context import Context
from onceline.core.webhooks import dispatch, model
from onceline.core.webhooks.commands import WEBHOOKS_WORD
from onceline.core.webhooks.dispatch import Claim, Result, Room
from onceline.core.webhooks.model import Outcome
from onceline.outbound import CustomerDoor, OutboundFailed
from onceline.workers import parcel
from onceline.workers.parcel import Ended, Parcel

_LOG = structlog.get_logger(__name__)

SLOTS = 256
"""Attempts under way in one process."""
DOUBTFUL_SLOTS = 96
"""Of them, at endpoints that fail or were never reached."""
SIDE_SLOTS = 48
"""Of one side: beyond it nothing more is claimed for it, so it holds fewer than twice as many."""
ATTEMPT_S = 20.0
"""The door ends a call after 15 s; this is the net under it, well below the lease of a claim."""
NET_S = 1.0
PACE_S = 0.01
"""Between two looks: what happens meanwhile travels together."""
BACKOFF_S = 0.5
FAULT_S = 5.0
STOP_S = 5.0
MOST_SIDES, MOST_RESULTS = 200, 256
_THREADS = 4
"""One waits for the end; looking, recording and the net have one each."""

ATTEMPTS = Counter("onceline_webhook_attempts", "Attempts to deliver events to endpoints.", ["outcome"])
WAIT = Histogram(
    "onceline_event_to_webhook_seconds",
    "From an event to the start of its first attempt.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300),
)
IN_FLIGHT = Gauge("onceline_webhook_attempts_in_flight", "Attempts under way.")

Answer = TypeVar("Answer")


class _Looked(NamedTuple):
    parcels: list[Parcel]
    more: bool


class Deliverer:
    """Runs in a thread of its own, like every clock: `run` returns when it was told to stop."""

    name = "deliver"

    def __init__(self, db: Database, context: Context, open_door: Callable[[], CustomerDoor]) -> None:
        self._db = db
        self._context = context
        self._open_door = open_door
        self._loop: asyncio.AbstractEventLoop | None = None
        self._known: frozenset[str] = frozenset()
        """Wake-ups of sides that have endpoints; the others' are not worth a look."""
        self._sides: dict[int, None] = {}
        """Where to look next, in that order."""
        self._good: list[Ended] = []
        """Successes of endpoints that are well: recorded with the next look, so that their places are free for it."""
        self._results: list[Ended] = []
        """All others: recorded by themselves, so that whoever is in trouble holds up nobody."""
        self._attempts: set[asyncio.Task[None]] = set()
        self._held: dict[tuple[int, int], Claim] = {}
        """Claims that are not recorded yet, by delivery and attempt."""

    def hear(self, words: frozenset[str]) -> None:
        if WEBHOOKS_WORD in words:
            self.wake()
        if self._loop and (mine := words & self._known):
            self._call(lambda: self._look_at({int(word.partition(":")[2]) for word in mine}))

    def wake(self) -> None:
        """Look at everything, now."""
        self._call(lambda: self._net.set())

    def run(self, stopping: threading.Event) -> None:
        with (
            ThreadPoolExecutor(_THREADS, thread_name_prefix="deliver") as self._threads,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(self._live(stopping))
        self._loop = None

    def _call(self, work: Callable[[], object]) -> None:
        """From any thread; when the loop is not there, the next look finds what there is."""
        loop = self._loop
        if loop:
            with contextlib.suppress(RuntimeError):  # it closed meanwhile
                loop.call_soon_threadsafe(work)

    async def _live(self, stopping: threading.Event) -> None:
        self._woken, self._net, self._ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._turning, self._writing = asyncio.Lock(), asyncio.Lock()
        """Held while a thread works for them: whoever stops us waits for its end."""
        self._loop = asyncio.get_running_loop()
        async with self._open_door() as door:
            tasks = [
                asyncio.create_task(self._for_ever(work))
                for work in (self._watch, lambda: self._claim(door), self._record)
            ]
            await self._threaded(stopping.wait)
            await self._stop(tasks)

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        """Nothing new is claimed; what is under way has STOP_S to end; claims that are left are given back."""
        watch, claim, record = tasks
        async with self._turning:
            claim.cancel()
        watch.cancel()
        await asyncio.gather(watch, claim, return_exceptions=True)
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=STOP_S)
        for attempt in self._attempts:
            attempt.cancel()
        async with self._writing:
            record.cancel()
        await asyncio.gather(record, *self._attempts, return_exceptions=True)
        self._results += self._good
        with contextlib.suppress(Unavailable):  # then the leases end by themselves
            await self._record_now()
            await self._threaded(lambda: self._release(list(self._held.values())))

    async def _for_ever(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Over a database that is away, and over faults of ours."""
        while True:
            try:
                await work()
            except Unavailable as away:
                _LOG.warning("worker waits for the database", worker=self.name, code=away.code)
                await asyncio.sleep(BACKOFF_S)
            except Exception:
                _LOG.exception("worker failed a round", worker=self.name)
                await asyncio.sleep(FAULT_S)

    # Where there is something to do.

    def _look_at(self, sides: set[int]) -> None:
        self._sides.update(dict.fromkeys(sides))
        self._woken.set()

    async def _watch(self) -> None:
        """The net: which sides have endpoints, and which have work that no wake-up told of."""
        known, due = await self._threaded(self._survey)
        self._known = known
        if due:
            self._look_at(due)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(NET_S):
                await self._net.wait()
        self._net.clear()

    def _survey(self) -> tuple[frozenset[str], set[int]]:
        with self._db.statement() as tx:
            known = dispatch.sides_with_endpoints(tx)
            due = dispatch.sides_with_work(tx, self._context.clock.now())
        return frozenset(f"side:{side}" for side in known), due

    async def _claim(self, door: CustomerDoor) -> None:
        await self._woken.wait()
        self._woken.clear()
        async with self._turning:
            await self._one_turn(door)
        if self._good or (self._sides and len(self._held) < SLOTS):
            self._woken.set()
        await asyncio.sleep(PACE_S)

    async def _one_turn(self, door: CustomerDoor) -> None:
        """Record what went well, make deliveries, claim what is due, begin the attempts."""
        good, self._good = self._good, []
        room = self._room(len(good))
        sides = self._next_sides(room)
        if not good and not sides:
            return
        try:
            looked = await self._threaded(lambda: self._turn(good, sides, room))
        except Exception:
            self._good = good + self._good  # what was recorded already is not recorded twice
            self._look_at(set(sides))
            raise
        self._forget(good)
        for one in looked.parcels:
            self._begin(door, one)
        if looked.more:
            self._look_at(set(sides))

    def _room(self, ending: int) -> Room:
        doubtful = sum(claim.doubtful for claim in self._held.values())
        return Room(SLOTS - len(self._held) + ending, max(DOUBTFUL_SLOTS - doubtful, 0), SIDE_SLOTS)

    def _next_sides(self, room: Room) -> list[int]:
        """Some that are not full; a full one is looked at again when one of its attempts has ended."""
        held = Tally(claim.side_id for claim in self._held.values())
        taken = list(self._sides)[:MOST_SIDES] if room.slots else []
        for side in taken:
            del self._sides[side]
        return [side for side in taken if held[side] < SIDE_SLOTS]

    def _turn(self, good: list[Ended], sides: list[int], room: Room) -> _Looked:
        if good:
            self._write(good)
        return self._look(sides, room) if sides else _Looked([], False)

    def _look(self, sides: list[int], room: Room) -> _Looked:
        context = self._context
        claims: list[Claim] = []
        try:
            with self._db.statement() as tx:
                taken = dispatch.take(tx, sides, room, context.installation.event_id, context.clock.now())
                claims = taken.claims
                return _Looked(parcel.packed(tx, context, claims) if claims else [], taken.more)
        except Exception:
            self._release(claims)
            raise

    def _release(self, claims: list[Claim]) -> None:
        if claims:
            with self._db.transaction() as tx:
                dispatch.release(tx, claims)

    # The attempts.

    def _begin(self, door: CustomerDoor, one: Parcel) -> None:
        claim = one.claim
        self._held[claim.id, claim.number] = claim
        IN_FLIGHT.set(len(self._held))
        if claim.number == 1 and not claim.manual:
            WAIT.observe(max((one.at - claim.made_at).total_seconds(), 0))
        attempt = asyncio.create_task(self._attempt(door, one))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)

    async def _attempt(self, door: CustomerDoor, one: Parcel) -> None:
        began = time.monotonic()
        reply = None
        if one.instead:
            outcome = one.instead
        else:
            try:
                async with asyncio.timeout(ATTEMPT_S):
                    reply = await door.post(one.url, headers=one.headers, body=one.body)
                now = self._context.clock.now()
                outcome = model.answered(reply.status, parcel.header(reply, "retry-after"), now)
            except OutboundRefused:
                outcome = Outcome("refused_address")
            except OutboundFailed as failed:
                outcome = Outcome(failed.reason)
            except TimeoutError:
                outcome = Outcome("timeout")
            except Exception:
                _LOG.exception("attempt failed", webhook=one.claim.webhook)
                outcome = Outcome("protocol")
        ATTEMPTS.labels(outcome.word).inc()
        self._end(Ended(one, outcome, int((time.monotonic() - began) * 1000), reply))

    def _end(self, ended: Ended) -> None:
        claim = ended.parcel.claim
        if ended.outcome.ok and not claim.doubtful:
            self._good.append(ended)
            self._look_at({claim.side_id})
        else:
            self._results.append(ended)
            self._ended.set()

    # What came of them.

    async def _record(self) -> None:
        await self._ended.wait()
        self._ended.clear()
        await self._record_now()
        await asyncio.sleep(PACE_S)

    async def _record_now(self) -> None:
        async with self._writing:
            await self._record_batch()

    async def _record_batch(self) -> None:
        batch, self._results = self._results[:MOST_RESULTS], self._results[MOST_RESULTS:]
        if not batch:
            return
        try:
            await self._threaded(lambda: self._write(batch))
        except Unavailable:
            self._results = batch + self._results
            self._ended.set()
            raise
        self._forget(batch)
        self._look_at({ended.parcel.claim.side_id for ended in batch})
        if self._results:
            self._ended.set()

    def _forget(self, batch: list[Ended]) -> None:
        for ended in batch:
            self._held.pop((ended.parcel.claim.id, ended.parcel.claim.number), None)
        IN_FLIGHT.set(len(self._held))

    def _write(self, batch: list[Ended]) -> None:
        """All together; one that cannot be written spoils no other, and is attempted again when its claim is over."""
        results = [parcel.result(self._context, ended) for ended in batch]
        try:
            self._write_all(results)
        except Unavailable:
            raise
        except Exception:
            if len(batch) > 1:
                for ended in batch:
                    self._write([ended])
            else:
                _LOG.exception("attempt could not be recorded", webhook=batch[0].parcel.claim.webhook)

    def _write_all(self, results: list[Result]) -> None:
        opened = self._db.statement if dispatch.is_simple(results) else self._db.transaction
        with opened() as tx:
            dispatch.record(tx, results, self._context.clock.now())

    async def _threaded(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
