"""Rentals that go on by themselves: each is extended by what it was ordered for, shortly before its end.

Promises that one end is followed by one extension, however many workers look and wherever one dies: the rental is looked at
again under its number's lock, and the extension has an idempotency key made of the order and that end. What is refused is
told once for each end, and tried again until the rental is over. Never revives a rental that has ended, and never pays more than
an extension cost when this was switched on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from onceline.core.clock import rfc3339
from onceline.core.db import Transaction
from onceline.core.errors import AccountSuspended
from onceline.core.notices import commands as notices
from onceline.core.orders import commands, model, store
from onceline.core.orders.context import Context
from onceline.core.orders.model import LIVE, Order

AGAIN_AFTER = timedelta(minutes=5)
FAILED = "rental.extension_failed"


def claim(tx: Transaction, context: Context, limit: int) -> list[int]:
    """The rentals whose turn it is; nobody else gets them for AGAIN_AFTER."""
    now = context.clock.now()
    params = {"now": now, "next_at": now + AGAIN_AFTER, "limit": limit}
    return [row.order_id for row in tx.all(store.Q.claim_auto_extensions, params)]


def renew(tx: Transaction, context: Context, order_id: int) -> bool:
    """Extend a rental whose turn it is; False when it is not, or no more.

    Raises whatever `commands.extend` does, and AccountSuspended.
    """
    now = context.clock.now()
    order = store.locked(tx, order_id)
    if not order.auto_extend:
        return False
    if model.state_at(order, now) not in LIVE:
        tx.run(store.Q.drop_auto_extension, {"id": order_id})
        return False
    is_due = model.auto_extend_at(order) <= now
    if is_due:
        order = _extended(tx, context, order, _demand_open(tx, order_id))
    tx.run(store.Q.plan_auto_extension, {"id": order_id, "at": model.auto_extend_at(order)})
    return is_due


def tell_refused(tx: Transaction, context: Context, order_id: int, reason: str) -> bool:
    """Tell the account that its rental could not be extended; False when that was told of this end. `reason`: a code."""
    now = context.clock.now()
    row = tx.one(store.Q.note_unextended, {"id": order_id, "now": now})
    if row is None:
        return False
    facts = {"order": order_id, "service": row.service, "end": rfc3339(row.expires_at), "reason": reason}
    notices.tell(tx, account=row.account, kind=FAILED, facts=facts, now=now, mode=row.mode)
    return True


class _Agreed(NamedTuple):
    """`price`: micro-units, for each extension at most; `cap`: what they count against."""

    price: int
    cap: int | None


def _extended(tx: Transaction, context: Context, order: Order, agreed: _Agreed) -> Order:
    """The key has spaces, which no customer's key can have."""
    duration_s = commands.ordered_s(order)
    key = f"auto-extend {order.id} {rfc3339(order.expires_at)}"
    return commands.extend(tx, context, order.side, order.id, duration_s, key, agreed.cap, agreed.price)


def _demand_open(tx: Transaction, order_id: int) -> _Agreed:
    """Who may not order, may not extend. Raises AccountSuspended."""
    row = tx.one(store.Q.auto_extension, {"id": order_id})
    assert row is not None, "the caller holds the order's lock, and saw it"
    if row.state != "open":
        raise AccountSuspended(f"This account is {row.state}.")
    return _Agreed(row.agreed, row.cap)
