"""A bind that is held as long as the worker lives: connected, bound, lost, connected again.

Promised: acknowledged is only what T1 committed. A lost connection comes back within a minute; wrong credentials are not tried
again and again, staff is told. Never: raises for the other side's faults, logs a text, a password or a number.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import structlog

from onceline.core.errors import OutboundRefused, Unavailable
from onceline.outbound import OutboundFailed
from onceline.suppliers.base import Arrival, Configured, Heartbeat, Intake, NotConfigured, Surroundings
from onceline.suppliers.smpp import message, pdu
from onceline.suppliers.smpp.link import COMMITS, Figures, Keep, Link, Pace
from onceline.suppliers.smpp.message import Reading
from onceline.suppliers.smpp.pdu import Delivery
from onceline.suppliers.smpp.repeats import Repeats
from onceline.suppliers.smpp.settings import SmppSettings

_LOG = structlog.get_logger(__name__)
_LOOK_S = 0.2
"""How soon a stop is seen that nobody woke us for."""
_CREDENTIALS = {
    pdu.WRONG_PASSWORD: "wrong_password",
    pdu.WRONG_SYSTEM_ID: "wrong_system_id",
    pdu.WRONG_SYSTEM_TYPE: "wrong_system_type",
    pdu.BIND_FAILED: "bind_failed",
}
"""Asking again changes nothing; some SMSCs block who does."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds between attempts, and until staff is told. Tests shorten them."""

    first: float = 1.0
    most: float = 60.0
    refused: float = 300.0
    steady: float = 30.0
    """A bind that lasted so long was a good one: the next attempt comes soon."""
    alert: float = 300.0
    beat: float = 30.0


class Refused(Exception):
    """The other side does not let us in; the text is a stable word."""

    def __init__(self, reason: str, *, for_good: bool) -> None:
        super().__init__(reason)
        self.for_good = for_good


