"""Who may come in how often: short memory of checked keys, request rates per key, placements per side.

All of it is per process and in memory; the truth about keys is asked again after KEY_MEMORY_S at most, and at once
when a wake-up says that grants changed.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from onceline.core.access.commands import GRANTS_WORD
from onceline.core.access.model import Grant
from onceline.core.errors import LimitExceeded

KEY_MEMORY_S = 1.0
PLACEMENTS_PER_SIDE = 8
"""A side's row gets slower beyond this many placements at once (measured)."""
PLACEMENTS_WAITING = 200
_MOST_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a key's rate, for the RateLimit header fields (draft-ietf-httpapi-ratelimit-headers)."""

    quota: int
    window_s: int
    left: int
    reset_s: int
    granted: bool

    def demand(self) -> None:
        """Raises LimitExceeded when this request was one too many."""
        if not self.granted:
            detail = f"This key may send {self.quota} requests in {self.window_s} seconds."
            raise LimitExceeded(detail, limit="requests", retry_after_s=1)


class _Bucket:
    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at


class _Line:
    """A side's placements: at most some at once, the others wait in order."""

    __slots__ = ("slots", "waiting")

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(PLACEMENTS_PER_SIDE)
        self.waiting = 0


class Gate:
    def __init__(self, *, rate: int, burst: int, enabled: bool) -> None:
        self._rate, self._burst, self._enabled = rate, burst, enabled
        self._grants: OrderedDict[bytes, tuple[float, Grant]] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lines: dict[int, _Line] = {}

    def remembered(self, key_hash: bytes) -> Grant | None:
        found = self._grants.get(key_hash)
        return found[1] if found and time.monotonic() - found[0] < KEY_MEMORY_S else None

    def remember(self, key_hash: bytes, grant: Grant) -> None:
        self._grants[key_hash] = (time.monotonic(), grant)
        if len(self._grants) > _MOST_REMEMBERED:
            self._grants.popitem(last=False)

    def hear(self, words: frozenset[str]) -> None:
        if GRANTS_WORD in words:
            self._grants.clear()

    def spend(self, key: str) -> Allowance | None:
        """Take one request from the key's rate, if one is left; None when limits are off."""
        if not self._enabled:
            return None
        now = time.monotonic()
        bucket = self._buckets.setdefault(key, _Bucket(self._burst, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > _MOST_REMEMBERED:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
        bucket.at = now
        granted = bucket.tokens >= 1
        bucket.tokens -= granted
        left = int(bucket.tokens)
        full_in_s = -(-(self._burst - left) // self._rate)
        return Allowance(self._burst, -(-self._burst // self._rate), left, full_in_s, granted)

    @asynccontextmanager
    async def placing(self, side: int) -> AsyncIterator[None]:
        """Wait for one of the side's placement slots. Raises LimitExceeded when too many wait."""
        line = self._lines.setdefault(side, _Line())
        if self._enabled and line.waiting >= PLACEMENTS_WAITING:
            raise LimitExceeded(
                "Too many orders of this account are being placed.", limit="placements", retry_after_s=1
            )
        line.waiting += 1
        try:
            async with line.slots:
                yield
        finally:
            line.waiting -= 1
            if not line.waiting:
                self._lines.pop(side, None)
