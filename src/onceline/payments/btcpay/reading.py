"""What a BTCPay Server says of an invoice and of the payments to it, as values. Pure.

Counted are payments that are settled, by the rate that the invoice fixed for their method, less the fee that the method adds,
rounded down to a cent. A status alone is never enough: a person can mark an invoice as settled that nobody paid.
https://docs.btcpayserver.org/API/Greenfield/v1/#tag/Invoices
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from onceline.core.money import LARGEST, MICROS
from onceline.payments.base import Paid

MOST_PAYMENTS = 500
_CENT = MICROS // 100
_DECIMAL = re.compile(r"\d{1,20}(?:\.\d{1,30})?", re.ASCII)
_LONGEST = 128
_STATUSES = frozenset(("New", "Processing", "Settled", "Expired", "Invalid"))
_ADDITIONAL = frozenset(("None", "PaidLate", "PaidPartial", "PaidOver", "Marked", "Invalid"))


class Nonsense(Exception):
    """An answer that is not what the documentation says. The text says what, and quotes no more than a word of it."""


@dataclass(frozen=True, slots=True)
class Invoice:
    id: str
    store_id: str
    order_id: str
    """"" of those that others made."""
    status: str
    additional: str
    amount: Decimal
    currency: str
    url: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Coming:
    """One payment to an invoice. `value` is in `asset`, of which one is worth `rate`."""

    id: str
    status: str
    value: Decimal
    fee: Decimal
    rate: Decimal
    asset: str
    method: str
    at: datetime


def invoice(found: object) -> Invoice:
    """Raises Nonsense."""
    fields = _object(found, "an invoice")
    status, additional = _need(fields, "status"), _need(fields, "additionalStatus")
    if status not in _STATUSES or additional not in _ADDITIONAL:
        raise Nonsense(f"an unknown status: {status[:16]} {additional[:16]}")
    metadata = fields.get("metadata")
    order_id = metadata.get("orderId") if isinstance(metadata, Mapping) else None
    return Invoice(
        id=_need(fields, "id"),
        store_id=_need(fields, "storeId"),
        order_id=order_id if isinstance(order_id, str) and len(order_id) <= _LONGEST else "",
        status=status,
        additional=additional,
        amount=_figure(fields, "amount"),
        currency=_need(fields, "currency"),
        url=_text(fields, "checkoutLink", 2048),
        created_at=_instant(fields, "createdTime"),
    )


def payments(found: object) -> list[Coming]:
    """Of every method, the oldest first. Raises Nonsense."""
    if not isinstance(found, list):
        raise Nonsense("payment methods are no list")
    coming = [one for method in found for one in _of_method(_object(method, "a payment method"))]
    if len(coming) > MOST_PAYMENTS:
        raise Nonsense("too many payments")
    return sorted(coming, key=lambda one: (one.at, one.id))


def _of_method(method: Mapping[str, Any]) -> list[Coming]:
    """Server 1 calls the method `paymentMethod`, and its asset `cryptoCode`."""
    listed = method.get("payments") or []
    if not isinstance(listed, list):
        raise Nonsense("payments are no list")
    return [_coming(method, _object(one, "a payment")) for one in listed]


def _coming(method: Mapping[str, Any], one: Mapping[str, Any]) -> Coming:
    return Coming(
        id=_need(one, "id"),
        status=_need(one, "status"),
        value=_figure(one, "value"),
        fee=_figure(one, "fee") if _text(one, "fee") else Decimal(0),
        rate=_figure(method, "rate"),
        asset=_text(method, "currency") or _need(method, "cryptoCode"),
        method=_text(method, "paymentMethodId") or _need(method, "paymentMethod"),
        at=_instant(one, "receivedDate"),
    )


def needs_payments(found: Invoice) -> bool:
    """Whether the invoice alone does not say how it stands."""
    return not (found.status == "New" and found.additional == "None")


def standing(found: Invoice, coming: Sequence[Coming]) -> tuple[Paid, int]:
    """State, and micro-units to credit. Raises Nonsense for amounts beyond ours."""
    if found.status == "New":
        return (Paid.CONFIRMING if any(one.status != "Invalid" for one in coming) else Paid.OPEN), 0
    if found.status == "Processing":
        return Paid.CONFIRMING, 0
    if found.additional == "Marked" or found.status == "Invalid":
        # A person's word, or money that was not confirmed in time: a person has to look.
        is_empty = found.status == "Invalid" and not _settled(coming)
        return (Paid.FAILED if is_empty else Paid.FROZEN), 0
    if any(one.status == "Processing" for one in coming):
        return Paid.CONFIRMING, 0
    state, value = came(found, coming)
    if found.status == "Settled" and state not in (Paid.PAID, Paid.OVER):
        return Paid.FROZEN, 0
    return state, value


def came(found: Invoice, coming: Sequence[Coming]) -> tuple[Paid, int]:
    """By the payments alone; EXPIRED when there are none. Raises Nonsense."""
    settled, asked = _settled(coming), micros(found.amount)
    if not settled:
        return Paid.EXPIRED, 0
    value = _worth(settled)
    if value > asked:
        return Paid.OVER, value
    # What is due in coins is rounded as well: of one that the server calls full, a cent may be missing.
    is_called_full = found.status == "Settled" or found.additional == "PaidLate"
    is_full = value >= asked - (_CENT if is_called_full else 0)
    return (Paid.PAID, asked) if is_full else (Paid.UNDER, value)


def payment_id(coming: Sequence[Coming]) -> str | None:
    """Of the first that counts: the transaction's hash and output, or a Lightning payment's hash."""
    settled = _settled(coming)
    return settled[0].id if settled else None


def network(coming: Sequence[Coming]) -> str | None:
    """The method of the first payment that counts, as in BTC-CHAIN."""
    settled = _settled(coming)
    return settled[0].method if settled else None


def asset(coming: Sequence[Coming]) -> str | None:
    """What was paid, to be read: `0.00042 BTC`."""
    sums: dict[str, Fraction] = {}
    for one in _settled(coming):
        sums[one.asset] = sums.get(one.asset, Fraction(0)) + Fraction(one.value)
    return " + ".join(f"{_decimal(value)} {name}" for name, value in sums.items()) or None


def last_at(coming: Sequence[Coming]) -> datetime | None:
    """When the last payment that counts came."""
    return max((one.at for one in _settled(coming)), default=None)


def micros(amount: Decimal) -> int:
    """Exactly. Raises Nonsense for what does not divide, and beyond what is served here."""
    over, under = amount.as_integer_ratio()
    whole, rest = divmod(over * MICROS, under)
    if rest:
        raise Nonsense("an amount has more than six places")
    return _within(whole)


def _settled(coming: Sequence[Coming]) -> list[Coming]:
    return [one for one in coming if one.status == "Settled"]


def _worth(settled: Sequence[Coming]) -> int:
    """Whole cents, in exact fractions up to the one rounding, down."""
    total = sum((max(Fraction(one.value) - Fraction(one.fee), Fraction(0)) * Fraction(one.rate) for one in settled), Fraction(0))  # fmt: skip
    return _within(int(total * 100) * _CENT)


def _within(value: int) -> int:
    if value > LARGEST:
        raise Nonsense("an amount is larger than any served here")
    return value


def _decimal(value: Fraction) -> str:
    """A sum of decimals is one: its places are counted until nothing is left."""
    whole, rest = divmod(value.numerator, value.denominator)
    places = ""
    while rest:
        place, rest = divmod(rest * 10, value.denominator)
        places += str(place)
    return f"{whole}.{places}" if places else str(whole)


def _object(found: object, what: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise Nonsense(f"{what} is no object")
    return found


def _figure(fields: Mapping[str, Any], name: str) -> Decimal:
    text = _need(fields, name)
    if not _DECIMAL.fullmatch(text):
        raise Nonsense(f"{name} is no plain decimal")
    return Decimal(text)


def _instant(fields: Mapping[str, Any], name: str) -> datetime:
    text = _need(fields, name)
    if not re.fullmatch(r"\d{1,10}", text, re.ASCII):
        raise Nonsense(f"{name} is no time")
    return datetime.fromtimestamp(int(text), UTC)


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
