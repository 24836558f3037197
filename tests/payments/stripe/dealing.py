"""What a test says in one line: our side set up, a deposit to be paid, a refund of it, a callback as it came."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import stripe

from onceline.core.money import MICROS
from onceline.payments.base import Callback, Configured, Hint, Opening, Payment, SendBack
from onceline.payments.stripe.processor import Stripe
from onceline.payments.stripe.settings import StripeSettings
from tests.counterparts.stripe.process import SECRET, FakeStripe

BACK = "https://otp.example.com/deposits"
FIVE = 5 * MICROS


@dataclass(frozen=True)
class Anywhere:
    """Our side, and the official SDK as anybody else uses it, on the fake or on the real one."""

    cards: Stripe
    sdk: stripe.StripeClient


def processor(url: str, key: str, *, secret: str = SECRET, **settings: Any) -> Stripe:
    secrets = {"api_key": key, "webhook_secret": secret}
    return Stripe(Configured("stripe", StripeSettings(url=url, **settings), secrets, "USD"))


@contextmanager
def speaking(url: str, key: str) -> Iterator[stripe.StripeClient]:
    """The official SDK with its own HTTP client."""
    http = stripe.RequestsClient()
    yield stripe.StripeClient(key, base_addresses={"api": url}, http_client=http)
    http.close()


def opening(amount: int = FIVE, currency: str = "USD", **rest: Any) -> Opening:
    """Of a deposit that nobody else has."""
    fields = {
        "id": f"dep_{uuid4().hex}",
        "description": "Deposit",
        "return_url": BACK,
        "expires_at": datetime.now(UTC) + timedelta(hours=1),
        "is_first": False,
    }
    return Opening(amount=amount, currency=currency, **(fields | rest))


def paid(cards: Stripe, fake: FakeStripe, deposit: Opening | None = None, card: str = "ok") -> Payment:
    """A deposit that was opened, and paid at the page; as it reads then."""
    opened = cards.open(deposit or opening())
    fake.pay(opened.processor_id, card)
    return read(cards, opened.processor_id)


def read(cards: Stripe, processor_id: str) -> Payment:
    found = cards.payment(processor_id)
    assert found is not None
    return found


def return_of(payment: Payment, amount: int = FIVE, **rest: Any) -> SendBack:
    fields = {
        "id": f"ref_{uuid4().hex}",
        "processor_id": payment.processor_id,
        "payment_id": payment.payment_id,
        "currency": "USD",
    }
    return SendBack(amount=amount, **(fields | rest))


def instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def heard(cards: Stripe, fake: FakeStripe, event: str) -> Hint | None:
    """What our side makes of an event that is delivered now."""
    headers, body = fake.signed(event)
    return cards.hint(Callback(headers, body, instant(fake.now())))
