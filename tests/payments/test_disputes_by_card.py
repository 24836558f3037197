"""What a card's bank takes back, and what it warns of, through the door and the worker, against a Stripe of our own in a process of
its own: in whatever order the words come, money leaves once, and what was spent is owed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from onceline.core.money import MICROS
from tests.counterparts.stripe.process import FakeStripe
from tests.edge.door import assert_problem
from tests.payments.by_card import account_state, call, intent_of, paid, refunds_at_stripe
from tests.payments.counter import Counter

ALL_ORDERS = list(itertools.permutations(range(5)))
SOME_ORDERS = [one for at, one in enumerate(ALL_ORDERS) if at % 6 == at // 6 % 6]
Story = Callable[[Counter, FakeStripe], tuple[dict[str, Any], list[str]]]


def spend(counter: Counter, times: int) -> None:
    """A quarter of a dollar each."""
    for _ in range(times):
        order = counter.shop.place(counter.who)
        counter.shop.sms(order.e164, "Telegram code: 48291", "Telegram")
        counter.shop.finish(counter.who, order)


def dollars(counter: Counter) -> tuple[float, ...]:
    """Available, on its way back, disputed, owed; in quarters, which are exact."""
    found = counter.shop.balance(counter.who)
    figures = (found.available, found.refund_pending, found.disputed, found.debt)
    return tuple(one / MICROS for one in figures)


def order(counter: Counter) -> Any:
    return counter.send("POST", "/orders", {"service": "telegram", "country": "GB"}, "an order")


def disputed(counter: Counter, cards: FakeStripe, deposit: dict[str, Any], **how: Any) -> str:
    """Its bank took it back, and Stripe has told us."""
    made = cards.tell("dispute", intent=intent_of(cards, counter.processor_id(deposit)), **how)
    assert call(counter, cards, "charge.dispute.created") == 200
    counter.work()
    return str(made["id"])


def ended(counter: Counter, cards: FakeStripe, dispute: str, status: str) -> None:
    cards.tell("dispute_change", dispute=dispute, status=status)
    assert call(counter, cards, "charge.dispute.closed") == 200
    counter.work()


# Disputes ---------------------------------------------------------------------------------------------------------


@pytest.mark.attack(25)
@pytest.mark.parametrize("spent", [0, 5])
def test_a_dispute_freezes_what_is_left_and_what_is_won_comes_back_exactly(
    counter: Counter, cards: FakeStripe, spent: int
) -> None:
    deposit = paid(counter, cards)
    spend(counter, spent)
    before = dollars(counter)
    dispute = disputed(counter, cards, deposit)
    assert dollars(counter) == (0, 0, 10, spent / 4)
    ended(counter, cards, dispute, "won")
    assert (dollars(counter), counter.shop.value("select state from deposits")) == (before, "credited")
    counter.shop.assert_books_are_true()


@pytest.mark.attack(24)
def test_a_dispute_after_all_was_spent_is_owed_and_the_next_deposit_pays_it(
    counter: Counter, cards: FakeStripe
) -> None:
    deposit, other = paid(counter, cards, "5.00"), counter.begun("7.00", "cards")
    spend(counter, 20)
    assert dollars(counter) == (0, 0, 0, 0)

    dispute = disputed(counter, cards, deposit)

    assert (dollars(counter), account_state(counter)) == ((0, 0, 5, 5), "suspended")
    assert_problem(order(counter), 403, "account_suspended")
    cards.pay(counter.processor_id(other))
    assert call(counter, cards, "checkout.session.completed") == 200
    counter.work()
    assert dollars(counter) == (2, 0, 5, 0)
    ended(counter, cards, dispute, "lost")
    assert (dollars(counter), counter.exceptions()) == ((2, 0, 0, 0), ["dispute"])
    counter.shop.assert_books_are_true()


@pytest.mark.attack(26)
@pytest.mark.parametrize("status", ["won", "lost"])
def test_a_dispute_of_what_went_back_takes_nothing_more_and_staff_are_told(
    counter: Counter, cards: FakeStripe, status: str
) -> None:
    deposit, other = paid(counter, cards), paid(counter, cards, "7.00")
    counter.ask_back(deposit)
    counter.work()
    ended(counter, cards, disputed(counter, cards, deposit), status)
    states = [counter.read(one)["state"] for one in (deposit, other)]
    assert (states, dollars(counter)) == (["refunded", "credited"], (7, 0, 0, 0))
    assert (counter.exceptions(), len(refunds_at_stripe(cards))) == (["dispute_of_what_is_gone"], 1)
    counter.shop.assert_books_are_true()


@pytest.mark.attack(26)
@pytest.mark.parametrize("order_of_words", ["refund, end", "end, refund"])
def test_a_refund_that_a_dispute_stopped_on_its_way_leaves_nothing_to_spend(
    counter: Counter, cards: FakeStripe, order_of_words: str
) -> None:
    """Stripe fails a refund that waits when the bank takes the payment first; what comes back with it is the bank's."""
    deposit = paid(counter, cards)
    cards.set(refunds={"status": "pending", "pending_reason": "processing"})
    counter.ask_back(deposit)
    counter.work()
    dispute = disputed(counter, cards, deposit)
    assert dollars(counter) == (0, 10, 0, 0)
    (sent,) = refunds_at_stripe(cards)
    cards.tell("refund", refund=sent["id"], status="failed", reason="charge_for_pending_refund_disputed")
    cards.tell("dispute_change", dispute=dispute, status="lost")
    kinds = ["refund.failed", "charge.dispute.closed"]
    for kind in kinds if order_of_words == "refund, end" else reversed(kinds):
        assert call(counter, cards, kind) == 200
        counter.work()
    assert (dollars(counter), counter.shop.value("select state from deposits")) == ((0, 0, 0, 0), "lost")
    assert account_state(counter) == "suspended"
    counter.shop.assert_books_are_true()


