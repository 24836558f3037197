"""The Stripe of our own keeps Stripe's rules: what the official SDK, alone, sees of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import stripe

from tests.counterparts.stripe.process import LIVE, SECRET, FakeStripe
from tests.payments.stripe.dealing import speaking

pytestmark = pytest.mark.counterpart

DAY_S = 24 * 3600
PRICE = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Deposit"}}


def session(sdk: stripe.StripeClient, key: str | None = None, **rest: Any) -> stripe.checkout.Session:
    wanted = {
        "mode": "payment",
        "line_items": [{"price_data": PRICE, "quantity": 1}],
        "success_url": "https://a.example",
        **rest,
    }
    return sdk.v1.checkout.sessions.create(wanted, {"idempotency_key": key} if key else {})


def intent(sdk: stripe.StripeClient, card: str = "pm_card_visa") -> stripe.PaymentIntent:
    return sdk.v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "confirm": True, "payment_method": card}
    )


def test_a_key_is_answered_alike_for_a_day(fake: FakeStripe, sdk: stripe.StripeClient) -> None:
    first, again, another = session(sdk, "a"), session(sdk, "a"), session(sdk, "b")
    assert first.id == again.id != another.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    fake.tell("advance", seconds=DAY_S + 1)
    assert session(sdk, "a").id != first.id


def test_a_key_is_for_the_same_parameters(sdk: stripe.StripeClient) -> None:
    session(sdk, "a")
    with pytest.raises(stripe.IdempotencyError):
        session(sdk, "a", client_reference_id="x")


def test_a_key_is_kept_with_a_fault(fake: FakeStripe, sdk: stripe.StripeClient) -> None:
    fake.fail("POST checkout", "500_before")
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            session(sdk, "a")
    fake.tell("prune")
    assert session(sdk, "a").status == "open"


def test_a_key_is_not_kept_with_what_was_never_begun(sdk: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        session(sdk, "a", colour="red")
    assert refused.value.code == "parameter_unknown"
    assert session(sdk, "a").status == "open"


def test_a_key_may_not_be_too_long(sdk: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="255"):
        session(sdk, "a" * 256)


def test_what_is_done_once_and_refused_is_refused_again(fake: FakeStripe, sdk: stripe.StripeClient) -> None:
    paid = intent(sdk)
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError, match="greater than"):
            sdk.v1.refunds.create({"payment_intent": paid.id, "amount": 501}, {"idempotency_key": "a"})
    assert sdk.v1.refunds.list().data == []


def test_refunds_end_at_what_was_paid(sdk: stripe.StripeClient) -> None:
    paid = intent(sdk)
    made = [sdk.v1.refunds.create({"payment_intent": paid.id, "amount": 250}) for _ in range(2)]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.refunds.create({"payment_intent": paid.id, "amount": 1})
    charge = sdk.v1.charges.retrieve(str(paid.latest_charge))
    assert ([one.status for one in made], refused.value.code) == (
        ["succeeded"] * 2,
        "charge_already_refunded",
    )
    assert (charge.amount_refunded, charge.refunded) == (500, True)


def test_a_refund_that_failed_can_be_made_again(fake: FakeStripe, sdk: stripe.StripeClient) -> None:
    paid = intent(sdk)
    made = sdk.v1.refunds.create({"payment_intent": paid.id})
    fake.tell("refund", refund=made.id, status="failed")
    assert sdk.v1.refunds.create({"payment_intent": paid.id}).status == "succeeded"
    assert sum(one.amount for one in sdk.v1.balance_transactions.list().data) == 0


@pytest.mark.parametrize("card", ["pm_card_visa_chargeDeclined"])
def test_a_card_that_is_declined_is_an_error(sdk: stripe.StripeClient, card: str) -> None:
    with pytest.raises(stripe.CardError) as declined:
        intent(sdk, card)
    assert declined.value.code == "card_declined"


def test_the_modes_see_nothing_of_each_other(fake: FakeStripe, sdk: stripe.StripeClient) -> None:
    made = session(sdk)
    with speaking(fake.url, LIVE) as live:
        assert session(live).livemode is True
        with pytest.raises(stripe.InvalidRequestError) as refused:
            live.v1.checkout.sessions.retrieve(made.id)
    assert (refused.value.code, made.livemode) == ("resource_missing", False)


def test_a_key_that_nobody_has_is_refused(fake: FakeStripe) -> None:
    with speaking(fake.url, "sk_test_another") as stranger, pytest.raises(stripe.AuthenticationError):
        session(stranger)


def test_lists_have_pages(sdk: stripe.StripeClient) -> None:
    made = [session(sdk).id for _ in range(7)]
    found = sdk.v1.checkout.sessions.list({"limit": 3})
    assert ([one.id for one in found.data], found.has_more) == (made[:-4:-1], True)
    assert [one.id for one in found.auto_paging_iter()] == made[::-1]


def test_what_is_expanded_is_whole_and_what_cannot_be_is_refused(sdk: stripe.StripeClient) -> None:
    paid = intent(sdk)
    found = sdk.v1.payment_intents.retrieve(paid.id, {"expand": ["latest_charge.balance_transaction"]})
    assert found.latest_charge.balance_transaction.net == 500 - 44  # type: ignore[union-attr]  # expanded
    with pytest.raises(stripe.InvalidRequestError, match="expanded"):
        sdk.v1.payment_intents.retrieve(paid.id, {"expand": ["colour"]})


def test_its_signatures_are_those_that_the_sdk_takes(fake: FakeStripe, sdk: stripe.StripeClient) -> None:
    intent(sdk)
    headers, body = fake.signed(fake.events("payment_intent.succeeded")[0]["id"], "whsec_old", SECRET)
    event = sdk.construct_event(body, headers["stripe-signature"], SECRET)
    assert (event.type, event.data.object.status) == ("payment_intent.succeeded", "succeeded")
    with pytest.raises(stripe.SignatureVerificationError):
        sdk.construct_event(body, headers["stripe-signature"], "whsec_another")


def test_the_page_takes_a_payment_and_leads_back(fake: FakeStripe, sdk: stripe.StripeClient) -> None:
    made = session(sdk)
    with httpx.Client(trust_env=False) as payer:
        assert "500 usd" in payer.get(str(made.url)).text
        assert payer.post(str(made.url), data={"card": "declined"}).status_code == 200
        back = payer.post(str(made.url), data={"card": "ok"})
    assert (back.status_code, back.headers["location"]) == (303, "https://a.example")
    assert sdk.v1.checkout.sessions.retrieve(made.id).payment_status == "paid"
