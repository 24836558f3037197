"""Check I1 to I4, I6 and I7 in one snapshot. I5 (every acknowledged write exists) only a storm can show: tests/laws."""

from __future__ import annotations

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
}


@dataclass(frozen=True, slots=True)
class Proof:
    """`checked` rows were looked at, `broken` of them breach the invariant."""

    id: str
    meaning: str
    checked: int
    broken: int


def prove(tx: Transaction, now: datetime) -> list[Proof]:
    tx.run("set transaction isolation level repeatable read, read only")
    tx.run("set local statement_timeout = '10min'")
    since = now - timedelta(days=KEPT_DAYS - 1)
    proofs = []
    for name, meaning in _INVARIANTS.items():
        row = tx.one(getattr(_Q, name), {"since": since})
        assert row is not None
        proofs.append(Proof(name, meaning, int(row.checked), int(row.broken)))
    return proofs