def test_a_dispute_of_a_payment_that_is_none_of_ours_is_for_staff(
    counter: Counter, cards: FakeStripe
) -> None:
    deposit = counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(deposit))
    cards.tell("dispute", intent=intent_of(cards, counter.processor_id(deposit)))
    counter.shop.run("delete from openings")
    counter.shop.run("delete from deposits")
    assert call(counter, cards, "charge.dispute.created") == 200
    counter.work()
    assert counter.exceptions() == ["unknown_payment", "unknown_dispute"]


@pytest.mark.parametrize("how", ["at once", "an hour late"])
def test_a_dispute_that_is_heard_of_before_its_payment_is_not_forgotten(
    counter: Counter, cards: FakeStripe, how: str
) -> None:
    """The worker may have been away, or the payment's own call lost: what is credited is never free of its dispute."""
    deposit = counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(deposit))
    cards.tell("dispute", intent=intent_of(cards, counter.processor_id(deposit)))
    assert call(counter, cards, "charge.dispute.created") == 200
    assert call(counter, cards, "checkout.session.completed") == 200
    counter.shop.clock.advance(3600 if how == "an hour late" else 0)
    for _ in range(3):
        counter.work()
        counter.shop.clock.advance(60)
    assert (dollars(counter), account_state(counter)) == ((0, 0, 10, 0), "suspended")
    assert counter.exceptions() == ["dispute"]
    counter.shop.assert_books_are_true()


def test_a_dispute_of_what_is_not_final_yet_takes_it_when_it_is(counter: Counter, cards: FakeStripe) -> None:
    deposit = counter.begun("10.00", "cards")
    session = counter.processor_id(deposit)
    cards.pay(session)
    intent = intent_of(cards, session)
    cards.lie(session, payment_status="unpaid")
    cards.lie(intent, status="processing")
    disputed(counter, cards, deposit)
    assert (counter.read(deposit)["state"], dollars(counter)) == ("confirming", (0, 0, 0, 0))
    cards.lie(session, payment_status="paid")
    cards.lie(intent, status="succeeded")
    assert call(counter, cards, "checkout.session.completed") == 200
    counter.work()
    assert (dollars(counter), account_state(counter)) == ((0, 0, 10, 0), "suspended")
    counter.shop.assert_books_are_true()


