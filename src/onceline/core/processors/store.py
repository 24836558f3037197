"""Configured processors with their sealed secrets, what was opened at them, their callbacks until they were read back, and
what is left for staff.

What a kind's settings mean is read in `onceline.payments`. Secrets are sealed under the house's own key, which lives in the
key store, so that a backup of the database holds none. No money moves here: that is `onceline.core.deposits`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from onceline.core.db import Row, Transaction, load_queries
from onceline.core.errors import InvalidInput, NotFound
from onceline.core.money import LARGEST
from onceline.core.vault import Place, Vault

_Q = load_queries(__package__)

PROCESSORS_WORD = "processors"
"""The wake-up after a change of any processor."""
HINTS_WORD = "processor_hints"
"""The wake-up when a callback was kept."""
RESERVED = frozenset({
    "given", "cash", "voucher", "vouchers", "books",
    "available", "held", "refund_pending", "disputed", "debt", "revenue", "fees", "bonus",
})  # fmt: skip
"""Methods that need no processor, the other accounts of the books (a processor's name is an account of the house), and what stands
for the books themselves where staff are told what is wrong."""
_KEY = "house/processors"
_NAME = re.compile(r"[a-z][a-z0-9-]{1,31}")
_SECRET_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_MILLION = 1_000_000


class Figures(NamedTuple):
    """What paying by a processor costs and brings. Micro-units; parts of a million."""

    least: int
    most: int
    fee: int
    fee_ppm: int
    bonus_ppm: int


class KeptHint(NamedTuple):
    """A callback as it was kept: something about that object has to be read at its processor."""

    method: str
    event_id: str
    about: str
    object_id: str
    came_at: datetime


# What is configured -----------------------------------------------------------------------------------------------------


def add(
    tx: Transaction,
    name: str,
    kind: str,
    mode: str,
    settings: Mapping[str, Any],
    figures: Figures,
    now: datetime,
) -> None:
    """Raises InvalidInput: a name that is none or is taken, figures that make no sense."""
    if not _NAME.fullmatch(name) or name in RESERVED:
        raise InvalidInput(
            f"{name[:40]!r} is no name for a processor: 2 to 32 of a-z, 0-9 and -, as in stripe-eu."
        )
    _demand_sound(figures)
    row = {"name": name, "kind": kind, "mode": mode, "settings": json.dumps(settings), "now": now}
    if not tx.run(_Q.add, row | figures._asdict()):
        raise InvalidInput(f"There is a processor {name} already.")
    tx.wake(PROCESSORS_WORD)


def change(tx: Transaction, name: str, settings: Mapping[str, Any], figures: Figures) -> None:
    """Deposits that were begun keep what they were begun with. Raises NotFound, InvalidInput."""
    _demand_sound(figures)
    _one(tx.run(_Q.change, {"name": name, "settings": json.dumps(settings)} | figures._asdict()), name)
    tx.wake(PROCESSORS_WORD)


def set_enabled(tx: Transaction, name: str, enabled: bool) -> None:
    """Raises NotFound."""
    _one(tx.run(_Q.set_enabled, {"name": name, "enabled": enabled}), name)
    tx.wake(PROCESSORS_WORD)


def records(tx: Transaction) -> list[Row]:
    return tx.all(_Q.records, {"name": None})


def record(tx: Transaction, name: str) -> Row:
    """Raises NotFound."""
    row = tx.one(_Q.records, {"name": name})
    if row is None:
        raise NotFound("processor", name)
    return row


def figures_of(row: Row) -> Figures:
    return Figures(row.least, row.most, row.fee, row.fee_ppm, row.bonus_ppm)


def set_secret(tx: Transaction, vault: Vault, processor: str, name: str, value: str, now: datetime) -> None:
    """In place of the one of that name. Raises NotFound, InvalidInput."""
    if not _SECRET_NAME.fullmatch(name) or not 0 < len(value) <= 4096:
        raise InvalidInput("A secret has a name of a-z, 0-9 and _, and a value of 1 to 4096 characters.")
    record(tx, processor)
    vault.create(_KEY)
    sealed = vault.seal(_KEY, value.encode(), _place(processor, name))
    tx.run(_Q.set_secret, {"processor": processor, "name": name, "sealed": sealed, "now": now})
    tx.wake(PROCESSORS_WORD)


def secret_rows(tx: Transaction, processor: str | None = None) -> list[Row]:
    """Sealed."""
    return tx.all(_Q.secrets, {"processor": processor})


def opened(tx: Transaction, vault: Vault, processor: str) -> dict[str, str]:
    """By name. Raises Erased, Forged, KeyStoreAway."""
    return {
        row.name: vault.open(_KEY, row.sealed, _place(row.processor, row.name)).decode()
        for row in secret_rows(tx, processor)
    }


def _demand_sound(figures: Figures) -> None:
    least, most, fee, fee_ppm, bonus_ppm = figures
    if not 0 < least <= most <= LARGEST // 4 or not 0 <= fee <= most:
        raise InvalidInput(
            "The least is above 0, the most is not below it, and the fee is not above the most."
        )
    if not (0 <= fee_ppm <= _MILLION and 0 <= bonus_ppm <= _MILLION):
        raise InvalidInput("Fee and bonus are from 0 to 100 percent.")


# What was opened --------------------------------------------------------------------------------------------------------


def opening_of_key(tx: Transaction, side: int, key: str) -> Row | None:
    return tx.one(_Q.opening_of_key, {"side": side, "key": key})


def opening_of_deposit(tx: Transaction, deposit: str) -> Row | None:
    return tx.one(_Q.opening_of_deposit, {"deposit": deposit})


def pages(tx: Transaction, deposits: Iterable[str]) -> dict[str, str]:
    """Where these deposits are paid, as far as they were opened and it is remembered."""
    return {row.deposit: row.url for row in tx.all(_Q.openings, {"deposits": list(deposits)})}


def add_opening(
    tx: Transaction, side: int, key: str, request: bytes, deposit: str, return_url: str, now: datetime
) -> None:
    row = {"side": side, "key": key, "request": request, "deposit": deposit, "return_url": return_url}
    tx.run(_Q.add_opening, row | {"now": now})


def set_page(tx: Transaction, deposit: str, url: str) -> None:
    tx.run(_Q.set_page, {"deposit": deposit, "url": url})


def prune_openings(tx: Transaction, before: datetime, limit: int) -> int:
    return tx.run(_Q.prune_openings, {"before": before, "limit": limit})


def came_before(tx: Transaction, side: int, at: datetime) -> bool:
    """Whether the side had brought in money by that instant."""
    row = tx.one(_Q.came_before, {"side": side, "at": at})
    assert row is not None
    return bool(row.came)


def opened_at(tx: Transaction, side: int) -> datetime:
    """When the side's account was opened."""
    row = tx.one(_Q.age, {"side": side})
    assert row is not None
    found: datetime = row.opened_at
    return found


# What processors say of themselves --------------------------------------------------------------------------------------


def keep_hint(tx: Transaction, method: str, event_id: str, about: str, object_id: str, now: datetime) -> bool:
    """False for one that was kept before, which changes nothing."""
    row = {"method": method, "event_id": event_id, "about": about, "object_id": object_id, "now": now}
    tx.wake(HINTS_WORD)
    return bool(tx.run(_Q.keep_hint, row))


def claim_hints(tx: Transaction, now: datetime, until: datetime, limit: int) -> list[KeptHint]:
    """Those to look into; nobody else gets them before `until`."""
    rows = tx.all(_Q.claim_hints, {"now": now, "until": until, "limit": limit})
    return [KeptHint(*row) for row in rows]


def look_again(tx: Transaction, hint: KeptHint, at: datetime | None) -> None:
    """None: it was dealt with."""
    tx.run(_Q.look_again, {"method": hint.method, "event_id": hint.event_id, "at": at})


def prune_hints(tx: Transaction, before: datetime, limit: int) -> int:
    return tx.run(_Q.prune_hints, {"before": before, "limit": limit})


def refund_of_object(tx: Transaction, method: str, object_id: str) -> str | None:
    """Our refund that the processor calls so."""
    row = tx.one(_Q.refund_of_object, {"method": method, "object_id": object_id})
    return row.id if row else None


def are_refunds_unnamed(tx: Transaction, method: str) -> bool:
    """Whether a refund is on its way whose name at the processor is not known yet."""
    row = tx.one(_Q.refunds_waiting, {"method": method})
    assert row is not None
    return bool(row.waiting)


# What is left for staff -------------------------------------------------------------------------------------------------


def exceptions(tx: Transaction, *, resolved: bool, before: int | None, limit: int) -> list[Row]:
    return tx.all(_Q.exceptions, {"all": resolved, "before": before, "limit": limit})


def resolve_all(tx: Transaction, deposit: str, staff: str, now: datetime) -> None:
    """Whatever is open about a deposit."""
    tx.run(_Q.resolve_all, {"deposit": deposit, "staff": staff[:80], "now": now})


def resolve(tx: Transaction, exception: int, staff: str, now: datetime) -> None:
    """Said again, it opens anew. Raises NotFound."""
    if not tx.run(_Q.resolve, {"id": exception, "staff": staff[:80], "now": now}):
        raise NotFound("open exception", exception)


def refunds(tx: Transaction, *, ended: bool, before: str | None, limit: int) -> list[Row]:
    """Those that wait for a person's word; with `ended` every one. Newest first."""
    return tx.all(_Q.refunds, {"all": ended, "before": before, "limit": limit})


def _place(processor: str, name: str) -> Place:
    return Place("processor_secrets", "sealed", f"{processor}|{name}")


def _one(changed: int, name: str) -> None:
    if not changed:
        raise NotFound("processor", name)