@dataclass(slots=True)
class SmppSession:
    """One bind. `repeats` is shared by all binds of the supplier."""

    configured: Configured
    index: int
    surroundings: Surroundings
    repeats: Repeats
    pace: Pace = field(default_factory=Pace)
    patience: Patience = field(default_factory=Patience)
    _figures: Figures = field(default_factory=Figures)
    _state: str = "connecting"
    _last_error: str = ""
    _unbound_since: float | None = None
    _told: bool = False
    _link: Link | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _woken: asyncio.Event | None = None

    @property
    def name(self) -> str:
        return f"{self.configured.name}/{self.index}"

    def hear(self, words: frozenset[str]) -> None:
        """Nothing that others do concerns a bind."""

    def wake(self) -> None:
        loop, woken = self._loop, self._woken
        if loop is not None and woken is not None:
            with contextlib.suppress(RuntimeError):  # it ended just now
                loop.call_soon_threadsafe(woken.set)

    def run(self, stopping: threading.Event) -> None:
        threads = ThreadPoolExecutor(COMMITS + 1, thread_name_prefix=f"smpp {self.name}")
        try:
            asyncio.run(self._live(stopping, threads))
        except Exception as fault:
            _LOG.error("smpp session failed", bind=self.name, fault=type(fault).__name__)
        finally:
            self._loop = None
            threads.shutdown(wait=False, cancel_futures=True)

    # Attempts ----------------------------------------------------------------------------------------------------------

    async def _live(self, stopping: threading.Event, threads: ThreadPoolExecutor) -> None:
        self._loop, self._unbound_since = asyncio.get_running_loop(), time.monotonic()
        self._woken, stop = asyncio.Event(), asyncio.Event()
        watching = self._watch(stopping, self._woken, stop)
        beside = [asyncio.create_task(work) for work in (watching, self._pulse())]
        wait = self.patience.first
        while not stop.is_set():
            began = time.monotonic()
            pause = await self._attempt_until(stop, threads)
            if time.monotonic() - began > self.patience.steady:
                wait = self.patience.first
            await _unless(stop, pause or wait * random.uniform(0.75, 1.25))  # noqa: S311 - so that binds come apart
            wait = min(wait * 2, self.patience.most)
        for task in beside:
            task.cancel()
        self._state = "stopped"
        self._beat()

    async def _attempt_until(self, stop: asyncio.Event, threads: ThreadPoolExecutor) -> float | None:
        """A bind ends itself when it has to; what leads to one may hang, and is left."""
        attempt, told = asyncio.create_task(self._attempt(stop, threads)), asyncio.create_task(stop.wait())
        await asyncio.wait((attempt, told), return_when="FIRST_COMPLETED")
        told.cancel()
        if not attempt.done() and self._link is None:
            attempt.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            return await attempt
        self._lost("stopped")
        return None

    async def _attempt(self, stop: asyncio.Event, threads: ThreadPoolExecutor) -> float | None:
        """One connection, to its end. Returns how long to wait, or None for what a lost connection waits."""
        self._state = "connecting"
        reason, pause = "", None
        try:
            reason = await self._connection(stop, threads)
        except (OutboundFailed, OutboundRefused) as failed:
            reason = getattr(failed, "reason", "host_refused")
        except Refused as refused:
            reason = str(refused)
            if refused.for_good:
                pause = self.patience.refused
                self._intake.alert(self.configured.name, "credentials_refused", self.name)
        except (Unavailable, NotConfigured) as fault:
            reason = getattr(fault, "code", "not_configured")
        except (OSError, TimeoutError) as fault:
            reason = "tls" if isinstance(fault, ssl.SSLError) else "broken"
        except Exception as fault:
            reason = "fault"
            _LOG.error("smpp attempt failed", bind=self.name, fault=type(fault).__name__)
        self._lost(reason)
        return pause

    async def _connection(self, stop: asyncio.Event, threads: ThreadPoolExecutor) -> str:
        token = ""

        def keep(deliveries: Sequence[Delivery]) -> Sequence[int]:
            return self._keep(token, deliveries)

        in_thread = asyncio.get_running_loop().run_in_executor
        async with opened(
            self.configured, self.surroundings, threads, keep, self._figures, self.pace
        ) as link:
            token = await in_thread(threads, self.repeats.begin)
            try:
                await let_in(link, self.configured)
                self._bound(link)
                return await link.serve(stop)
            finally:
                self._link = None
                with contextlib.suppress(Unavailable):
                    await in_thread(threads, self.repeats.end, token)

    def _bound(self, link: Link) -> None:
        self._link, self._state, self._unbound_since, self._told = link, "bound", None, False
        _LOG.info("smpp bound", bind=self.name)
        self._beat()

    def _lost(self, reason: str) -> None:
        self._state = "unbound"
        if reason != "stopped":
            self._last_error = reason
        if self._unbound_since is None:
            self._unbound_since = time.monotonic()
        _LOG.info("smpp not bound", bind=self.name, reason=reason)

    # Storing, in a thread ----------------------------------------------------------------------------------------------

    def _keep(self, token: str, deliveries: Sequence[Delivery]) -> Sequence[int]:
        """T1 of all of them, or "again later" for all; one that nobody can store does not stop the others."""
        names: list[str] = []
        try:
            for delivery in deliveries:
                names.append(self.repeats.name(token, message.content(delivery)))
            self._intake.keep(self.configured.name, self._arrivals(deliveries, names))
        except Unavailable as away:
            self.repeats.expect(names)
            _LOG.warning("smpp messages put off", bind=self.name, code=away.code, messages=len(deliveries))
            return [pdu.AGAIN_LATER] * len(deliveries)
        except Exception as fault:
            self.repeats.expect(names)
            if len(deliveries) > 1:
                return [status for one in deliveries for status in self._keep(token, [one])]
            _LOG.error("smpp message not stored", bind=self.name, fault=type(fault).__name__)
            self._intake.alert(self.configured.name, "message_not_stored", self.name)
            return [pdu.SYSTEM_ERROR]
        return [pdu.OK] * len(deliveries)

    def _arrivals(self, deliveries: Sequence[Delivery], names: Sequence[str]) -> list[Arrival]:
        settings: SmppSettings = self.configured.settings
        reading = Reading(settings.alphabet, settings.calling_code)
        return [
            message.arrival(delivery, reading, message_id=name, device=self.name)
            for delivery, name in zip(deliveries, names, strict=True)
        ]

    # Beside ------------------------------------------------------------------------------------------------------------

    @property
    def _intake(self) -> Intake:
        return self.surroundings.intake

    async def _watch(self, stopping: threading.Event, woken: asyncio.Event, stop: asyncio.Event) -> None:
        while not stopping.is_set():
            await _unless(woken, _LOOK_S)
            woken.clear()
        stop.set()

    async def _pulse(self) -> None:
        while True:
            self._beat()
            await asyncio.sleep(self.patience.beat)

    def _beat(self) -> None:
        since = self._unbound_since
        if since is not None and not self._told and time.monotonic() - since > self.patience.alert:
            self._told = True
            self._intake.alert(self.configured.name, "bind_lost", self.name)
        figures, settings = self._figures, self.configured.settings
        self._intake.beat(
            self.configured.name,
            Heartbeat(
                self.name,
                {
                    "state": self._state,
                    "bind": settings.bind,
                    "window": settings.window,
                    "window_used": self._link.open if self._link else 0,
                    "window_most_used": figures.most_open,
                    "messages": figures.messages,
                    "reports": figures.reports,
                    "put_off": figures.put_off,
                    "throttled": figures.throttled,
                    "unreadable": figures.unreadable,
                    "last_error": self._last_error,
                },
            ),
        )
        figures.most_open = 0


