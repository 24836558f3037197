"""What works of each supplier and what does not, for `onceline suppliers check`.

Promises that every finding says what is wrong and what would be right, that no supplier is waited for longer than
CHECK_S, and that no secret is in any of it. Writes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from onceline.core.catalog import rules
from onceline.core.clock import rfc3339
from onceline.core.db import Database, Row, Transaction
from onceline.core.inventory import care
from onceline.core.orders.context import Context
from onceline.core.suppliers import store
from onceline.suppliers.base import Configured, Finding, Kind, NotConfigured, Surroundings
from onceline.suppliers.configured import Entry, entries
from onceline.suppliers.intake import DirectIntake

CHECK_S = 10.0
SILENT_FOR = timedelta(minutes=30)
"""A device that sends heartbeats, and was not heard for so long, is silent."""
ALERTS_FOR = timedelta(days=1)
MOST = 100
"""Devices and alerts of one supplier that are told of."""
AT_ONCE = 8
"""Suppliers whose own checks run side by side."""


@dataclass(frozen=True, slots=True)
class Checked:
    supplier: str
    kind: str
    enabled: bool
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        return all(finding.ok for finding in self.findings)


def check_suppliers(
    db: Database, context: Context, public_url: str | None, only: str | None
) -> list[Checked]:
    """Every supplier, or one. Raises NotFound, KeyStoreAway."""
    with db.transaction() as tx:
        if only is not None:
            store.record(tx, only)
        chosen = [one for one in entries(tx, context.vault, public_url) if only in (None, one.name)]
        kinds = {row.name: row.kind for row in store.records(tx)}
        seen = [list(_seen(tx, one, context.clock.now())) for one in chosen]
    with closing(DirectIntake(db, context)) as intake:
        asked = _asked(chosen, Surroundings(db, context, intake))
    return [
        Checked(one.name, kinds[one.name], one.enabled, [*ours, *theirs])
        for one, ours, theirs in zip(chosen, seen, asked, strict=True)
    ]


def _seen(tx: Transaction, entry: Entry, now: datetime) -> Iterator[Finding]:
    """What we know ourselves."""
    yield Finding("enabled", True, "" if entry.enabled else "no: its messages and orders are not served")
    yield Finding("configuration", not entry.fault, entry.fault)
    if entry.configured and entry.kind:
        yield from _secrets(entry.kind, entry.configured, store.secret_rows(tx, entry.name), now)
        yield from _inlet(entry.kind, entry.configured)
    yield from _stock(tx, entry, now)
    last = care.last_messages(tx).get(entry.name)
    yield Finding("last message", True, rfc3339(last) if last else "none yet")
    for device in store.devices(tx, entry.name, limit=MOST):
        yield _device(device, now)
    for alert in store.alerts(tx, entry.name, since=now - ALERTS_FOR, limit=MOST):
        about = f" ({alert.subject})" if alert.subject else ""
        words = f"{alert.times} times{about}, last {rfc3339(alert.last_at)}; onceline suppliers alerts --clear forgets it"
        yield Finding(f"alert {alert.code}", False, words)


def _secrets(kind: Kind, configured: Configured, rows: Sequence[Row], now: datetime) -> Iterator[Finding]:
    """A secret may be one that this supplier needs not: the kind's own check says when it is missed."""
    for name, meaning in kind.secrets.items():
        ages = [age(now - row.made_at) for row in rows if row.name == name]
        words = f"{len(ages)} active, the newest {ages[0]} old" if ages else f"not set ({meaning})"
        yield Finding(f"secret {name}", True, words)
    for name in configured.secrets.keys() - kind.secrets.keys():
        yield Finding(
            f"secret {name}", False, f"the kind knows no such secret: drop it; it has {_listed(kind)}"
        )


def _inlet(kind: Kind, configured: Configured) -> Iterator[Finding]:
    if kind.inlet is None:
        return
    unknown = "its address is not known: set ONCELINE_PUBLIC_URL to how the outside reaches this installation"
    try:
        kind.inlet(configured)
    except NotConfigured as missing:
        yield Finding("inlet", False, str(missing))
    else:
        yield Finding("inlet", configured.url is not None, configured.url or unknown)


