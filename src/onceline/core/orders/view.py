"""How orders, messages and events are written for customers: the one place, whatever the door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from onceline.core.clock import rfc3339
from onceline.core.db import Row, Transaction
from onceline.core.errors import Erased, NotFound
from onceline.core.money import format_amount
from onceline.core.orders import model, store
from onceline.core.orders.context import Context
from onceline.core.orders.model import Order
from onceline.core.orders.store import Message, number_place
from onceline.core.outbox import store as outbox
from onceline.core.outbox.store import Ahead
from onceline.core.vault import account_key


def order_views(tx: Transaction, context: Context, ids: Sequence[int]) -> list[dict[str, Any]]:
    """The orders as they stand now, in the order of `ids`."""
    orders, messages = _orders_with_messages(tx, context, ids)
    now = context.clock.now()
    return [order_view(context, orders[one], messages.get(one, []), now) for one in ids if one in orders]


class OfSide(NamedTuple):
    """An order as a side asks for it."""

    order: int
    side: int


def views_of(tx: Transaction, context: Context, asked: Sequence[OfSide]) -> list[dict[str, Any] | NotFound]:
    """What each asked for, in one reading; NotFound also for another side's order."""
    orders, messages = _orders_with_messages(tx, context, [one.order for one in asked])
    now = context.clock.now()
    return [
        order_view(context, found, messages.get(one.order, []), now)
        if (found := orders.get(one.order)) and found.side == one.side
        else NotFound("order", one.order)
        for one in asked
    ]


def _orders_with_messages(
    tx: Transaction, context: Context, ids: Sequence[int]
) -> tuple[dict[int, Order], dict[int, list[Message]]]:
    orders = store.orders(tx, ids)
    changed = [order for order in orders.values() if order.revision > 1]
    return orders, store.latest_messages(tx, context.vault, changed) if changed else {}


def order_view(context: Context, order: Order, messages: Sequence[Message], now: datetime) -> dict[str, Any]:
    codes = [message.content.code for message in messages if message.content.code and not message.late]
    late_codes = [message.content.code for message in messages if message.content.code]
    state = model.state_at(order, now)
    return {
        "id": order.id,
        "kind": order.kind,
        "state": state,
        "number": _number(context, order),
        "service": order.service,
        "country": order.country,
        "pool": order.pool,
        "network": order.network or None,
        "price": money_view(context, order.total),
        "created_at": rfc3339(order.created_at),
        "expires_at": rfc3339(order.expires_at),
        "closed_at": rfc3339(order.closed_at) if order.closed_at else None,
        "cancel_available_at": rfc3339(order.cancel_from),
        "can_cancel": model.can_cancel(order, now),
        "can_resend": model.can_resend(order, now),
        "can_finish": model.can_finish(order, now),
        "auto_extend": order.auto_extend and state in model.LIVE,
        "charged": order.money == "captured",
        "revision": order.revision,
        "client_reference": order.client_reference,
        "withheld": order.withheld,
        "code": next(reversed(codes or late_codes), None),
        "messages": [message_view(context, message) for message in messages],
    }


def _number(context: Context, order: Order) -> str | None:
    """The number in clear; 30 days after the close it is sealed, and gone with the account's key."""
    if order.e164_sealed is None:
        return order.e164
    try:
        return context.vault.open(
            account_key(order.account), order.e164_sealed, number_place(order.id)
        ).decode()
    except Erased:
        return None


def created_view(context: Context, order: Order) -> dict[str, Any]:
    """The order as the placing answered it, made of columns that never change: the same bytes for every replay."""
    fresh = order if order.revision == 1 else model.as_created(order)
    return order_view(context, fresh, [], fresh.created_at)


def message_view(context: Context, message: Message) -> dict[str, Any]:
    content = message.content
    return {
        "id": context.installation.message_ids.public(message.id),
        "sender": content.sender,
        "text": content.text,
        "code": content.code,
        "service": content.service,
        "confidence": content.confidence,
        "evidence": content.evidence,
        "received_at": rfc3339(message.received_at),
        "late": message.late,
        "incomplete": content.incomplete,
        "revision": message.revision,
    }


def side_message_view(context: Context, message: Message, order: Order) -> dict[str, Any]:
    """A message that stands apart from its order."""
    head = {"id": order.id, "number": _number(context, order), "service": order.service}
    return {**message_view(context, message), "order": head}


def money_view(context: Context, micros: int) -> dict[str, str]:
    return {"amount": format_amount(micros), "currency": context.installation.currency}


def transfer_view(context: Context, row: Row) -> dict[str, Any]:
    """A row of the statement."""
    return {
        "id": context.installation.transfer_ids.public(row.id),
        "kind": row.kind,
        "debit": row.debit,
        "credit": row.credit,
        **money_view(context, row.amount),
        "order": row.order_id,
        "made_at": rfc3339(row.made_at),
    }


def event_views(tx: Transaction, context: Context, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Events with their order and message as they stand now; `order` is null for an event that names none."""
    ids = sorted({row.order_id for row in rows if row.order_id is not None})
    orders, latest = _orders_with_messages(tx, context, ids) if ids else ({}, {})
    now = context.clock.now()
    views = {one: order_view(context, order, latest.get(one, []), now) for one, order in orders.items()}
    messages = {message.id: message for found in latest.values() for message in found}
    messages |= _older_messages(tx, context, orders, [row for row in rows if row.message_id not in messages])
    return [
        {
            "seq": row.seq,
            "id": context.installation.event_id(row.side_id, row.seq),
            "event": {
                "type": row.type,
                "at": rfc3339(row.at),
                "revision": row.revision,
                "subject": row.subject,
                "order": views.get(row.order_id),
                "message": message_view(context, messages[row.message_id])
                if row.message_id in messages
                else None,
            },
        }
        for row in rows
    ]


class Stretch(NamedTuple):
    """A page of a side's stream, rendered; no event of it where it is not `whole`."""

    seq: int
    epoch: str
    events: list[dict[str, Any]]
    whole: bool


def stretches(tx: Transaction, context: Context, asked: Sequence[Ahead]) -> list[Stretch]:
    """What each asked for of its side's stream, in one reading."""
    pages = outbox.pages(tx, asked)
    views = iter(event_views(tx, context, [row for page in pages if page.whole for row in page.rows]))
    return [
        Stretch(page.seq, page.epoch, list(islice(views, len(page.rows))) if page.whole else [], page.whole)
        for page in pages
    ]


def _older_messages(
    tx: Transaction, context: Context, orders: Mapping[int, Order], rows: Sequence[Row]
) -> dict[int, Message]:
    """Messages of events that are not among the latest of their orders any more."""
    ids = [row.message_id for row in rows if row.message_id is not None]
    accounts = {order.id: order.account for order in orders.values()}
    return {message.id: message for message in store.messages_by_id(tx, context.vault, accounts, ids)}
