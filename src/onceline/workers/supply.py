"""Tells a supplier what its outbox holds, outside of any transaction, and records what it answered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import structlog

from onceline.core.db import Database
from onceline.core.errors import Unavailable
from onceline.core.orders import supply
from onceline.core.orders.context import Context
from onceline.core.orders.supply import DueCall
from onceline.suppliers.base import Acquired, Call, NoNumbers, OutcomeUnknown, Supplier

_LOG = structlog.get_logger(__name__)
BATCH = 20
INTERVAL_S = 0.5
AT_ONCE = 8
"""Calls to one supplier under way."""


def supply_round(db: Database, context: Context, name: str, supplier: Supplier) -> int:
    """Calls of different orders side by side: one that the supplier lets wait delays no other."""
    with db.transaction() as tx:
        due = supply.due_calls(tx, context, name, limit=BATCH)
    if len(due) == 1:
        _make(db, context, supplier, due[0])
    elif due:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"supply-{name}") as threads:
            for done in [threads.submit(_make, db, context, supplier, call) for call in due]:
                done.result()
    return len(due)


def _make(db: Database, context: Context, supplier: Supplier, call: DueCall) -> None:
    """A supplier that answers nonsense is asked again later: nothing is known for certain."""
    try:
        answer = _ask(supplier, call)
    except NoNumbers:
        with db.transaction() as tx:
            supply.refused(tx, context, call)
        return
    except OutcomeUnknown:
        _LOG.warning(
            "supplier gave no certain answer", supplier=call.supplier, verb=call.verb, order=call.order.id
        )
        _retry(db, context, call)
        return
    except Unavailable:
        raise
    except Exception:
        _LOG.exception("supplier failed", supplier=call.supplier, verb=call.verb, order=call.order.id)
        _retry(db, context, call)
        return
    with db.transaction() as tx:
        if answer is None:
            supply.end_call(tx, call)
        else:
            supply.acquired(tx, context, call, answer.number, answer.network)


def _retry(db: Database, context: Context, call: DueCall) -> None:
    with db.transaction() as tx:
        supply.retry_call(tx, context, call)


def _ask(supplier: Supplier, call: DueCall) -> Acquired | None:
    order = call.order
    wanted = Call(
        call.reference, order.service, order.country, order.network or None, order.e164, order.price
    )
    match call.verb:
        case "acquire":
            return supplier.acquire(wanted)
        case "finish":
            supplier.finish(wanted)
        case "cancel":
            supplier.cancel(wanted)
        case "resend":
            supplier.resend(wanted)
    return None
