"""What may go wrong between us and a processor of cards and must move no money: pages too late or twice, keys, currencies."""

from __future__ import annotations

import pytest

from onceline.core.processors import store
from tests.counterparts.stripe.process import SECRET, FakeStripe
from tests.edge.door import assert_problem, eventually
from tests.payments.by_card import call, paid, refunds_at_stripe
from tests.payments.counter import Counter

HOUR_S = 3600


def test_a_deposit_that_was_not_opened_in_time_is_never_opened(counter: Counter, cards: FakeStripe) -> None:
    cards.fail("POST checkout/sessions", "cut_before")
    assert counter.begin("10.00", "cards", key="one").status_code == 503
    counter.shop.clock.advance(HOUR_S)
    assert_problem(counter.begin("10.00", "cards", key="one"), 422, "invalid_input")
    assert cards.events("checkout.session") == []


def test_a_second_payment_under_one_deposit_is_shown_to_nobody(counter: Counter, cards: FakeStripe) -> None:
    """Its processor answers the same request with another page."""
    deposit = counter.begin("10.00", "cards", key="one").json()
    counter.shop.run("update openings set url = null")
    counter.shop.run("update deposits set processor_id = 'cs_test_first'")
    assert_problem(counter.begin("10.00", "cards", key="one"), 503, "processor_away", retry_after_s=10)
    assert (counter.processor_id(deposit), counter.exceptions()) == ("cs_test_first", ["opened_twice"])
    assert counter.shop.value("select url from openings") is None


def test_a_deposit_whose_processor_is_away_at_its_end_is_asked_after_on(
    counter: Counter, cards: FakeStripe
) -> None:
    """It may have been paid meanwhile, as this one was."""
    deposit = counter.begun("10.00", "cards")
    session = counter.processor_id(deposit)
    cards.pay(session)
    cards.fail(f"GET checkout/sessions/{session}", "cut_before")
    counter.shop.clock.advance(HOUR_S)
    counter.work()
    assert counter.read(deposit)["state"] == "created"
    counter.shop.clock.advance(HOUR_S)
    counter.work()
    assert counter.available == "10.0000"


def test_a_secret_that_was_replaced_counts_no_more(counter: Counter, cards: FakeStripe) -> None:
    cards.pay(counter.processor_id(counter.begun("10.00", "cards")))
    with counter.shop.db.transaction() as tx:
        vault, now = counter.shop.context.vault, counter.shop.clock.now()
        store.set_secret(tx, vault, "cards", "webhook_secret", "whsec_the_next", now)
    eventually(lambda: call(counter, cards, "checkout.session.completed", "whsec_the_next") == 200, 10)
    assert call(counter, cards, "checkout.session.completed", SECRET) == 400


@pytest.mark.promise("M4")
def test_a_refund_that_cannot_be_looked_for_stays_set_aside(counter: Counter, cards: FakeStripe) -> None:
    """Whether it left is not known while the key is refused: it must not be spendable here as well."""
    deposit = paid(counter, cards)
    counter.ask_back(deposit)
    cards.set(key_revoked=True)
    counter.work()
    assert (counter.read(deposit)["refund"]["state"], counter.available) == ("sending", "0.0000")
    cards.set(key_revoked=False)
    counter.shop.clock.advance(HOUR_S)
    counter.work()
    assert (counter.read(deposit)["refund"]["state"], len(refunds_at_stripe(cards))) == ("sent", 1)
    counter.shop.assert_books_are_true()


def test_a_dispute_in_another_currency_takes_nothing(counter: Counter, cards: FakeStripe) -> None:
    deposit = paid(counter, cards)
    intent = counter.shop.value("select payment_id from deposits where id = %(id)s", id=deposit["id"])
    opened = cards.tell("dispute", intent=intent)
    cards.lie(opened["id"], currency="eur")
    call(counter, cards, "charge.dispute.created")
    counter.work()
    assert (counter.exceptions(), counter.available) == (["wrong_currency"], "10.0000")
