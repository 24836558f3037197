"""One connection to an SMSC, from its bind to its end.

Promised: a delivery is acknowledged only after `keep` said so; what waits is bounded by the window; whatever the other side
sends, or does not send, ends in an answer or in the connection's end, never in an exception. Never: logs what it was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from onceline.suppliers.smpp import pdu
from onceline.suppliers.smpp.message import is_report
from onceline.suppliers.smpp.pdu import Delivery, Frames, Header, Impossible, Malformed

_LOG = structlog.get_logger(__name__)
MOST_TOGETHER = 200
"""Messages of one commit."""
COMMITS = 2
"""Under way at a time: while they last the next one gathers."""
_READ = 64 * 1024
_MOST_UNSENT = 256 * 1024
"""Of answers that the other side does not take."""
_BINDING = frozenset((pdu.BIND_RECEIVER_RESP, pdu.BIND_TRANSCEIVER_RESP, pdu.GENERIC_NACK))
_UNANSWERED = frozenset((pdu.OUTBIND, pdu.ALERT_NOTIFICATION))


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. Tests shorten them."""

    answer: float = 10.0
    """For whatever we ask the other side."""
    idle: float = 0.0
    """Until we ask whether the other side lives; 0 is what the operator set."""
    unbind: float = 2.0
    last_commits: float = 0.8
    """When we are told to stop: then nothing more is acknowledged."""
    broken_commits: float = 15.0
    """When the connection broke: what was stored meanwhile is expected again."""


@dataclass(slots=True)
class Figures:
    """Of all connections of one bind."""

    messages: int = 0
    reports: int = 0
    put_off: int = 0
    throttled: int = 0
    unreadable: int = 0
    most_open: int = 0


class _Taken(NamedTuple):
    header: Header
    delivery: Delivery


class _Lost(Exception):
    """The connection is of no more use; the text is a stable word."""


Keep = Callable[[Sequence[Delivery]], Sequence[int]]
"""Stores deliveries, in a thread, and returns the status to answer each with."""


