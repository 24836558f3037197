"""How the sandbox's messages come in: by `POST test/messages`, and from the scripts when they are due."""

from __future__ import annotations

import secrets

from onceline.core.db import Transaction, load_queries
from onceline.core.inbox.model import Inbound
from onceline.core.inbox.store import Kept
from onceline.core.orders.context import Context
from onceline.core.orders.settle import receive
from onceline.suppliers.sandbox.supplier import NAME

_Q = load_queries(__package__)


def send(
    tx: Transaction, context: Context, *, number: str, sender: str, text: str, message_id: str | None = None
) -> Kept:
    """T1 of one sandbox message; the same `message_id` twice is one message."""
    name = message_id or secrets.token_hex(12)
    return receive(tx, context, Inbound(NAME, name, number, sender, text, context.clock.now()))


def send_due(tx: Transaction, context: Context, limit: int) -> list[Kept]:
    """T1 of the scripted messages whose time has come; taken and kept in one transaction, so exactly once."""
    rows = tx.all(_Q.take_due, {"now": context.clock.now(), "limit": limit})
    return [
        send(tx, context, number=row.e164, sender=row.sender, text=row.text, message_id=row.name)
        for row in rows
    ]
