"""Configured suppliers, their sealed secrets, their devices, alerts for staff, and who runs which session.

What a kind's settings mean is read in `onceline.suppliers`; here they are kept. Secrets are sealed under the house's own
key, which lives in the key store, so that a backup of the database holds none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from onceline.core.db import Row, Transaction, load_queries
from onceline.core.errors import InvalidInput, NotFound
from onceline.core.vault import Place, Vault

_Q = load_queries(__package__)

SUPPLIERS_WORD = "suppliers"
"""The wake-up after a change of any supplier."""
LEASE_S = 15
MOST_SECRETS = 8
"""Active ones of one name: a rotation needs two."""
_KEY = "house/suppliers"
_NAME = re.compile(r"[a-z][a-z0-9-]{1,31}")
_SECRET_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_RESERVED = frozenset({"sandbox"})


class Beat(NamedTuple):
    """What was heard of a device; a None changes nothing of that kind."""

    supplier: str
    device: str
    facts: Mapping[str, Any] | None
    warning: str
    heartbeat_at: datetime | None
    message_at: datetime | None


class Alert(NamedTuple):
    supplier: str
    code: str
    subject: str
    times: int


def add(
    tx: Transaction, vault: Vault, name: str, kind: str, settings: Mapping[str, Any], now: datetime
) -> None:
    """Raises InvalidInput: a name that is none, or is taken."""
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise InvalidInput(
            f"{name[:40]!r} is no name for a supplier: 2 to 32 of a-z, 0-9 and -, as in twilio-eu."
        )
    vault.create(_KEY)
    row = {"name": name, "kind": kind, "settings": json.dumps(settings), "now": now}
    if not tx.run(_Q.add, row):
        raise InvalidInput(f"There is a supplier {name} already.")
    tx.wake(SUPPLIERS_WORD)


def change(tx: Transaction, name: str, settings: Mapping[str, Any]) -> None:
    """Raises NotFound."""
    _one(tx.run(_Q.change, {"name": name, "settings": json.dumps(settings)}), name)
    tx.wake(SUPPLIERS_WORD)


def set_enabled(tx: Transaction, name: str, enabled: bool) -> None:
    """Raises NotFound."""
    _one(tx.run(_Q.set_enabled, {"name": name, "enabled": enabled}), name)
    tx.wake(SUPPLIERS_WORD)


def records(tx: Transaction) -> list[Row]:
    return tx.all(_Q.records, {"name": None})


def record(tx: Transaction, name: str) -> Row:
    """Raises NotFound."""
    row = tx.one(_Q.records, {"name": name})
    if row is None:
        raise NotFound("supplier", name)
    return row


def add_secret(tx: Transaction, vault: Vault, supplier: str, name: str, value: str, now: datetime) -> int:
    """Active at once, beside those of that name that are there. Raises NotFound, InvalidInput."""
    if not _SECRET_NAME.fullmatch(name) or not 0 < len(value) <= 4096:
        raise InvalidInput("A secret has a name of a-z, 0-9 and _, and a value of 1 to 4096 characters.")
    record(tx, supplier)
    if sum(row.name == name for row in secret_rows(tx, supplier)) >= MOST_SECRETS:
        raise InvalidInput(f"{supplier} has {MOST_SECRETS} secrets {name}: drop an old one first.")
    sealed = vault.seal(_KEY, value.encode(), _place(supplier, name))
    row = tx.one(_Q.add_secret, {"supplier": supplier, "name": name, "sealed": sealed, "now": now})
    assert row is not None
    tx.wake(SUPPLIERS_WORD)
    return int(row.id)


def drop_secret(tx: Transaction, supplier: str, secret: int) -> None:
    """Raises NotFound."""
    if not tx.run(_Q.drop_secret, {"supplier": supplier, "id": secret}):
        raise NotFound("secret", secret)
    tx.wake(SUPPLIERS_WORD)


def secret_rows(tx: Transaction, supplier: str | None = None) -> list[Row]:
    """Sealed, the newest of each name first."""
    return tx.all(_Q.secrets, {"supplier": supplier})


def opened(
    tx: Transaction, vault: Vault, supplier: str | None = None
) -> dict[str, dict[str, tuple[str, ...]]]:
    """By supplier and name, the newest first. Raises Erased, Forged, KeyStoreAway."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in secret_rows(tx, supplier):
        value = vault.open(_KEY, row.sealed, _place(row.supplier, row.name)).decode()
        names = found.setdefault(row.supplier, {})
        names[row.name] = (*names.get(row.name, ()), value)
    return found


def beat(tx: Transaction, beats: Sequence[Beat]) -> None:
    """At most one of each device."""
    if beats:
        suppliers, devices, facts, warnings, heartbeats, messages = map(list, zip(*beats, strict=True))
        tx.run(
            _Q.beat,
            {
                "suppliers": suppliers,
                "devices": devices,
                "facts": [None if one is None else json.dumps(dict(one)) for one in facts],
                "warnings": warnings,
                "heartbeats": heartbeats,
                "messages": messages,
            },
        )


def devices(
    tx: Transaction, supplier: str | None = None, *, after: tuple[str, str] = ("", ""), limit: int = 100
) -> list[Row]:
    cursor = {"after_supplier": after[0], "after_device": after[1]}
    return tx.all(_Q.devices, {"supplier": supplier, "limit": limit} | cursor)


def alert(tx: Transaction, alerts: Sequence[Alert], now: datetime) -> None:
    """At most one of each (supplier, code, subject)."""
    if alerts:
        suppliers, codes, subjects, times = map(list, zip(*alerts, strict=True))
        row = {"suppliers": suppliers, "codes": codes, "subjects": subjects, "times": times, "now": now}
        tx.run(_Q.alert, row)


def alerts(tx: Transaction, supplier: str | None = None, *, since: datetime, limit: int = 100) -> list[Row]:
    return tx.all(_Q.alerts, {"supplier": supplier, "since": since, "limit": limit})


def clear_alerts(tx: Transaction, supplier: str | None = None) -> int:
    return tx.run(_Q.clear_alerts, {"supplier": supplier})


def prune_alerts(tx: Transaction, before: datetime) -> int:
    return tx.run(_Q.prune_alerts, {"before": before})


def take_lease(tx: Transaction, name: str, holder: str, now: datetime) -> bool:
    """Whether the session is ours for the next LEASE_S; also the way to renew it."""
    row = {"name": name, "holder": holder, "now": now, "until": now + timedelta(seconds=LEASE_S)}
    return bool(tx.run(_Q.take_lease, row))


def give_lease(tx: Transaction, name: str, holder: str) -> None:
    tx.run(_Q.give_lease, {"name": name, "holder": holder})


def _place(supplier: str, name: str) -> Place:
    return Place("supplier_secrets", "sealed", f"{supplier}|{name}")


def _one(changed: int, name: str) -> None:
    if not changed:
        raise NotFound("supplier", name)
