"""What a side looks back on: its messages over all orders, and what it ordered lately.

Promises that every page is bounded: it looks at so many rows and gives a cursor to go on. Sender and text are sealed, so
those two are looked for among the latest SEARCHED messages alone, which are opened for it, and the answer says so. Never
logs, stores or sends to the database what is searched for in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from onceline.core.db import Row, Transaction
from onceline.core.orders import store
from onceline.core.orders.context import Context
from onceline.core.orders.store import Message, last_digits
from onceline.core.orders.view import side_message_view

SEARCHED = 1000
_OPENED_AT_ONCE = 100
_CHOSEN_OF = 200


class MessageFilter(NamedTuple):
    """None means any. `sender` and `text`: a part of it, whatever the case; the rest as `Wanted` of orders.

    `service` is the order's; `since` and `until` are of `received_at`; `order` is an id.
    """

    sender: str | None = None
    text: str | None = None
    service: str | None = None
    number: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    order: int | None = None

    @property
    def is_sealed(self) -> bool:
        """Whether messages must be opened to know which ones are wanted."""
        return bool(self.sender or self.text)

    def fits(self, message: Message) -> bool:
        """As far as it is sealed."""
        content = message.content
        return _holds(content.sender, self.sender) and _holds(content.text, self.text)


class Found(NamedTuple):
    """A page of messages as their owner sees them; `next` is the id of the last message seen, None on the last page.

    `searched`: among how many of the latest messages sender and text were looked for, None where neither was asked for.
    `complete`: False where older messages were not looked at for that reason.
    """

    views: list[dict[str, Any]]
    next: int | None
    searched: int | None
    complete: bool


class Choice(NamedTuple):
    service: str
    country: str
    kind: str


class _Page(NamedTuple):
    messages: list[Message]
    next: int | None


def messages_of(
    tx: Transaction, context: Context, side: int, wanted: MessageFilter, before: int | None, limit: int
) -> Found:
    """A side's messages, newest first, each with its order's id, number and service. Raises InvalidInput.

    A page that was filtered may hold fewer than `limit`, even none, and have a next page.
    """
    plain = {name: getattr(wanted, name) for name in ("service", "since", "until", "order")}
    params = {"side": side, **plain, "number": last_digits(wanted.number)}
    searched = SEARCHED if wanted.is_sealed else None
    bounds = tx.one(store.Q.side_message_bounds, {**params, "before": before, "searched": searched})
    assert bounds is not None
    params |= {"low": bounds.low, "high": bounds.high, "looked_at": store.LOOKED_AT}
    read = _search if wanted.is_sealed else _page
    page = read(tx, context, bounds, wanted, params, limit)
    in_latest = bounds.searched if wanted.is_sealed else None
    return Found(_views(tx, context, page.messages), page.next, in_latest, not bounds.older)


def recent_choices(tx: Transaction, side: int, limit: int) -> list[Choice]:
    """What the side's last 200 orders were for, each choice once, the latest first."""
    rows = tx.all(store.Q.recent_choices, {"side": side, "looked_at": _CHOSEN_OF, "limit": limit})
    return [Choice(*row) for row in rows]


def _page(
    tx: Transaction, context: Context, bounds: Row, _: MessageFilter, params: Mapping[str, Any], limit: int
) -> _Page:
    vault, account = context.vault, bounds.account
    found = store.side_messages(tx, vault, account, {**params, "limit": limit + 1})
    if len(found) > limit:
        return _Page(found[:limit], found[limit - 1].id)
    last = tx.all(store.Q.messages_looked_at, params)
    return _Page(found, last[0].id if len(last) > 1 else None)


def _search(
    tx: Transaction,
    context: Context,
    bounds: Row,
    wanted: MessageFilter,
    params: Mapping[str, Any],
    limit: int,
) -> _Page:
    """Open one batch after the other, down to `bounds.low`."""
    found: list[Message] = []
    high = bounds.high
    while len(found) <= limit:
        batch = store.side_messages(
            tx, context.vault, bounds.account, {**params, "high": high, "limit": _OPENED_AT_ONCE}
        )
        found += [message for message in batch if wanted.fits(message)]
        if len(batch) < _OPENED_AT_ONCE:
            break
        high = batch[-1].id - 1
    return _Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


def _views(tx: Transaction, context: Context, messages: list[Message]) -> list[dict[str, Any]]:
    orders = store.orders(tx, sorted({message.order for message in messages}))
    return [side_message_view(context, message, orders[message.order]) for message in messages]


def _holds(content: str | None, part: str | None) -> bool:
    return not part or (content is not None and part.casefold() in content.casefold())
