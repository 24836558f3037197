"""Deposits in crypto through Cryptomus: a page to pay at, what became of it, the way back to where it came from.

Promises: our deposit's id is the invoice's `order_id`, under which Cryptomus makes one invoice however often it is asked; a
callback is only ever a reason to read; what is credited is what the read-back says; a refund goes to the sender that the
read-back names at that moment, in full, and is asked for once: an invoice that is on its way back, or failed to go, is not
asked for again.
Never: takes an address from anybody, trusts where a call comes from, logs.
https://doc.cryptomus.com/merchant-api/payments/creating-invoice
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
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
    Opened,
    Opening,
    Paid,
    Payment,
    ProcessorAway,
    ProcessorRefused,
    Refunds,
    SendBack,
    Sent,
    SentBack,
    Unreadable,
)
from onceline.payments.cryptomus import reading
from onceline.payments.cryptomus.client import Client, Door, Said
from onceline.payments.cryptomus.reading import Invoice, Nonsense
from onceline.payments.cryptomus.settings import SECRETS, CryptomusSettings
from onceline.payments.cryptomus.signature import signed_fields

MOST_PAGES = 1000
REACH = timedelta(days=17)
"""Lists are by the time of making: so long before its movement an invoice may be made (14 days, and 3 to approve and send)."""
_SHORTEST_S = 300
_P = ParamSpec("_P")
_T = TypeVar("_T")
_ID = re.compile(r"[0-9A-Za-z_-]{1,128}")


class Cryptomus:
    """A Processor, of one merchant; it has no test mode. A call makes at most three requests, but for the report."""

    refunds: ClassVar[Refunds] = Refunds.ORIGIN

    def __init__(
        self, configured: Configured, door: Door = ConfiguredDoor, clock: Clock = SystemClock()
    ) -> None:
        """Raises ProcessorRefused when a key is missing."""
        self._settings: CryptomusSettings = configured.settings
        self._currency = configured.currency
        self._callback = configured.url
        self._payment_key = _secret(configured, "payment_key")
        self._refund_key = _secret(configured, f"{self._settings.refund_key}_key")
        self._client = Client(self._settings, door)
        self._clock = clock

    def open(self, deposit: Opening) -> Opened:
        found = self._invoice(self._ask("v1/payment", self._wanted(deposit)).demand())
        if (found.order_id, found.currency) != (deposit.id, deposit.currency):
            raise ProcessorRefused("the invoice is of another deposit, or in another currency")
        if _sure(reading.micros, found.amount) != deposit.amount:
            raise ProcessorRefused("an invoice of another amount has this id")
        if not found.url or not found.url.startswith("https://"):
            raise ProcessorRefused("the invoice has no page")
        return Opened(found.uuid, found.url)

    def hint(self, callback: Callback) -> Hint | None:
        fields = signed_fields(callback.body, self._payment_key)
        if fields.get("type") != "payment":
            return None  # static wallets and pay-outs, which nobody makes here
        uuid = fields.get("uuid")
        if not isinstance(uuid, str) or not _ID.fullmatch(uuid):
            raise Unreadable("uuid is missing, or is none")
        about = "refund" if fields.get("status") in tuple(reading.REFUNDS) else "payment"
        # Calls have no ids. The same words of another day are new: what was locked can be called paid again.
        event_id = f"{callback.received_at:%Y%m%d}-{sha256(callback.body).hexdigest()}"
        return Hint(event_id, about, uuid, is_live=True)

    def payment(self, processor_id: str) -> Payment | None:
        found = self._read(processor_id)
        if found is None:
            return None
        if found.currency != self._currency:
            raise ProcessorRefused("the invoice is in another currency")
        state, value = self._standing(found)
        return Payment(
            processor_id, found.order_id, state, value, found.currency, is_live=True, payment_id=found.txid,
            origin=reading.origin(found), network=found.network, asset=reading.asset(found),
        )  # fmt: skip

    def send_back(self, refund: SendBack) -> SentBack:
        """To the sender that the invoice names now; the fee of the network is the merchant's. Never raises."""
        try:
            found = self._read(refund.processor_id)
            known = _sent_back(found)
            if known or found is None:
                return known or SentBack(Sent.REFUSED, reason="there is no such payment")
            if bar := self._bar(found, refund):
                return SentBack(Sent.REFUSED, reason=bar)
            return self._send(found)
        except ProcessorAway as away:
            return SentBack(Sent.UNKNOWN, reason=f"no answer: {away}")
        except ProcessorRefused as refused:
            return SentBack(Sent.UNKNOWN, reason=str(refused))

    def sent_back(self, refund: SendBack) -> SentBack | None:
        """Cryptomus names no refunds: an invoice goes back whole and once, so its own id stands for it."""
        return _sent_back(self._read(refund.processor_id))

    def dispute(self, dispute_id: str) -> Dispute | None:  # noqa: ARG002 - there are none to look up
        """None: what left a wallet comes back by nobody's order."""
        return None

    def report(self, since: datetime, until: datetime) -> list[Entry]:
        """Cryptomus keeps no journal: an invoice's last change is the time of its movement."""
        entries = [entry for found in self._listed(since, until) for entry in self._entries(found)]
        return [entry for entry in entries if since <= entry.at < until]

    # What is asked ---------------------------------------------------------------------------------------------------

    def _wanted(self, deposit: Opening) -> dict[str, Any]:
        left = (deposit.expires_at - self._clock.now()) // timedelta(seconds=1)
        wanted = {
            "amount": _decimal(deposit.amount),
            "currency": deposit.currency,
            "order_id": deposit.id,
            "url_return": deposit.return_url,
            "url_success": deposit.return_url,
            "is_payment_multiple": False,
            "lifetime": max(_SHORTEST_S, min(self._settings.lifetime_s, left)),
            "accuracy_payment_percent": str(self._settings.accuracy_percent),
            "subtract": "0",
        }
        return wanted | ({"url_callback": self._callback} if self._callback else {})

    def _read(self, processor_id: str) -> Invoice | None:
        said = self._ask("v1/payment/info", {"uuid": processor_id})
        if said.is_missing:
            return None
        found = self._invoice(said.demand())
        if found.uuid != processor_id:
            raise ProcessorRefused("the answer is about another payment")
        return found

    def _send(self, found: Invoice) -> SentBack:
        wanted = {"uuid": found.uuid, "address": reading.origin(found), "is_subtract": True}
        said = self._ask("v1/payment/refund", wanted, self._refund_key)
        if not said.error:
            return SentBack(Sent.ON_ITS_WAY, found.uuid)
        # One that was asked for before, whose answer was lost, is refused as well: what became of it is read.
        known = _sent_back(self._read(found.uuid))
        return known or SentBack(Sent.REFUSED if _is_for_good(said) else Sent.UNKNOWN, reason=said.error)

    def _bar(self, found: Invoice, refund: SendBack) -> str:
        """Why this must not be sent, in words for staff; "" if nothing speaks against it."""
        state, value = self._standing(found)
        if state not in (Paid.PAID, Paid.OVER, Paid.UNDER):
            return f"no money of it is there: {found.status}"
        if refund.payment_id is not None and refund.payment_id != found.txid:
            return "it is another payment than the one that was credited"
        if (refund.amount, refund.currency) != (value, found.currency):
            return "payments go back in full only, and this is another amount"
        return "" if reading.origin(found) else "nobody knows where it came from"

    # What is said ----------------------------------------------------------------------------------------------------

    def _ask(self, path: str, fields: dict[str, Any], key: str = "") -> Said:
        return self._client.ask(path, fields, key or self._payment_key)

    def _invoice(self, result: object) -> Invoice:
        return _sure(reading.invoice, result)

    def _standing(self, found: Invoice) -> tuple[Paid, int]:
        return _sure(reading.standing, found, self._settings.accuracy_percent)

    def _listed(self, since: datetime, until: datetime) -> Iterator[Invoice]:
        """Each once, though new ones move the pages. Raises ProcessorRefused when there are too many."""
        window = {"date_from": _stamp(since - REACH), "date_to": _stamp(until)}
        seen: set[str] = set()
        cursor = ""
        for _ in range(MOST_PAGES):
            page = self._client.ask("v1/payment/list", window, self._payment_key, cursor=cursor).demand()
            for found in map(self._invoice, _items(page)):
                if found.uuid not in seen:
                    seen.add(found.uuid)
                    yield found
            cursor = _next(page)
            if not cursor:
                return
        raise ProcessorRefused(f"more than {MOST_PAGES} pages of payments")

    def _entries(self, found: Invoice) -> Iterator[Entry]:
        """What cannot be counted has the amount 0, so that it differs from the books and is seen."""
        if found.status not in reading.MOVED or found.is_final is False:
            return
        value = self._moved(found)
        changed = _sure(reading.instant, found.updated_at or found.created_at)
        came = _sure(reading.instant, found.created_at) if found.status in reading.REFUNDS else changed
        deposit = found.order_id or None
        yield Entry("payment", found.uuid, deposit, value, found.currency, came)
        if found.status == "refund_paid":
            yield Entry("refund", found.uuid, deposit, -value, found.currency, changed)

    def _moved(self, found: Invoice) -> int:
        accuracy = self._settings.accuracy_percent
        try:
            return reading.standing(found, accuracy)[1] or reading.by_figures(found, accuracy)[1]
        except Nonsense:
            return 0


