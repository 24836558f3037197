"""Write what a transition decided: order, number, supplier's outbox, money, events, in the one lock order."""

from __future__ import annotations

from datetime import datetime

from onceline.core.db import Transaction
from onceline.core.inventory import store as inventory
from onceline.core.ledger import store as ledger
from onceline.core.orders import store
from onceline.core.orders.context import Context
from onceline.core.orders.model import Change, Order
from onceline.core.outbox.store import Draft, append

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
    """The caller holds the locks of the number and the order; the side's row is taken here, last."""
    after = change.order
    store.write(tx, after)
    if after.closed_at is not None and before.closed_at is None and after.number_id is not None:
        inventory.give_back(tx, after.number_id, now + context.terms.cooldown_of(after.kind))
    if change.supplier_verb:
        tx.send(store.Q.add_call, {"order": after.id, "verb": change.supplier_verb, "now": now})
        tx.wake(CALLS_WORD)
    row = ledger.advance(tx, after.side, change.movement)
    if change.movement.capture:
        ledger.capture(tx, store.holds(tx, after.id), now)
    if change.movement.release:
        ledger.release(tx, store.holds(tx, after.id), now)
    append(tx, after.side, row.seq, _drafts(change, message), now)


def _drafts(change: Change, message: int | None) -> list[Draft]:
    after = change.order
    return [
        Draft(event, after.id, after.revision, message if change.carries_message and first else None)
        for first, event in zip((True, *[False] * len(change.events)), change.events, strict=False)
    ]
