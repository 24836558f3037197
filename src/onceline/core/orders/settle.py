"""Incoming messages: T1 keeps them, T2 decides one at a time under its number's lock.

    receive  (T1)   store under the unique key, sealed; after its commit the supplier is answered
    settle   (T2)   lock number → order → side; match, read, show or withhold, move the money, emit

A message is decided once: the conditional update of its row is the gate. Whoever ends an order settles what is stored
for its number first, so nothing that reached us in time is lost to a race.
"""

from __future__ import annotations

from onceline.core.db import Row, Transaction
from onceline.core.inbox import store as inbox
from onceline.core.inbox.match import ALL_MESSAGES, ANY_OTHER, Match, Verdict, confident_service, match
from onceline.core.inbox.model import Inbound
from onceline.core.inbox.otp import find_code
from onceline.core.inbox.recognise import Recognition, recognise
from onceline.core.inbox.store import Content, Kept
from onceline.core.inventory import store as inventory
from onceline.core.orders import model, store
from onceline.core.orders.changes import apply
from onceline.core.orders.context import Context
from onceline.core.orders.store import Message

_MOST_PAGES = 100
"""Of stored messages, read before an order ends; a flood beyond that waits for the sweeper."""


def receive(tx: Transaction, context: Context, message: Inbound) -> Kept:
    """T1: one insert. A duplicate changes nothing and returns what is there."""
    return inbox.keep(tx, context.vault, message)


def settle(tx: Transaction, context: Context, message: int) -> None:
    """T2 for one kept message. Decided messages are left as they are."""
    row = inbox.inbound(tx, message)
    if row is not None and row.state == "part":
        joined = inbox.join_parts(tx, context.vault, bytes(row.part_group))
        row = inbox.inbound(tx, joined) if joined is not None else None
    if row is None or row.state != "stored":
        return
    if row.number_id is None:
        inbox.decide(tx, row.id, "unowned", keep_payload=True)
        return
    inventory.lock(tx, row.number_id)
    _decide(tx, context, row)


def settle_order(tx: Transaction, context: Context, number: int, order: int) -> bool:
    """T2 for what is stored for an order whose locks the caller holds; False when nothing was.

    Messages of other orders of that number are left alone: their sides' rows would be taken before this one's.
    """
    decided, last = False, 0
    for _ in range(_MOST_PAGES):
        stored = inbox.stored_for(tx, number, after=last)
        if not stored:
            break
        decided |= any([_decide(tx, context, row, only_for=order) for row in stored])
        last = stored[-1].id
    return decided


def _decide(tx: Transaction, context: Context, row: Row, only_for: int | None = None) -> bool:
    content = inbox.read(context.vault, row)
    if content is None:
        return inbox.decide(tx, row.id, "unreadable")
    recognition = recognise(content.sender, content.text, context.book)
    found = match(
        row.received_at,
        recognition,
        context.prohibited,
        store.candidates(tx, row.number_id),
        context.terms.effective_grace_s,
        context.book.related,
    )
    if only_for is not None and found.order != only_for:
        return False
    if not inbox.decide(tx, row.id, found.verdict.value, keep_payload=found.verdict is Verdict.WITHHOLD):
        return False
    if found.order is not None:
        _hand_over(tx, context, row, content, found, recognition)
    return True


def _hand_over(
    tx: Transaction,
    context: Context,
    row: Row,
    content: Content,
    found: Match,
    recognition: Recognition | None,
) -> None:
    assert found.order is not None
    tx.one(store.Q.lock, {"id": found.order})
    order = store.order(tx, found.order)
    code = find_code(content.text, content.sender) if found.verdict is Verdict.SHOW else None
    inventory.burn(tx, row.number_id, _burnt_services(context, order, recognition, has_code=code is not None))
    now = context.clock.now()
    if found.verdict is Verdict.WITHHOLD:
        apply(tx, context, order, model.withhold(order), now)
        return
    change = model.show(order, received_at=row.received_at, has_code=code is not None, late=found.late)
    message = Message(
        id=row.id,
        order=order.id,
        received_at=row.received_at,
        sender=content.sender,
        text=content.text,
        code=code.value if code else None,
        late=found.late,
        revision=change.order.revision,
    )
    store.add_message(tx, context.vault, order.account, message)
    apply(tx, context, order, change, now, message=row.id)


def _burnt_services(
    context: Context, order: model.Order, recognition: Recognition | None, *, has_code: bool
) -> list[str]:
    """What the number may not be sold for again: the recognised service, and what a code was bought for."""
    recognised = confident_service(recognition)
    bought = order.service if has_code or order.service in (ANY_OTHER, ALL_MESSAGES) else None
    return sorted({service for service in (recognised, bought) if service} - context.unburnable)
