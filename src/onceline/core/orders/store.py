"""Read and write orders and their messages. No decisions here."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from onceline.core.db import Answer, Listing, Row, Transaction, load_queries, page_of
from onceline.core.errors import Busy, Erased, InvalidInput, NotFound
from onceline.core.inventory import store as inventory
from onceline.core.orders.model import Order
from onceline.core.vault import Place, Vault, account_key

Q = load_queries(__package__)

MESSAGES_SHOWN = 20
"""An order's answer carries its latest ones; the rest is at orders/{id}/messages."""
LOOKED_AT = 20_000
"""Rows of a side that one page of a list looks at, however rare what is wanted."""
_CLOCK_SLACK = timedelta(days=1)
"""Orders have serials in the order of placing, and instants as some machine's clock had them."""


@dataclass(frozen=True, slots=True)
class MessageContent:
    """What is sealed of a message. `service` by its slug, `confidence` from 0 to 1, `evidence` as recognise.py names it.

    `incomplete`: parts of it have not come.
    """

    sender: str | None = None
    text: str | None = None
    code: str | None = None
    service: str | None = None
    confidence: float | None = None
    evidence: str | None = None
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message as its owner sees it; what was sealed is None when the account's key was destroyed."""

    id: int
    order: int
    received_at: datetime
    late: bool
    revision: int
    content: MessageContent


class Wanted(NamedTuple):
    """A filter over a side's orders; None means any. `states` are those that readers see at `now`.

    `number`: the whole of it or its last digits. 30 days after its close an order's number is sealed (promise A4), and the
    order is found by its number no more. `since` is within, `until` is not; both are of `created_at`. `order`: its id.
    """

    now: datetime
    states: list[str] | None = None
    service: str | None = None
    country: str | None = None
    client_reference: str | None = None
    kind: str | None = None
    number: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    order: int | None = None


def order(tx: Transaction, order_id: int, side: int | None = None) -> Order:
    """Raises NotFound, also for another side's order."""
    found = orders(tx, [order_id], side)
    if not found:
        raise NotFound("order", order_id)
    return found[order_id]


def locked(tx: Transaction, order_id: int, side: int | None = None) -> Order:
    """The order under its lock and, first, its number's. Raises NotFound."""
    seen = order(tx, order_id, side)
    if seen.number_id is not None:
        inventory.lock(tx, seen.number_id)
    tx.send(Q.lock, {"id": order_id})
    found = order(tx, order_id, side)
    if found.number_id != seen.number_id:
        raise Busy  # the supplier named the number meanwhile: take the locks again in their order
    return found


def orders(tx: Transaction, ids: Sequence[int], side: int | None = None) -> dict[int, Order]:
    return told(tx.ask(Q.by_ids, {"ids": list(ids), "side": side, "messages": None}))


def orders_of_serials(tx: Transaction, serials: Sequence[int], order_key: int) -> list[Order]:
    """The orders that were promised these serials, in that order."""
    ids = [row.id for row in tx.all(Q.by_serials, {"serials": list(serials), "order_key": order_key})]
    found = orders(tx, ids)
    return [found[one] for one in ids]


def listed(tx: Transaction, side: int, wanted: Wanted, *, before: int | None, limit: int) -> Listing:
    """Ids newest first; the cursor is the id of the last order seen. Raises InvalidInput for a number without digits.

    A page looks at LOOKED_AT orders at most: one with fewer than `limit`, even with none, may have a next page.
    """
    params = {"side": side, "before": before, **wanted._asdict(), "number": last_digits(wanted.number)}
    bounds = tx.one(Q.order_bounds, params)
    assert bounds is not None
    params |= {"low": bounds.low, "high": bounds.high, "looked_at": LOOKED_AT}
    page = page_of(tx.all(Q.listed, params | {"limit": limit + 1}), limit)
    if page.next is not None:
        return page
    last = tx.all(Q.looked_at, params)
    is_end = len(last) < 2 or (wanted.since is not None and last[0].created_at + _CLOCK_SLACK < wanted.since)
    return Listing(page.rows, None if is_end else last[0].id)


def last_digits(number: str | None) -> str | None:
    """What a number must end in. Raises InvalidInput."""
    if number is None:
        return None
    digits = re.sub(r"[^0-9]", "", number)
    if not digits:
        raise InvalidInput("number has no digits; write the whole number, or its last digits.")
    return digits


def ask_holders(tx: Transaction, messages: Sequence[int]) -> Answer:
    """The orders that held the messages' numbers when they came; `told` reads the answer."""
    return tx.ask(Q.by_ids, {"ids": None, "side": None, "messages": list(messages)})


