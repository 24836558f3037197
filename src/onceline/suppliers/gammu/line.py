"""The connection to gammu's own database: opened when it is needed, dropped at the first fault, with a deadline for everything.

It goes to the one host that the operator named, and to no other. Nothing of ours is written there but marks on rows that
we have kept, and self-tests to be sent.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from onceline.core.db import Row
from onceline.suppliers.base import Configured

DEADLINE_S = 5
_OPTIONS = f"-c statement_timeout={DEADLINE_S * 1000} -c lock_timeout=2000"


class LineAway(Exception):
    """Gammu's database does not answer, or not as it should. `why` is a class of error, and never a row's content."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__(f"{type(error).__name__} {error.sqlstate or ''}".strip())


class Line:
    """For one thread. Close it."""

    def __init__(self, configured: Configured) -> None:
        passwords = configured.secrets.get("password")
        self._conninfo = psycopg.conninfo.make_conninfo(
            configured.settings.dsn,
            **({"password": passwords[0]} if passwords else {}),
            options=_OPTIONS,
            connect_timeout=DEADLINE_S,
            tcp_user_timeout=DEADLINE_S * 1000,
            application_name="onceline-gammu",
        )
        self._connection: psycopg.Connection[Row] | None = None

    def all(self, statement: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Raises LineAway; then nothing is known about what the statement did."""
        with self._connected() as connection:
            return connection.execute(statement, params).fetchall()

    def run(self, statement: str, params: Mapping[str, Any] | None = None) -> int:
        """How many rows were changed. Raises LineAway."""
        with self._connected() as connection:
            return connection.execute(statement, params).rowcount

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Row]]:
        try:
            if self._connection is None:
                self._connection = psycopg.connect(
                    self._conninfo, autocommit=True, row_factory=namedtuple_row, prepare_threshold=None
                )
            with _cut_after(self._connection.fileno(), DEADLINE_S + 1):
                yield self._connection
        except psycopg.Error as error:
            self.close()
            raise LineAway(error) from None  # its text may hold a row's content


@contextlib.contextmanager
def _cut_after(descriptor: int, seconds: float) -> Iterator[None]:
    """A server that is frozen keeps no deadline of its own: then the socket is shut below libpq, which says so."""
    with socket.socket(fileno=os.dup(descriptor)) as below:
        timer = threading.Timer(seconds, _shut, [below])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _shut(below: socket.socket) -> None:
    with contextlib.suppress(OSError):
        below.shutdown(socket.SHUT_RDWR)
