"""What tests of deposits by card say in one line: paid and credited, an event at the door, what Stripe sent back."""

from __future__ import annotations

from typing import Any

from tests.counterparts.stripe.process import SECRET, FakeStripe
from tests.payments.counter import Counter


def paid(counter: Counter, cards: FakeStripe, amount: str = "10.00") -> dict[str, Any]:
    """At the payment page, and credited after Stripe's call."""
    deposit = counter.begun(amount, "cards")
    cards.pay(counter.processor_id(deposit))
    call(counter, cards, "checkout.session.completed")
    counter.work()
    found = counter.read(deposit)
    assert found["state"] == "credited"
    return found


def call(counter: Counter, cards: FakeStripe, kind: str, *secrets: str, name: str = "cards") -> int:
    """Stripe's latest event of a kind comes to our door; the status of the answer."""
    headers, body = cards.signed(cards.events(kind)[-1]["id"], *secrets)
    return counter.call(name, headers, body).status_code


def refunds_at_stripe(cards: FakeStripe) -> list[dict[str, Any]]:
    return [one["data"]["object"] for one in cards.events("refund.created")]


def intent_of(cards: FakeStripe, session: str) -> str:
    """What a page's payment is called."""
    return str(cards.tell("set", id=session, fields={})["payment_intent"])


def listen(counter: Counter, cards: FakeStripe) -> None:
    """From now on Stripe delivers its events to our door by itself."""
    cards.tell("endpoint", url=f"{counter.url}/pay/cards", secrets=[SECRET])


def account_state(counter: Counter) -> str:
    return str(counter.shop.value("select state from accounts where id = %(id)s", id=counter.who.account))
