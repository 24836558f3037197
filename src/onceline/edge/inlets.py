"""The suppliers that may push messages, as configured: read from the database when they changed, and at least now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import structlog

from onceline.core.errors import Unavailable
from onceline.core.orders.context import Context
from onceline.core.suppliers.store import SUPPLIERS_WORD
from onceline.edge.pool import CommandPool
from onceline.suppliers.base import Inlet, NotConfigured
from onceline.suppliers.configured import Entry, entries

_LOG = structlog.get_logger(__name__)
FRESH_S = 10.0
"""A wake-up says so at once; this is the net."""
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
        self._read_at = float("-inf")
        self._stale = True
        self._reading = asyncio.Lock()

    def hear(self, words: frozenset[str]) -> None:
        if SUPPLIERS_WORD in words:
            self._stale = True

    async def find(self, name: str) -> Inlet:
        """Raises Unknown, Disabled, Unavailable."""
        if self._stale or time.monotonic() - self._read_at > FRESH_S:
            await self._refresh()
        if name not in self._found:
            raise Unknown(name)
        inlet = self._found[name]
        if inlet is None:
            raise Disabled(name)
        return inlet

    async def _refresh(self) -> None:
        async with self._reading:
            if not self._stale and time.monotonic() - self._read_at <= FRESH_S:
                return  # somebody else read while we waited
            self._stale = False
            try:
                read = await self._commands.run(lambda tx: entries(tx, self._context.vault, self._public_url))
            except Unavailable:
                self._stale = True
                if time.monotonic() - self._read_at > USABLE_S:
                    raise
                return
            self._found = {entry.name: _inlet(entry) for entry in read if entry.kind and entry.kind.inlet}
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
