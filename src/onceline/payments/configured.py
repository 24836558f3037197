"""From what an operator wrote down to processors that can be used, or to words that say what is wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onceline.core.db import Row, Transaction
from onceline.core.deposits.model import Terms
from onceline.core.errors import Erased, NotFound, Unavailable
from onceline.core.money import coin_of
from onceline.core.orders.context import Context
from onceline.core.processors import store
from onceline.core.processors.store import PROCESSORS_WORD, Figures
from onceline.core.vault.vault import Forged
from onceline.payments.base import Configured, Processor, ProcessorRefused
from onceline.payments.registry import KINDS, Kind, Surroundings

FRESH_S = 5.0
"""A wake-up says so at once; this is the net."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A processor's record. `processor` is None when it cannot be used; `fault` says why."""

    name: str
    kind: Kind | None
    mode: str
    enabled: bool
    figures: Figures
    coin: int
    processor: Processor | None
    fault: str = ""

    @property
    def terms(self) -> Terms:
        assert self.kind is not None, "asked of one that can be used"
        return Terms(self.name, *self.figures, refunds=self.kind.refunds, coin=self.coin)


def callback_url(public_url: str | None, name: str) -> str | None:
    """What the processor is told to call; None when the installation does not know its own address."""
    return f"{public_url.rstrip('/')}/pay/{name}" if public_url else None


class Shelf:
    """The processors as they are configured now. Used from threads; a processor is made anew only when it was changed."""

    def __init__(self, around: Surroundings, context: Context, public_url: str | None) -> None:
        self._around = around
        self._context = context
        self._public_url = public_url
        self._coin = coin_of(context.installation.currency)
        self._found: Mapping[str, Entry] = {}
        self._made: dict[str, tuple[Configured, Processor]] = {}
        self._read_at = float("-inf")
        self._is_stale = True
        self._reading = threading.Lock()

    def hear(self, words: frozenset[str]) -> None:
        if PROCESSORS_WORD in words:
            self._is_stale = True

    def find(self, name: str) -> Entry:
        """Raises NotFound, Unavailable."""
        if name not in (found := self.entries()):
            raise NotFound("way to pay", name)
        return found[name]

    def entries(self) -> Mapping[str, Entry]:
        """By name. Raises Unavailable."""
        with self._reading:
            if self._is_stale or time.monotonic() - self._read_at > FRESH_S:
                self._read()
            return self._found

    def _read(self) -> None:
        self._is_stale, started = False, time.monotonic()  # a change while we read makes it stale again
        try:
            with self._around.db.transaction() as tx:
                self._found = {row.name: self._entry(tx, row) for row in store.records(tx)}
        except Unavailable:
            self._is_stale = True
            raise
        self._read_at = started

    def _entry(self, tx: Transaction, row: Row) -> Entry:
        """Raises KeyStoreAway."""
        kind = KINDS.get(row.kind)
        processor, fault = None, f"this version knows no kind {row.kind}"
        if kind is not None:
            processor, fault = self._processor(tx, kind, row)
        return Entry(
            row.name, kind, row.mode, row.enabled, store.figures_of(row), self._coin, processor, fault
        )

    def _processor(self, tx: Transaction, kind: Kind, row: Row) -> tuple[Processor | None, str]:
        try:
            secrets = store.opened(tx, self._context.vault, row.name)
            settings = kind.settings.model_validate(row.settings)
            currency = self._context.installation.currency
            url = callback_url(self._public_url, row.name)
            return self._make(kind, Configured(row.name, settings, secrets, currency, url)), ""
        except (Erased, Forged):
            return None, "its secrets cannot be opened: the key store is not this installation's"
        except ProcessorRefused as refused:
            return None, str(refused)
        except ImportError as missing:
            return None, f"what it needs is not installed: {missing.name}"
        except ValueError as fault:
            return None, f"its settings cannot be read: {_first_line(fault)}"

    def _make(self, kind: Kind, configured: Configured) -> Processor:
        made = self._made.get(configured.name)
        if made is None or made[0] != configured:
            made = self._made[configured.name] = (configured, kind.make(configured, self._around))
        return made[1]


def _first_line(fault: Any) -> str:
    """Of pydantic's words: they quote what was set, which is no secret."""
    return " ".join(str(fault).split())[:200]
