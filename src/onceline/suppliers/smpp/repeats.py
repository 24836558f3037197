"""Which deliveries come for the second time. SMPP gives a message no name, so it is known by its content and by when it came.

Promised: of the binds of one supplier that live in this process,
- what comes within one session are messages of their own, also equal ones: services do send the same code twice;
- after a session broke, its messages of the last TAIL_S are expected again, on whatever bind: each is taken for a repeat
  once, within CLAIM_S, and gets the name that it had, so that the inbox knows it;
- what was answered "again later" gets its name again, too: it may have been stored all the same.
Names hold a digest under a key that is destroyed with the day, so that nobody can try out codes against them.
Never: decides about a message. A wrong guess shows one text twice or once; it loses none that its reader has not.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from onceline.core.clock import Clock
from onceline.core.db import Database, Row, load_queries
from onceline.core.vault import Vault, intake_key

_Q = load_queries(__package__)

TAIL_S = 60
CLAIM_S = 600.0
"""Below the shortest cool-down of a number: what is equal within it is for the same reader."""
MOST = 5_000
_MOST_READ = 50_000
_READABLE = timedelta(hours=47)
"""The day's key is destroyed 48 h after its day."""
_NAME = re.compile(r"([0-9a-f]{12})\.([0-9a-f]{8})\.[0-9]+\.([0-9a-f]{32})")


class _Claim(NamedTuple):
    name: str
    until: float


class Repeats:
    """One for all binds of a supplier in this process. Everything may block and is safe from several threads."""

    def __init__(self, supplier: str, db: Database, vault: Vault, clock: Clock) -> None:
        self._supplier = supplier
        self._db = db
        self._vault = vault
        self._clock = clock
        self._lock = threading.Lock()
        self._living: set[str] = set()
        self._claims: dict[tuple[str, str], list[_Claim]] = defaultdict(list)
        """By the key of a day, and a digest under it."""
        self._count = 0

    def begin(self) -> str:
        """A new session, by its token: what broken ones stored last may now come again. Raises Unavailable."""
        self._expect_broken()
        token = secrets.token_hex(4)
        with self._lock:
            self._living.add(token)
        return token

    def end(self, token: str) -> None:
        """A session broke: the other binds may get what it had. Raises Unavailable: then the next `begin` sees to it."""
        with self._lock:
            self._living.discard(token)
        self._expect_broken()

    def name(self, token: str, content: bytes) -> str:
        """A name for what came in a session: the old one of a repeat, else a new one. Raises Unavailable."""
        now = self._clock.now()
        today = intake_key(now)
        with self._lock:
            days = {day for day, _ in self._claims} - {today}
        digests = {day: self._vault.digest(day, content).hex() for day in (today, *days)}
        with self._lock:
            for place in digests.items():
                if found := self._claimed(place):
                    return found
            self._count += 1
            return f"{_milliseconds(now):012x}.{token}.{self._count}.{digests[today]}"

    def expect(self, names: Iterable[str]) -> None:
        """These were not acknowledged: they come again."""
        until = time.monotonic() + CLAIM_S
        with self._lock:
            for name in names:
                self._add(name, until)

    def _claimed(self, place: tuple[str, str]) -> str | None:
        claims = self._claims.get(place, [])
        now = time.monotonic()
        while claims:
            claim = claims.pop(0)
            if not claims:
                del self._claims[place]
            if claim.until > now:
                return claim.name
        return None

    def _expect_broken(self) -> None:
        with self._lock:
            living = list(self._living)
        with self._db.statement() as tx:
            asked = {"supplier": self._supplier, "living": living, "most": _MOST_READ, "limit": MOST}
            rows = tx.all(_Q.newest, asked)
        until = time.monotonic() + CLAIM_S
        with self._lock:
            self._forget_old()
            for row in self._tail(rows):
                self._add(row.supplier_message_id, until)

    def _forget_old(self) -> None:
        now = time.monotonic()
        for place, claims in list(self._claims.items()):
            claims[:] = [claim for claim in claims if claim.until > now]
            if not claims or len(self._claims) > MOST:
                del self._claims[place]

    def _tail(self, rows: list[Row]) -> list[Row]:
        """What came in the last TAIL_S before the newest, the oldest first."""
        if not rows:
            return []
        newest = max(row.received_at for row in rows)
        since = max(newest - timedelta(seconds=TAIL_S), self._clock.now() - _READABLE)
        return sorted((row for row in rows if row.received_at >= since), key=lambda row: row.received_at)

    def _add(self, name: str, until: float) -> None:
        found = _NAME.fullmatch(name)
        if found is None:
            return
        day = intake_key(datetime.fromtimestamp(int(found[1], 16) / 1000, UTC))
        claims = self._claims[day, found[3]]
        if all(claim.name != name for claim in claims):
            claims.append(_Claim(name, until))


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
