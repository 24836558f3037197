"""The outbox towards suppliers: which calls are due, and what their answers mean for the order.

A call is leased for a while, made outside of any transaction, and ended by its answer. A worker that dies in between
leaves a lease that runs out; the call is then made again under the same reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from onceline.core.db import Transaction
from onceline.core.errors import NotFound
from onceline.core.inbox import store as inbox
from onceline.core.inventory import store as inventory
from onceline.core.orders import model, store
from onceline.core.orders.changes import CALLS_WORD, apply
from onceline.core.orders.context import Context
from onceline.core.orders.model import Order

LEASE_S = 15
"""Longer than a supplier is waited for, so that no call is made twice at once."""
_RETRY_S = (1, 2, 5, 15, 60, 300)


@dataclass(frozen=True, slots=True)
class DueCall:
    id: int
    verb: str
    attempts: int
    supplier: str
    order: Order

    @property
    def reference(self) -> str:
        """Opaque outside: it names the order and nobody's account (promise P5)."""
        return f"ol-{self.order.id}"


def due_calls(tx: Transaction, context: Context, supplier: str, *, limit: int = 20) -> list[DueCall]:
    """Lease a supplier's calls that are due, the oldest of each order only, so that they are made in order."""
    now = context.clock.now()
    rows = tx.all(
        store.Q.due_calls,
        {"now": now, "supplier": supplier, "limit": limit, "lease_until": now + timedelta(seconds=LEASE_S)},
    )
    orders = store.orders(tx, [row.order_id for row in rows])
    return [DueCall(row.id, row.verb, row.attempts, supplier, orders[row.order_id]) for row in rows]


def end_call(tx: Transaction, call: DueCall) -> None:
    tx.run(store.Q.end_call, {"id": call.id})


def retry_call(tx: Transaction, context: Context, call: DueCall) -> None:
    """No certain answer: the same call again, later and later."""
    delay = _RETRY_S[min(call.attempts - 1, len(_RETRY_S) - 1)]
    tx.run(store.Q.retry_call, {"id": call.id, "next_at": context.clock.now() + timedelta(seconds=delay)})


def acquired(tx: Transaction, context: Context, call: DueCall, number: str, network: str) -> None:
    """The supplier named the number: the order waits for its message, or the number goes back if nobody wants it."""
    now = context.clock.now()
    end_call(tx, call)
    taken = inventory.adopt(
        tx,
        pool=call.order.pool,
        country=call.order.country,
        service=call.order.service,
        e164=number,
        network=network,
        contract=f"asked of {call.supplier}",  # never which order: that link ends after 30 days (promise A4)
        now=now,
    )
    order = _locked(tx, call.order.id)
    if order is not None and order.e164 == number:
        return  # the answer came before: a worker that was frozen beyond its lease got it too
    if order is None or order.state != "placing":
        _hand_back(tx, call.order.id, taken, now)
    elif taken is None:
        _hand_back(tx, call.order.id, None, now)
        apply(tx, context, order, model.fail(order, now), now)
    else:
        inventory.lease(tx, taken, order.id)
        inbox.adopt(tx, taken, order.created_at)
        apply(tx, context, order, model.assign(order, taken, number, network), now)


def refused(tx: Transaction, context: Context, call: DueCall) -> None:
    """The supplier has no number: what was held goes back."""
    end_call(tx, call)
    order = _locked(tx, call.order.id)
    if order is not None and order.state == "placing":
        now = context.clock.now()
        apply(tx, context, order, model.fail(order, now), now)


def _hand_back(tx: Transaction, order: int, taken: int | None, now: datetime) -> None:
    tx.run(store.Q.add_call, {"order": order, "verb": "cancel", "now": now})
    tx.wake(CALLS_WORD)
    if taken is not None:
        inventory.give_back(tx, taken, now)


def _locked(tx: Transaction, order: int) -> Order | None:
    try:
        return store.locked(tx, order)
    except NotFound:
        return None
