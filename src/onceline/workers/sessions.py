"""Runs what suppliers need in a worker: sessions under leases, and the callers that tell suppliers of orders.

Promises: a session runs in one worker at a time, as long as the database can say so; when a supplier is changed, its sessions
end and begin anew; one supplier that hangs holds up no other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from onceline.core.errors import Unavailable
from onceline.core.ids import random_id
from onceline.core.orders.changes import CALLS_WORD
from onceline.core.suppliers import store
from onceline.core.suppliers.store import SUPPLIERS_WORD
from onceline.suppliers.base import NotConfigured, Session, Surroundings
from onceline.suppliers.configured import Entry, entries
from onceline.workers.clock import Worker
from onceline.workers.supply import BATCH, INTERVAL_S, supply_round

_LOG = structlog.get_logger(__name__)
LOOK_S = 5.0
"""A third of a lease: how often leases are renewed and suppliers read."""
SOON_S, END_S = 1.0, 10.0
"""How long is waited for sessions that end, at a look and at the end of the worker: leases are renewed in between."""


@dataclass(slots=True)
class _Running:
    session: Session
    entry: Entry
    leased: bool
    stopping: threading.Event
    thread: threading.Thread

    def stop(self) -> None:
        self.stopping.set()
        self.session.wake()


class Sessions:
    """A worker of workers: `Clockwork` itself, each session in a thread of its own."""

    name = "sessions"

    def __init__(self, surroundings: Surroundings, public_url: str | None, holder: str | None = None) -> None:
        self._around = surroundings
        self._public_url = public_url
        self._holder = holder or random_id("wk")
        self._running: dict[str, _Running] = {}
        self._ending: dict[str, _Running] = {}
        """Told to stop and not done yet: their leases are kept, and none of their names begins again."""
        self._woken = threading.Event()

    def hear(self, words: frozenset[str]) -> None:
        for running in list(self._running.values()):
            running.session.hear(words)
        if SUPPLIERS_WORD in words:
            self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    def run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self._look()
            except Unavailable as away:
                # Nobody else can take a lease either: what runs goes on, and says "later" to its supplier.
                _LOG.warning("sessions wait for the database", code=away.code)
            except Exception:
                _LOG.exception("sessions could not be looked after")
            self._woken.wait(LOOK_S)
            self._woken.clear()
        self._end(list(self._running), END_S)

    def _look(self) -> None:
        """Start what should run, end what should not, renew the leases."""
        with self._around.db.transaction() as tx:
            found = entries(tx, self._around.context.vault, self._public_url)
        usable = {entry.name: entry for entry in found if entry.enabled and entry.configured}
        changed = [name for name, one in self._running.items() if usable.get(one.entry.name) != one.entry]
        self._end([*changed, *(name for name, one in self._running.items() if not one.thread.is_alive())])
        for name, one in self._ending.items():
            if one.leased:
                self._lease(name)
        for entry in usable.values():
            for session, leased in self._sessions_of(entry):
                self._keep_up(entry, session, leased)

    def _sessions_of(self, entry: Entry) -> Iterator[tuple[Session, bool]]:
        """What a supplier needs here; those that run are not made again."""
        kind, configured = entry.kind, entry.configured
        assert kind is not None
        assert configured is not None
        try:
            if kind.orders:
                yield self._caller(entry.name, partial(kind.orders, configured, self._around)), False
            if kind.sessions:
                yield from ((one, True) for one in kind.sessions(configured, self._around))
        except NotConfigured as fault:
            _LOG.warning("supplier cannot be used", supplier=entry.name, fault=str(fault))

    def _caller(self, name: str, make: Callable[[], Any]) -> Session:
        running = self._running.get(f"supply:{name}")
        if running:
            return running.session
        work = partial(supply_round, self._around.db, self._around.context, name, make())
        return Worker(f"supply:{name}", INTERVAL_S, work, wake_word=CALLS_WORD, full_round=BATCH)

    def _keep_up(self, entry: Entry, session: Session, leased: bool) -> None:
        name = session.name
        if leased and not self._lease(name):
            self._end([name] if name in self._running else [])
        elif name not in self._running and name not in self._ending:
            stopping = threading.Event()
            thread = threading.Thread(target=session.run, args=(stopping,), name=name, daemon=True)
            self._running[name] = _Running(session, entry, leased, stopping, thread)
            thread.start()

    def _lease(self, name: str) -> bool:
        with self._around.db.transaction() as tx:
            return store.take_lease(tx, name, self._holder, self._around.context.clock.now())

    def _end(self, names: list[str], wait_s: float = SOON_S) -> None:
        """Tell all of them first, then wait for all together; who is not done by then is left to a later look."""
        for name in dict.fromkeys(names):
            self._ending[name] = self._running.pop(name)
            self._ending[name].stop()
        deadline = time.monotonic() + wait_s
        for name, one in list(self._ending.items()):
            one.thread.join(timeout=max(deadline - time.monotonic(), 0))
            if one.thread.is_alive():
                _LOG.warning("session does not end yet", session=name)
                continue
            del self._ending[name]
            if one.leased:
                self._give(name)

    def _give(self, name: str) -> None:
        try:
            with self._around.db.transaction() as tx:
                store.give_lease(tx, name, self._holder)
        except Unavailable:
            _LOG.info("lease runs out by itself", session=name)
