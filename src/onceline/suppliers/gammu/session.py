"""Reads gammu's inbox: a row is kept in our database first, and only then marked as processed in gammu's.

Promises: what gammu stored is kept exactly once, whichever process dies when; rows stay where they are while either
database is away; a row that cannot be kept holds up no other. A message that lay unread for longer than a number rests
between two customers is given to nobody but the order that already had the number when gammu received it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence

import structlog

from onceline.core.db import Row, load_queries
from onceline.core.errors import Unavailable
from onceline.suppliers.base import Configured, Surroundings
from onceline.suppliers.gammu import reading
from onceline.suppliers.gammu.line import Line, LineAway
from onceline.suppliers.gammu.settings import MOST_PHONES

_LOG = structlog.get_logger(__name__)
_Q = load_queries(__package__)
BATCH = 100
BEAT_S = 15.0
DELETE_S = 60.0
AWAY_ALERT_S = 300.0
_MOST_DELETED = 1000
_LONGEST_PAUSE_S = 30.0
_MOST_REMEMBERED = 1000
"""Gammu's stamps are whole seconds."""


class GammuSession:
    """One for a supplier: it reads the rows of all its phones, in the order in which gammu wrote them."""

    def __init__(self, configured: Configured, around: Surroundings) -> None:
        self._configured, self._around = configured, around
        self._line = Line(configured)
        self._woken = threading.Event()
        self._unknown: set[str] = set()
        self._refused: set[int] = set()
        self._away_since: float | None = None
        self._is_alerted = False
        self._beat_at = self._delete_at = 0.0

    @property
    def name(self) -> str:
        return f"{self._configured.name}/inbox"

    def hear(self, words: frozenset[str]) -> None:
        """No word of ours says that gammu has something."""

    def wake(self) -> None:
        self._woken.set()

    def run(self, stopping: threading.Event) -> None:
        usual = pause = self._configured.settings.poll_s
        with contextlib.closing(self._line):
            while not stopping.is_set():
                try:
                    done = self._round(stopping)
                    pause = 0.0 if done == BATCH else usual
                    self._note_back()
                except (LineAway, Unavailable) as error:
                    pause = min(max(pause, usual, 0.25) * 2, _LONGEST_PAUSE_S)
                    self._note_away(error, pause)
                except Exception:
                    pause = _LONGEST_PAUSE_S
                    _LOG.exception("inbox of gammu failed a round", supplier=self._configured.name)
                self._woken.wait(pause)
                self._woken.clear()

    def _round(self, stopping: threading.Event) -> int:
        unread = {"refused": sorted(self._refused), "limit": BATCH}
        rows = self._line.all(_Q.unread, unread)
        if rows:
            self._take(rows, stopping)
        if time.monotonic() >= self._beat_at:
            self._beat()
        if time.monotonic() >= self._delete_at:
            self._delete_read()
        return len(rows)

    def _take(self, rows: Sequence[Row], stopping: threading.Event) -> None:
        """Keep, then mark. A batch that cannot be kept is taken row by row."""
        arrivals = [
            reading.arrival(row, number) for row, number in zip(rows, self._numbers(rows), strict=True)
        ]
        try:
            self._around.intake.keep(self._configured.name, arrivals)
        except Unavailable:
            raise
        except Exception:
            if len(rows) == 1:
                self._refuse(rows[0])
            else:
                for row in rows:
                    self._take([row], stopping)
            return
        if not stopping.is_set():  # else somebody else may hold the lease: he finds them again, as duplicates
            self._line.run(_Q.mark, {"ids": [row.id for row in rows]})

    def _numbers(self, rows: Sequence[Row]) -> list[str]:
        """Whose each row is; "" keeps it apart."""
        phones = self._configured.settings.phones
        for phone in {row.phone for row in rows} - phones.keys() - self._unknown:
            self._note_unknown(phone)
        return [phones.get(row.phone, "") for row in rows]

    def _refuse(self, row: Row) -> None:
        """It stays unprocessed in gammu's table for somebody to look at, and is tried again after a restart."""
        _LOG.exception("a message of gammu could not be kept", supplier=self._configured.name, row=row.id)
        self._around.intake.alert(self._configured.name, "not_kept", _shown(row.phone))
        if len(self._refused) < _MOST_REMEMBERED:
            self._refused.add(row.id)

    def _beat(self) -> None:
        supplier, intake = self._configured.name, self._around.intake
        rows = self._line.all(_Q.phones, {"limit": MOST_PHONES})
        for row in rows:
            intake.beat(supplier, reading.heartbeat(row))
        for phone in self._configured.settings.phones.keys() - {row.phone for row in rows}:
            intake.beat(supplier, reading.missing(phone))
        self._beat_at = time.monotonic() + BEAT_S

    def _delete_read(self) -> None:
        after_s = self._configured.settings.delete_after_s
        if after_s is not None:
            self._line.run(_Q.delete_read, {"after_s": after_s, "limit": _MOST_DELETED})
        self._delete_at = time.monotonic() + DELETE_S

    def _note_unknown(self, phone: str) -> None:
        if len(self._unknown) < _MOST_REMEMBERED:
            self._unknown.add(phone)
            self._around.intake.alert(self._configured.name, "unknown_device", _shown(phone))

    def _note_away(self, error: LineAway | Unavailable, pause: float) -> None:
        since = self._away_since = self._away_since or time.monotonic()
        _LOG.warning("inbox of gammu waits", supplier=self._configured.name, why=str(error), pause_s=pause)
        if isinstance(error, LineAway) and not self._is_alerted and time.monotonic() - since >= AWAY_ALERT_S:
            self._around.intake.alert(self._configured.name, "inbox_away")
            self._is_alerted = True

    def _note_back(self) -> None:
        self._away_since, self._is_alerted = None, False


def _shown(phone: str) -> str:
    """An operator may call a phone by its number, which goes into no alert."""
    digits = sum(letter.isdigit() for letter in phone)
    return f"…{phone[-4:]}" if digits >= 7 else phone[:64]
