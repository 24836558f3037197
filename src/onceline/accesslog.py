"""The access log: who asked what kind of thing when, and nothing that says for whom (promise P1).

A line holds the minute, the client's address, method, route template, status and milliseconds. Never a raw path, a
query, a key, a user agent, or an id that another log shares. Files are one a day and deleted after a few.
"""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import IO

from onceline.core.clock import Clock

_PREFIX, _SUFFIX = "access-", ".log"


class AccessLog:
    """Appends whole lines, so that several processes may share a file."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._day: date | None = None
        self._file: IO[str] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, *, address: str, method: str, route: str, status: int, seconds: float) -> None:
        now = self._clock.now()
        line = f"{now:%Y-%m-%dT%H:%MZ} {address} {method} {route} {status} {seconds * 1000:.0f}ms\n"
        with self._lock:
            self._of_today(now.date()).write(line)

    def close(self) -> None:
        with self._lock:
            if self._file:
                self._file.close()
                self._file = None

    def _of_today(self, today: date) -> IO[str]:
        if self._file is None or self._day != today:
            if self._file:
                self._file.close()
            self._day = today
            path = self._folder / f"{_PREFIX}{today:%Y-%m-%d}{_SUFFIX}"
            self._file = path.open("a", encoding="ascii", errors="replace", buffering=1)
        return self._file


def delete_old(folder: Path, now: datetime, days: int) -> int:
    """Delete files of days so long past that no line in them is younger than `days`; returns how many."""
    oldest = (now - timedelta(days=days)).date()
    old = [path for path in folder.glob(f"{_PREFIX}*{_SUFFIX}") if _day_of(path) < oldest]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _day_of(path: Path) -> date:
    return date.fromisoformat(path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX))
