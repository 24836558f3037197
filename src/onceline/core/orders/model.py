"""The life of an order as pure functions: each takes an order and returns what the order and its side's row become.

    placing ──number──► waiting ──valid message──► received ──finish / end──► finished
       │ no number        │  │                       │  ▲
       ▼                  │  └ end, nothing valid    └──┘ resend asked → resend_pending → next message
     failed               ▼
                 cancelled / expired

Law: never an unflagged code with the money returned, never money kept without a valid message.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from onceline.core.errors import (
    CancelTooEarly,
    CancelTooLate,
    InvalidInput,
    MessageReceived,
    NoMessage,
    NumberPending,
    OrderClosed,
)
from onceline.core.ledger.model import Movement

LIVE = frozenset({"placing", "waiting", "received", "resend_pending"})
CLOSED = frozenset({"finished", "cancelled", "expired", "failed"})
ACTIVATION, RENTAL = "activation", "rental"
LONGEST_AHEAD = timedelta(hours=1)
MOST_WITHHELD = 2**15 - 1
"""Where counting stops: a flood must not break the order it comes to."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The times and limits that an operator sets; all in seconds."""

    window_s: int = 1200
    cancel_lock_s: int = 120
    rental_cancel_s: int = 1200
    grace_s: int = 600
    cooldown_s: int = 1800
    rental_cooldown_s: int = 45 * 86400
    drain_s: float = 2.0
    live_orders: int = 200

    @property
    def effective_grace_s(self) -> float:
        """A closed order listens on no longer than its number rests: then it may be somebody else's."""
        return min(self.grace_s, self.cooldown_s)

    def cooldown_of(self, kind: str) -> timedelta:
        return timedelta(seconds=self.rental_cooldown_s if kind == RENTAL else self.cooldown_s)


@dataclass(frozen=True, slots=True)
class Order:
    """A row of `orders`; service and pool by slug, price and hold in micro-units. `auto_extend`: as a rental was told."""

    id: int
    serial: int
    side: int
    account: str
    kind: str
    state: str
    service: str
    country: str
    pool: str
    network: str
    asked: bool
    tells: bool
    number_id: int | None
    e164: str | None
    e164_sealed: bytes | None
    price: int
    extended: int
    hold_id: int
    money: str
    created_at: datetime
    ends_at: datetime
    expires_at: datetime
    cancel_from: datetime
    cancel_until: datetime
    closed_at: datetime | None
    first_shown_at: datetime | None
    first_valid_at: datetime | None
    captured_at: datetime | None
    withheld: int
    revision: int
    client_reference: str | None
    auto_extend: bool

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    @property
    def total(self) -> int:
        """Price and extensions together: what is held or was captured."""
        return self.price + self.extended


@dataclass(frozen=True, slots=True)
class Change:
    """What a transition does: the order after it, the side's row, and the events in their order.

    `carries_message`: the first event names the message that caused the change.
    """

    order: Order
    movement: Movement
    events: tuple[str, ...]
    carries_message: bool = False
    supplier_verb: str | None = None


def state_at(order: Order, now: datetime) -> str:
    """What readers see: from `expires_at` on an order is over, whether or not a worker has come by."""
    if not order.is_live or now < order.expires_at:
        return order.state
    return _end_state(order)


def can_cancel(order: Order, now: datetime) -> bool:
    return (
        order.state == "waiting"
        and order.first_shown_at is None
        and order.cancel_from <= now < min(order.expires_at, order.cancel_until)
    )


def can_resend(order: Order, now: datetime) -> bool:
    return order.state == "received" and now < order.expires_at


def can_finish(order: Order, now: datetime) -> bool:
    return order.state in ("received", "resend_pending") and now < order.expires_at


def as_created(order: Order) -> Order:
    """The order at revision 1, from the columns that no transition changes."""
    return replace(
        order,
        state="placing" if order.asked else "waiting",
        e164=None if order.asked else order.e164,
        network="" if order.asked else order.network,
        extended=0,
        money="held",
        expires_at=order.ends_at,
        closed_at=None,
        withheld=0,
        revision=1,
        first_shown_at=None,
        auto_extend=False,
    )


def assign(order: Order, number_id: int, e164: str, network: str) -> Change:
    """The supplier named the number."""
    after = replace(
        order, state="waiting", number_id=number_id, e164=e164, network=network, revision=order.revision + 1
    )
    return Change(after, Movement(events=1), ("order.number",))


def fail(order: Order, now: datetime) -> Change:
    """The supplier has no number: everything held goes back."""
    return _close(order, "failed", now, "order.failed", None)


