"""Incoming messages: T1 keeps them, T2 decides each under its number's lock; both take many at once.

    receive  (T1)   store under the unique key, sealed; after its commit the supplier is answered
    settle   (T2)   lock numbers → sides; match, read, show or withhold, move the money, emit

A message is decided once: it is read again under its number's lock, and only if nobody has decided. Whoever ends an
order settles what is stored for its number first, so nothing that reached us in time is lost to a race.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

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
from onceline.core.inbox.store import Content, Decision, Kept
from onceline.core.inventory import store as inventory
from onceline.core.orders import model, store
from onceline.core.orders.changes import Step, apply_each
from onceline.core.orders.context import Context
from onceline.core.orders.model import Change, Order
from onceline.core.orders.store import Message, MessageContent

_MOST_PAGES = 100
"""Of stored messages, read before an order ends; a flood beyond that waits for the sweeper."""


def receive(tx: Transaction, context: Context, message: Inbound) -> Kept:
    """T1 of one message."""
    return receive_each(tx, context, [message])[0]


def receive_each(tx: Transaction, context: Context, messages: Sequence[Inbound]) -> list[Kept]:
    """T1: one insert. A duplicate changes nothing and returns what is there."""
    return inbox.keep(tx, context.vault, messages)


def settle(tx: Transaction, context: Context, message: int) -> None:
    """T2 of one kept message."""
    settle_each(tx, context, [message])


def settle_each(tx: Transaction, context: Context, messages: Sequence[int]) -> None:
    """T2 of kept messages, all of them or none. Decided ones are left as they are."""
    asked, asked_holders = inbox.ask_locked(tx, messages), store.ask_holders(tx, messages)
    rows, holders = asked.all(), store.told(asked_holders)
    outcome, shared = _Outcome(), defaultdict[int, list[_Reading]](list)
    for row in rows:
        if row.state == "stored":
            reading = _read(context, row, holders.get(row.holder), outcome)
            if reading is not None and reading.found.order is not None:
                shared[reading.found.order].append(reading)
    for order, readings in shared.items():
        _hand_over(context, holders[order], readings, outcome)
    outcome.write(tx, context)
    groups = {bytes(row.part_group): None for row in rows if row.state == "part"}
    whole = [inbox.join_parts(tx, context.vault, group) for group in groups]
    if joined := [message for message in whole if message is not None]:
        settle_each(tx, context, joined)


def settle_order(tx: Transaction, context: Context, order: Order) -> bool:
    """T2 for what is stored for an order whose locks the caller holds; False when nothing was.

    Messages of other orders of that number are left alone: their sides' rows would be taken before this one's.
    """
    if order.number_id is None:
        return False
    readings, outcome, last = [], _Outcome(), 0
    for _ in range(_MOST_PAGES):
        stored = inbox.stored_for(tx, order.number_id, after=last)
        if not stored:
            break
        ours = [row for row in stored if row.holder == order.id]
        readings += [reading for row in ours if (reading := _read(context, row, order, outcome))]
        last = stored[-1].id
    covered = [reading for reading in readings if reading.found.order == order.id]
    _hand_over(context, order, covered, outcome)
    outcome.write(tx, context)
    return bool(covered)


@dataclass(slots=True)
class _Outcome:
    """What was decided about messages, gathered to be written together.

    The burnt bits are shared by many numbers and the sides' rows by many orders, so those are written last, in this order:
    what is slow to prepare is on its way before.
    """

    decisions: list[Decision] = field(default_factory=list)
    messages: list[tuple[str, Message]] = field(default_factory=list)
    burnt: set[tuple[int, str]] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)

    def write(self, tx: Transaction, context: Context) -> None:
        inbox.decide(tx, self.decisions)
        store.add_messages(tx, context.vault, self.messages)
        inventory.burn(tx, sorted(self.burnt))
        apply_each(tx, context, self.steps, context.clock.now())


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


def _read(context: Context, row: Row, holder: Order | None, outcome: _Outcome) -> _Reading | None:
    """What a message says. What no order gets is decided here: without a number, no longer readable, nobody's."""
    if row.number_id is None:
        outcome.decisions.append(Decision(row.id, "unowned", keep_payload=True))
        return None
    content = inbox.read(context.vault, row)
    if content is None:
        outcome.decisions.append(Decision(row.id, "unreadable"))
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
    reading = _Reading(row, content, found, recognition, code)
    if found.order is None:
        # Nobody may read it, but the number is known to the service from now on (promise P6).
        outcome.burnt |= _pairs(row.number_id, {reading.recognised}, context)
        outcome.decisions.append(Decision(row.id, found.verdict.value))
    return reading


def _hand_over(context: Context, order: Order, readings: Sequence[_Reading], outcome: _Outcome) -> None:
    """Give an order, whose number's lock is held, its messages."""
    for reading in readings:
        outcome.burnt |= _pairs(reading.row.number_id, _burnt_services(order, reading), context)
        change = _decide(order, reading, outcome)
        outcome.steps.append(Step(order, change, reading.row.id))
        order = change.order


def _decide(order: Order, reading: _Reading, outcome: _Outcome) -> Change:
    """Show or withhold one message; returns what that does to the order."""
    row, verdict = reading.row, reading.found.verdict
    outcome.decisions.append(Decision(row.id, verdict.value, keep_payload=verdict is Verdict.WITHHOLD))
    if verdict is Verdict.WITHHOLD:
        return model.withhold(order)
    late = reading.found.late
    change = model.show(order, received_at=row.received_at, has_code=reading.code is not None, late=late)
    message = Message(row.id, order.id, row.received_at, late, change.order.revision, _content(reading))
    outcome.messages.append((order.account, message))
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


def _burnt_services(order: Order, reading: _Reading) -> set[str | None]:
    """What the number may not be sold for again: the recognised service, and what a code was bought for."""
    all_kinds = order.service in (ANY_OTHER, ALL_MESSAGES)
    return {reading.recognised, order.service if all_kinds or reading.code else None}


def _pairs(number: int, services: set[str | None], context: Context) -> set[tuple[int, str]]:
    return {(number, service) for service in services if service and service not in context.unburnable}
