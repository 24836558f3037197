"""From what an operator wrote down to suppliers that can be used, or to words that say what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from onceline.core.db import Transaction
from onceline.core.errors import Erased
from onceline.core.suppliers import store
from onceline.core.vault import Vault
from onceline.core.vault.vault import Forged
from onceline.suppliers.base import Configured, Kind
from onceline.suppliers.registry import KINDS

MOST_FAULTS = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """A supplier's record. `configured` is None when it cannot be used; `fault` says why."""

    name: str
    kind: Kind | None
    enabled: bool
    configured: Configured | None
    fault: str = ""


def entries(tx: Transaction, vault: Vault, public_url: str | None) -> list[Entry]:
    """Every supplier by name. Raises KeyStoreAway."""
    rows = store.records(tx)
    secrets: dict[str, dict[str, tuple[str, ...]]] = {}
    faults: dict[str, str] = {}
    for row in rows:
        try:
            secrets |= store.opened(tx, vault, row.name)
        except (Erased, Forged):
            faults[row.name] = "its secrets cannot be opened: the key store is not this installation's"
    return [
        _entry(row, secrets.get(row.name, {}), public_url)
        if row.name not in faults
        else Entry(row.name, KINDS.get(row.kind), row.enabled, None, faults[row.name])
        for row in rows
    ]


def inlet_url(public_url: str | None, name: str) -> str | None:
    """What the supplier is told to call; None when the installation does not know its own address."""
    return f"{public_url.rstrip('/')}/in/{name}" if public_url else None


def read_settings(kind: Kind, settings: Mapping[str, Any]) -> tuple[Any, str]:
    """What the kind's model reads, or None and what is wrong with it."""
    try:
        return kind.settings.model_validate(settings), ""
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)[:MOST_FAULTS]
        return None, "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'settings'}: {one['msg']}" for one in faults
        )


def _entry(row: Any, secrets: Mapping[str, tuple[str, ...]], public_url: str | None) -> Entry:
    kind = KINDS.get(row.kind)
    if kind is None:
        return Entry(row.name, None, row.enabled, None, f"this version knows no kind {row.kind}")
    settings, fault = read_settings(kind, row.settings)
    if fault:
        return Entry(row.name, kind, row.enabled, None, fault)
    configured = Configured(row.name, settings, secrets, inlet_url(public_url, row.name))
    return Entry(row.name, kind, row.enabled, configured)