def show(order: Order, *, received_at: datetime, has_code: bool, late: bool) -> Change:
    """A message its owner may see. The first valid one in time captures what is held."""
    valid = not late and (has_code or order.kind == RENTAL)
    captures = valid and order.money == "held"
    after = replace(
        order,
        state="received" if valid else order.state,
        money="captured" if captures else order.money,
        captured_at=received_at if captures else order.captured_at,
        first_shown_at=order.first_shown_at if late else order.first_shown_at or received_at,
        first_valid_at=(order.first_valid_at or received_at) if valid else order.first_valid_at,
        revision=order.revision + 1,
    )
    events = ("order.message", "order.received") if captures else ("order.message",)
    movement = Movement(capture=order.total if captures else 0, events=len(events))
    return Change(after, movement, events, carries_message=True)


def complete(order: Order) -> Change:
    """The rest of a message that was shown early, when only a part of it had come; its money was decided then."""
    after = replace(order, revision=order.revision + 1)
    return Change(after, Movement(events=1), ("order.message_completed",))


def withhold(order: Order) -> Change:
    """A message that must not be shown: only its existence is counted."""
    after = replace(order, withheld=min(order.withheld + 1, MOST_WITHHELD), revision=order.revision + 1)
    return Change(after, Movement(events=1), ("order.withheld",))


def cancel(order: Order, now: datetime) -> Change:
    """Raises OrderClosed, NumberPending, MessageReceived, CancelTooEarly, CancelTooLate."""
    _demand_live(order, now)
    if order.state == "placing":
        raise NumberPending
    if order.first_shown_at is not None:
        raise MessageReceived
    if now < order.cancel_from:
        raise CancelTooEarly(order.cancel_from)
    if now >= order.cancel_until:
        raise CancelTooLate(order.cancel_until)
    return _close(order, "cancelled", now, "order.cancelled", "cancel")


def finish(order: Order, now: datetime) -> Change:
    """Raises OrderClosed, NoMessage."""
    _demand_live(order, now)
    if order.state not in ("received", "resend_pending"):
        raise NoMessage
    return _close(order, "finished", now, "order.finished", "finish")


def resend(order: Order, now: datetime) -> Change:
    """Ask for one more message, free, within the window. Raises OrderClosed, NoMessage."""
    _demand_live(order, now)
    if order.state != "received":
        raise NoMessage
    after = replace(order, state="resend_pending", revision=order.revision + 1)
    return Change(
        after, Movement(events=1), ("order.resend",), supplier_verb="resend" if order.tells else None
    )


def expire(order: Order, now: datetime) -> Change:
    """The end of the window: what was captured stays, what is held goes back."""
    state = _end_state(order)
    return _close(order, state, now, f"order.{state}", "finish" if state == "finished" else "cancel")


def extend(order: Order, amount: int, duration_s: int, now: datetime) -> Change:
    """A second hold on a rental, captured at once if the rental is. Raises OrderClosed, InvalidInput."""
    _demand_live(order, now)
    if order.kind != RENTAL:
        raise InvalidInput("Only a rental can be extended; place a new activation.")
    after = replace(
        order,
        extended=order.extended + amount,
        expires_at=order.expires_at + timedelta(seconds=duration_s),
        revision=order.revision + 1,
    )
    captures = order.money == "captured"
    return Change(
        after, Movement(hold=amount, capture=amount if captures else 0, events=1), ("order.extended",)
    )


def set_auto_extend(order: Order, on: bool, now: datetime) -> Change:
    """Whether a rental goes on by itself. Raises OrderClosed, InvalidInput."""
    _demand_live(order, now)
    if order.kind == ACTIVATION:
        raise InvalidInput("Only a rental can be extended by itself; an activation ends with its window.")
    after = replace(order, auto_extend=on, revision=order.revision + 1)
    return Change(after, Movement(events=1), ("order.auto_extend",))


def auto_extend_at(order: Order) -> datetime:
    """When a rental is extended by itself: a tenth of what it was ordered for before its end, and an hour at most."""
    return order.expires_at - min((order.ends_at - order.created_at) / 10, LONGEST_AHEAD)


def _end_state(order: Order) -> str:
    return "finished" if order.money == "captured" else "expired"


def _demand_live(order: Order, now: datetime) -> None:
    state = state_at(order, now)
    if state not in LIVE:
        raise OrderClosed(state)


def _close(order: Order, state: str, now: datetime, event: str, verb: str | None) -> Change:
    releases = order.money == "held"
    after = replace(
        order,
        state=state,
        money="released" if releases else order.money,
        closed_at=now,
        revision=order.revision + 1,
    )
    movement = Movement(release=order.total if releases else 0, closed=1, events=1)
    return Change(after, movement, (event,), supplier_verb=verb if order.tells else None)
