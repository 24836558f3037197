"""The suppliers that may push messages, as configured: read from the database when they changed, and at least now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import structlog

from onceline.core.errors import DatabaseAway, Unavailable
from onceline.core.orders.context import Context
from onceline.core.suppliers.store import SUPPLIERS_WORD
from onceline.edge.pool import CommandPool
from onceline.suppliers.base import Inlet, NotConfigured
from onceline.suppliers.configured import Entry, entries

_LOG = structlog.get_logger(__name__)
FRESH_S = 10.0
"""A wake-up says so at once; this is the net."""
RETRY_S = 1.0
USABLE_S = 300.0
"""For so long what was read last still verifies, while the database is away."""


class Unknown(Exception):
    """No supplier of that name pushes messages."""


class Disabled(Exception):
    """It is there, and may be used again: its messages have to come again."""


class Inlets:
    """Used on the loop; `hear` from any thread."""

    def __init__(self, commands: CommandPool, context: Context, public_url: str | None) -> None:
        self._commands = commands
        self._context = context
        self._public_url = public_url
        self._found: Mapping[str, Inlet | None] = {}
        self._read_at = self._tried_at = float("-inf")
        self._stale = True
        self._reading = asyncio.Lock()

    def hear(self, words: frozenset[str]) -> None:
        if SUPPLIERS_WORD in words:
            self._stale = True

    async def find(self, name: str) -> Inlet:
        """Raises Unknown, Disabled, Unavailable."""
        if self._is_due(FRESH_S) and not (name in self._found and self._reading.locked()):
            await self._refresh(FRESH_S)
        if name not in self._found:  # a wake-up may be lost
            await self._refresh(RETRY_S)
        if name not in self._found:
            if self._tried_at > self._read_at:
                raise DatabaseAway  # it may have been added since
            raise Unknown(name)
        inlet = self._found[name]
        if inlet is None:
            raise Disabled(name)
        return inlet

    def _is_due(self, fresh_s: float) -> bool:
        now = time.monotonic()
        is_old = self._stale or now - self._read_at > fresh_s
        return is_old and now - self._tried_at > (RETRY_S if self._tried_at > self._read_at else 0)

    async def _refresh(self, fresh_s: float) -> None:
        """At most one reading at a time, for which only those wait who are not known; while it fails, one every RETRY_S."""
        async with self._reading:
            if not self._is_due(fresh_s):
                return  # somebody else read while we waited
            self._stale, self._tried_at = False, time.monotonic()
            try:
                read = await self._commands.run(lambda tx: entries(tx, self._context.vault, self._public_url))
            except Unavailable:
                self._stale, self._tried_at = True, time.monotonic()
                if self._tried_at - self._read_at > USABLE_S:
                    raise
                return
            self._found = {one.name: _inlet(one) for one in read if one.kind is None or one.kind.inlet}
            self._read_at = time.monotonic()


def _inlet(entry: Entry) -> Inlet | None:
    """None while it cannot be used."""
    if not entry.enabled or entry.configured is None or entry.kind is None or entry.kind.inlet is None:
        return None
    try:
        return entry.kind.inlet(entry.configured)
    except NotConfigured as fault:
        _LOG.warning("supplier cannot be used", supplier=entry.name, fault=str(fault))
        return None
