"""The key store of an installation on several machines: a second PostgreSQL server, with a small schema of its own.

Keys lie in it wrapped by the master key, which every machine has as a file and which this server never sees. Each
answer comes within DEADLINE_S or is KeyStoreAway: an absent key means erased, so a store that is away must say so.
While it is away one caller at a time tries, and the others are refused at once, so that they hold up nobody.

`destroy` empties the row, has the table rewritten and then deletes it. What no statement can reach is the server's
log (WAL) and its backups: docs/howto/several-machines.md says how to keep those short.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from pathlib import Path
from typing import NamedTuple, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg.rows import namedtuple_row

from onceline.core.db import Row, Transaction, load_queries
from onceline.core.errors import KeyStoreAway
from onceline.core.vault.keystore import checked
from onceline.core.vault.master import KeyStoreDamaged, KeyStoreRefused, MasterKey

_Q = load_queries(__package__)

DEADLINE_S = 3.0
"""For everything together: a free connection, the way to the server, its answer."""
REWRITE_S = 30.0
"""For `destroy`, which rewrites the table."""
_HANDS = 2
_MOST_NAMES = 10_000
_VERSION = 1
_CHECK = "onceline key store"
_DOORS = ["onceline-edge", "onceline-work", "onceline-desk"]
_OPTIONS = " ".join(
    f"-c {setting}"
    for setting in (
        "lock_timeout=2000",
        f"statement_timeout={int(DEADLINE_S * 1000)}",
        "idle_in_transaction_session_timeout=10000",
        "synchronous_commit=on",  # whatever the server says: a key is durable before the row that needs it
    )
)
_Connection = psycopg.Connection[Row]
_Result = TypeVar("_Result")


class Beside(NamedTuple):
    """What the store must know of the main database: which server it is on, and whether keys are due already."""

    server: str
    has_accounts: bool


def server_of(tx: Transaction) -> str:
    """Which server the main database is on."""
    row = tx.one(_Q.server)
    assert row is not None
    return str(row.id)


def doors_running(tx: Transaction) -> bool:
    row = tx.one(_Q.doors, {"names": _DOORS})
    return row is not None and row.running > 0


class PostgresKeyStore:
    """Two connections at most, shared by all threads. Close it."""

    def __init__(self, conninfo: str, master: Path, beside: Beside) -> None:
        """Opens the store, or makes it for an installation that has no account yet.

        Raises KeyStoreRefused for one on the main database's server, for an empty one where keys are due, for another
        master key and for a later version's store; psycopg.Error where it cannot be reached.
        """
        conninfo = _conninfo(conninfo)
        with _connection(conninfo) as connection:
            self._master, _ = _opened(connection, master, beside)
        self._away, self._trying = False, threading.Lock()
        self._conninfo, self._closed = conninfo, False
        self._hands = ThreadPoolExecutor(_HANDS, thread_name_prefix="keys")
        self._idle: deque[_Connection] = deque()

    def close(self) -> None:
        self._closed = True
        self._hands.shutdown(wait=False, cancel_futures=True)
        while self._idle:
            self._idle.pop().close()

    def create(self, name: str) -> bytes:
        if found := self.get(name):
            return found
        new = {"name": name, "wrapped": self._master.new_key(name)}
        row = self._ask(lambda connection: connection.execute(_Q.create, new).fetchone())
        assert row is not None
        return self._master.unwrap(name, row.wrapped)

    def get(self, name: str) -> bytes | None:
        asked = {"name": checked(name)}
        row = self._ask(lambda connection: connection.execute(_Q.get, asked).fetchone())
        return None if row is None or row.wrapped is None else self._master.unwrap(name, row.wrapped)

    def destroy(self, name: str) -> None:
        """Unreadable from the first statement on; when a later one fails, the name still stands, to be tried again."""
        asked = {"name": checked(name)}
        self._ask(lambda connection: connection.execute(_Q.overwrite, asked))
        self._ask(_rewrite, REWRITE_S)
        self._ask(lambda connection: connection.execute(_Q.forget, asked))

    def names(self, kind: str) -> list[str]:
        """At most 10,000."""
        asked = {"kind": f"{kind}/", "most": _MOST_NAMES}
        rows = self._ask(lambda connection: connection.execute(_Q.names, asked).fetchall())
        return [row.name for row in rows]

    def _ask(self, work: Callable[[_Connection], _Result], seconds: float = DEADLINE_S) -> _Result:
        trying = self._away
        if trying and not self._trying.acquire(blocking=False):
            raise KeyStoreAway
        try:
            answer = self._asked_in_time(work, seconds)
            self._away = False
            return answer
        except KeyStoreAway:
            self._away = True
            raise
        finally:
            if trying:
                self._trying.release()

    def _asked_in_time(self, work: Callable[[_Connection], _Result], seconds: float) -> _Result:
        """On a thread, because a server that is frozen keeps no deadline of its own."""
        asking = self._hands.submit(self._connected, work)
        try:
            return asking.result(seconds)
        except (psycopg.Error, TookTooLong) as error:
            asking.cancel()
            raise KeyStoreAway from error

    def _connected(self, work: Callable[[_Connection], _Result]) -> _Result:
        """On an idle connection; on a fresh one if there is none, or if it was lost while it was idle."""
        try:
            return self._used(self._idle.pop(), work)
        except (pg.QueryCanceled, pg.LockNotAvailable):
            raise
        except (IndexError, psycopg.OperationalError):
            pass  # whatever the work is, it may be done twice
        return self._used(_connection(self._conninfo, autocommit=True), work)

    def _used(self, connection: _Connection, work: Callable[[_Connection], _Result]) -> _Result:
        try:
            answer = work(connection)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        if self._closed:
            self.close()
        return answer


def adopt(conninfo: str, master: Path, beside: Beside, keys: Mapping[str, bytes]) -> None:
    """Make the store with these wrapped keys of the same master key, all or none, and read them back.

    A store that is there already is only compared, so that a move which was cut off can be repeated and a key that was
    destroyed since does not come back. Raises KeyStoreRefused as PostgresKeyStore does, and for a key that the store
    lacks or has another value of.
    """
    with _connection(_conninfo(conninfo)) as connection:
        opener, is_new = _opened(connection, master, beside._replace(has_accounts=False))
        for name, wrapped in keys.items():
            opener.unwrap(checked(name), wrapped)
            if is_new:
                connection.execute(_Q.create, {"name": name, "wrapped": wrapped})
        connection.commit()
        for name, wrapped in keys.items():
            row = connection.execute(_Q.get, {"name": name}).fetchone()
            if row is None or row.wrapped != wrapped:
                raise KeyStoreRefused(
                    f"the key store is in use already, and its key {name} is not this one: if no door uses the "
                    "store, empty its database and move again"
                )


def _conninfo(given: str) -> str:
    return psycopg.conninfo.make_conninfo(
        given,
        options=_OPTIONS,
        connect_timeout=int(DEADLINE_S),
        tcp_user_timeout=int(DEADLINE_S * 1000),
        application_name="onceline-keys",
    )


def _connection(conninfo: str, *, autocommit: bool = False) -> _Connection:
    return psycopg.connect(conninfo, autocommit=autocommit, row_factory=namedtuple_row)


def _opened(connection: _Connection, master: Path, beside: Beside) -> tuple[MasterKey, bool]:
    """The master key, proven against the store, and whether the store is new; in the transaction that begins here."""
    here = connection.execute(_Q.server).fetchone()
    if here is None or here.id == beside.server:
        raise KeyStoreRefused(
            "the key store is on the server of the main database, whose backups would hold the keys: it must be on "
            "another PostgreSQL server (one that is no copy of it)"
        )
    for statement in (_Q.lock_making, _Q.make_keystore, _Q.make_data_keys):
        connection.execute(statement)
    made = connection.execute(_Q.keystore).fetchone()
    if made is not None:
        return _proven(MasterKey.found(master), made), False
    if beside.has_accounts:
        raise KeyStoreRefused(
            "this key store is empty, and the database has accounts whose keys must be somewhere: correct "
            "ONCELINE_KEYSTORE_URL, or move the keys here with `onceline keystore move`"
        )
    key = MasterKey.made(master)
    connection.execute(_Q.note_check, {"version": _VERSION, "check_value": key.wrap(_CHECK, _CHECK.encode())})
    return key, True


def _proven(master: MasterKey, made: Row) -> MasterKey:
    if made.version > _VERSION:
        raise KeyStoreRefused("this key store was made by a later version of Onceline; run that one")
    try:
        master.unwrap(_CHECK, made.check_value)
    except KeyStoreDamaged as error:
        raise KeyStoreRefused(
            "the master key does not fit this key store: every machine needs the one that the store was made with"
        ) from error
    return master


def _rewrite(connection: _Connection) -> None:
    """The table anew. It takes longer than other statements, and this connection is for all of them."""
    connection.execute(_Q.patience, {"ms": str(int(REWRITE_S * 1000))})
    try:
        connection.execute(_Q.rewrite)
    finally:
        connection.execute(_Q.patience, {"ms": str(int(DEADLINE_S * 1000))})
