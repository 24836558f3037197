"""Incoming messages: T1 keeps them, T2 decides one at a time under its number's lock.

    receive  (T1)   store under the unique key, sealed; after its commit the supplier is answered
    settle   (T2)   lock number → side; match, read, show or withhold, move the money, emit

A message is decided once: it is read again under its number's lock, and only if nobody has decided. Whoever ends an
order settles what is stored for its number first, so nothing that reached us in time is lost to a race.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onceline.core.db import Row, Transaction
from onceline.core.inbox import store as inbox
from onceline.core.inbox.match import (
    ALL_MESSAGES,
    ANY_OTHER,
    Candidate,
    Match,
    Verdict,
    confident_service,
    match,
)
from onceline.core.inbox.model import Inbound
from onceline.core.inbox.otp import Code, find_code
from onceline.core.inbox.recognise import Recognition, recognise
from onceline.core.inbox.store import Content, Kept
from onceline.core.inventory import store as inventory
from onceline.core.orders import model, store
from onceline.core.orders.changes import apply
from onceline.core.orders.context import Context
from onceline.core.orders.model import Change, Order
from onceline.core.orders.store import Message, MessageContent

_MOST_PAGES = 100
"""Of stored messages, read before an order ends; a flood beyond that waits for the sweeper."""


def receive(tx: Transaction, context: Context, message: Inbound) -> Kept:
    """T1: one insert. A duplicate changes nothing and returns what is there."""
    return inbox.keep(tx, context.vault, message)


def settle(tx: Transaction, context: Context, message: int) -> None:
    """T2 for one kept message. Decided messages are left as they are."""
    asked, asked_holder = inbox.ask_locked(tx, message), store.ask_holder(tx, message)
    row, holder = asked.one(), store.holder(asked_holder)
    if row is None:
        return
    if row.state == "part":
        joined = inbox.join_parts(tx, context.vault, bytes(row.part_group))
        if joined is not None:
            settle(tx, context, joined)
    elif row.state == "stored" and row.number_id is None:
        inbox.decide(tx, row.id, "unowned", keep_payload=True)
    elif row.state == "stored":
        _settle_stored(tx, context, row, holder)


def _settle_stored(tx: Transaction, context: Context, row: Row, holder: Order | None) -> None:
    reading = _read(tx, context, row, holder)
    if reading is None:
        return
    if holder is None or reading.found.order is None:
        # Nobody may read it, but the number is known to the service from now on (promise P6).
        inventory.burn(tx, row.number_id, sorted({reading.recognised or ""} - context.unburnable - {""}))
        inbox.decide(tx, row.id, reading.found.verdict.value)
    else:
        _hand_over(tx, context, holder, [reading])


def settle_order(tx: Transaction, context: Context, order: Order) -> bool:
    """T2 for what is stored for an order whose locks the caller holds; False when nothing was.

    Messages of other orders of that number are left alone: their sides' rows would be taken before this one's.
    """
    if order.number_id is None:
        return False
    readings, last = [], 0
    for _ in range(_MOST_PAGES):
        stored = inbox.stored_for(tx, order.number_id, after=last)
        if not stored:
            break
        ours = [row for row in stored if row.holder == order.id]
        readings += [reading for row in ours if (reading := _read(tx, context, row, order))]
        last = stored[-1].id
    covered = [reading for reading in readings if reading.found.order == order.id]
    _hand_over(tx, context, order, covered)
    return bool(covered)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A kept message with all that can be said of it before anything is written."""

    row: Row
    content: Content
    found: Match
    recognition: Recognition | None
    code: Code | None

    @property
    def recognised(self) -> str | None:
        return confident_service(self.recognition)


def _read(tx: Transaction, context: Context, row: Row, holder: Order | None) -> _Reading | None:
    """None when the text cannot be opened any more; that is decided here."""
    content = inbox.read(context.vault, row)
    if content is None:
        inbox.decide(tx, row.id, "unreadable")
        return None
    recognition = recognise(content.sender, content.text, context.book, row.country)
    found = match(
        row.received_at,
        recognition,
        context.prohibited,
        Candidate(holder.id, holder.service, holder.expires_at, holder.closed_at) if holder else None,
        context.terms.effective_grace_s,
        context.book.related,
    )
    code = find_code(content.text, content.sender) if found.verdict is Verdict.SHOW else None
    return _Reading(row, content, found, recognition, code)


def _hand_over(tx: Transaction, context: Context, order: Order, readings: Sequence[_Reading]) -> None:
    """Give an order, whose number's lock is held, its messages.

    The burnt bits are shared by many numbers and the side's row by many orders, so those come last, in this order: what is
    slow to prepare is on its way before.
    """
    if not readings:
        return
    now = context.clock.now()
    steps = []
    for reading in readings:
        change = _decide(tx, context, order, reading)
        steps.append((order, change, reading.row.id))
        order = change.order
    inventory.burn(tx, readings[0].row.number_id, _burnt_services(context, order, readings))
    for before, change, message in steps:
        apply(tx, context, before, change, now, message)


def _decide(tx: Transaction, context: Context, order: Order, reading: _Reading) -> Change:
    """Show or withhold one message; returns what that does to the order."""
    row, verdict = reading.row, reading.found.verdict
    inbox.decide(tx, row.id, verdict.value, keep_payload=verdict is Verdict.WITHHOLD)
    if verdict is Verdict.WITHHOLD:
        return model.withhold(order)
    late = reading.found.late
    change = model.show(order, received_at=row.received_at, has_code=reading.code is not None, late=late)
    message = Message(row.id, order.id, row.received_at, late, change.order.revision, _content(reading))
    store.add_message(tx, context.vault, order.account, message)
    return change


def _content(reading: _Reading) -> MessageContent:
    seen = reading.recognition
    return MessageContent(
        sender=reading.content.sender,
        text=reading.content.text,
        code=reading.code.value if reading.code else None,
        service=seen.service if seen else None,
        confidence=round(seen.confidence, 2) if seen else None,
        evidence=seen.evidence if seen else None,
    )


def _burnt_services(context: Context, order: Order, readings: Sequence[_Reading]) -> list[str]:
    """What the number may not be sold for again: the recognised services, and what a code was bought for."""
    burnt = {reading.recognised for reading in readings if reading.recognised}
    if order.service in (ANY_OTHER, ALL_MESSAGES) or any(reading.code for reading in readings):
        burnt.add(order.service)
    return sorted(burnt - context.unburnable)
