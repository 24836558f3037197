"""Callbacks, beginnings and refunds through the door and the worker, against a Stripe of our own in a process of its own; disputes
are in test_disputes_by_card.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog

from onceline import outbound
from onceline.core.money import MICROS
from onceline.payments.base import SendBack, SentBack
from onceline.payments.stripe.currencies import to_minor
from onceline.payments.stripe.processor import Stripe
from tests.counterparts.stripe.process import FakeStripe
from tests.edge.door import assert_problem, eventually
from tests.payments.by_card import call, listen, paid, refunds_at_stripe
from tests.payments.counter import Counter
from tests.personas import CHARLIE

ROOT = Path(__file__).resolve().parents[2]


# Callbacks --------------------------------------------------------------------------------------------------------


def test_a_deposit_by_card_is_credited_after_stripe_called(counter: Counter, cards: FakeStripe) -> None:
    deposit = counter.begun("25.00", "cards")
    assert deposit["pay_url"].startswith(cards.url)
    assert counter.call("cards", {}, b"{}").status_code == 400
    cards.pay(counter.processor_id(deposit))
    assert call(counter, cards, "checkout.session.completed") == 200
    assert counter.available == "0.0000"
    counter.work()
    assert (counter.read(deposit)["credited"], counter.available) == ("25.0000", "25.0000")
    counter.shop.assert_books_are_true()


@pytest.mark.attack(9)
def test_fifty_copies_of_a_call_at_once_are_one_credit(counter: Counter, cards: FakeStripe) -> None:
    deposit = counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(deposit))
    headers, body = cards.signed(cards.events("checkout.session.completed")[-1]["id"])
    with ThreadPoolExecutor(50) as callers:
        statuses = list(callers.map(lambda _: counter.call("cards", headers, body).status_code, range(50)))
    assert statuses == [200] * 50
    assert counter.count("processor_hints") == 1
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(lambda _: counter.work(), range(16)))
    assert counter.call("cards", headers, body).status_code == 200
    counter.work()
    assert counter.available == "10.0000"
    assert counter.shop.events(counter.who) == ["deposit.credited"]
    counter.shop.assert_books_are_true()


@pytest.mark.attack(9, 10)
def test_fifty_copies_of_every_event_that_stripe_itself_delivers_are_one_credit(
    counter: Counter, cards: FakeStripe
) -> None:
    listen(counter, cards)
    cards.set(copies=49)
    deposit = counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(deposit))
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda _: counter.work(), range(16)))
        delivered = cards.tell("idle")
        list(workers.map(lambda _: counter.work(), range(8)))
    assert sum(one["status"] == 200 for one in delivered) == 4 * 50
    assert counter.count("processor_hints") == 2  # of four kinds two are about what was paid
    assert (counter.available, counter.exceptions()) == ("10.0000", [])
    assert counter.shop.events(counter.who) == ["deposit.credited"]
    counter.shop.assert_books_are_true()


@pytest.mark.attack(10)
def test_two_different_events_of_one_payment_are_one_credit(counter: Counter, cards: FakeStripe) -> None:
    deposit = counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(deposit))
    assert call(counter, cards, "checkout.session.completed") == 200
    assert call(counter, cards, "payment_intent.succeeded") == 200
    assert counter.count("processor_hints") == 2
    with ThreadPoolExecutor(2) as workers:
        list(workers.map(lambda _: counter.work(), range(4)))
    assert (counter.available, counter.exceptions()) == ("10.0000", [])
    assert counter.shop.events(counter.who) == ["deposit.credited"]
    counter.shop.assert_books_are_true()


@pytest.mark.attack(13)
@pytest.mark.parametrize(
    "forge",
    [
        lambda cards, event: cards.signed(event, "whsec_somebody"),
        lambda cards, event: cards.signed(event, at=cards.now() - 360),
        lambda cards, event: (cards.signed(event)[0], cards.signed(event)[1].replace(b"1000", b"9000")),
        lambda cards, event: ({}, cards.signed(event)[1]),
        lambda cards, event: ({"stripe-signature": "t=1,v1=00"}, b"not even JSON"),
    ],
    ids=["another secret", "six minutes old", "another amount", "no signature", "nonsense"],
)
def test_a_forged_call_changes_nothing_and_is_counted_without_a_word_of_it(
    counter: Counter, cards: FakeStripe, forge: Callable[[FakeStripe, str], tuple[dict[str, str], bytes]]
) -> None:
    deposit = counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(deposit))
    headers, body = forge(cards, cards.events("checkout.session.completed")[-1]["id"])
    with structlog.testing.capture_logs() as logged:
        answer = counter.call("cards", headers, body)
    assert (answer.status_code, answer.content) == (400, b"")
    assert (counter.count("processor_hints"), counter.exceptions()) == (0, [])
    assert [one["event"] for one in logged] == ["processor's call is not authentic"]
    assert set(logged[0]) == {"event", "log_level", "processor", "reason"}
    figures = counter.http.get(f"{counter.url}/metrics").text
    assert 'onceline_payment_callbacks_total{outcome="not_authentic",processor="cards"}' in figures


@pytest.mark.attack(13)
def test_what_stripe_signed_for_another_endpoint_of_ours_changes_nothing_here(
    counter: Counter, cards: FakeStripe
) -> None:
    counter.stripe(cards, "cards-too", secret="whsec_too")
    deposit = counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(deposit))
    assert call(counter, cards, "checkout.session.completed", "whsec_too") == 400
    assert call(counter, cards, "checkout.session.completed", name="cards-too") == 400
    counter.work()
    assert (counter.count("processor_hints"), counter.available, counter.exceptions()) == (0, "0.0000", [])


@pytest.mark.attack(14)
def test_a_call_again_is_a_repeat_for_five_minutes_and_forged_after_a_day(
    counter: Counter, cards: FakeStripe
) -> None:
    deposit = counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(deposit))
    event = cards.events("checkout.session.completed")[-1]["id"]
    headers, body = cards.signed(event, at=int(counter.shop.clock.now().timestamp()))
    assert counter.call("cards", headers, body).status_code == 200
    counter.work()
    asked = len(cards.tell("asked"))
    for later_s, status in ((240, 200), (120, 400), (86_400, 400)):
        counter.shop.clock.advance(later_s)
        assert counter.call("cards", headers, body).status_code == status
        assert counter.work() == 0
    signed_anew = cards.signed(event, at=int(counter.shop.clock.now().timestamp()))
    assert counter.call("cards", *signed_anew).status_code == 200
    assert counter.work() == 0
    assert (counter.count("processor_hints"), len(cards.tell("asked"))) == (1, asked)
    assert (counter.available, counter.exceptions()) == ("10.0000", [])
    counter.shop.assert_books_are_true()


@pytest.mark.attack(14)
def test_a_call_again_after_we_forgot_it_is_read_again_and_credits_nothing(
    counter: Counter, cards: FakeStripe
) -> None:
    paid(counter, cards)
    counter.shop.run("delete from processor_hints")
    assert call(counter, cards, "checkout.session.completed") == 200
    assert counter.work() == 1
    assert (counter.available, counter.exceptions()) == ("10.0000", [])
    counter.shop.assert_books_are_true()


def test_a_call_of_another_mode_changes_nothing(counter: Counter, cards: FakeStripe) -> None:
    """A live processor that somebody gave the test endpoint's secret: the event is authentic, and of test money."""
    counter.stripe(cards, "live-cards", mode="live")
    deposit = counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(deposit))
    assert call(counter, cards, "checkout.session.completed", name="live-cards") == 200
    counter.work()
    assert (counter.count("processor_hints"), counter.available) == (0, "0.0000")