@dataclass(slots=True)
class Link:
    """Made inside a running loop. `name` is for logs."""

    name: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    keep: Keep
    threads: Executor
    window: int
    figures: Figures
    pace: Pace = field(default_factory=Pace)
    _over: asyncio.Future[str] = field(init=False)
    _bound: asyncio.Future[int] = field(init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _commits: set[asyncio.Task[None]] = field(default_factory=set)
    _waiting: list[_Taken] = field(default_factory=list)
    _gathered: asyncio.Event = field(default_factory=asyncio.Event)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)
    _unbound: asyncio.Event = field(default_factory=asyncio.Event)
    _heard_at: float = field(default_factory=time.monotonic)
    _open: int = 0
    """Deliveries that are taken and not answered."""
    _sequence: int = 0
    _sequence_of_unbind: int = 0
    _deaf: bool = False
    """Takes no deliveries any more."""
    _mute: bool = False
    """Acknowledges none any more."""

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._over, self._bound = loop.create_future(), loop.create_future()

    @property
    def open(self) -> int:
        return self._open

    async def bind(self, mode: str, system_id: str, password: str, system_type: str) -> int | None:
        """The other side's status, or None when it gave no answer."""
        self._begin(self._read())
        sequence = self._next()
        self._send(
            pdu.bind(mode, system_id=system_id, password=password, system_type=system_type, sequence=sequence)
        )
        await asyncio.wait((self._bound, self._over), timeout=self.pace.answer, return_when="FIRST_COMPLETED")
        if not self._bound.done():
            return None
        status = self._bound.result()
        if status == pdu.OK:
            self._begin(self._commit())
            self._begin(self._enquire())
        return status

    async def serve(self, stopping: asyncio.Event) -> str:
        """Until the connection is lost, or we are told to stop; returns why, as a stable word."""
        told = asyncio.ensure_future(stopping.wait())
        await asyncio.wait((self._over, told), return_when="FIRST_COMPLETED")
        told.cancel()
        self._deaf = True
        if not self._over.done():
            await self._finish_commits(self.pace.last_commits)
            self._mute = True
            await self.unbind()
            return "stopped"
        reason = self._over.result()
        await self._finish_commits(self.pace.broken_commits)
        self._mute = True
        if reason == "unbound_by_smsc":
            self._send(pdu.response(pdu.UNBIND, pdu.OK, self._sequence_of_unbind))
        return reason

    async def unbind(self) -> None:
        self._send(pdu.request("unbind", self._next()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._unbound.wait(), self.pace.unbind)

    async def close(self) -> None:
        for task in (*self._tasks, *self._commits):
            task.cancel()
        with contextlib.suppress(OSError, TimeoutError):
            self.writer.close()
            await asyncio.wait_for(self.writer.wait_closed(), 1.0)

    # What is heard -----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        frames = Frames()
        while data := await self.reader.read(_READ):
            try:
                for header, frame in frames.feed(data):
                    self._hear(header, frame)
            except Impossible:
                self._send(pdu.nack(pdu.INVALID_LENGTH, 0))
                raise _Lost("impossible_length") from None
        raise _Lost("closed_by_smsc")

    def _hear(self, header: Header, frame: bytes) -> None:
        self._heard_at = time.monotonic()
        self._heard.set()
        command = header.command
        if command in (pdu.DELIVER_SM, pdu.DATA_SM):
            self._take(header, frame)
        elif command == pdu.ENQUIRE_LINK:
            self._send(pdu.response(command, pdu.OK, header.sequence))
        elif command == pdu.UNBIND:
            self._sequence_of_unbind = header.sequence
            self._end("unbound_by_smsc")
        elif command == pdu.UNBIND_RESP:
            self._unbound.set()
        elif command in _BINDING and not self._bound.done():
            refused = pdu.SYSTEM_ERROR if command == pdu.GENERIC_NACK else pdu.OK
            self._bound.set_result(header.status or refused)
        elif not command & pdu.RESPONSE and command not in _UNANSWERED:
            _LOG.info("smpp command refused", bind=self.name, command=f"{command:#x}")
            self._send(pdu.nack(pdu.INVALID_COMMAND, header.sequence))

    def _take(self, header: Header, frame: bytes) -> None:
        if self._deaf:
            return  # it comes again
        if not self._bound.done():
            self._answer(header, pdu.NOT_BOUND)
            return
        try:
            delivery = pdu.read_delivery(header, frame)
        except Malformed:
            self._refuse_unreadable(header, "malformed")
        except Exception as fault:  # a reader's fault costs one message, not the bind
            self._refuse_unreadable(header, type(fault).__name__)
        else:
            self._take_delivery(_Taken(header, delivery))

    def _refuse_unreadable(self, header: Header, reason: str) -> None:
        self.figures.unreadable += 1
        _LOG.warning("smpp pdu unreadable", bind=self.name, reason=reason, octets=header.length)
        self._answer(header, pdu.INVALID_LENGTH)

    def _take_delivery(self, taken: _Taken) -> None:
        if is_report(taken.delivery):
            self.figures.reports += 1
            self._answer(taken.header, pdu.OK)
        elif self._open >= self.window:
            self.figures.throttled += 1
            self._answer(taken.header, pdu.QUEUE_FULL)
        else:
            self._open += 1
            self.figures.most_open = max(self.figures.most_open, self._open)
            self._waiting.append(taken)
            self._gathered.set()

    # What is stored ----------------------------------------------------------------------------------------------------

    async def _commit(self) -> None:
        places = asyncio.Semaphore(COMMITS)
        while True:
            await self._gathered.wait()
            await places.acquire()
            batch, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            if not self._waiting:
                self._gathered.clear()
            task = asyncio.create_task(self._guarded(self._store(batch)))
            self._commits.add(task)
            task.add_done_callback(self._commits.discard)
            task.add_done_callback(lambda _: places.release())

    async def _store(self, batch: Sequence[_Taken]) -> None:
        deliveries = [taken.delivery for taken in batch]
        statuses = await asyncio.get_running_loop().run_in_executor(self.threads, self.keep, deliveries)
        self._open -= len(batch)
        if self._mute:
            return
        kept = sum(status == pdu.OK for status in statuses)
        self.figures.messages += kept
        self.figures.put_off += len(batch) - kept
        self._send(
            b"".join(
                pdu.response(taken.header.command, status, taken.header.sequence)
                for taken, status in zip(batch, statuses, strict=True)
            )
        )

    async def _finish_commits(self, seconds: float) -> None:
        """What is not yet in a commit is dropped: it comes again."""
        self._waiting.clear()
        self._gathered.clear()
        if self._commits:
            await asyncio.wait(self._commits, timeout=seconds)

    # What is said ------------------------------------------------------------------------------------------------------

    async def _enquire(self) -> None:
        """Whatever is heard shows that the other side lives (SMPP 3.4, 2.6.2: after a time without operations)."""
        while True:
            idle = time.monotonic() - self._heard_at
            if idle < self.pace.idle:
                await asyncio.sleep(self.pace.idle - idle)
                continue
            self._heard.clear()
            self._send(pdu.request("enquire_link", self._next()))
            try:
                await asyncio.wait_for(self._heard.wait(), self.pace.answer)
            except TimeoutError:
                raise _Lost("silent") from None

    def _answer(self, header: Header, status: int) -> None:
        self._send(pdu.response(header.command, status, header.sequence))

    def _send(self, data: bytes) -> None:
        if self.writer.transport.get_write_buffer_size() > _MOST_UNSENT:
            self._end("not_reading")
        elif not self.writer.transport.is_closing():
            self.writer.write(data)

    def _next(self) -> int:
        self._sequence = self._sequence % 0x7FFFFFFF + 1
        return self._sequence

    # How it ends -------------------------------------------------------------------------------------------------------

    def _end(self, reason: str) -> None:
        if not self._over.done():
            self._over.set_result(reason)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.add(asyncio.create_task(self._guarded(work)))

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except _Lost as lost:
            self._end(str(lost))
        except OSError:
            self._end("broken")
        except Exception as fault:
            _LOG.error("smpp link failed", bind=self.name, fault=type(fault).__name__)
            self._end("fault")
