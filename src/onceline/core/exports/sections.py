"""What an export holds: a table of sections, each read a bounded step at a time from a place on.

The sections of a whole account are in account.py. A reader promises: oldest first, each row once, never more than STEP_ROWS rows and
WINDOW looked at in one statement, and the same rows again from the same place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from onceline.core.db import Row, Transaction, load_queries
from onceline.core.orders import store, view
from onceline.core.orders.context import Context
from onceline.core.orders.model import Order

_Q = load_queries(__package__)

STEP_ROWS = 100
"""Read in one statement: their texts are in memory at once."""
WINDOW = 5000
"""Rows that one statement passes over, where few or none of them are wanted."""
_LAST = 2**63 - 1
Place = list[Any]
View = dict[str, Any]


class Wanted(NamedTuple):
    """Whose rows, and from when: `since` is within (None: from the first on), `before` is not."""

    context: Context
    account: str
    side: int
    since: datetime | None
    before: datetime
    as_of: datetime
    limit: int
    """Of rows in a step: STEP_ROWS, or fewer where no more are looked at."""


class Step(NamedTuple):
    """`at`: the place after these rows, or None at the end."""

    rows: list[View]
    at: Place | None


Reader = Callable[[Transaction, Wanted, Place | None], Step]


class Section(NamedTuple):
    name: str
    read: Reader
    of_side: bool = True
    """Whether it is read for each side, and says so with `mode` in each row."""


def up_to(as_of: datetime, until: datetime | None) -> datetime:
    """The end of what is exported: what happened in the very microsecond of `as_of` is still within."""
    end = as_of + timedelta(microseconds=1)
    return min(until, end) if until else end


# Orders, messages, transfers: what the kinds of the same names hold ----------------------------------------------


def orders(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """As GET /orders shows them, each with its latest messages."""
    hits, next_at = _hits(tx, _Q.orders, _Q.orders_window, wanted, {"after": at[0] if at else 0})
    found = store.orders(tx, [row.id for row in hits])
    changed = [order for order in found.values() if order.revision > 1]
    latest = store.latest_messages(tx, wanted.context.vault, changed) if changed else {}
    ordered = [found[row.id] for row in hits]
    views = [view.order_view(wanted.context, one, latest.get(one.id, []), wanted.as_of) for one in ordered]
    return Step(views, next_at)


def flat_orders(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """For a table: the price in a column of its own, and how many messages are at hand instead of them."""
    rows, next_at = orders(tx, wanted, at)
    return Step([{**row, **row["price"], "messages": len(row["messages"])} for row in rows], next_at)


def messages(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """Every shown message with its order and number, by order and then by time."""
    serial, message = at or (0, 0)
    params = {"after": serial, "message": message}
    hits, next_at = _hits(tx, _Q.messages, _Q.messages_window, wanted, params)
    of = store.orders(tx, sorted({row.order_id for row in hits}))
    ids = [row.id for row in hits]
    accounts = dict.fromkeys(of, wanted.account)
    opened = {one.id: one for one in store.messages_by_id(tx, wanted.context.vault, accounts, ids)}
    heads = {order.id: _head(wanted, order) for order in of.values()}
    return Step(
        [
            {**heads[one.order], **view.message_view(wanted.context, one)}
            for one in map(opened.__getitem__, ids)
        ],
        next_at,
    )


def transfers(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """As GET /statement shows them."""
    hits, next_at = _hits(tx, _Q.transfers, _Q.transfers_window, wanted, {"after": at[0] if at else 0})
    return Step([view.transfer_view(wanted.context, row) for row in hits], next_at)


def _head(wanted: Wanted, order: Order) -> View:
    """What a message's row says of its order."""
    shown = view.order_view(wanted.context, order, [], wanted.as_of)
    return {
        "order": order.id,
        "number": shown["number"],
        "ordered_service": order.service,
        "country": order.country,
        "client_reference": order.client_reference,
    }


def _hits(
    tx: Transaction, statement: str, window: str, wanted: Wanted, params: Mapping[str, Any]
) -> tuple[list[Row], Place | None]:
    """The next rows that are wanted, and the place after them.

    Where fewer are found than a step holds, the window's edge says how far was looked.
    """
    full = {
        **params,
        "side": wanted.side,
        "since": wanted.since,
        "before": wanted.before,
        "limit": wanted.limit,
        "window": WINDOW,
    }
    hits = tx.all(statement, full)
    if len(hits) == wanted.limit:
        return hits, place_after(hits[-1])
    edge = tx.one(window, full)
    return hits, place_after(edge) if edge else None


def place_after(row: Row) -> Place:
    """What a row's `key…` columns say."""
    return [getattr(row, name) for name in row._fields if name.startswith("key")]


TABLES: Mapping[tuple[str, str], Section] = {
    ("orders", "csv"): Section("rows", flat_orders),
    ("orders", "json"): Section("rows", orders),
    ("codes", "csv"): Section("rows", messages),
    ("codes", "json"): Section("rows", messages),
    ("statement", "csv"): Section("rows", transfers),
    ("statement", "json"): Section("rows", transfers),
}
"""One section, of the asking key's side."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "orders": (
        "id", "kind", "state", "number", "service", "country", "pool", "network", "amount", "currency", "created_at",
        "expires_at", "closed_at", "charged", "code", "messages", "withheld", "revision", "client_reference",
    ),
    "codes": (
        "id", "order", "number", "ordered_service", "country", "received_at", "sender", "text", "code", "service",
        "confidence", "evidence", "late", "revision", "client_reference",
    ),
    "statement": ("id", "kind", "debit", "credit", "amount", "currency", "order", "made_at"),
}  # fmt: skip
"""Of the tables, in their order. New ones come at the end."""
