"""How the sandbox's messages come in: by `POST test/messages`, and from the scripts when they are due."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from onceline.core.db import Transaction, load_queries
from onceline.core.errors import NotFound
from onceline.core.inbox.model import Inbound
from onceline.core.inbox.store import Kept
from onceline.core.orders import store
from onceline.core.orders.context import Context
from onceline.core.orders.settle import receive_each
from onceline.suppliers.sandbox.supplier import NAME

_Q = load_queries(__package__)


class Sending(NamedTuple):
    """What a customer sends to a test number. The same `key` of the same side twice is one message."""

    side: int
    number: str
    sender: str
    text: str
    key: str | None = None


def send_each(tx: Transaction, context: Context, asked: Sequence[Sending]) -> list[Kept | NotFound]:
    """T1 of each that is for a test number which an order of its side has, or had last."""
    owners = store.sandbox_owners(tx, [one.number for one in asked])
    now = context.clock.now()
    ours = [one for one in asked if owners.get(one.number) == one.side]
    messages = [Inbound(NAME, _name(one), one.number, one.sender, one.text, now) for one in ours]
    kept = dict(zip(map(id, ours), receive_each(tx, context, messages) if messages else [], strict=True))
    return [kept.get(id(one)) or NotFound("test number of yours", one.number) for one in asked]


def _name(one: Sending) -> str:
    return f"{one.side}-{one.key}" if one.key else secrets.token_hex(12)


def send_due(tx: Transaction, context: Context, limit: int) -> list[Kept]:
    """T1 of the scripted messages whose time has come; taken and kept in one transaction, so exactly once."""
    now = context.clock.now()
    rows = tx.all(_Q.take_due, {"now": now, "limit": limit})
    messages = [Inbound(NAME, row.name, row.e164, row.sender, row.text, now) for row in rows]
    return receive_each(tx, context, messages) if messages else []
