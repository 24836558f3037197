"""Incoming messages: T1 keeps them, T2 decides each under its number's lock; both take many at once.

    receive  (T1)   store under the unique key, sealed; after its commit the supplier is answered
    settle   (T2)   lock numbers → sides; match, read, show or withhold, move the money, emit

A message is decided once: it is read again under its number's lock, and only if nobody has decided. Whoever ends an
order settles what is stored for its number first, so nothing that reached us in time is lost to a race.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from onceline.core.db import Row, Transaction
from onceline.core.inbox import store as inbox
from onceline.core.inbox.join import MISSING
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
from onceline.core.inbox.store import Assembly, Content, Decision, Kept
from onceline.core.inventory import store as inventory
from onceline.core.orders import model, store
from onceline.core.orders.changes import Step, apply_each
from onceline.core.orders.context import Context
from onceline.core.orders.model import Change, Order
from onceline.core.orders.store import Message, MessageContent
from onceline.core.selftests import commands as selftests

_SPOOL_SLACK = timedelta(minutes=1)
"""Less than any cool-down: who had a number a minute ago has it still, or nobody has."""
_LONGEST_SPOOL_S = 30 * 86400
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
    for reading in _readings(tx, context, rows, holders, outcome):
        if reading.found.order is not None:
            shared[reading.found.order].append(reading)
    for order, readings in shared.items():
        _hand_over(context, holders[order], readings, outcome)
    outcome.write(tx, context)


def settle_order(tx: Transaction, context: Context, order: Order) -> bool:
    """T2 for what is stored for an order whose locks the caller holds; False when nothing was.

    Messages of other orders of that number are left alone: their sides' rows would be taken before this one's.
    """
    if order.number_id is None:
        return False
    ours, outcome, last = [], _Outcome(), 0
    for _ in range(_MOST_PAGES):
        stored = inbox.stored_for(tx, order.number_id, after=last)
        if not stored:
            break
        ours += [row for row in stored if row.holder == order.id]
        last = stored[-1].id
    readings = _readings(tx, context, ours, {order.id: order}, outcome)
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
    """A kept message with all that can be said of it before anything is written.

    `shown_as`: the message as which parts of it were shown already. `is_early`: it is such a part itself, and the others are
    still to come.
    """

    row: Row
    content: Content
    found: Match
    recognition: Recognition | None
    code: Code | None
    shown_as: int | None = None
    is_early: bool = False

    @property
    def recognised(self) -> str | None:
        return confident_service(self.recognition)


def _readings(
    tx: Transaction, context: Context, rows: Sequence[Row], holders: Mapping[int, Order], outcome: _Outcome
) -> list[_Reading]:
    """What can be read by now, in the order of its coming: whole messages, and parts that bring their code early."""
    readings = [
        _read(tx, context, row, inbox.read(context.vault, row), holders.get(row.holder), outcome)
        for row in rows
        if row.state == "stored"
    ]
    for group in {bytes(row.part_group): None for row in rows if row.state == "part"}:
        parts = inbox.assemble(tx, context.vault, group)
        if parts and parts.is_whole:
            whole = inbox.store_joined(tx, context.vault, parts)
            found = _read(tx, context, whole, parts.content, holders.get(whole.holder), outcome)
            readings.append(replace(found, shown_as=parts.shown_as) if found else None)
        elif parts and parts.shown_as is None:
            readings.append(_read_early(tx, context, parts, holders))
    return sorted(filter(None, readings), key=lambda reading: reading.row.id)


def _read_early(
    tx: Transaction, context: Context, parts: Assembly, holders: Mapping[int, Order]
) -> _Reading | None:
    """The code is nearly always in the part that came: nobody waits for the rest, if it cannot go on there."""
    first = parts.rows[0]
    holder = holders.get(first.holder)
    if holder is None or not holder.is_live:
        return None
    reading = _reading(context, first, parts.content, holder)
    text = parts.content.text
    if reading.code is None or reading.found.late:
        return None
    if text[reading.code.end :].startswith(MISSING) or text[: reading.code.start].endswith(MISSING):
        return None
    inbox.note_shown(tx, parts, first.id)
    return replace(reading, is_early=True)


def _read(
    tx: Transaction,
    context: Context,
    row: Row,
    content: Content | None,
    holder: Order | None,
    outcome: _Outcome,
) -> _Reading | None:
    """What a message says. What no order gets is decided here: without a number, no longer readable, our own, nobody's."""
    if row.number_id is None:
        outcome.decisions.append(Decision(row.id, "unowned", keep_payload=True))
        return None
    if content is None:
        outcome.decisions.append(Decision(row.id, "unreadable"))
        return None
    if selftests.arrived(tx, content.number, content.text, row.received_at):
        outcome.decisions.append(Decision(row.id, Verdict.COUNT.value))
        return None
    reading = _reading(context, row, content, holder)
    if reading.found.order is None:
        # Nobody may read it, but the number is known to the service from now on (promise P6).
        outcome.burnt |= _pairs(row.number_id, {reading.recognised}, context)
        outcome.decisions.append(Decision(row.id, reading.found.verdict.value))
    return reading


def _reading(context: Context, row: Row, content: Content, holder: Order | None) -> _Reading:
    text = content.text
    if holder and _came_before(content, row, holder):
        holder = None
    recognition = recognise(content.sender, text, context.book, row.country)
    found = match(
        row.received_at,
        recognition,
        context.prohibited,
        Candidate(holder.id, holder.service, holder.expires_at, holder.closed_at) if holder else None,
        context.terms.effective_grace_s,
        context.book.related,
    )
    code = find_code(text, content.sender) if found.verdict is Verdict.SHOW else None
    return _Reading(row, content, found, recognition, code, row.shown_as)


def _came_before(content: Content, row: Row, holder: Order) -> bool:
    """It lay in a spool since before this order began: it is for whoever had the number then (promise P6)."""
    waited = timedelta(seconds=min(content.waited_s, _LONGEST_SPOOL_S))
    return waited > _SPOOL_SLACK and row.received_at - waited < holder.created_at


def _hand_over(context: Context, order: Order, readings: Sequence[_Reading], outcome: _Outcome) -> None:
    """Give an order, whose number's lock is held, its messages."""
    for reading in readings:
        outcome.burnt |= _pairs(reading.row.number_id, _burnt_services(order, reading), context)
        change = _decide(order, reading, outcome)
        outcome.steps.append(Step(order, change, reading.row.id))
        order = change.order


def _decide(order: Order, reading: _Reading, outcome: _Outcome) -> Change:
    """Show or withhold one message, or complete one that was shown early; returns what that does to the order."""
    row, verdict = reading.row, reading.found.verdict
    shown = verdict is Verdict.SHOW
    if not reading.is_early:
        state = "joined" if shown and reading.shown_as else verdict.value
        outcome.decisions.append(Decision(row.id, state, keep_payload=verdict is Verdict.WITHHOLD))
    if not shown:
        return model.withhold(order)
    late = reading.found.late
    if reading.shown_as:
        change = model.complete(order)
    else:
        change = model.show(order, received_at=row.received_at, has_code=reading.code is not None, late=late)
    number = reading.shown_as or row.id
    message = Message(number, order.id, row.received_at, late, change.order.revision, _content(reading))
    outcome.messages.append((order.account, message))
    return change


def _content(reading: _Reading) -> MessageContent:
    seen = reading.recognition
    return MessageContent(
        sender=reading.content.sender,
        text=reading.content.text,
        incomplete=reading.content.incomplete,
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
