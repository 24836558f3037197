"""Check I1 to I4 and I6 to I15 in one snapshot. I5 (every acknowledged write exists) only a storm can show: tests/laws.

`prove` reads everything. `look` reads what moved lately and what is open: every few minutes, beside whatever goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from onceline.core.db import Transaction, load_queries
from onceline.core.outbox.store import KEPT_DAYS

_Q = load_queries(__package__)

_INVARIANTS = {
    "i1_sums": "I1 stored figures equal the sums of the transfers",
    "i1_balance": "I1 transfers sum to zero per mode and none crosses modes",
    "i1_counters": "I1 each side's counter of live orders equals its orders",
    "i2_numbers": "I2 a number has at most one live order, and is leased exactly then",
    "i3_captures": "I3 captured means a valid message was received before the end",
    "i4_streams": "I4 every shown message is in its owner's stream exactly once and in nobody else's",
    "i4_numbering": "I4 every stream is numbered without a gap",
    "i6_holds": "I6 every hold of a closed order is captured or released, once and in full",
    "i7_caps": "I7 what counts against a key's spend cap is what its orders and extensions hold or captured",
    "i8_deposits": "I8 what deposits say came in, waits to go back and went back is what the transfers say",
    "i9_vouchers": "I9 what the house owes for vouchers is what those in force are worth, and each became one deposit",
    "i10_cash": "I10 cash counts by the word of two persons",
    "i11_held": "I11 what a side holds is what its open orders hold",
    "i12_ends": "I12 no order holds money long after its end",
    "i13_lots": "I13 what is available follows from deposits, disputes, spending and holds",
    "i14_trial": "I14 what customers have and what the house has sum to zero",
    "i15_days": "I15 the house's accounts by day are the sums of their transfers",
}
_RECENT = {"i1_recent": "I1 stored figures of wallets that moved lately equal the sums of their transfers"}
_LOOKS = ("i1_counters", "i2_numbers", "i11_held", "i12_ends", "i14_trial")
NAMES = tuple(_INVARIANTS)
LATE = timedelta(minutes=15)
"""An order that ended so long ago has let go of its money."""


@dataclass(frozen=True, slots=True)
class Proof:
    """`checked` rows were looked at, `broken` of them breach the invariant; `named` is the first of those, by its id."""

    id: str
    meaning: str
    checked: int
    broken: int
    named: str | None = None


def prove(tx: Transaction, now: datetime) -> list[Proof]:
    tx.run("set transaction isolation level repeatable read, read only")
    tx.run("set local statement_timeout = '10min'")
    return _checked(tx, _INVARIANTS, now, after=0)


def look(tx: Transaction, now: datetime, after: int) -> list[Proof]:
    """What can be checked fast; of wallets, those that moved since the transfer `after`."""
    tx.run("set transaction isolation level repeatable read, read only")
    tx.run("set local statement_timeout = '1min'")
    return _checked(tx, _RECENT | {name: _INVARIANTS[name] for name in _LOOKS}, now, after)


def _checked(tx: Transaction, wanted: Mapping[str, str], now: datetime, after: int) -> list[Proof]:
    row = {"since": now - timedelta(days=KEPT_DAYS - 1), "late": now - LATE, "after": after}
    proofs = []
    for name, meaning in wanted.items():
        found = tx.one(getattr(_Q, name), row)
        assert found is not None
        proofs.append(Proof(name, meaning, int(found.checked), int(found.broken), found.named))
    return proofs


def is_fast(name: str) -> bool:
    return name in _RECENT or name in _LOOKS