def test_a_dispute_of_what_staff_have_to_look_at_first_takes_it_when_they_credit_it(
    counter: Counter, cards: FakeStripe
) -> None:
    deposit = counter.begun("10.00", "cards")
    session = counter.processor_id(deposit)
    cards.lie(session, amount_total=900)
    cards.pay(session)
    cards.tell("dispute", intent=intent_of(cards, session))
    assert call(counter, cards, "charge.dispute.created") == 200
    counter.work()
    assert (counter.read(deposit)["state"], dollars(counter)) == ("review", (0, 0, 0, 0))
    assert set(counter.exceptions()) == {"wrong_amount", "dispute_of_what_is_gone"}
    counter.till.credit_by_hand(deposit["id"], "ann")
    assert (dollars(counter), account_state(counter)) == ((0, 0, 9, 0), "suspended")
    counter.shop.assert_books_are_true()


# Every order of the words -----------------------------------------------------------------------------------------


def a_loss(counter: Counter, cards: FakeStripe) -> tuple[dict[str, Any], list[str]]:
    """Paid, and taken back by the bank, before we heard a word of either."""
    deposit = counter.begun("10.00", "cards")
    session = counter.processor_id(deposit)
    cards.pay(session)
    made = cards.tell("dispute", intent=intent_of(cards, session))
    cards.tell("dispute_change", dispute=made["id"], status="lost")
    return deposit, ["checkout.session.completed", "payment_intent.succeeded", "charge.dispute.created",
                     "charge.dispute.funds_withdrawn", "charge.dispute.closed"]  # fmt: skip


def a_refund_and_a_loss(counter: Counter, cards: FakeStripe) -> tuple[dict[str, Any], list[str]]:
    """Credited by asking, sent back with an answer that was lost, disputed all the same; then all the words come."""
    deposit = counter.begun("10.00", "cards")
    session = counter.processor_id(deposit)
    cards.pay(session)
    counter.till.ask(deposit["id"])
    assert counter.ask_back(deposit).status_code == 202
    cards.fail("POST refunds", "cut")
    counter.work()
    sent = refunds_at_stripe(cards)[-1]
    assert sent["payment_intent"] == intent_of(cards, session)
    cards.tell("refund", refund=sent["id"], status="succeeded")
    made = cards.tell("dispute", intent=intent_of(cards, session))
    cards.tell("dispute_change", dispute=made["id"], status="lost")
    return deposit, ["checkout.session.completed", "refund.created", "refund.updated", "charge.dispute.created",
                     "charge.dispute.closed"]  # fmt: skip


def the_end_of(counter: Counter, deposit: dict[str, Any]) -> dict[str, Any]:
    """All that is left of a story."""
    about = counter.shop.rows(
        "select code from payment_exceptions where deposit_id = %(id)s", id=deposit["id"]
    )
    taken = counter.shop.rows(
        "select state, amount from disputes where deposit_id = %(id)s", id=deposit["id"]
    )
    return {
        "state": counter.shop.value("select state from deposits where id = %(id)s", id=deposit["id"]),
        "refunds": [row.state for row in counter.shop.rows(
            "select state from deposit_refunds where deposit_id = %(id)s", id=deposit["id"])],
        "dollars": dollars(counter),
        "disputes": [tuple(row) for row in taken],
        "for staff": [row.code for row in about],
    }  # fmt: skip


def tell(counter: Counter, cards: FakeStripe, kinds: Iterable[str]) -> None:
    """Stripe's latest events of these kinds come one after the other, and each is dealt with before the next."""
    now = int(counter.shop.clock.now().timestamp())
    latest = {one["type"]: one["id"] for one in cards.tell("events", most=12)}
    for kind in kinds:
        headers, body = cards.signed(latest[kind], at=now)
        assert counter.call("cards", headers, body).status_code == 200
        counter.work()
    for _ in range(2):
        counter.shop.clock.advance(60)
        counter.work()


@pytest.mark.attack(11)
@pytest.mark.parametrize(
    ("story", "end"),
    [
        (a_loss, {"state": "lost", "refunds": [], "dollars": (0, 0, 0, 0), "disputes": [("lost", 10 * MICROS)],
                  "for staff": ["dispute"]}),
        (a_refund_and_a_loss, {"state": "refunded", "refunds": ["sent"], "dollars": (0, 0, 0, 0), "disputes": [("lost", 0)],
                               "for staff": ["dispute_of_what_is_gone"]}),
    ],
    ids=["a loss", "a refund and a loss"],
)  # fmt: skip
def test_in_whatever_order_five_words_come_the_end_is_the_same(
    counter: Counter, cards: FakeStripe, story: Story, end: dict[str, Any], soak: bool
) -> None:
    """In the short form one order for every pair of words that can come first."""
    for n, wanted in enumerate(ALL_ORDERS if soak else SOME_ORDERS):
        here = counter.of(counter.shop.customer(f"Alice {n}", balance=0))
        deposit, kinds = story(here, cards)
        tell(here, cards, [kinds[at] for at in wanted])
        assert the_end_of(here, deposit) == end, wanted
    assert counter.shop.value("select count(*) from processor_hints where look_at is not null") == 0
    counter.shop.assert_books_are_true()