def test_a_call_that_is_too_long_is_turned_away(counter: Counter, cards: FakeStripe) -> None:
    answer = counter.call("cards", {"stripe-signature": "t=1,v1=00"}, b"x" * (64 * 1024 + 1))
    assert answer.status_code == 413
    assert counter.call("cards", {"stripe-signature": "t=1,v1=00"}, b"x" * 64 * 1024).status_code == 400


def test_nobody_is_called_so(counter: Counter) -> None:
    assert counter.call("nobody", {}, b"{}").status_code == 404
    assert counter.call("sandbox", {}, b"{}").status_code == 400
    assert counter.http.get(f"{counter.url}/pay/sandbox").status_code == 405


def test_while_the_database_is_away_the_processor_is_told_to_come_again(
    counter: Counter, cards: FakeStripe, away: Callable[[bool], None]
) -> None:
    deposit = counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(deposit))
    headers, body = cards.signed(cards.events("checkout.session.completed")[-1]["id"])
    away(True)
    answer = counter.call("cards", headers, body)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    away(False)
    eventually(lambda: counter.call("cards", headers, body).status_code == 200, 15)
    eventually(lambda: counter.work(), 15)
    eventually(lambda: counter.available == "10.0000", 10)


def test_a_call_that_comes_before_we_know_what_stripe_calls_it_is_credited(
    counter: Counter, cards: FakeStripe
) -> None:
    """As when we died between Stripe's answer and our own note of it."""
    deposit = counter.begin("10.00", "cards", key="one").json()
    session = counter.processor_id(deposit)
    counter.shop.run("update deposits set processor_id = null")
    counter.shop.run("update openings set url = null")
    cards.pay(session)
    assert call(counter, cards, "checkout.session.completed") == 200
    counter.work()
    assert (counter.processor_id(deposit), counter.available) == (session, "10.0000")
    assert counter.begin("10.00", "cards", key="one").json()["id"] == deposit["id"]


