"""What Cryptomus says of an invoice when it is asked, as values: its state, what came in our currency, where from. Pure.

Money is counted by the invoice's own rate (what was asked for in our currency, against what that was in the payer's) and
rounded down to a cent. Words and figures have to agree: an invoice that is called paid, but whose figures say less, was
marked by a person or by a thief of the key, and is left to staff.
https://doc.cryptomus.com/merchant-api/payments/payment-statuses
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from onceline.core.money import LARGEST, MICROS
from onceline.payments.base import Paid, Sent

LOCAL = timezone(timedelta(hours=3))
"""Of every stamp that names no zone, and of the filters of lists."""

_CENT = MICROS // 100
_DECIMAL = re.compile(r"\d{1,20}(?:\.\d{1,30})?", re.ASCII)
_LONGEST = 128
_ACCOUNT = re.compile(r"0x[0-9a-fA-F]{40}")
_ORIGINS = {
    "eth": _ACCOUNT, "bsc": _ACCOUNT, "polygon": _ACCOUNT, "avalanche": _ACCOUNT, "arbitrum": _ACCOUNT,
    "optimism": _ACCOUNT, "base": _ACCOUNT, "tron": re.compile(r"T[1-9A-HJ-NP-Za-km-z]{33}"),
}  # fmt: skip
"""Networks that know one sender of a payment, who can be paid by this text alone. Not of UTXO (several senders), not TON and
XRP (a memo belongs to it), not Solana (it may be a token account), none that is not listed."""

_STATES = {
    "check": Paid.OPEN, "process": Paid.OPEN,
    "confirm_check": Paid.CONFIRMING, "wrong_amount_waiting": Paid.CONFIRMING,
    "cancel": Paid.EXPIRED, "fail": Paid.FAILED, "system_fail": Paid.FAILED, "locked": Paid.FROZEN,
    "refund_process": Paid.FROZEN, "refund_paid": Paid.FROZEN,
}  # fmt: skip
"""Nothing is to be credited. What was sent back by somebody, before we knew that it came, least of all."""
_MONEY = {
    "paid": {Paid.PAID, Paid.OVER}, "paid_over": {Paid.PAID, Paid.OVER}, "wrong_amount": {Paid.UNDER},
    "refund_fail": {Paid.PAID, Paid.OVER, Paid.UNDER},
}  # fmt: skip
"""Money came and is there; which figures that word allows."""
MOVED = frozenset((*_MONEY, "refund_process", "refund_paid"))
"""Money came in some time."""
REFUNDS = {"refund_process": Sent.ON_ITS_WAY, "refund_paid": Sent.DONE, "refund_fail": Sent.REFUSED}


class Nonsense(Exception):
    """An answer that is not what the documentation says. The text says what, and quotes no more than a word of it."""


@dataclass(frozen=True, slots=True)
class Invoice:
    """`paid` and `due` are in `payer_currency`; None where it does not say. `order_id` is "" of invoices made by hand."""

    uuid: str
    order_id: str
    status: str
    is_final: bool | None
    amount: Decimal
    currency: str
    paid: Decimal | None
    due: Decimal | None
    payer_currency: str | None
    network: str | None
    address: str | None
    sender: str | None
    txid: str | None
    url: str | None
    created_at: str | None
    updated_at: str | None


def invoice(result: object) -> Invoice:
    """Raises Nonsense."""
    if not isinstance(result, Mapping):
        raise Nonsense("an invoice is no object")
    is_final = result.get("is_final")
    return Invoice(
        uuid=_need(result, "uuid"),
        order_id=_text(result, "order_id") or "",
        status=_text(result, "payment_status") or _need(result, "status"),
        is_final=is_final if isinstance(is_final, bool) else None,
        amount=_figure(_need(result, "amount")),
        currency=_need(result, "currency"),
        paid=_optional_figure(result, "payment_amount"),
        due=_optional_figure(result, "payer_amount"),
        payer_currency=_text(result, "payer_currency"),
        network=_text(result, "network"),
        address=_text(result, "address"),
        sender=_text(result, "from"),
        txid=_text(result, "txid"),
        url=_text(result, "url", longest=2048),
        created_at=_text(result, "created_at"),
        updated_at=_text(result, "updated_at"),
    )


def standing(found: Invoice, accuracy: Decimal) -> tuple[Paid, int]:
    """State, and micro-units to credit. Raises Nonsense for a status that nobody knows, and amounts beyond ours."""
    if state := _STATES.get(found.status):
        return state, 0
    allowed = _MONEY.get(found.status)
    if allowed is None:
        raise Nonsense(f"an unknown status: {found.status[:32]}")
    if found.is_final is False:
        return Paid.CONFIRMING, 0
    state, value = by_figures(found, accuracy)
    if state not in allowed:
        return Paid.FROZEN, 0
    return (Paid.PAID, micros(found.amount)) if found.status == "paid" else (state, value)


def by_figures(found: Invoice, accuracy: Decimal) -> tuple[Paid, int]:
    """What came, whatever it is called; FROZEN and 0 where the figures do not tell. Raises Nonsense."""
    asked, due = micros(found.amount), found.due
    if not due and found.payer_currency == found.currency:
        due = found.amount
    if found.paid is None or not due:
        return Paid.FROZEN, 0
    value = _worth(found.paid, found.amount, due)
    if value > asked:
        return Paid.OVER, value
    if found.paid * 100 >= due * (100 - accuracy):
        return Paid.PAID, asked
    return Paid.UNDER, value


def origin(found: Invoice) -> str | None:
    """The one address that this payment came from; None inside the platform, and where the network defines none."""
    pattern = _ORIGINS.get((found.network or "").lower())
    if not (pattern and found.txid and found.sender) or found.sender == found.address:
        return None
    return found.sender if pattern.fullmatch(found.sender) else None


def asset(found: Invoice) -> str | None:
    """What was paid, to be read: `0.00042 BTC`."""
    if not found.paid or not found.payer_currency:
        return None
    text = f"{found.paid:f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {found.payer_currency}"


def micros(amount: Decimal) -> int:
    """Exactly. Raises Nonsense for what does not divide, and beyond what is served here."""
    over, under = amount.as_integer_ratio()
    whole, rest = divmod(over * MICROS, under)
    if rest:
        raise Nonsense("an amount has more than six places")
    return _within(whole)


def instant(stamp: str | None) -> datetime:
    """Raises Nonsense."""
    try:
        found = datetime.fromisoformat(stamp or "")
        return (found if found.tzinfo else found.replace(tzinfo=LOCAL)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Nonsense("a time is none") from None


def _worth(paid: Decimal, amount: Decimal, due: Decimal) -> int:
    """Whole cents of what was paid, in whole numbers all the way: no rounding but the last one, down."""
    factors = [one.as_integer_ratio() for one in (paid, amount)]
    due_over, due_under = due.as_integer_ratio()
    over = factors[0][0] * factors[1][0] * due_under * MICROS
    under = factors[0][1] * factors[1][1] * due_over
    return _within(over // (under * _CENT) * _CENT)


def _within(value: int) -> int:
    if value > LARGEST:
        raise Nonsense("an amount is larger than any served here")
    return value


def _figure(text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise Nonsense("an amount is no plain decimal")
    return Decimal(text)


def _optional_figure(fields: Mapping[str, Any], name: str) -> Decimal | None:
    text = _text(fields, name)
    return None if text is None else _figure(text)


def _need(fields: Mapping[str, Any], name: str) -> str:
    text = _text(fields, name)
    if text is None:
        raise Nonsense(f"{name} is missing")
    return text


def _text(fields: Mapping[str, Any], name: str, longest: int = _LONGEST) -> str | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and len(value) <= longest and value.isprintable():
        return value
    raise Nonsense(f"{name} is no short text")
