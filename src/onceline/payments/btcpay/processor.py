"""Deposits through a BTCPay Server: a page to pay at, and what became of it. Deposits only: nothing goes back this way.

Why there are no refunds: BTCPay sends money back as a pull payment, whose receiver names an address on its own page. Crypto
goes back only to where it came from, so that whoever takes over an account cannot lead money away; that cannot be kept there,
and of a UTXO or a Lightning payment there is no one address to keep to. So every refund is refused, and the page says so
before payment.
Promises: one invoice for each deposit, looked for by `metadata.orderId` before one is made; callbacks are hints; an invoice
that a person marked as settled is not paid, and is shown to staff.
https://docs.btcpayserver.org/API/Greenfield/v1/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, ParamSpec, TypeVar

from onceline.core.clock import Clock, SystemClock
from onceline.core.money import format_amount
from onceline.outbound import ConfiguredDoor
from onceline.payments.base import (
    Callback,
    Configured,
    Dispute,
    Entry,
    Hint,
    NotAuthentic,
    Opened,
    Opening,
    Payment,
    ProcessorRefused,
    Refunds,
    SendBack,
    Sent,
    SentBack,
    Unreadable,
)
from onceline.payments.btcpay import reading
from onceline.payments.btcpay.client import Client, Door
from onceline.payments.btcpay.reading import Coming, Invoice, Nonsense
from onceline.payments.btcpay.settings import SECRETS, BTCPaySettings
from onceline.payments.btcpay.signature import demand_signed

MOST_BYTES = 64 * 1024
PAGE = 100
MOST_PAGES = 100
LONGEST_PAGE = timedelta(days=1)
"""For which a page can be paid; on top comes the time for which late payments are seen."""
_EVENTS = frozenset(
    ("InvoiceReceivedPayment", "InvoicePaymentSettled", "InvoiceProcessing", "InvoiceSettled", "InvoiceExpired", "InvoiceInvalid")
)  # fmt: skip
_ID = re.compile(r"[0-9A-Za-z_-]{1,128}")
_P = ParamSpec("_P")
_T = TypeVar("_T")


class BTCPay:
    """A Processor, of one store; it has no test mode. A call makes at most two requests, but for the report."""

    refunds: ClassVar[Refunds] = Refunds.NEVER

    def __init__(
        self, configured: Configured, door: Door = ConfiguredDoor, clock: Clock = SystemClock()
    ) -> None:
        """Raises ProcessorRefused when the key is missing."""
        self._settings: BTCPaySettings = configured.settings
        self._currency = configured.currency
        self._secret = configured.secrets.get("webhook_secret", "")
        if not (key := configured.secrets.get("api_key")):
            raise ProcessorRefused(f"The secret api_key is not set: {SECRETS['api_key']}.")
        self._client = Client(self._settings, key, door)
        self._clock = clock

    def open(self, deposit: Opening) -> Opened:
        found = self._made(deposit) or self._invoice(self._client.post(self._wanted(deposit)))
        if (found.order_id, found.currency) != (deposit.id, deposit.currency):
            raise ProcessorRefused("the invoice is of another deposit, or in another currency")
        if _sure(reading.micros, found.amount) != deposit.amount:
            raise ProcessorRefused("an invoice of another amount has this id")
        if not found.url or not found.url.startswith(("https://", self._settings.url)):
            raise ProcessorRefused("the invoice has no page")
        return Opened(found.id, found.url)

    def hint(self, callback: Callback) -> Hint | None:
        if not self._secret:
            raise NotAuthentic("missing")
        if len(callback.body) > MOST_BYTES:
            raise Unreadable("the body is too long")
        demand_signed(callback.body, callback.headers.get("btcpay-sig"), self._secret)
        event = _event(callback.body)
        if event.get("type") not in _EVENTS or event.get("storeId") != self._settings.store_id:
            return None
        delivery = event.get("originalDeliveryId") or event.get("deliveryId")
        return Hint(
            _id(delivery, "deliveryId"), "payment", _id(event.get("invoiceId"), "invoiceId"), is_live=True
        )

    def payment(self, processor_id: str) -> Payment | None:
        if not _ID.fullmatch(processor_id):
            return None
        answer = self._client.get(f"/{processor_id}")
        if answer is None:
            return None
        found = self._invoice(answer)
        if found.id != processor_id:
            raise ProcessorRefused("the answer is about another payment")
        if found.currency != self._currency:
            raise ProcessorRefused("the invoice is in another currency")
        coming = self._coming(found)
        state, value = _sure(reading.standing, found, coming)
        return Payment(
            found.id, found.order_id, state, value, found.currency, is_live=True, payment_id=reading.payment_id(coming),
            network=reading.network(coming), asset=reading.asset(coming),
        )  # fmt: skip

    def send_back(self, refund: SendBack) -> SentBack:  # noqa: ARG002 - whatever it is, the answer is no
        return SentBack(
            Sent.REFUSED, reason="BTCPay would let the receiver name an address, so nothing goes back by it"
        )

    def sent_back(self, refund: SendBack) -> SentBack | None:  # noqa: ARG002 - none is ever sent
        return None

    def dispute(self, dispute_id: str) -> Dispute | None:  # noqa: ARG002 - there are none to look up
        """None: what left a wallet comes back by nobody's order."""
        return None

    def report(self, since: datetime, until: datetime) -> list[Entry]:
        """An entry for each invoice that money came to, at the time of its last payment."""
        found = [entry for one in self._listed(since, until) for entry in self._entries(one)]
        return [entry for entry in found if since <= entry.at < until]

    # What is asked ---------------------------------------------------------------------------------------------------

    def _made(self, deposit: Opening) -> Invoice | None:
        """The first that was made for this deposit: two that raced, or a lost answer, change nothing."""
        listed = self._list([("orderId", deposit.id), ("take", str(PAGE))])
        ours = [one for one in listed if one.order_id == deposit.id]
        return min(ours, key=lambda one: (one.created_at, one.id), default=None)

    def _wanted(self, deposit: Opening) -> dict[str, Any]:
        left = min(deposit.expires_at - self._clock.now(), LONGEST_PAGE)
        checkout = {
            "expirationMinutes": max(1, -(-left // timedelta(minutes=1))),
            "monitoringMinutes": self._settings.monitoring_minutes,
            "paymentTolerance": 0,
            "redirectURL": deposit.return_url,
        }
        return {
            "amount": _decimal(deposit.amount),
            "currency": deposit.currency,
            "metadata": {"orderId": deposit.id},
            "checkout": checkout,
        }

    def _coming(self, found: Invoice) -> list[Coming]:
        if not reading.needs_payments(found):
            return []
        return _sure(reading.payments, self._client.get(f"/{found.id}/payment-methods"))

    def _list(self, query: Sequence[tuple[str, str]]) -> list[Invoice]:
        listed = self._client.get(query=query)
        if not isinstance(listed, list):
            raise ProcessorRefused("a list of invoices is none")
        return [self._invoice(one) for one in listed]

    def _listed(self, since: datetime, until: datetime) -> Iterator[Invoice]:
        """Each once, though new ones move the pages. Raises ProcessorRefused when there are too many."""
        first = since - LONGEST_PAGE - timedelta(minutes=self._settings.monitoring_minutes)
        window = [("startDate", _unix(first)), ("endDate", _unix(until))]
        seen: set[str] = set()
        for page in range(MOST_PAGES):
            listed = self._list([*window, ("skip", str(page * PAGE)), ("take", str(PAGE))])
            yield from (one for one in listed if one.id not in seen)
            seen.update(one.id for one in listed)
            if len(listed) < PAGE:
                return
        raise ProcessorRefused(f"more than {MOST_PAGES * PAGE} invoices")

    def _invoice(self, answer: object) -> Invoice:
        found = _sure(reading.invoice, answer)
        if found.store_id != self._settings.store_id:
            raise ProcessorRefused("the invoice is of another store")
        if not _ID.fullmatch(found.id):
            raise ProcessorRefused("an invoice's id is none")
        return found

    def _entries(self, found: Invoice) -> Iterator[Entry]:
        coming = self._coming(found)
        if at := reading.last_at(coming):
            value = _sure(reading.standing, found, coming)[1] or _sure(reading.came, found, coming)[1]
            yield Entry("payment", found.id, found.order_id or None, value, found.currency, at)


def _sure(read: Callable[_P, _T], *given: _P.args, **named: _P.kwargs) -> _T:
    """For what nobody can count with, staff are told, and nothing is credited."""
    try:
        return read(*given, **named)
    except Nonsense as nonsense:
        raise ProcessorRefused(f"it says what it does not document: {nonsense}") from None


def _event(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Unreadable("the body is no JSON") from None
    if not isinstance(found, dict):
        raise Unreadable("the body is no JSON object")
    return found


def _id(value: object, what: str) -> str:
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise Unreadable(f"{what} is missing, or is none")


def _decimal(amount: int) -> str:
    """With two places, more only where they are needed: 10.28."""
    whole, _, places = format_amount(amount).partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"


def _unix(at: datetime) -> str:
    return str(int(at.timestamp()))
