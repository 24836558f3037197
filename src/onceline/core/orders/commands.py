"""What customers and clocks do to orders.

Lock order: number, order, the side's row last. Placing alone takes sides first, and waits for no number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

from onceline.core.db import Row, Transaction
from onceline.core.errors import (
    IdempotencyConflict,
    InsufficientBalance,
    InvalidInput,
    LimitExceeded,
    NotFound,
    OutOfStock,
    PriceTooLow,
    ProhibitedService,
    Refusal,
    SpendCapReached,
)
from onceline.core.ledger import store as ledger
from onceline.core.money import LARGEST
from onceline.core.orders import model, store
from onceline.core.orders.changes import CALLS_WORD, apply, write
from onceline.core.orders.context import Context
from onceline.core.orders.model import Change, Order
from onceline.core.orders.settle import settle_order
from onceline.core.outbox.store import Draft, append, wake_word

NO_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """`max_price` in micro-units; `duration_s` for rentals; `number` takes one again that this side had before."""

    service: str
    country: str
    kind: str = model.ACTIVATION
    pool: str | None = None
    network: str | None = None
    max_price: int | None = None
    duration_s: int = 0
    number: str | None = None
    client_reference: str | None = None


_WANTED = tuple(one.name for one in fields(OrderRequest))


class Asking(NamedTuple):
    """One order that somebody asks for. `serial` when it was promised before; `cap` of the API key that asks, if any."""

    side: int
    wanted: OrderRequest
    key: str | None
    serial: int | None = None
    cap: int | None = None


class Placed(NamedTuple):
    """The orders placed; `replayed` when the idempotency key had been used for this very request."""

    made: list[Order]
    replayed: bool

    @property
    def ids(self) -> list[int]:
        return [order.id for order in self.made]


def place(
    tx: Transaction,
    context: Context,
    side: int,
    requests: Sequence[OrderRequest],
    idempotency_key: str | None,
    cap: int | None = None,
) -> Placed:
    """Place all of the orders or, by undoing the transaction, none.

    Raises IdempotencyConflict, OutOfStock, InsufficientBalance, SpendCapReached, PriceTooLow, ProhibitedService,
    LimitExceeded, InvalidInput, and NotFound for an unknown service, country or pool.
    """
    if len(requests) == 1:
        return _or_raise(place_each(tx, context, [Asking(side, requests[0], idempotency_key, cap=cap)])[0])
    serials: Sequence[int | None] = [None] * len(requests)
    if idempotency_key is not None:
        request = _request_hash(context, [_fields(one) for one in requests])
        claim = _claim(tx, context, side, idempotency_key, request, len(requests))
        if claim.replayed:
            return Placed(
                store.orders_of_serials(tx, claim.serials, context.installation.order_key), replayed=True
            )
        serials = claim.serials
    asked = [Asking(side, one, None, serial, cap) for one, serial in zip(requests, serials, strict=True)]
    outcomes = [_or_raise(outcome) for outcome in place_each(tx, context, asked)]
    return Placed([outcome.made[0] for outcome in outcomes], replayed=False)


def place_each(tx: Transaction, context: Context, asked: Sequence[Asking]) -> list[Placed | Refusal]:
    """Place each order by itself, in one statement: what is refused is returned, and undoes nothing else.

    No two may have the same side and key. The refusals are those that `place` raises.
    """
    faults = {at: fault for at, one in enumerate(asked) if (fault := _fault(one.wanted))}
    placed = iter(_place_sound(tx, context, [one for at, one in enumerate(asked) if at not in faults]))
    return [faults.get(at) or next(placed) for at in range(len(asked))]


class _Claim(NamedTuple):
    serials: Sequence[int]
    replayed: bool


def _claim(tx: Transaction, context: Context, side: int, key: str, request: bytes, orders: int) -> _Claim:
    """Take the key for this request, in the transaction of its effect. A rival with the same key waits for our commit.

    Raises IdempotencyConflict when the key was used for another request, Busy when a rival takes too long.
    """
    claimed = tx.one(
        store.Q.claim_key,
        {"side": side, "key": key, "request": request, "count": orders, "now": context.clock.now()},
    )
    if claimed is not None:
        return _Claim(claimed.serials, replayed=False)
    known = tx.one(store.Q.known_key, {"side": side, "key": key})
    if known is None or bytes(known.request) != request:
        raise IdempotencyConflict
    return _Claim(known.serials, replayed=True)


def _request_hash(context: Context, request: object) -> bytes:
    text = json.dumps(request, sort_keys=True).encode()
    return hashlib.blake2b(text, key=context.installation.secret, digest_size=32).digest()


def _fields(wanted: OrderRequest) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in _WANTED}


def _place_sound(tx: Transaction, context: Context, asked: Sequence[Asking]) -> list[Placed | Refusal]:
    if not asked:
        return []
    terms = context.terms
    rows = tx.all(
        store.Q.place,
        {
            "orders": json.dumps(
                [_asking(context, place_, one) for place_, one in enumerate(asked, start=1)]
            ),
            "order_key": context.installation.order_key,
            "now": context.clock.now(),
            "window_s": terms.window_s,
            "cancel_lock_s": terms.cancel_lock_s,
            "live_orders": terms.live_orders or NO_LIMIT,
        },
    )
    return [_outcome(tx, row, one) for row, one in zip(rows, asked, strict=True)]


def _asking(context: Context, place_: int, one: Asking) -> dict[str, Any]:
    """The shape that `place_orders` reads."""
    fields = _fields(one.wanted)
    return {
        **fields,
        "max_price": LARGEST if one.wanted.max_price is None else one.wanted.max_price,
        "place": place_,
        "side": one.side,
        "key": one.key,
        "serial": one.serial,
        "cap": one.cap,
        "request": _request_hash(context, [fields]).hex(),
        "cancel_for_s": context.terms.rental_cancel_s if one.wanted.kind == model.RENTAL else NO_LIMIT,
    }


def _outcome(tx: Transaction, row: Row, one: Asking) -> Placed | Refusal:
    if row.refused:
        return _refusal(row.refused, row.figure or 0, one.wanted)
    order = Order(*row[3:])
    tx.wake(wake_word(one.side))
    if order.tells:
        tx.wake(CALLS_WORD)
    return Placed([order], row.replayed)


def _or_raise(outcome: Placed | Refusal) -> Placed:
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def _fault(wanted: OrderRequest) -> InvalidInput | None:
    if wanted.kind == model.ACTIVATION and wanted.service == "full":
        return InvalidInput(
            "The service 'full' (all messages) is sold as a rental only; set kind to 'rental'."
        )
    if (wanted.kind == model.RENTAL) != (wanted.duration_s > 0):
        return InvalidInput(
            "A rental needs a duration, an activation has none; catalog/offers lists the durations."
        )
    return None


def _refusal(code: str, figure: int, wanted: OrderRequest) -> Refusal:
    match code:
        case "insufficient_balance":
            return InsufficientBalance(figure)
        case "spend_cap_reached":
            return SpendCapReached(figure)
        case "price_too_low":
            return PriceTooLow(figure)
        case "prohibited_service":
            return ProhibitedService(wanted.service)
        case "idempotency_conflict":
            return IdempotencyConflict()
        case "limit_exceeded":
            detail = f"{figure} orders are live; finish or cancel one, or wait for one to end."
            return LimitExceeded(detail, limit="live_orders", retry_after_s=60)
        case "unknown_service" | "unknown_country" | "unknown_pool" as unknown:
            what = unknown.removeprefix("unknown_")
            return NotFound(what, getattr(wanted, what))
    return OutOfStock()


def cancel(tx: Transaction, context: Context, side: int, order_id: int) -> Order:
    """Release what is held. A message that reached us before counts first, also if it waits to be read.

    Raises NotFound, OrderClosed, NumberPending, MessageReceived, CancelTooEarly, CancelTooLate.
    """
    return _transition(tx, context, side, order_id, model.cancel)


def finish(tx: Transaction, context: Context, side: int, order_id: int) -> Order:
    """Close an order whose code has come. Raises NotFound, OrderClosed, NoMessage."""
    return _transition(tx, context, side, order_id, model.finish)


def resend(tx: Transaction, context: Context, side: int, order_id: int) -> Order:
    """Wait for one more message, free. Raises NotFound, OrderClosed, NoMessage."""
    return _transition(tx, context, side, order_id, model.resend)


def expire(tx: Transaction, context: Context, order_id: int) -> bool:
    """End an order whose time is over; False when somebody else did. What T1 stored for it is read first."""
    now = context.clock.now()
    order = _locked_and_settled(tx, context, order_id, None)
    if not order.is_live or order.expires_at > now:
        return False
    apply(tx, context, order, model.expire(order, now), now)
    return True


def extend(
    tx: Transaction,
    context: Context,
    side: int,
    order_id: int,
    duration_s: int,
    idempotency_key: str | None,
    cap: int | None = None,
    max_price: int | None = None,
) -> Order:
    """Lengthen a rental for a hold of its own, of `max_price` at most; the same key extends once.

    It counts against `cap`, whoever placed it. Raises NotFound, OrderClosed, InvalidInput, PriceTooLow,
    InsufficientBalance, SpendCapReached, IdempotencyConflict.
    """
    now = context.clock.now()
    request = _request_hash(context, ["extend", order_id, duration_s, max_price])
    if idempotency_key and _claim(tx, context, side, idempotency_key, request, 0).replayed:
        return store.order(tx, order_id, side)
    order = _locked_and_settled(tx, context, order_id, side)
    price = _extension_price(tx, order, duration_s)
    change = model.extend(order, price, duration_s, now)
    _demand_at_most(price, max_price)
    row = ledger.advance(tx, side, change.movement)
    if cap is not None:
        _spend(tx, side, cap, change.movement.hold)
    hold = ledger.hold(tx, row, change.movement.hold, now)
    if change.movement.capture:
        ledger.capture(tx, [hold], now)
    tx.run(
        store.Q.add_extension,
        {
            "hold": hold,
            "id": order_id,
            "amount": change.movement.hold,
            "duration_s": duration_s,
            "now": now,
            "cap": cap,
        },
    )
    write(tx, change.order, now)
    append(tx, side, row.seq, [Draft(change.events[0], order_id, change.order.revision)], now)
    return change.order


def set_auto_extend(
    tx: Transaction,
    context: Context,
    side: int,
    order_id: int,
    on: bool,
    cap: int | None = None,
    max_price: int | None = None,
) -> Order:
    """Let a rental go on by itself, or no more; what is so already is left so.

    Extensions will count against `cap`, and each will cost what one costs now, or less; it is not switched on where that is above
    `max_price`. Raises NotFound, OrderClosed, InvalidInput, PriceTooLow.
    """
    now = context.clock.now()
    order = _locked_and_settled(tx, context, order_id, side)
    change = model.set_auto_extend(order, on, now)
    if order.auto_extend == on:
        return order
    if on:
        agreed = _extension_price(tx, order, ordered_s(order))
        _demand_at_most(agreed, max_price)
        row = {"id": order_id, "at": model.auto_extend_at(order), "cap": cap, "agreed": agreed}
        tx.send(store.Q.add_auto_extension, row)
    else:
        tx.send(store.Q.drop_auto_extension, {"id": order_id})
    apply(tx, context, order, change, now)
    return change.order


def ordered_s(order: Order) -> int:
    """For how long a rental was ordered, whatever it was extended by."""
    return int((order.ends_at - order.created_at).total_seconds())


def _extension_price(tx: Transaction, order: Order, duration_s: int) -> int:
    """What it costs now to lengthen a rental; nothing for what is none. Raises InvalidInput."""
    priced = tx.one(store.Q.extension_price, {"id": order.id, "duration_s": duration_s})
    if order.kind == model.RENTAL and (priced is None or priced.amount is None):
        raise InvalidInput("This duration is not sold for this rental; catalog/offers lists the durations.")
    return priced.amount if priced and priced.amount else 0


def _demand_at_most(price: int, max_price: int | None) -> None:
    """Raises PriceTooLow."""
    if max_price is not None and price > max_price:
        raise PriceTooLow(price, "The extension costs more than max_price; lowest_price would work.")


def _spend(tx: Transaction, side: int, cap: int, amount: int) -> None:
    """Count against a key's cap, under its side's row. Raises SpendCapReached."""
    if not tx.run(store.Q.spend, {"side": side, "cap": cap, "amount": amount}):
        left = tx.one(store.Q.cap_left, {"side": side, "cap": cap})
        raise SpendCapReached(left.amount if left else 0)


def _transition(
    tx: Transaction, context: Context, side: int, order_id: int, step: Callable[[Order, datetime], Change]
) -> Order:
    now = context.clock.now()
    order = _locked_and_settled(tx, context, order_id, side)
    change = step(order, now)
    apply(tx, context, order, change, now)
    return change.order


def _locked_and_settled(tx: Transaction, context: Context, order_id: int, side: int | None) -> Order:
    """The order under its number's lock, with every message that is stored for it decided."""
    order = store.locked(tx, order_id, side)
    if settle_order(tx, context, order):
        return store.order(tx, order_id, side)
    return order