def told(answer: Answer) -> dict[int, Order]:
    return {row.id: Order(*row) for row in answer.all()}


def add_messages(tx: Transaction, vault: Vault, owned: Sequence[tuple[str, Message]]) -> None:
    """Messages, each with the account that owns it. One that is there was shown early, and is whole now."""
    if not owned:
        return
    messages = [message for _, message in owned]
    tx.send(
        Q.add_messages,
        {
            "ids": [message.id for message in messages],
            "orders": [message.order for message in messages],
            "received_at": [message.received_at for message in messages],
            "sealed": [_sealed(vault, account, message) for account, message in owned],
            "has_code": [message.content.code is not None for message in messages],
            "late": [message.late for message in messages],
            "revisions": [message.revision for message in messages],
        },
    )


def messages(
    tx: Transaction, vault: Vault, account: str, order_id: int, *, after: int, limit: int
) -> list[Message]:
    """Oldest first."""
    rows = tx.all(Q.messages, {"order": order_id, "after": after, "limit": limit})
    return [_opened(vault, account, row) for row in rows]


def latest_messages(tx: Transaction, vault: Vault, found: Sequence[Order]) -> dict[int, list[Message]]:
    """The latest of each order, oldest first."""
    accounts = {one.id: one.account for one in found}
    opened: dict[int, list[Message]] = defaultdict(list)
    for row in tx.all(Q.latest_messages, {"orders": list(accounts), "limit": MESSAGES_SHOWN}):
        opened[row.order_id].append(_opened(vault, accounts[row.order_id], row))
    return opened


def side_messages(tx: Transaction, vault: Vault, account: str, wanted: Mapping[str, Any]) -> list[Message]:
    """Newest first; `wanted` as the statement names it."""
    return [_opened(vault, account, row) for row in tx.all(Q.side_messages, wanted)]


def messages_by_id(
    tx: Transaction, vault: Vault, accounts: Mapping[int, str], ids: Sequence[int]
) -> list[Message]:
    """Messages of these orders, given each order's account."""
    rows = tx.all(Q.messages_by_id, {"ids": list(ids)}) if ids else []
    return [_opened(vault, accounts[row.order_id], row) for row in rows]


def sandbox_owners(tx: Transaction, numbers: Sequence[str]) -> dict[str, int]:
    """Of test numbers, the sides whose live or latest orders have them."""
    return {row.e164: row.side_id for row in tx.all(Q.sandbox_owners, {"numbers": list(numbers)})}


def ended(tx: Transaction, before: datetime, limit: int) -> list[Row]:
    return tx.all(Q.ended, {"before": before, "limit": limit})


def extension_prices(tx: Transaction, order_id: int, durations: Sequence[int]) -> dict[int, int]:
    """What it costs to lengthen a rental by each of these, in micro-units; without those that its pool does not sell."""
    asked = {one: tx.ask(Q.extension_price, {"id": order_id, "duration_s": one}) for one in durations}
    priced = {one: answer.one() for one, answer in asked.items()}
    return {one: row.amount for one, row in priced.items() if row is not None and row.amount is not None}


def number_place(order_id: int) -> Place:
    return Place("orders", "e164_sealed", str(order_id))


def seal_old_numbers(tx: Transaction, vault: Vault, before: datetime, limit: int) -> int:
    """Cut the link from number to order of orders closed before an instant (promise A4)."""
    rows = tx.all(Q.bare_numbers, {"before": before, "limit": limit})
    for row in rows:
        try:
            sealed = vault.seal(account_key(row.account), row.e164.encode(), number_place(row.id))
        except Erased:
            sealed = None
        tx.run(Q.seal_number, {"id": row.id, "sealed": sealed})
    return len(rows)


def prune_keys(tx: Transaction, before: datetime, limit: int) -> int:
    """Forget idempotency keys made before an instant."""
    return tx.run(Q.prune_keys, {"before": before, "limit": limit})


def _place(message: int) -> Place:
    return Place("messages", "sealed", str(message))


def _sealed(vault: Vault, account: str, message: Message) -> bytes:
    content = json.dumps(asdict(message.content)).encode()
    return vault.seal(account_key(account), content, _place(message.id))


def _opened(vault: Vault, account: str, row: Row) -> Message:
    try:
        content = MessageContent(**json.loads(vault.open(account_key(account), row.sealed, _place(row.id))))
    except Erased:
        content = MessageContent()
    return Message(row.id, row.order_id, row.received_at, row.late, row.revision, content)
