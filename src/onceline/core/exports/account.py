"""The sections of a whole account: everything that is stored about it and may be shown.

A new table that is about a customer gets a reader and a line in SECTIONS here; a test holds the data inventory
(docs/reference/tables.md) against what an export really holds, column by column.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from onceline.core.clock import rfc3339
from onceline.core.db import Row, Transaction, load_queries
from onceline.core.errors import Erased
from onceline.core.exports import sections
from onceline.core.exports.sections import Place, Section, Step, View, Wanted, place_after
from onceline.core.money import format_amount
from onceline.core.notices import settings as notices
from onceline.core.orders import store
from onceline.core.orders.model import Order
from onceline.core.webhooks import store as webhooks

_Q = load_queries(__package__)

FEW_ROWS = 25
"""In a step of what carries long texts."""


def account(tx: Transaction, wanted: Wanted, _: Place | None) -> Step:
    rows = tx.all(_Q.account, {"account": wanted.account})
    return Step(
        [{"id": r.id, "name": r.name, "state": r.state, "opened_at": rfc3339(r.opened_at)} for r in rows],
        None,
    )


def balances(tx: Transaction, wanted: Wanted, _: Place | None) -> Step:
    """What the side's row holds now."""
    rows = tx.all(_Q.balance, {"side": wanted.side})
    currency = wanted.context.installation.currency
    return Step(
        [
            {
                "available": format_amount(row.available),
                "held": format_amount(row.held),
                "refund_pending": format_amount(row.refund_pending),
                "disputed": format_amount(row.disputed),
                "debt": format_amount(row.debt),
                "currency": currency,
                "live_orders": row.live_orders,
                "events": row.seq,
            }
            for row in rows
        ],
        None,
    )