@pytest.mark.attack(12)
def test_a_call_that_was_lost_is_made_up_for_by_asking(counter: Counter, cards: FakeStripe) -> None:
    listen(counter, cards)
    cards.set(lost=99)
    deposit = counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(deposit))
    assert (cards.tell("idle"), counter.count("processor_hints")) == ([], 0)
    counter.shop.clock.advance(59)
    assert counter.work() == 0
    counter.shop.clock.advance(2)
    assert counter.work() == 1
    assert (counter.available, counter.exceptions()) == ("10.0000", [])
    counter.shop.assert_books_are_true()


def test_a_payment_of_somebody_else_is_kept_for_staff(counter: Counter, cards: FakeStripe) -> None:
    deposit = counter.begun("10.00", "cards")
    session = counter.processor_id(deposit)
    counter.shop.run("delete from openings")
    counter.shop.run("delete from deposits")
    cards.pay(session)
    assert call(counter, cards, "checkout.session.completed") == 200
    counter.work()
    (row,) = counter.shop.rows(
        "select code, object_id, amount, currency, resolved_at from payment_exceptions"
    )
    assert row == ("unknown_payment", session, 10 * MICROS, "USD", None)
    counter.shop.assert_books_are_true()


def test_a_call_about_one_customers_payment_never_credits_another(
    counter: Counter, cards: FakeStripe
) -> None:
    charlie = counter.of(counter.shop.customer(CHARLIE, balance=0))
    ours, theirs = counter.begun("10.00", "cards"), charlie.begun("10.00", "cards")
    session = counter.processor_id(theirs)
    cards.pay(session)
    cards.lie(session, client_reference_id=ours["id"], metadata={"deposit": ours["id"]})
    call(counter, cards, "checkout.session.completed")
    counter.work()
    assert (counter.available, charlie.available) == ("0.0000", "0.0000")
    assert counter.exceptions() == ["foreign_payment"]


@pytest.mark.attack(15)
@pytest.mark.parametrize("minor", [500, 900, 999, 1001, 1500, 2000, 100_000])
def test_a_card_that_paid_another_amount_than_was_asked_for_waits_for_staff(
    counter: Counter, cards: FakeStripe, minor: int
) -> None:
    """All of Stripe says so with one voice: a page for another amount than our row has."""
    deposit = counter.begun("10.00", "cards")
    session = counter.processor_id(deposit)
    cards.lie(session, amount_total=minor)
    cards.pay(session)
    assert call(counter, cards, "checkout.session.completed") == 200
    counter.work()
    (row,) = counter.shop.rows("select code, deposit_id, amount, currency from payment_exceptions")
    assert row == ("wrong_amount", deposit["id"], minor * 10_000, "USD")
    assert (counter.read(deposit)["state"], counter.available) == ("review", "0.0000")
    counter.shop.assert_books_are_true()


