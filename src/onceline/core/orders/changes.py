"""Write what a transition decided: order, number, supplier's outbox, money, events, in the one lock order."""

from __future__ import annotations

from datetime import datetime

from onceline.core.db import Transaction
from onceline.core.inventory import store as inventory
from onceline.core.ledger.model import AVAILABLE, REVENUE
from onceline.core.orders import store
from onceline.core.orders.context import Context
from onceline.core.orders.model import Change, Order
from onceline.core.outbox.store import wake_word

CALLS_WORD = "calls"
"""The wake-up that a supplier has to be told something."""


def apply(
    tx: Transaction,
    context: Context,
    before: Order,
    change: Change,
    now: datetime,
    message: int | None = None,
) -> None:
    """The caller holds the number's lock, or the order's where it has no number; the side's row is taken here, last.

    Nothing is waited for: the statements travel together, with what comes next.
    """
    after = change.order
    store.write(tx, after)
    if after.closed_at is not None and before.closed_at is None and after.number_id is not None:
        inventory.give_back(tx, after.number_id, now + context.terms.cooldown_of(after.kind))
    if change.supplier_verb:
        tx.send(store.Q.add_call, {"order": after.id, "verb": change.supplier_verb, "now": now})
        tx.wake(CALLS_WORD)
    movement = change.movement
    tx.send(
        store.Q.move,
        {
            "id": after.id,
            "side": after.side,
            "capture": movement.capture,
            "release": movement.release,
            "closed": movement.closed,
            "end": "capture" if movement.capture else "release" if movement.release else None,
            "credit": REVENUE if movement.capture else AVAILABLE,
            "types": list(change.events),
            "revision": after.revision,
            "message": message if change.carries_message else None,
            "now": now,
        },
    )
    tx.wake(wake_word(after.side))
