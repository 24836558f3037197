"""Figures that many visitors ask for, read once for all of them: at most so old, at most so many, one reading at a time.

A flood of visitors costs one query; nothing older than promised is ever handed out.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
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
        self._lock = threading.Lock()
        self._house: House | None = None

    def get(self, key: Key) -> tuple[Value, datetime]:
        """The value and its instant. Raises Busy when nobody could read it in time, DatabaseAway."""
        if not self._lock.acquire(timeout=WAIT_S):
            raise Busy
        try:
            return self._fresh(key)
        finally:
            self._lock.release()

    def _fresh(self, key: Key) -> tuple[Value, datetime]:
        if self._house is not house():
            self._values.clear()
            self._house = house()
        now = self._house.clock.now()
        found = self._values.get(key)
        if found is None or not timedelta(0) <= now - found[1] < FRESH_FOR:
            found = self._read(key, now), now
            self._values[key] = found
            self._values.move_to_end(key)
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        return found