# A connection, bound or not: also for `check` -------------------------------------------------------------------------


@asynccontextmanager
async def opened(
    configured: Configured,
    surroundings: Surroundings,
    threads: ThreadPoolExecutor,
    keep: Keep,
    figures: Figures,
    pace: Pace,
) -> AsyncIterator[Link]:
    """Connected, not bound. Raises OutboundFailed, OutboundRefused, OSError (TLS, its file)."""
    settings: SmppSettings = configured.settings
    trust = _trust(settings.ca_file) if settings.tls else None
    door = surroundings.door([f"{settings.host}:{settings.port}"])
    loop = asyncio.get_running_loop()
    connection = await _dialled(threads.submit(door.connect, settings.host, settings.port))
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    try:
        if trust is not None:
            await writer.start_tls(trust, server_hostname=settings.host, ssl_handshake_timeout=pace.answer)
        pace = replace(pace, idle=pace.idle or settings.enquire_link_s)
        link = Link(configured.name, reader, writer, keep, threads, settings.window, figures, pace)
    except BaseException:
        writer.transport.abort()
        raise
    try:
        yield link
    finally:
        await link.close()


async def _dialled(dialling: Future[socket.socket]) -> socket.socket:
    """A connection that nobody waits for any more is closed when it comes."""
    try:
        return await asyncio.wrap_future(dialling)
    except asyncio.CancelledError:
        dialling.add_done_callback(_hang_up)
        raise


def _hang_up(dialled: Future[socket.socket]) -> None:
    if not dialled.cancelled() and dialled.exception() is None:
        dialled.result().close()


async def let_in(link: Link, configured: Configured) -> None:
    """Bind. Raises Refused, NotConfigured."""
    settings: SmppSettings = configured.settings
    password = configured.secret("password")
    if not password.isascii() or len(password) > 64:
        raise Refused("wrong_password", for_good=True)
    status = await link.bind(settings.bind, settings.system_id, password, settings.system_type)
    if status is None:
        raise Refused("no_answer_to_bind", for_good=False)
    if status != pdu.OK:
        for_good = status in _CREDENTIALS
        raise Refused(_CREDENTIALS.get(status, f"bind_refused_{status:#x}"), for_good=for_good)


def _trust(ca_file: str | None) -> ssl.SSLContext:
    """The system's authorities, or those of `ca_file` alone; made by hand, as that of outbound."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca_file)
    return context


async def _unless(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
