"""What a customer sees of deposits. Of whoever paid there is the address that it came from, as far as a network names one, and
of that the ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from onceline.core.clock import rfc3339
from onceline.core.db import Transaction
from onceline.core.deposits import refunds
from onceline.core.deposits.model import REFUND_FOR, Deposit, Refunds
from onceline.core.deposits.refunds import Refund
from onceline.core.money import format_amount
from onceline.core.processors import store as processors

View = dict[str, Any]
_PAYABLE = frozenset({"created", "confirming"})
_SHOWN_ENDS = 4


def deposit_views(tx: Transaction, found: Sequence[Deposit], currency: str, now: datetime) -> list[View]:
    """As the API shows them, in the order given."""
    pages = processors.pages(tx, [one.id for one in found if one.state in _PAYABLE])
    sent = refunds.newest(tx, [one.id for one in found if one.credited is not None])
    return [_view(one, currency, _page(one, pages, now), sent.get(one.id)) for one in found]


def _page(found: Deposit, pages: dict[str, str], now: datetime) -> str | None:
    """Nobody is sent to a page that has ended."""
    is_open = found.expires_at is None or now < found.expires_at
    return pages.get(found.id) if is_open else None


def _view(found: Deposit, currency: str, page: str | None, refund: Refund | None) -> View:
    return {
        "id": found.id,
        "method": found.method,
        "state": found.state,
        "amount": format_amount(found.amount),
        "fee": format_amount(found.fee),
        "bonus": format_amount(found.bonus),
        "credited": None if found.credited is None else format_amount(found.credited),
        "currency": currency,
        "refunds": found.refunds.value,
        "refundable_until": _refundable_until(found),
        "origin": masked(found.origin),
        "network": found.network,
        "asset": found.asset,
        "created_at": rfc3339(found.created_at),
        "expires_at": _instant(found.expires_at),
        "credited_at": _instant(found.credited_at),
        "ended_at": _instant(found.ended_at),
        "pay_url": page,
        "refund": _refund_view(refund) if refund else None,
    }


def _refund_view(refund: Refund) -> View:
    return {
        "id": refund.id,
        "state": refund.state,
        "amount": format_amount(refund.amount),
        "asked_at": rfc3339(refund.asked_at),
        "sent_at": _instant(refund.sent_at),
        "ended_at": _instant(refund.ended_at),
    }


def masked(address: str | None) -> str | None:
    """Its ends: enough for its owner to know it by."""
    if address is None or len(address) <= 2 * _SHOWN_ENDS:
        return address
    return f"{address[:_SHOWN_ENDS]}…{address[-_SHOWN_ENDS:]}"


def _refundable_until(found: Deposit) -> str | None:
    """By its age and method alone; whether it was spent is looked at when it is asked for."""
    if found.credited_at is None or found.state != "credited" or found.refunds is Refunds.NEVER:
        return None
    if found.refunds is Refunds.ORIGIN and not found.origin:
        return None
    return rfc3339(found.credited_at + REFUND_FOR)


def _instant(at: datetime | None) -> str | None:
    return rfc3339(at) if at else None