def _stock(tx: Transaction, entry: Entry, now: datetime) -> Iterator[Finding]:
    pools = rules.every_pool(tx, supplier=entry.name, limit=MOST)
    if not pools:
        yield Finding("pools", False, f"none: onceline pools add SLUG --supplier {entry.name}")
    counts = care.pool_counts(tx, [pool.slug for pool in pools], now)
    for pool in pools:
        told = ", ".join(f"{count} {state}" for state, count in counts[pool.slug].items() if count)
        priced = bool(rules.rules(tx, rules.RuleFilter(pool.slug), limit=1))
        faults = [
            *([] if told or pool.asks else [f"no numbers: onceline numbers import FILE --pool {pool.slug}"]),
            *([] if priced else [f"no price: onceline prices set --pool {pool.slug} --amount …"]),
        ]
        words = "; ".join([*faults, told, "" if pool.enabled else "disabled"]).strip("; ")
        yield Finding(f"pool {pool.slug}", not faults, words)


def _device(row: Row, now: datetime) -> Finding:
    heard = max(filter(None, (row.heartbeat_at, row.message_at)), default=None)
    silent = row.heartbeat_at is not None and heard is not None and now - heard > SILENT_FOR
    words = [
        f"warns: {row.warning}" if row.warning else "",
        f"silent for {age(now - heard)}" if silent and heard else "",
        f"heartbeat {rfc3339(row.heartbeat_at)}" if row.heartbeat_at else "no heartbeat",
        f"last message {rfc3339(row.message_at)}" if row.message_at else "no message yet",
    ]
    return Finding(f"device {row.device}", not (row.warning or silent), ", ".join(filter(None, words)))


def _asked(chosen: Sequence[Entry], around: Surroundings) -> list[list[Finding]]:
    """What the kinds' own checks find; those that are disabled or unreadable are not asked."""
    found: list[list[Finding]] = []
    for start in range(0, len(chosen), AT_ONCE):
        runs = [_Run(one, around) for one in chosen[start : start + AT_ONCE]]
        found += [run.findings() for run in runs]
    return found


class _Run:
    """One kind's check in a thread that is left behind when it does not end in time."""

    def __init__(self, entry: Entry, around: Surroundings) -> None:
        self._found: list[Finding] = []
        self._thread: threading.Thread | None = None
        if entry.configured and entry.enabled and entry.kind and entry.kind.check:
            arguments = (entry.kind.check, entry.configured, around)
            self._thread = threading.Thread(target=self._run, args=arguments, daemon=True)
            self._thread.start()

    def findings(self) -> list[Finding]:
        if self._thread is None:
            return []
        self._thread.join(CHECK_S)
        if self._thread.is_alive():
            return [Finding("answer", False, f"the supplier did not answer within {CHECK_S:.0f} s")]
        return self._found

    def _run(self, check: Callable[..., Sequence[Finding]], *arguments: Any) -> None:
        try:
            self._found = list(check(*arguments))[:MOST]
        except NotConfigured as missing:
            self._found = [Finding("check", False, str(missing))]
        except Exception as fault:  # whatever a supplier provokes is a finding; its words may quote a secret
            self._found = [Finding("check", False, f"it ended with {type(fault).__name__}")]


def age(span: timedelta) -> str:
    """The two largest units: 3d 4h, 5m 0s."""
    seconds = max(int(span.total_seconds()), 0)
    for large, small in (("d", "h"), ("h", "m"), ("m", "s")):
        if seconds >= _SIZES[large]:
            return f"{seconds // _SIZES[large]}{large} {seconds % _SIZES[large] // _SIZES[small]}{small}"
    return f"{seconds}s"


_SIZES = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def _listed(kind: Kind) -> str:
    return ", ".join(kind.secrets) or "none"