def keys(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """As GET /keys shows them, all of them."""
    rows = tx.all(_Q.keys, {"side": wanted.side, "after": at[0] if at else 0, "limit": wanted.limit})
    return Step([_key(row) for row in rows], _after(rows, wanted.limit))


def _key(row: Row) -> View:
    caps = {name: getattr(row, name) for name in ("spend_cap", "spent")}
    amounts = {name: None if value is None else format_amount(value) for name, value in caps.items()}
    return {**_plain(row), **amounts}


def sessions(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """When people were logged in, as long as that is kept; a session has a row on each side."""
    rows = tx.all(_Q.sessions, {"side": wanted.side, "after": at[0] if at else 0, "limit": wanted.limit})
    return Step([_plain(row) for row in rows], _after(rows, wanted.limit))


def whole_orders(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """Orders with everything that is stored of them; their messages are a section of their own."""
    rows, next_at = sections.orders(tx, wanted, at)
    ids = [row["id"] for row in rows]
    stored = store.orders(tx, ids)
    longer, agreed = _extensions(tx, ids), _agreed_prices(tx, ids)
    wholes = [_whole(row, stored[row["id"]], longer.get(row["id"], [])) for row in rows]
    return Step([{**one, "auto_extend_price": agreed.get(one["id"])} for one in wholes], next_at)


def _agreed_prices(tx: Transaction, ids: Sequence[int]) -> dict[int, str]:
    """What an extension may cost at most, of rentals that go on by themselves."""
    rows = tx.all(_Q.agreed_prices, {"orders": list(ids)})
    return {row.order_id: format_amount(row.agreed) for row in rows}


def _whole(shown: View, order: Order, longer: Sequence[View]) -> View:
    rest = {name: value for name, value in shown.items() if name not in ("messages", "code")}
    instants = ("ends_at", "cancel_until", "first_shown_at", "first_valid_at", "captured_at")
    return {
        **rest,
        **{name: _plain_value(getattr(order, name)) for name in instants},
        "base_price": format_amount(order.price),
        "money": order.money,
        "extensions": list(longer),
    }


def _extensions(tx: Transaction, ids: Sequence[int]) -> dict[int, list[View]]:
    found: dict[int, list[View]] = {}
    for row in tx.all(_Q.extensions, {"orders": list(ids)}):
        seen = {
            "amount": format_amount(row.amount),
            "duration_s": row.duration_s,
            "made_at": rfc3339(row.made_at),
        }
        found.setdefault(row.order_id, []).append(seen)
    return found


def events(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """What happened, without the order and message that an event's reading shows: those have sections."""
    params = {
        "side": wanted.side,
        "after": at[0] if at else 0,
        "before": wanted.before,
        "limit": wanted.limit,
    }
    rows = tx.all(_Q.events, params)
    ids = wanted.context.installation
    views = [
        {
            "seq": row.seq,
            "id": ids.event_id(wanted.side, row.seq),
            "type": row.type,
            "at": rfc3339(row.at),
            "order": row.order_id,
            "revision": row.revision,
            "message": ids.message_ids.public(row.message_id) if row.message_id is not None else None,
            "subject": row.subject,
        }
        for row in rows
    ]
    return Step(views, _after(rows, wanted.limit))


def deposits(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """Everything that is stored of them; the address that money came from in full."""
    return _amounts(_listed(tx, _Q.deposits, wanted, at or [""]), "amount", "fee", "bonus", "credited")


def deposit_refunds(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    return _amounts(_listed(tx, _Q.deposit_refunds, wanted, at or [""]), "amount")


def disputes(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    return _amounts(_listed(tx, _Q.disputes, wanted, at or [""]), "claimed", "amount", "fee", "owed", "bonus")


def deposit_keys(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """Your own keys of the last seven days, and the deposits that they began."""
    return _listed(tx, _Q.deposit_keys, wanted, at or [""])


def _amounts(step: Step, *names: str) -> Step:
    """With these columns as decimal text."""
    rows = [
        row | {name: format_amount(row[name]) for name in names if row[name] is not None} for row in step.rows
    ]
    return Step(rows, step.at)


def idempotency(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """Your own keys of the last seven days, and the orders that they made."""
    params = {
        "side": wanted.side,
        "after": at[0] if at else "",
        "limit": wanted.limit,
        "order_key": wanted.context.installation.order_key,
    }
    rows = tx.all(_Q.idempotency, params)
    return Step([_plain(row) for row in rows], _after(rows, wanted.limit))


def exports(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    params = {
        "side": wanted.side,
        "after": at[0] if at else 0,
        "before": wanted.before,
        "limit": wanted.limit,
    }
    rows = tx.all(_Q.asked_exports, params)
    return Step([_plain(row) for row in rows], _after(rows, wanted.limit))


def endpoints(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """Webhooks with their secrets' names; the secrets themselves are in no file."""
    rows = tx.all(_Q.endpoints, {"side": wanted.side, "after": at[0] if at else "", "limit": wanted.limit})
    names: dict[str, list[View]] = {row.id: [] for row in rows}
    for secret in tx.all(_Q.secret_names, {"webhooks": list(names)}):
        names[secret.key_webhook].append(_plain(secret))
    return Step(
        [{**_plain(row), "url": _url(wanted, row), "secrets": names[row.id]} for row in rows],
        _after(rows, wanted.limit),
    )


def _url(wanted: Wanted, row: Row) -> str | None:
    try:
        return webhooks.url_of(wanted.context.vault, wanted.account, row, row.id)
    except Erased:
        return None


def deliveries(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """What was sent to webhooks, with every attempt: what went out, and what came back."""
    webhook, after = at or ("", 0)
    limit = min(FEW_ROWS, wanted.limit)
    params = {
        "side": wanted.side,
        "webhook": webhook,
        "after": after,
        "before": wanted.before,
        "limit": limit,
    }
    rows = tx.all(_Q.deliveries, params)
    tries: dict[int, list[View]] = {row.key_delivery: [] for row in rows}
    for attempt in tx.all(_Q.attempts, {"deliveries": list(tries)}):
        tries[attempt.delivery_id].append(_attempt(wanted, attempt))
    views = [{**_plain(row), "attempts": tries[row.key_delivery]} for row in rows]
    return Step(views, _after(rows, limit))


def _attempt(wanted: Wanted, row: Row) -> View:
    seen = {
        name: _plain_value(getattr(row, name))
        for name in ("number", "at", "status", "outcome", "duration_ms")
    }
    try:
        content = webhooks.open_attempt(wanted.context.vault, wanted.account, row) if row.sealed else None
    except Erased:
        content = None
    return {**seen, "content": content}


def notice_settings(tx: Transaction, wanted: Wanted, _: Place | None) -> Step:
    """As GET /notices shows them."""
    (side,) = tx.all(_Q.balance, {"side": wanted.side})
    owner = notices.Owner(wanted.account, wanted.side, side.mode)
    rest = [_plain(row) for row in tx.all(_Q.notice_marks, {"side": wanted.side})]
    return Step([{**notices.overview(tx, wanted.context.vault, owner), **one} for one in rest], None)


def notifications(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """Of the side; those about the account as a whole stand beside the test side's, with no mode."""
    return _listed(tx, _Q.notifications, wanted, at)


def mails(tx: Transaction, wanted: Wanted, at: Place | None) -> Step:
    """What was mailed to the side's address, and what waits to be."""
    return _listed(tx, _Q.mails, wanted, at)


def _listed(tx: Transaction, statement: str, wanted: Wanted, at: Place | None) -> Step:
    """Rows as they are, by a number of their own."""
    params = {
        "account": wanted.account,
        "side": wanted.side,
        "after": at[0] if at else 0,
        "before": wanted.before,
        "limit": wanted.limit,
    }
    rows = tx.all(statement, params)
    return Step([_plain(row) for row in rows], _after(rows, wanted.limit))


def _after(rows: Sequence[Row], limit: int) -> Place | None:
    """Of a section that is read without a window."""
    return place_after(rows[-1]) if len(rows) == limit else None


def _plain(row: Row) -> View:
    """A row's columns as they are, without those of its place."""
    return {name: _plain_value(getattr(row, name)) for name in row._fields if not name.startswith("key_")}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    return value.isoformat() if isinstance(value, date) else value


SECTIONS: tuple[Section, ...] = (
    Section("account", account, of_side=False),
    Section("balances", balances),
    Section("keys", keys),
    Section("sessions", sessions),
    Section("orders", whole_orders),
    Section("messages", sections.messages),
    Section("transfers", sections.transfers),
    Section("deposits", deposits),
    Section("deposit_refunds", deposit_refunds),
    Section("disputes", disputes),
    Section("deposit_keys", deposit_keys),
    Section("events", events),
    Section("idempotency_keys", idempotency),
    Section("exports", exports),
    Section("webhooks", endpoints),
    Section("deliveries", deliveries),
    Section("notice_settings", notice_settings),
    Section("notifications", notifications),
    Section("mails", mails),
)
"""In the order of the file. A new one may stand anywhere; its name never changes."""
