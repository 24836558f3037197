"""Deposits by card: a Checkout Session for each, read back before anything is credited; refunds to the card; disputes; the report.

Promised: what Stripe is told to do carries a key made of our id, and a refund is first looked for at Stripe, so that a repeat pays
nothing out twice, also when Stripe forgot the key (after a day); an answer of the other mode is refused. Never: card data, a name
or an e-mail asked for or kept.
https://docs.stripe.com/api/checkout/sessions, https://docs.stripe.com/api/idempotent_requests, https://docs.stripe.com/refunds
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from math import ceil

from stripe import StripeClient
from stripe.params import BalanceTransactionListParams
from stripe.params.checkout import SessionCreateParams

from onceline.outbound import ConfiguredDoor
from onceline.outbound_address import parse
from onceline.payments.base import (
    Callback,
    Configured,
    Dispute,
    Entry,
    Hint,
    Opened,
    Opening,
    Payment,
    ProcessorAway,
    ProcessorRefused,
    SendBack,
    Sent,
    SentBack,
    Warned,
)
from onceline.payments.stripe import events, objects, signature
from onceline.payments.stripe.currencies import to_minor
from onceline.payments.stripe.settings import StripeSettings
from onceline.payments.stripe.transport import Answer, DoorClient, Missing, Unwilling, asked

PAGE = 100
"""The most that Stripe lists at once."""
MOST_PAGES = 100
REPORT_S = 300.0
LONGEST_REPORT = timedelta(days=1)
LONGEST_NAME = 250

_KEY = re.compile(r"(?:sk|rk)_(?P<mode>test|live)_\w+", re.ASCII)
_SESSION = re.compile(r"cs_\w{1,250}", re.ASCII)
_INTENT = re.compile(r"pi_\w{1,250}", re.ASCII)
_DISPUTE = re.compile(r"(?:dp|du)_\w{1,250}", re.ASCII)
_WARNING = re.compile(r"issfr_\w{1,250}", re.ASCII)
_WHOLE_PAYMENT = "payment_intent.latest_charge"


class Stripe:
    """A Processor. Each call to Stripe ends within outbound.TOTAL_S, and an operation makes at most four, but for the report."""

    def __init__(
        self, configured: Configured, door: Callable[[Iterable[str]], ConfiguredDoor] = ConfiguredDoor
    ) -> None:
        """Raises ProcessorRefused for what is no secret key."""
        key = configured.secrets.get("api_key", "")
        found = _KEY.fullmatch(key)
        if not found:
            raise ProcessorRefused("The api_key must be a secret or restricted key, sk_… or rk_….")
        self._settings: StripeSettings = configured.settings
        self._is_live = found["mode"] == "live"
        self._secret = configured.secrets.get("webhook_secret", "")
        where = parse(self._settings.url)
        self._client = StripeClient(
            key,
            base_addresses={"api": self._settings.url},
            http_client=DoorClient(door([f"{where.host}:{where.port}"])),
            max_network_retries=0,
        )

    # Deposits.

    def open(self, deposit: Opening) -> Opened:
        """Stripe takes `expires_at` from 30 minutes to 24 hours ahead. The key outlives the session, so that a repeat never opens
        a second one beside it."""
        wanted = self._session(deposit)
        sessions = self._client.v1.checkout.sessions
        session = self._asked(lambda: sessions.create(wanted, {"idempotency_key": f"deposit:{deposit.id}"}))
        name, url = session.get("id"), session.get("url")
        if (
            session.get("client_reference_id") != deposit.id
            or not isinstance(name, str)
            or not isinstance(url, str)
        ):
            raise ProcessorRefused("Stripe opened another session than the one that was asked for.")
        return Opened(name, url)

    def _session(self, deposit: Opening) -> SessionCreateParams:
        amount = to_minor(deposit.amount, deposit.currency)
        ours = {objects.DEPOSIT: deposit.id}
        wanted: SessionCreateParams = {
            "mode": "payment",
            "client_reference_id": deposit.id,
            "metadata": ours,
            "payment_intent_data": {"metadata": ours},
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": deposit.currency.lower(),
                        "unit_amount": amount,
                        "product_data": {"name": deposit.description[:LONGEST_NAME]},
                    },
                }
            ],
            "success_url": deposit.return_url,
            "cancel_url": deposit.return_url,
            "expires_at": int(deposit.expires_at.timestamp()),
            "adaptive_pricing": {"enabled": self._settings.adaptive_pricing},
        }
        if deposit.is_first and self._settings.first_deposit_3ds:
            wanted["payment_method_options"] = {"card": {"request_three_d_secure": "any"}}
        return wanted

    def payment(self, processor_id: str) -> Payment | None:
        """Also by the id of a payment intent, which some events name; the answer has the session's."""
        try:
            session = self._session_of(processor_id)
        except Missing:
            return None
        return objects.payment(self._of_our_mode(session)) if session else None

    def _session_of(self, name: str) -> Answer | None:
        sessions = self._client.v1.checkout.sessions
        if _SESSION.fullmatch(name):
            return asked(lambda: sessions.retrieve(name, {"expand": [_WHOLE_PAYMENT]}))
        if not _INTENT.fullmatch(name):
            return None
        rows, _ = self._listed(
            lambda: sessions.list({"payment_intent": name, "limit": 1, "expand": [f"data.{_WHOLE_PAYMENT}"]})
        )
        return rows[0] if rows else None

    # Callbacks.

    def hint(self, callback: Callback) -> Hint | None:
        signature.check(
            callback.headers.get("stripe-signature"), callback.body, self._secret, callback.received_at
        )
        return events.read(callback.body)

    # Refunds.

    def send_back(self, refund: SendBack) -> SentBack:
        """REFUSED only on a definite no to a refund that Stripe does not have. A fault that Stripe saved under the key comes again
        for a day; then the refund is tried anew, unless it is found."""
        amount = to_minor(refund.amount, refund.currency)
        try:
            intent = self._intent(refund)
            return self._refund(refund, intent) or self._ask_back(refund, intent, amount)
        except ProcessorAway as away:
            return SentBack(Sent.UNKNOWN, reason=str(away))

    def _ask_back(self, refund: SendBack, intent: str, amount: int) -> SentBack:
        try:
            answer = self._asked(
                lambda: self._client.v1.refunds.create(
                    {
                        "payment_intent": intent,
                        "amount": amount,
                        "reason": "requested_by_customer",
                        "metadata": {objects.REFUND: refund.id},
                    },
                    {"idempotency_key": f"refund:{refund.id}"},
                )
            )
        except Unwilling as no:  # also what a refund of ours that came between gets to hear
            return self._refund(refund, intent) or SentBack(Sent.REFUSED, reason=str(no))
        return objects.sent_back(answer, refund)

    def sent_back(self, refund: SendBack) -> SentBack | None:
        return self._refund(refund, self._intent(refund))

    def _refund(self, refund: SendBack, intent: str) -> SentBack | None:
        """The refund at Stripe that bears our id."""
        rows, has_more = self._listed(
            lambda: self._client.v1.refunds.list({"payment_intent": intent, "limit": PAGE})
        )
        ours = [objects.sent_back(one, refund) for one in rows if objects.is_for(one, refund)]
        if not ours and has_more:
            raise ProcessorRefused("That payment has more refunds than can be looked through.")
        return next((one for one in ours if one.state is not Sent.REFUSED), ours[0] if ours else None)

    def _intent(self, refund: SendBack) -> str:
        """What was paid, which is all that a refund can go back to."""
        if refund.payment_id is not None:
            return refund.payment_id
        payment = self.payment(refund.processor_id)
        if not payment or not payment.payment_id:
            raise ProcessorRefused("Stripe knows of no payment for that deposit.")
        return payment.payment_id

    # Disputes and the report.

    def dispute(self, dispute_id: str) -> Dispute | Warned | None:
        try:
            if _WARNING.fullmatch(dispute_id):
                return self._warning(dispute_id)
            if _DISPUTE.fullmatch(dispute_id):
                return objects.dispute(self._asked(lambda: self._client.v1.disputes.retrieve(dispute_id)))
        except Missing:
            pass
        return None

    def _warning(self, name: str) -> Warned:
        warnings = self._client.v1.radar.early_fraud_warnings
        return objects.warning(self._asked(lambda: warnings.retrieve(name, {"expand": ["charge"]})))

    def report(self, since: datetime, until: datetime) -> list[Entry]:
        """By the instants at which Stripe booked, the oldest first; `other` is what is none of the kinds, such as a payout to the
        bank. Raises ProcessorRefused for more than a day, or more than can be read at once."""
        if not timedelta() < until - since <= LONGEST_REPORT:
            raise ProcessorRefused("A report is for a day at most.")
        movements = reversed([*self._movements(since, until)])  # Stripe begins with the newest
        return [entry for movement in movements for entry in objects.entries(movement)]

    def _movements(self, since: datetime, until: datetime) -> Iterator[Answer]:
        """In whole seconds, as Stripe has them: each belongs to one of two reports that meet."""
        wanted: BalanceTransactionListParams = {
            "created": {"gte": ceil(since.timestamp()), "lt": ceil(until.timestamp())},
            "limit": PAGE,
            "expand": ["data.source"],
        }
        end = time.monotonic() + REPORT_S
        for _ in range(MOST_PAGES):
            rows, has_more = self._listed(lambda: self._client.v1.balance_transactions.list(wanted))
            yield from rows
            if not has_more or not rows:
                return
            if time.monotonic() > end:
                raise ProcessorAway("the report took too long")
            wanted["starting_after"] = str(rows[-1].get("id"))
        raise ProcessorRefused("The report is longer than what can be read; ask for less time at once.")

    # Every call.

    def _asked(self, call: Callable[[], object]) -> Answer:
        return self._of_our_mode(asked(call))

    def _listed(self, call: Callable[[], object]) -> tuple[list[Answer], bool]:
        """And whether there are more."""
        listed = asked(call)
        rows = listed.get("data")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ProcessorAway("what came back is no list")
        return rows, listed.get("has_more") is True

    def _of_our_mode(self, answer: Answer) -> Answer:
        """A refund says none of its own."""
        if answer.get("livemode", self._is_live) is not self._is_live:
            raise ProcessorRefused("What Stripe answered belongs to the other mode than the API key.")
        return answer