@pytest.mark.attack(15)
@pytest.mark.parametrize("minor", [900, 1001])
def test_a_charge_of_another_amount_than_its_page_waits_for_staff(
    counter: Counter, cards: FakeStripe, minor: int
) -> None:
    deposit = counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(deposit), minor=minor)
    assert call(counter, cards, "checkout.session.completed") == 200
    counter.work()
    assert (counter.read(deposit)["credited"], counter.exceptions()) == (None, ["not_readable"])
    counter.shop.assert_books_are_true()


@pytest.mark.attack(15)
def test_a_card_that_paid_in_another_currency_waits_for_staff(counter: Counter, cards: FakeStripe) -> None:
    deposit = counter.begun("10.00", "cards")
    session = counter.processor_id(deposit)
    cards.lie(session, currency="eur")
    cards.pay(session)
    assert call(counter, cards, "checkout.session.completed") == 200
    counter.work()
    (row,) = counter.shop.rows("select code, deposit_id, amount, currency from payment_exceptions")
    assert row == ("wrong_currency", deposit["id"], 10 * MICROS, "EUR")
    assert counter.read(deposit)["credited"] is None
    counter.shop.assert_books_are_true()


@pytest.mark.attack(15)
@pytest.mark.parametrize(
    ("said", "credited"),
    [({"amount_total": 900}, (None, ["not_readable"])), ({"currency": "eur"}, (None, ["not_readable"]))],
    ids=["another amount", "another currency"],
)
def test_what_is_read_back_otherwise_than_asked_for_credits_nothing(
    counter: Counter, cards: FakeStripe, said: dict[str, Any], credited: tuple[str | None, list[str]]
) -> None:
    deposit = counter.begun("10.00", "cards")
    session = counter.processor_id(deposit)
    cards.pay(session)
    cards.lie(session, **said)
    call(counter, cards, "checkout.session.completed")
    counter.work()
    assert (counter.read(deposit)["credited"], counter.exceptions()) == credited
    counter.shop.assert_books_are_true()


def test_while_stripe_is_away_a_call_waits_and_nothing_is_lost(counter: Counter, cards: FakeStripe) -> None:
    deposit = counter.begun("10.00", "cards")
    session = counter.processor_id(deposit)
    cards.pay(session)
    call(counter, cards, "checkout.session.completed")
    cards.fail(f"GET checkout/sessions/{session}", "cut_before")
    counter.work()
    assert counter.available == "0.0000"
    counter.shop.clock.advance(6)
    counter.work()
    assert counter.available == "10.0000"


# Beginning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cut_before", "cut", "409", "429", "html"])
def test_when_stripe_does_not_answer_the_same_key_goes_on(
    counter: Counter, cards: FakeStripe, how: str
) -> None:
    cards.fail("POST checkout/sessions", how)
    answer = counter.begin("10.00", "cards", key="one")
    assert_problem(answer, 503, "processor_away", retry_after_s=10)
    again = counter.begin("10.00", "cards", key="one")
    assert again.status_code == 201
    assert (counter.count("deposits"), len(cards.tell("asked"))) == (1, 2)
    sessions = {one["data"]["object"]["id"] for one in cards.events("checkout.session")}
    cards.pay(counter.processor_id(again.json()))
    assert len(sessions) <= 1


def test_a_key_that_stripe_refuses_is_for_staff(counter: Counter, cards: FakeStripe) -> None:
    cards.set(key_revoked=True)
    assert_problem(counter.begin("10.00", "cards"), 503, "processor_away", retry_after_s=10)
    assert counter.exceptions() == ["not_opened"]
    counter.shop.clock.advance(3700)
    counter.work()
    assert counter.shop.value("select state from deposits") == "expired"


def test_only_the_first_deposit_asks_the_bank_to_authenticate(counter: Counter, cards: FakeStripe) -> None:
    """First is what was begun before any money came: also a second page of it."""
    first, again = counter.begun("10.00", "cards"), counter.begun("10.00", "cards")
    cards.pay(counter.processor_id(first))
    call(counter, cards, "checkout.session.completed")
    counter.work()
    counter.shop.clock.advance(1)
    third = counter.begun("10.00", "cards")
    asked = [
        cards.tell("set", id=counter.processor_id(one), fields={})["payment_method_options"]
        for one in (first, again, third)
    ]
    assert asked == [{"card": {"request_three_d_secure": "any"}}] * 2 + [{}]
    charge = cards.events("charge.succeeded")[-1]["data"]["object"]
    assert charge["payment_method_details"]["card"]["three_d_secure"]["result"] == "authenticated"


