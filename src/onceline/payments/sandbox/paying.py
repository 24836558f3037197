"""How a customer pays a test deposit: by saying how it is to go."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from onceline.core.db import Row, Transaction
from onceline.core.errors import InvalidInput, NotFound
from onceline.core.money import MICROS
from onceline.core.processors import store
from onceline.payments.sandbox.processor import Q

Outcome = Literal["paid", "under", "over", "fail", "expire"]
OVER = MICROS
"""How much too much comes with `over`; with `under` half of it comes."""
_STATES = {"paid": "paid", "under": "under", "over": "over", "fail": "failed", "expire": "expired"}
_CAME = frozenset({"paid", "under", "over"})


def pay(tx: Transaction, side: int, deposit: str, outcome: Outcome, now: datetime) -> None:
    """The worker hears of it as of a callback. Money may come after a failure or the end, as it does outside; once it came,
    nothing else does. Raises NotFound, InvalidInput."""
    row = tx.one(Q.locked, {"deposit": deposit, "side": side})
    if row is None:
        raise NotFound("deposit in the sandbox", deposit)
    state = _STATES[outcome]
    if row.state in _CAME and row.state != state:
        raise InvalidInput(f"This deposit was paid already ({row.state}).", field="outcome")
    tx.run(Q.pay, {"id": row.id, "state": state, "paid": _paid(row, state), "now": now})
    store.keep_hint(tx, row.processor, f"{row.id}:{state}", "payment", row.id, now)


def _paid(row: Row, state: str) -> int:
    came: dict[str, int] = {"paid": row.amount, "over": row.amount + OVER, "under": row.amount // 2}
    return came.get(state, 0)