def _secret(configured: Configured, name: str) -> str:
    if not (key := configured.secrets.get(name)):
        raise ProcessorRefused(f"The secret {name} is not set: {SECRETS[name]}.")
    return key


def _sure(read: Callable[_P, _T], *given: _P.args, **named: _P.kwargs) -> _T:
    """For what nobody can count with, staff are told, and nothing is credited."""
    try:
        return read(*given, **named)
    except Nonsense as nonsense:
        raise ProcessorRefused(f"it says what it does not document: {nonsense}") from None


def _sent_back(found: Invoice | None) -> SentBack | None:
    """None while nothing was asked for."""
    state = reading.REFUNDS.get(found.status) if found else None
    if found is None or state is None:
        return None
    reason = "the processor could not send it; see there why" if state is Sent.REFUSED else ""
    return SentBack(state, found.uuid, reason)


def _is_for_good(said: Said) -> bool:
    """Fault was found with what was asked. Anything else, blocked pay-outs and an empty balance too, may pass."""
    return bool(said.fields) or said.is_missing


def _decimal(amount: int) -> str:
    """With two places, more only where they are needed: 10.28."""
    whole, _, places = format_amount(amount).partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(reading.LOCAL):%Y-%m-%d %H:%M:%S}"


def _items(page: object) -> list[object]:
    items = page.get("items") if isinstance(page, dict) else None
    if not isinstance(items, list):
        raise ProcessorRefused("a list has no items")
    return items


def _next(page: dict[str, Any]) -> str:
    paginate = page.get("paginate")
    cursor = paginate.get("nextCursor") if isinstance(paginate, dict) else None
    return cursor if isinstance(cursor, str) else ""