# Refunds ----------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M4")
def test_a_deposit_goes_back_to_its_card(counter: Counter, cards: FakeStripe) -> None:
    deposit = paid(counter, cards)
    assert counter.ask_back(deposit).status_code == 202
    counter.work()
    assert counter.read(deposit)["refund"]["state"] == "sent"
    (sent,) = refunds_at_stripe(cards)
    assert (sent["amount"], sent["currency"]) == (1000, "usd")
    counter.shop.assert_books_are_true()


@pytest.mark.attack(22)
@pytest.mark.parametrize("how", ["hang", "cut", "cut_before", "500", "429"])
def test_a_refund_whose_answer_was_lost_is_paid_out_once(
    counter: Counter, cards: FakeStripe, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """What was done without an answer is found in Stripe's list, and not asked for again."""
    deposit = paid(counter, cards)
    counter.ask_back(deposit)
    cards.fail("POST refunds", how)
    with monkeypatch.context() as hasty:
        hasty.setattr(outbound, "TOTAL_S", 1.0)
        counter.work()
    was_done = len(refunds_at_stripe(cards))
    assert was_done == (how in ("hang", "cut", "500"))
    assert counter.read(deposit)["refund"]["state"] == "sending"
    for _ in range(4):
        counter.shop.clock.advance(3600)
        counter.work()
    assert counter.read(deposit)["refund"]["state"] == "sent"
    assert (len(refunds_at_stripe(cards)), cards.asked("POST refunds")) == (1, 1 if was_done else 2)
    counter.shop.assert_books_are_true()


@pytest.mark.attack(23)
def test_a_refund_is_looked_for_before_it_is_sent_again_when_stripe_forgot_the_key(
    counter: Counter, cards: FakeStripe
) -> None:
    deposit = paid(counter, cards)
    counter.ask_back(deposit)
    cards.fail("POST refunds", "cut")
    counter.work()
    cards.tell("prune")
    counter.shop.clock.advance(25 * 3600)
    counter.work()
    assert (counter.read(deposit)["refund"]["state"], cards.asked("POST refunds")) == ("sent", 1)
    assert len(refunds_at_stripe(cards)) == 1


@pytest.mark.attack(23)
def test_a_refund_that_is_asked_for_again_when_stripe_forgot_the_key_is_the_one_that_was_sent(
    counter: Counter, cards: FakeStripe
) -> None:
    deposit = paid(counter, cards)
    first = counter.ask_back(deposit).json()["refund"]
    counter.work()
    cards.tell("prune")
    counter.shop.clock.advance(25 * 3600)
    again = counter.ask_back(deposit).json()["refund"]
    counter.work()
    assert (again["id"], again["state"], cards.asked("POST refunds")) == (first["id"], "sent", 1)
    assert counter.count("deposit_refunds") == 1
    counter.shop.assert_books_are_true()


@pytest.mark.attack(23)
def test_the_worker_itself_looks_for_a_refund_whatever_its_processor_does(
    counter: Counter, cards: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our client of Stripe looks as well; here it trusts its key, which Stripe forgot, and the charge has room for a second one."""

    def trusting(ours: Stripe, refund: SendBack) -> SentBack:
        return ours._ask_back(refund, ours._intent(refund), to_minor(refund.amount, refund.currency))

    monkeypatch.setattr(Stripe, "send_back", trusting)
    deposit = paid(counter, cards)
    cards.lie(cards.events("charge.succeeded")[-1]["data"]["object"]["id"], amount=3000)
    counter.ask_back(deposit)
    cards.fail("POST refunds", "500")
    counter.work()
    assert counter.read(deposit)["refund"]["state"] == "sending"
    cards.tell("prune")
    counter.shop.clock.advance(25 * 3600)
    counter.work()
    assert counter.read(deposit)["refund"]["state"] == "sent"
    assert (len(refunds_at_stripe(cards)), cards.asked("POST refunds")) == (1, 1)


def test_a_worker_that_is_killed_between_sending_and_the_answer_pays_out_once(
    counter: Counter, cards: FakeStripe
) -> None:
    deposit = paid(counter, cards)
    counter.ask_back(deposit)
    cards.set(hang_s=20.0)
    cards.fail("POST refunds", "hang")
    worker = _worker(counter)
    eventually(lambda: refunds_at_stripe(cards), 30)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert counter.read(deposit)["refund"]["state"] == "sending"
    assert counter.work() == 0  # the dead worker's claim still stands
    counter.shop.clock.advance(600)  # the worker's clock was the machine's
    counter.work()
    assert counter.read(deposit)["refund"]["state"] == "sent"
    assert len(refunds_at_stripe(cards)) == 1
    counter.shop.assert_books_are_true()


def _worker(counter: Counter) -> subprocess.Popen[bytes]:
    """One round of refunds in a process of its own, which may die."""
    settings = counter.shop.context.vault._keys  # type: ignore[attr-defined]  # only to tell where the keys are
    told = {"conninfo": counter.shop.db.conninfo, "keys": str(settings._folder)}
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from onceline.config import Settings\n"
        "from onceline.core.clock import SystemClock\n"
        "from onceline.core.db import Database\n"
        "from onceline.payments import rounds\n"
        "from onceline.payments.till import Till\n"
        "from onceline.wiring import open_context\n"
        "told = json.loads(sys.argv[1])\n"
        "settings = Settings(keystore_dir=Path(told['keys']))\n"
        "with Database(told['conninfo'], size=2, name='mortal') as db:\n"
        "    rounds.refunds_round(Till(db, open_context(db, settings, SystemClock()), None))\n"
    )
    return subprocess.Popen([sys.executable, "-c", code, json.dumps(told)], cwd=ROOT)


@pytest.mark.attack(21)
def test_a_refund_that_fails_days_later_is_available_again(counter: Counter, cards: FakeStripe) -> None:
    deposit = paid(counter, cards)
    counter.ask_back(deposit)
    counter.work()
    (sent,) = refunds_at_stripe(cards)
    counter.shop.clock.advance(3 * 86400)
    cards.tell("advance", seconds=3 * 86400)
    cards.tell("refund", refund=sent["id"], status="failed", reason="expired_or_canceled_card")
    assert call(counter, cards, "refund.failed") == 200
    counter.work()
    found = counter.read(deposit)
    assert (found["state"], found["refund"]["state"], counter.available) == ("credited", "undone", "10.0000")
    assert counter.exceptions() == ["refund_undone"]
    counter.shop.assert_books_are_true()
    assert call(counter, cards, "refund.updated") == 200
    counter.work()
    assert counter.available == "10.0000"
    assert counter.ask_back(deposit).status_code == 202
    counter.work()
    assert (counter.read(deposit)["state"], len(refunds_at_stripe(cards))) == ("refunded", 2)
    counter.shop.assert_books_are_true()


def test_a_refund_on_its_way_is_confirmed_by_stripes_call(counter: Counter, cards: FakeStripe) -> None:
    deposit = paid(counter, cards)
    cards.set(refunds={"status": "pending", "pending_reason": "processing"})
    counter.ask_back(deposit)
    counter.work()
    assert counter.read(deposit)["refund"]["state"] == "sending"
    (sent,) = refunds_at_stripe(cards)
    cards.tell("refund", refund=sent["id"], status="succeeded")
    assert call(counter, cards, "refund.updated") == 200
    counter.work()
    assert counter.read(deposit)["refund"]["state"] == "sent"
    assert cards.asked("POST refunds") == 1


def test_a_refund_that_nobody_here_asked_for_is_for_staff(counter: Counter, cards: FakeStripe) -> None:
    deposit = paid(counter, cards)
    counter.ask_back(deposit)
    counter.work()
    counter.shop.run("update deposit_refunds set processor_id = 're_other'")
    call(counter, cards, "refund.created")
    counter.work()
    assert counter.exceptions() == ["unknown_refund"]
