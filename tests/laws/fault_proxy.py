"""A PostgreSQL between client and server that loses connections at the one moment that hurts: at the commit.

It forwards every byte until a transaction that names a marked word (an idempotency key among its parameters) comes to
its commit, and then cuts the connection, at one of three points. It never alters a message, and it cuts each mark once.

Of the protocol (PostgreSQL documentation, "Message Formats") it knows the frames and five kinds of message: Parse and
Query, for BEGIN and COMMIT; Bind, for the parameters; Sync, which commits a statement outside of a transaction.
"""

from __future__ import annotations

import select
import socket
import struct
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

import psycopg

_READ = 65536
_ANSWER_S = 10.0


class Cut(Enum):
    BEFORE = "the commit is never sent"
    BEHIND = "the connection goes the moment the commit has been sent"
    ANSWERED = "the server has answered, and nobody hears it"


class FaultProxy:
    """Listens on a socket of its own; `conninfo` leads through it."""

    def __init__(self, conninfo: str, folder: Path) -> None:
        target = psycopg.conninfo.conninfo_to_dict(conninfo)
        self._target = f"{target['host']}/.s.PGSQL.{target['port']}"
        self.conninfo = psycopg.conninfo.make_conninfo(conninfo, host=str(folder))
        self.made: Counter[Cut] = Counter()
        self._marks: dict[bytes, Cut] = {}
        self._happened: dict[bytes, Cut] = {}
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / f".s.PGSQL.{target['port']}"))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def mark(self, word: str, cut: Cut) -> None:
        """The next transaction that names this word loses its connection."""
        with self._lock:
            self._marks[word.encode()] = cut

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def happened(self, word: str) -> Cut:
        """How the transaction that named this word was cut; with company, as the first of them was to be."""
        with self._lock:
            return self._happened[word.encode()]

    def taken(self, parameters: bytes) -> Cut | None:
        """All the marks in there are served by one cut: what travels together is lost together."""
        with self._lock:
            words = [word for word in self._marks if word in parameters]
            cuts = [self._marks.pop(word) for word in words]
            self._happened.update(dict.fromkeys(words, cuts[0]) if cuts else {})
            return cuts[0] if cuts else None

    def cut_was_made(self, cut: Cut) -> None:
        with self._lock:
            self.made[cut] += 1

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, suppress(OSError):
            server.connect(self._target)
            _Wire(self, client, server).run()


class _Wire:
    """One connection. `cut` is set once a marked word went by, until the commit of its transaction."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.buffer = b""
        self.started = False
        self.in_transaction = False
        self.cut: Cut | None = None

    def run(self) -> None:
        while True:
            for ready in select.select([self.client, self.server], [], [])[0]:
                data = ready.recv(_READ)
                if not data:
                    return
                if ready is self.server:
                    self.client.sendall(data)
                elif not self._forward(data):
                    return

    def _forward(self, data: bytes) -> bool:
        """Message by message; False when the connection was cut."""
        self.buffer += data
        for message in self._messages():
            if self.cut is None or not self._commits(message):
                self.server.sendall(message)
                self._note(message)
                continue
            self._lose(message)
            return False
        return True

    def _messages(self) -> Iterator[bytes]:
        """Whole messages: the first has no type byte (start-up), every other one has."""
        while True:
            head = 1 if self.started else 0
            if len(self.buffer) < head + 4:
                return
            size = head + struct.unpack_from("!i", self.buffer, head)[0]
            if len(self.buffer) < size:
                return
            message, self.buffer = self.buffer[:size], self.buffer[size:]
            yield message
            self.started = True

    def _note(self, message: bytes) -> None:
        if not self.started:
            return
        if message[:1] in b"PQ" and b"BEGIN" in message:
            self.in_transaction = True
        elif message[:1] in b"PQ" and (b"COMMIT" in message or b"ROLLBACK" in message):
            self.in_transaction = False
        elif message[:1] == b"B" and self.cut is None:
            self.cut = self.proxy.taken(message)

    def _commits(self, message: bytes) -> bool:
        if self.in_transaction:
            return message[:1] in b"PQ" and b"COMMIT" in message
        return message[:1] == b"S"

    def _lose(self, commit: bytes) -> None:
        cut, self.cut = self.cut, None
        assert cut is not None
        if cut is not Cut.BEFORE:
            self.server.sendall(commit + self._rest_until_sync(commit))
        if cut is Cut.ANSWERED:
            self._await_the_answer()
        self.proxy.cut_was_made(cut)

    def _rest_until_sync(self, commit: bytes) -> bytes:
        """COMMIT in the extended protocol is several messages, and takes effect with the last."""
        rest = b""
        while commit[:1] == b"P" and b"S\0\0\0\4" not in rest:
            for message in self._messages():
                rest += message
                if message[:1] == b"S":
                    return rest
            data = self.client.recv(_READ)
            if not data:
                return rest
            self.buffer += data
        return rest

    def _await_the_answer(self) -> None:
        """Until ReadyForQuery outside of a transaction; whatever else is on its way is dropped with it."""
        self.server.settimeout(_ANSWER_S)
        heard = b""
        while not heard.endswith(b"Z\0\0\0\5I"):
            data = self.server.recv(_READ)
            if not data:
                return
            heard += data


@contextmanager
def faulty(conninfo: str) -> Iterator[FaultProxy]:
    with tempfile.TemporaryDirectory(prefix="cut-") as folder:
        proxy = FaultProxy(conninfo, Path(folder))
        try:
            yield proxy
        finally:
            proxy.close()
