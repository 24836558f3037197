"""Destroy what has served: bounded batches, each its own transaction, safe to repeat and to run several times at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from onceline.core.access import commands as access
from onceline.core.access import sessions
from onceline.core.db import Database, Transaction
from onceline.core.inbox import store as inbox
from onceline.core.notices import commands as notices
from onceline.core.notices import letters, queue
from onceline.core.notices.model import MAILS_FOR, NOTIFICATIONS_FOR
from onceline.core.orders import store as orders
from onceline.core.orders.context import Context
from onceline.core.outbox import store as outbox
from onceline.core.processors import store as processors
from onceline.core.selftests import commands as selftests
from onceline.core.suppliers import store as suppliers
from onceline.core.vault import Vault
from onceline.core.vouchers import store as vouchers
from onceline.core.vouchers.commands import GUESSES_WITHIN
from onceline.core.webhooks import store as webhooks

WITHHELD_FOR = timedelta(hours=24)
UNOWNED_FOR = timedelta(hours=48)
NUMBER_LINK_FOR = timedelta(days=30)
INBOUND_ROWS_FOR = timedelta(days=30)
EVENTS_FOR = timedelta(days=outbox.KEPT_DAYS)
ALERTS_FOR = timedelta(days=30)
IDEMPOTENCY_FOR = timedelta(days=7)
SELF_TESTS_FOR = timedelta(days=30)
SESSIONS_FOR = timedelta(days=7)
_BATCH = 1000
_MOST_BATCHES = 200


def destroy_and_prune(db: Database, context: Context) -> dict[str, int]:
    """Everything that is due; returns how many rows each step changed."""
    now = context.clock.now()
    done = {name: _in_batches(db, step) for name, step in _steps(context, now)}
    done["intake_keys"] = destroy_intake_keys(context.vault, now)
    return done


def destroy_intake_keys(vault: Vault, now: datetime) -> int:
    """Keys of days that ended more than 48 h ago: what they sealed is unreadable everywhere from then on."""
    last = (now - UNOWNED_FOR).date()
    old = [key for key in vault.intake_keys() if key.removeprefix("intake/") < last.isoformat()]
    for key in old:
        vault.destroy(key)
    return len(old)


def _steps(context: Context, now: datetime) -> Iterator[tuple[str, Callable[[Transaction], int]]]:
    yield "withheld", lambda tx: inbox.destroy_payloads(tx, "withheld", now - WITHHELD_FOR, _BATCH)
    yield "unowned", lambda tx: inbox.destroy_payloads(tx, "unowned", now - UNOWNED_FOR, _BATCH)
    yield "unreadable", lambda tx: inbox.destroy_payloads(tx, "unreadable", now - UNOWNED_FOR, _BATCH)
    yield "inbound", lambda tx: inbox.prune(tx, now - INBOUND_ROWS_FOR, _BATCH)
    yield "events", lambda tx: outbox.prune(tx, now - EVENTS_FOR, _BATCH)
    yield "idempotency", lambda tx: orders.prune_keys(tx, now - IDEMPOTENCY_FOR, _BATCH)
    yield "numbers", lambda tx: orders.seal_old_numbers(tx, context.vault, now - NUMBER_LINK_FOR, _BATCH)
    yield "notifications", lambda tx: notices.prune(tx, now - NOTIFICATIONS_FOR, _BATCH)
    yield "mails", lambda tx: queue.prune(tx, now - MAILS_FOR, _BATCH)
    yield "letters", lambda tx: letters.prune(tx, now - UNOWNED_FOR, _BATCH)
    yield "letter_counts", lambda tx: letters.prune_counts(tx, now, _BATCH)
    yield "deliveries", lambda tx: webhooks.prune_deliveries(tx, now - EVENTS_FOR, _BATCH)
    yield "attempts", lambda tx: webhooks.prune_attempts(tx, now - EVENTS_FOR, _BATCH)
    yield "secrets", lambda tx: webhooks.prune_secrets(tx, now)
    yield "deleted_webhooks", lambda tx: webhooks.prune_deleted(tx, _BATCH)
    yield "self_test_runs", lambda tx: selftests.prune(tx, now - SELF_TESTS_FOR, _BATCH)
    yield "supplier_alerts", lambda tx: suppliers.prune_alerts(tx, now - ALERTS_FOR)
    yield "openings", lambda tx: processors.prune_openings(tx, now - IDEMPOTENCY_FOR, _BATCH)
    yield "hints", lambda tx: processors.prune_hints(tx, now - EVENTS_FOR, _BATCH)
    yield "voucher_guesses", lambda tx: vouchers.prune_guesses(tx, now - GUESSES_WITHIN)
    yield "tickets", lambda tx: access.prune_tickets(tx, now)
    yield "sessions", lambda tx: sessions.prune_sessions(tx, now - SESSIONS_FOR, _BATCH)


def _in_batches(db: Database, step: Callable[[Transaction], int]) -> int:
    total = 0
    for _ in range(_MOST_BATCHES):
        with db.transaction() as tx:
            changed = step(tx)
        total += changed
        if changed < _BATCH:
            break
    return total
