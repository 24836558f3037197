"""Money that goes back to a card: once, in full or not at all, and what is not known is asked again under the same key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
import stripe

from onceline.core.money import MICROS
from onceline.outbound import ConfiguredDoor, Reply
from onceline.payments.base import Configured, ProcessorAway, ProcessorRefused, SendBack, Sent
from onceline.payments.stripe.processor import Stripe
from onceline.payments.stripe.settings import StripeSettings
from tests.counterparts.stripe.process import LIVE, TEST, FakeStripe
from tests.payments.stripe.dealing import FIVE, opening, paid, processor, return_of

pytestmark = pytest.mark.counterpart

DAY_S = 24 * 3600


def refunds(sdk: stripe.StripeClient) -> list[int]:
    """What went back of all payments, in minor units."""
    return [one.amount for one in sdk.v1.refunds.list({"limit": 100}).data]


def test_a_deposit_goes_back_to_its_card(cards: Stripe, fake: FakeStripe, sdk: stripe.StripeClient) -> None:
    payment = paid(cards, fake)
    refund = return_of(payment)

    sent = cards.send_back(refund)

    made = sdk.v1.refunds.retrieve(str(sent.refund_id))
    assert (sent.state, sent.reason) == (Sent.DONE, "")
    assert (made.payment_intent, made.amount, made.metadata.to_dict()) == (
        payment.payment_id,
        500,
        {"refund": refund.id},
    )
    assert cards.sent_back(refund) == sent


def test_a_refund_that_nobody_asked_for_is_not_there(cards: Stripe, fake: FakeStripe) -> None:
    payment = paid(cards, fake)
    cards.send_back(return_of(payment, FIVE // 5))
    assert cards.sent_back(return_of(payment)) is None


def test_a_refund_names_what_was_paid_and_nothing_else_that_money_could_go_to() -> None:
    assert {field.name for field in fields(SendBack)} == {
        "id",
        "processor_id",
        "payment_id",
        "amount",
        "currency",
    }


def test_a_refund_finds_the_payment_by_the_page_where_that_is_all_that_is_known(
    cards: Stripe, fake: FakeStripe
) -> None:
    refund = return_of(paid(cards, fake), payment_id=None)
    assert cards.send_back(refund).state is Sent.DONE
    assert cards.sent_back(refund) == cards.send_back(refund)


def test_what_was_never_paid_cannot_go_back(cards: Stripe, fake: FakeStripe) -> None:
    opened = cards.open(opening())
    with pytest.raises(ProcessorRefused, match="no payment"):
        cards.send_back(SendBack("ref_1", opened.processor_id, None, FIVE, "USD"))


@pytest.mark.parametrize("how", ["cut", "500", "hang", "cut_before", "409", "429", "html", "odd"])
def test_a_lost_answer_pays_out_once(
    cards: Stripe, fake: FakeStripe, sdk: stripe.StripeClient, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    refund = return_of(paid(cards, fake), FIVE // 5)  # so that more would fit in
    with monkeypatch.context() as hasty:
        hasty.setattr("onceline.outbound.TOTAL_S", 1.0)
        fake.fail("POST refunds", how)
        assert cards.send_back(refund).state is Sent.UNKNOWN

    assert cards.send_back(refund).state is Sent.DONE
    assert refunds(sdk) == [100]


@pytest.mark.attack(22)
@pytest.mark.parametrize("how", ["cut", "500"])
def test_a_success_whose_answer_was_lost_is_found_in_the_list(
    cards: Stripe, fake: FakeStripe, how: str
) -> None:
    refund = return_of(paid(cards, fake))
    fake.fail("POST refunds", how)
    cards.send_back(refund)

    found = cards.sent_back(refund)

    assert found is not None
    assert found.state is Sent.DONE
    assert fake.asked("POST refunds") == 1


def test_a_list_that_cannot_be_read_lets_nothing_out(cards: Stripe, fake: FakeStripe) -> None:
    refund = return_of(paid(cards, fake))
    fake.fail("GET refunds", "cut", times=2)
    assert cards.send_back(refund).state is Sent.UNKNOWN
    with pytest.raises(ProcessorAway):
        cards.sent_back(refund)
    assert fake.asked("POST refunds") == 0


def test_a_fault_that_stripe_saved_is_not_known_for_a_day_and_then_tried_anew(
    cards: Stripe, fake: FakeStripe, sdk: stripe.StripeClient
) -> None:
    refund = return_of(paid(cards, fake))
    fake.fail("POST refunds", "500_before")
    assert [cards.send_back(refund).state for _ in range(3)] == [Sent.UNKNOWN] * 3
    assert cards.sent_back(refund) is None

    fake.tell("advance", seconds=DAY_S + 1)

    assert (cards.send_back(refund).state, refunds(sdk)) == (Sent.DONE, [500])


@pytest.mark.attack(23)
@pytest.mark.parametrize("forget", ["prune", "advance"])
def test_a_refund_whose_key_stripe_forgot_is_not_paid_again(
    cards: Stripe, fake: FakeStripe, sdk: stripe.StripeClient, forget: str
) -> None:
    refund = return_of(paid(cards, fake), FIVE // 5)  # so that a second one would fit in
    first = cards.send_back(refund)
    fake.tell(forget, seconds=DAY_S + 1)
    assert cards.send_back(refund) == first
    assert refunds(sdk) == [100]


def test_a_no_to_a_refund_that_came_between_is_a_yes(fake: FakeStripe, sdk: stripe.StripeClient) -> None:
    """Between the look and the call, the same refund is made by somebody else: the call itself hears no."""

    def between(refund: SendBack) -> None:
        sdk.v1.refunds.create(
            {"payment_intent": str(refund.payment_id), "amount": 500, "metadata": {"refund": refund.id}}
        )

    payment = paid(processor(fake.url, TEST), fake)
    refund = return_of(payment)
    cards = _with_door(fake, lambda: between(refund))
    assert (cards.send_back(refund).state, refunds(sdk)) == (Sent.DONE, [500])


def test_two_workers_that_ask_at_once_pay_out_once(fake: FakeStripe, sdk: stripe.StripeClient) -> None:
    """Both looked before either asked."""
    other = processor(fake.url, TEST)
    refund = return_of(paid(other, fake), FIVE // 5)  # so that two would fit in
    cards = _with_door(fake, lambda: other.send_back(refund))
    assert cards.send_back(refund) == other.sent_back(refund)
    assert refunds(sdk) == [100]


def test_more_refunds_than_can_be_looked_through_are_for_staff(
    cards: Stripe, fake: FakeStripe, sdk: stripe.StripeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onceline.payments.stripe.processor.PAGE", 2)
    payment = paid(cards, fake)
    for minor in (1, 2, 3):
        sdk.v1.refunds.create({"payment_intent": str(payment.payment_id), "amount": minor})
    with pytest.raises(ProcessorRefused, match="looked through"):
        cards.send_back(return_of(payment, FIVE // 5))
    assert fake.asked("POST refunds") == 3


def test_more_than_what_was_paid_goes_back_to_the_balance(
    cards: Stripe, fake: FakeStripe, sdk: stripe.StripeClient
) -> None:
    sent = cards.send_back(return_of(paid(cards, fake), FIVE + MICROS))
    assert (sent.state, sent.refund_id, refunds(sdk)) == (Sent.REFUSED, None, [])
    assert "greater than" in sent.reason


def test_what_staff_refunded_at_stripe_is_not_refunded_again(
    cards: Stripe, fake: FakeStripe, sdk: stripe.StripeClient
) -> None:
    payment = paid(cards, fake)
    sdk.v1.refunds.create({"payment_intent": str(payment.payment_id)})
    sent = cards.send_back(return_of(payment))
    assert (sent.state, sent.reason.partition(":")[0]) == (Sent.REFUSED, "charge_already_refunded")


def test_what_the_bank_took_back_is_not_refunded(cards: Stripe, fake: FakeStripe) -> None:
    payment = paid(cards, fake, card="disputed")
    sent = cards.send_back(return_of(payment))
    assert (sent.state, sent.reason.partition(":")[0]) == (Sent.REFUSED, "charge_disputed")


def test_a_payment_under_another_key_is_for_staff_and_never_refused_for_good(
    cards: Stripe, fake: FakeStripe
) -> None:
    """A first call under the old key may have been answered with money."""
    payment = paid(cards, fake)
    with pytest.raises(ProcessorRefused, match="no such object"):
        processor(fake.url, LIVE).send_back(return_of(payment))


def test_a_refund_at_stripe_of_another_amount_is_for_staff(cards: Stripe, fake: FakeStripe) -> None:
    refund = return_of(paid(cards, fake))
    cards.send_back(replace(refund, amount=FIVE // 5))
    for ask in (cards.send_back, cards.sent_back):
        with pytest.raises(ProcessorRefused, match="not the one"):
            ask(refund)


def test_what_does_not_divide_is_never_asked_for(cards: Stripe, fake: FakeStripe) -> None:
    with pytest.raises(ProcessorRefused, match="exactly"):
        cards.send_back(return_of(paid(cards, fake), FIVE - 1))
    assert fake.asked("POST refunds") == 0


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({"status": "succeeded"}, Sent.DONE),
        ({"status": "pending", "pending_reason": "insufficient_funds"}, Sent.ON_ITS_WAY),
        ({"status": "requires_action"}, Sent.ON_ITS_WAY),
        ({"status": "failed", "failure_reason": "lost_or_stolen_card"}, Sent.REFUSED),
        ({"status": "canceled"}, Sent.REFUSED),
        ({"status": "resting"}, Sent.UNKNOWN),
        ({"status": None}, Sent.UNKNOWN),
    ],
)
def test_every_status_of_a_refund_has_its_word(
    cards: Stripe, fake: FakeStripe, status: dict[str, Any], state: Sent
) -> None:
    fake.set(refunds=status)
    refund = return_of(paid(cards, fake))
    sent = cards.send_back(refund)
    reason = status.get("failure_reason") or status.get("pending_reason") or ""
    assert (sent.state, sent.reason) == (state, reason)
    assert cards.sent_back(refund) == sent


@pytest.mark.parametrize(
    ("status", "state"), [("succeeded", Sent.DONE), ("failed", Sent.REFUSED), ("canceled", Sent.REFUSED)]
)
def test_a_refund_on_its_way_comes_to_an_end(
    cards: Stripe, fake: FakeStripe, status: str, state: Sent
) -> None:
    fake.set(refunds={"status": "pending", "pending_reason": "processing"})
    refund = return_of(paid(cards, fake))
    made = cards.send_back(refund).refund_id
    fake.tell("refund", refund=made, status=status, reason="declined")
    sent = cards.sent_back(refund)
    assert sent is not None
    assert (sent.state, sent.refund_id) == (state, made)


def test_a_refund_may_fail_three_days_after_it_was_done(cards: Stripe, fake: FakeStripe) -> None:
    refund = return_of(paid(cards, fake))
    made = cards.send_back(refund)
    fake.tell("advance", seconds=3 * DAY_S)
    fake.tell("refund", refund=made.refund_id, status="failed", reason="expired_or_canceled_card")

    sent = cards.send_back(refund)

    assert (sent.state, sent.reason) == (Sent.REFUSED, "expired_or_canceled_card")
    assert fake.asked("POST refunds") == 1


def _with_door(fake: FakeStripe, between: Callable[[], object]) -> Stripe:
    """A processor whose first refund meets what `between` does just before it."""

    class Door(ConfiguredDoor):
        def request(
            self,
            method: str,
            url: str,
            headers: Mapping[str, str] | None = None,
            body: bytes = b"",
            *,
            most: int = 2**20,
        ) -> Reply:
            if method == "POST":
                between()
            return super().request(method, url, headers, body, most=most)

    return Stripe(Configured("stripe", StripeSettings(url=fake.url), {"api_key": TEST}, "USD"), Door)
