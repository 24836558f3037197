"""Wake-ups: short words that say "look again", sent after a commit to every process on the database.

A wake-up is a hint and may be lost; whoever waits for one also looks by itself from time to time. NOTIFY is sent on a
connection of its own, never inside a business transaction, because it takes a cluster-wide lock until after the commit
(measured: 10,367 against 4,537 transactions a second). Many words that fall due together travel as one NOTIFY.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable

import psycopg

CHANNEL = "onceline"
_PAYLOAD_BYTES = 7000  # PostgreSQL refuses 8,000 and more
_RETRY_S = 0.5
_PACE_S = 0.005
"""Between two NOTIFYs: under load many words travel together, and other processes hear them this much later."""

Listener = Callable[[frozenset[str]], None]


class Bell:
    """Rings words in this process at once and in the others through PostgreSQL.

    `ring` never blocks and never raises: a lost hint costs a poll interval, not a message.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._listeners: list[Listener] = []
        self._pending: set[str] = set()
        self._changed = threading.Condition()
        self._closing = False
        self._sender = 0
        """The server's number of the connection that we send on: what comes from it was told here already."""
        self._threads: list[threading.Thread] = []

    def listen(self, listener: Listener) -> None:
        """Call `listener` with each set of words, from any thread; it must return quickly."""
        self._listeners.append(listener)

    def start(self) -> None:
        for work in (self._send, self._receive):
            thread = threading.Thread(target=work, name=f"bell{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=3)

    def ring(self, words: Iterable[str]) -> None:
        rung = frozenset(words)
        if not rung:
            return
        self._tell(rung)
        with self._changed:
            self._pending |= rung
            self._changed.notify_all()

    def _tell(self, words: frozenset[str]) -> None:
        for listener in self._listeners:
            listener(words)

    def _send(self) -> None:
        while not self._closing:
            with contextlib.suppress(psycopg.Error), self._connect() as connection:
                self._sender = connection.info.backend_pid
                while words := self._take():
                    for payload in _payloads(words):
                        connection.execute("select pg_notify(%s, %s)", (CHANNEL, payload))
                    time.sleep(_PACE_S)
                # A word of nothing: our own receiver then sees at once that we close.
                connection.execute("select pg_notify(%s, '')", (CHANNEL,))
            self._pause()

    def _take(self) -> set[str]:
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._closing)
            taken, self._pending = self._pending, set()
            return taken

    def _receive(self) -> None:
        while not self._closing:
            with contextlib.suppress(psycopg.Error), self._connect() as connection:
                connection.execute(f"listen {CHANNEL}")
                while not self._closing:
                    for notice in connection.notifies(timeout=0.5, stop_after=1):
                        if notice.payload and notice.pid != self._sender:
                            self._tell(frozenset(notice.payload.split(",")))
            self._pause()

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self._conninfo, autocommit=True, connect_timeout=3)

    def _pause(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing, timeout=_RETRY_S)


def _payloads(words: Iterable[str]) -> list[str]:
    """Comma-joined words, each text short enough for one NOTIFY."""
    payloads, current = [], ""
    for word in sorted(words):
        joined = f"{current},{word}" if current else word
        if len(joined) > _PAYLOAD_BYTES:
            payloads.append(current)
            joined = word
        current = joined
    return [*payloads, current] if current else payloads