# Warnings of fraud ------------------------------------------------------------------------------------------------


def warned(counter: Counter, cards: FakeStripe, deposit: dict[str, Any]) -> str:
    """The card's bank says that it was fraud, and Stripe tells us."""
    made = cards.tell("warn", intent=intent_of(cards, counter.processor_id(deposit)))
    assert call(counter, cards, "radar.early_fraud_warning.created") == 200
    counter.work()
    return str(made["id"])


def test_a_warning_of_fraud_stops_the_account_and_moves_nothing(counter: Counter, cards: FakeStripe) -> None:
    deposit = paid(counter, cards)
    warning = warned(counter, cards, deposit)
    assert account_state(counter) == "suspended"
    assert_problem(order(counter), 403, "account_suspended")
    assert (dollars(counter), refunds_at_stripe(cards)) == ((10, 0, 0, 0), [])
    (row,) = counter.shop.rows("select code, object_id, deposit_id, amount from payment_exceptions")
    assert row == ("fraud_warning", warning, deposit["id"], 10 * MICROS)
    counter.shop.assert_books_are_true()


def test_the_same_warning_again_does_not_stop_an_account_that_staff_have_opened_again(
    counter: Counter, cards: FakeStripe
) -> None:
    warned(counter, cards, paid(counter, cards))
    counter.shop.run("update accounts set state = 'open'")
    assert call(counter, cards, "radar.early_fraud_warning.created") == 200
    counter.work()
    assert (account_state(counter), counter.exceptions()) == ("open", ["fraud_warning"])


def test_a_warning_that_comes_before_the_payment_is_credited_stops_the_account_too(
    counter: Counter, cards: FakeStripe
) -> None:
    deposit = counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(deposit))
    warned(counter, cards, deposit)
    assert (dollars(counter), account_state(counter)) == ((10, 0, 0, 0), "suspended")
    assert counter.exceptions() == ["fraud_warning"]


@pytest.mark.parametrize(
    ("status", "state"), [("succeeded", "open"), ("pending", "suspended")], ids=["gone", "on its way"]
)
def test_a_warning_about_what_went_back_stops_the_account_only_while_it_may_come_again(
    counter: Counter, cards: FakeStripe, status: str, state: str
) -> None:
    deposit = paid(counter, cards)
    cards.set(refunds={"status": status})
    counter.ask_back(deposit)
    counter.work()
    warned(counter, cards, deposit)
    assert (account_state(counter), counter.exceptions()) == (state, ["fraud_warning"])
    assert len(refunds_at_stripe(cards)) == 1


def test_a_warning_and_the_dispute_after_it_are_one_loss(counter: Counter, cards: FakeStripe) -> None:
    deposit = paid(counter, cards)
    warned(counter, cards, deposit)
    ended(counter, cards, disputed(counter, cards, deposit), "lost")
    assert (dollars(counter), counter.exceptions()) == ((0, 0, 0, 0), ["fraud_warning", "dispute"])
    counter.shop.assert_books_are_true()


def test_a_warning_of_a_payment_that_is_none_of_ours_is_for_staff(
    counter: Counter, cards: FakeStripe
) -> None:
    deposit = counter.begun("10.00", "cards")
    session = counter.processor_id(deposit)
    cards.pay(session)
    counter.shop.run("delete from openings")
    counter.shop.run("delete from deposits")
    cards.tell("warn", intent=intent_of(cards, session))
    assert call(counter, cards, "radar.early_fraud_warning.created") == 200
    counter.work()
    assert (counter.exceptions(), account_state(counter)) == (["unknown_payment", "unknown_dispute"], "open")
