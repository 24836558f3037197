"""Write what transitions decided: orders, numbers, suppliers' outbox, money, events, in the one lock order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from onceline.core.clock import rfc3339
from onceline.core.db import Transaction
from onceline.core.inventory import store as inventory
from onceline.core.ledger.model import AVAILABLE, REVENUE
from onceline.core.orders import store
from onceline.core.orders.context import Context
from onceline.core.orders.model import Change, Order
from onceline.core.outbox.store import wake_word

CALLS_WORD = "calls"
"""The wake-up that a supplier has to be told something."""
_WRITTEN = (
    "id", "state", "money", "number_id", "e164", "network", "expires_at", "closed_at", "first_shown_at",
    "first_valid_at", "captured_at", "withheld", "revision",
)  # fmt: skip
"""What a transition may change of an order."""


class Step(NamedTuple):
    """One transition of one order. `message`: what caused it, for the first event."""

    before: Order
    change: Change
    message: int | None = None


def apply(tx: Transaction, context: Context, before: Order, change: Change, now: datetime) -> None:
    """One step of one order; see `apply_each`."""
    apply_each(tx, context, [Step(before, change)], now)


def apply_each(tx: Transaction, context: Context, steps: Sequence[Step], now: datetime) -> None:
    """Steps in their order; of one order they follow each other.

    The caller holds the numbers' locks, or the order's where it has no number; the sides' rows are taken here, last.
    Nothing is waited for: the statements travel together, with what comes next.
    """
    for step in steps:
        _release_number(tx, context, step, now)
        if step.change.supplier_verb:
            call = {"order": step.before.id, "verb": step.change.supplier_verb, "now": now}
            tx.send(store.Q.add_call, call)
            tx.wake(CALLS_WORD)
        tx.wake(wake_word(step.before.side))
    if steps:
        orders = {step.before.id: step.change.order for step in steps}
        _move_orders(tx, orders.values(), sorted(steps, key=lambda step: step.before.side), now)


def write(tx: Transaction, after: Order, now: datetime) -> None:
    """An order whose money the caller moves."""
    _move_orders(tx, [after], [], now)


def _move_orders(tx: Transaction, orders: Iterable[Order], steps: Iterable[Step], now: datetime) -> None:
    written, moves = [_written(order) for order in orders], [_move(step) for step in steps]
    tx.send(store.Q.move, {"orders": json.dumps(written), "steps": json.dumps(moves), "now": now})


def _release_number(tx: Transaction, context: Context, step: Step, now: datetime) -> None:
    before, after = step.before, step.change.order
    if after.closed_at is not None and before.closed_at is None and after.number_id is not None:
        inventory.give_back(tx, after.number_id, now + context.terms.cooldown_of(after.kind))


def _written(after: Order) -> dict[str, Any]:
    values = {name: getattr(after, name) for name in _WRITTEN}
    return {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _move(step: Step) -> dict[str, Any]:
    """What a step does to its side: see `move_orders` in the schema."""
    change, movement = step.change, step.change.movement
    return {
        "id": step.before.id,
        "side": step.before.side,
        "capture": movement.capture,
        "release": movement.release,
        "closed": movement.closed,
        "ends": "capture" if movement.capture else "release" if movement.release else None,
        "credit": REVENUE if movement.capture else AVAILABLE,
        "types": change.events,
        "revision": change.order.revision,
        "message": step.message if change.carries_message else None,
    }
