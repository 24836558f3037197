"""Figures that many visitors ask for, read once for all of them: at most so old, at most so many, one reading of each at a time.

A flood of visitors costs one query, and who asks for what is kept waits for nobody's reading; nothing older than promised
is ever handed out.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from onceline.core.errors import Busy
from onceline.desk.house import House, house

Key = TypeVar("Key")
Value = TypeVar("Value")
FRESH_FOR = timedelta(seconds=5)
WAIT_S = 5


class Kept(Generic[Key, Value]):
    """`read` gets the key and the instant as of which its value will be shown."""

    def __init__(self, read: Callable[[Key, datetime], Value], most: int) -> None:
        self._read = read
        self._most = most
        self._values: OrderedDict[Key, tuple[Value, datetime]] = OrderedDict()
        self._turns: dict[Key, tuple[threading.Lock, int]] = {}
        self._lock = threading.Lock()
        self._house: House | None = None

    def get(self, key: Key) -> tuple[Value, datetime]:
        """The value and its instant. Raises Busy when nobody could read it in time, DatabaseAway."""
        found = self._fresh(key)
        if found is not None:
            return found
        with self._turn(key):
            return self._fresh(key) or self._renewed(key)

    def _fresh(self, key: Key) -> tuple[Value, datetime] | None:
        with self._lock:
            if self._house is not house():
                self._values.clear()
                self._house = house()
            found = self._values.get(key)
            age = self._house.clock.now() - found[1] if found else FRESH_FOR
            return found if timedelta(0) <= age < FRESH_FOR else None

    def _renewed(self, key: Key) -> tuple[Value, datetime]:
        now = house().clock.now()
        found = self._read(key, now), now
        with self._lock:
            self._values[key] = found
            self._values.move_to_end(key)
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        return found

    @contextmanager
    def _turn(self, key: Key) -> Iterator[None]:
        """One at a time for each key; a lock is there while somebody holds it or waits for it."""
        with self._lock:
            turn, others = self._turns.get(key, (threading.Lock(), 0))
            self._turns[key] = turn, others + 1
        try:
            if not turn.acquire(timeout=WAIT_S):
                raise Busy
            try:
                yield
            finally:
                turn.release()
        finally:
            with self._lock:
                turn, here = self._turns.pop(key)
                if here > 1:
                    self._turns[key] = turn, here - 1
