"""PostgreSQL: named statements from `.sql` files, one transaction helper, a bounded pool.

A door opens `Database.transaction()`, calls commands with the open `Transaction`, and leaves: commit, then the wake-ups
that the commands asked for. Every wait has a deadline: connection 3 s, lock 2 s, statement 10 s. What PostgreSQL answers
to a lost server or a lost lock becomes `DatabaseAway` or `Busy`; nothing else is caught.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import resources
from types import SimpleNamespace
from typing import Any, NamedTuple

import psycopg
from psycopg import errors as pg
from psycopg.rows import namedtuple_row
from psycopg_pool import ConnectionPool, PoolTimeout

from onceline.core.errors import Busy, DatabaseAway
from onceline.core.wake import Bell

Row = Any
"""A named tuple with the statement's columns."""

_OPTIONS = " ".join(
    f"-c {setting}"
    for setting in (
        "lock_timeout=2000",
        "statement_timeout=10000",
        "idle_in_transaction_session_timeout=20000",
        "timezone=UTC",
        "jit=off",
        # Our statements are few and prepared: planning one anew for its values costs more than the plan could save.
        "plan_cache_mode=force_generic_plan",
    )
)
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load_queries(package: str) -> SimpleNamespace:
    """The statements of `queries.sql` in `package`, by the names that their `-- name:` lines give."""
    text = resources.files(package).joinpath("queries.sql").read_text(encoding="utf-8")
    pieces = _NAME.split(text)
    return SimpleNamespace(**dict(zip(pieces[1::2], (piece.strip() for piece in pieces[2::2]), strict=True)))


class Answer:
    """To a statement that travels with others."""

    def __init__(self, cursor: psycopg.Cursor[Row], pipeline: psycopg.Pipeline | None) -> None:
        self._cursor = cursor
        self._pipeline = pipeline

    def one(self) -> Row | None:
        self._travel()
        return self._cursor.fetchone()

    def all(self) -> list[Row]:
        self._travel()
        return self._cursor.fetchall()

    def _travel(self) -> None:
        """With a sync, or the server would take our silence for work, and never end a transaction that hangs."""
        if self._pipeline is not None and self._cursor.pgresult is None:
            self._pipeline.sync()


class Transaction:
    """An open transaction as commands see it. `wake` gathers the words to ring after the commit."""

    def __init__(self, connection: psycopg.Connection[Row], pipeline: psycopg.Pipeline | None = None) -> None:
        self._connection = connection
        self._pipeline = pipeline
        self.words: set[str] = set()

    def one(self, statement: str, params: Mapping[str, Any] | None = None) -> Row | None:
        return self.ask(statement, params).one()

    def all(self, statement: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        return self.ask(statement, params).all()

    def run(self, statement: str, params: Mapping[str, Any] | None = None) -> int:
        """Execute, and return how many rows were changed."""
        cursor = self._connection.execute(statement, params)
        if self._pipeline is not None:
            self._pipeline.sync()
        return cursor.rowcount

    def send(self, statement: str, params: Mapping[str, Any] | None = None) -> None:
        """Execute without waiting: it travels with the next statement that is waited for, or with the commit.

        An error comes out there, and undoes the transaction all the same.
        """
        self._connection.execute(statement, params)

    def ask(self, statement: str, params: Mapping[str, Any] | None = None) -> Answer:
        """As `send`; the answer is waited for when it is looked at."""
        return Answer(self._connection.execute(statement, params), self._pipeline)

    def wake(self, word: str) -> None:
        self.words.add(word)


class Listing(NamedTuple):
    """One page of a list; `next` is the cursor of the page after it, None on the last."""

    rows: list[Row]
    next: int | None


def page_of(rows: list[Row], limit: int, cursor: str = "id") -> Listing:
    """Cut a result fetched with `limit + 1` rows into a page."""
    if len(rows) <= limit:
        return Listing(rows, None)
    return Listing(rows[:limit], getattr(rows[limit - 1], cursor))


class Database:
    """A pool of at most `size` connections, and the bell that rings after commits."""

    def __init__(self, conninfo: str, *, size: int = 4, name: str = "onceline") -> None:
        self.conninfo = psycopg.conninfo.make_conninfo(conninfo, application_name=name)
        self.bell = Bell(self.conninfo)
        self.size = size
        self._pool: ConnectionPool[psycopg.Connection[Row]] = ConnectionPool(
            psycopg.conninfo.make_conninfo(self.conninfo, options=_OPTIONS, connect_timeout=3),
            kwargs={"row_factory": namedtuple_row, "prepare_threshold": 2},
            min_size=1,
            max_size=size,
            timeout=3,
            open=False,
        )

    def open(self) -> None:
        self._pool.open()
        self.bell.start()

    def close(self) -> None:
        self.bell.close()
        self._pool.close(timeout=3)

    def __enter__(self) -> Database:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Commit at the end, roll back on any error, then ring. Raises DatabaseAway, Busy.

        After DatabaseAway at the commit the outcome is unknown: an idempotency key answers it.
        """
        return self._opened(autocommit=False)

    def statement(self) -> AbstractContextManager[Transaction]:
        """As `transaction`, for a command that is one statement: three times fewer messages to the server.

        Reads of several statements may use it too, if they need no common snapshot. Raises DatabaseAway, Busy.
        """
        return self._opened(autocommit=True)

    @contextmanager
    def _opened(self, *, autocommit: bool) -> Iterator[Transaction]:
        try:
            with self._pool.connection() as connection:
                connection.autocommit = autocommit  # a flag of the client's, no message to the server
                if autocommit:
                    transaction = Transaction(connection)
                    yield transaction
                else:
                    with connection.pipeline() as pipeline:
                        transaction = Transaction(connection, pipeline)
                        yield transaction
                        connection.commit()
        except (pg.LockNotAvailable, pg.DeadlockDetected, pg.QueryCanceled) as error:
            raise Busy from error
        except (psycopg.OperationalError, PoolTimeout) as error:
            self._pool.check()
            raise DatabaseAway from error
        self.bell.ring(transaction.words)
