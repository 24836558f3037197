"""Deposits of test money through the API: begun, paid, credited, asked back; and everything that can be wrong about them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from onceline.core.deposits.model import Paid, Payment
from onceline.core.money import MICROS
from onceline.core.processors import store
from onceline.core.processors.store import Figures
from tests.edge.door import assert_problem
from tests.payments.counter import Counter
from tests.personas import CHARLIE

TWO_WEEKS_S = 14 * 86400


def test_a_deposit_is_begun_paid_and_credited(counter: Counter) -> None:
    deposit = counter.begun("25.50")
    assert (deposit["state"], deposit["amount"], deposit["credited"]) == ("created", "25.5000", None)
    assert deposit["pay_url"] == f"/api/v1/test/deposits/{deposit['id']}/pay"
    assert counter.pay(deposit).status_code == 202
    assert counter.available == "0.0000"
    counter.work()
    found = counter.read(deposit)
    assert (found["state"], found["credited"], found["pay_url"]) == ("credited", "25.5000", None)
    assert counter.available == "25.5000"
    assert counter.shop.events(counter.who) == ["deposit.credited"]
    counter.shop.assert_books_are_true()


def test_the_ways_to_pay_are_told_with_what_they_cost(counter: Counter) -> None:
    figures = Figures(2_000_000, 50_000_000, 300_000, 29_000, 50_000)
    with counter.shop.db.transaction() as tx:
        now = counter.shop.clock.now()
        store.add(tx, "play", "sandbox", "test", {}, figures, now)
    ways = {one["name"]: one for one in counter.send("GET", "/deposits/methods").json()["methods"]}
    assert ways.keys() == {"play", "sandbox"}
    assert ways["play"] == {
        "name": "play", "kind": "sandbox", "least": "2.0000", "most": "50.0000", "fee": "0.3000",
        "fee_percent": "2.9000", "bonus_percent": "5.0000", "refunds": "source", "currency": "USD",
    }  # fmt: skip


def test_fee_and_bonus_are_kept_apart_from_the_amount(counter: Counter) -> None:
    with counter.shop.db.transaction() as tx:
        now = counter.shop.clock.now()
        figures = Figures(2_000_000, 50_000_000, 300_000, 29_000, 50_000)
        store.add(tx, "play", "sandbox", "test", {}, figures, now)
    deposit = counter.begun("10.00", "play")
    counter.pay(deposit)
    counter.work()
    found = counter.read(deposit)
    assert (found["credited"], found["fee"], found["bonus"]) == ("10.0000", "0.5900", "0.5000")
    assert counter.available == "10.5000"
    counter.shop.assert_books_are_true()


@pytest.mark.parametrize(
    "amount",
    ["0", "0.00", "-1", "-10.00", "10.00001", "10.001", "1000.01", "0.99", "NaN", "Infinity", "1e3", "１０", "9" * 30, "", " 10", "0x10", "10,00"],
)  # fmt: skip
def test_an_amount_that_is_none_is_refused_with_the_bounds(counter: Counter, amount: str) -> None:
    answer = counter.begin(amount)
    assert_problem(answer, 422, "invalid_input", field="amount", least="1.0000", most="1000.0000")
    assert "1.0000 and 1000.0000" in answer.json()["detail"]
    assert counter.count("deposits") == 0


@pytest.mark.parametrize("amount", [10, 10.5, None, True, ["10"]])
def test_an_amount_that_is_no_text_is_refused(counter: Counter, amount: object) -> None:
    assert counter.begin(amount).status_code == 422  # type: ignore[arg-type]  # what a client should not send
    assert counter.count("deposits") == 0


def test_a_method_that_is_not_there_is_not_found(counter: Counter) -> None:
    assert_problem(counter.begin(method="nothing"), 404, "not_found", what="way to pay")


def test_a_deposit_wants_a_key(counter: Counter) -> None:
    body = {"method": "sandbox", "amount": "10.00"}
    assert_problem(counter.send("POST", "/deposits", body), 400, "idempotency_key_required")


@pytest.mark.parametrize(
    "url", ["http://shop.example", "javascript:alert(1)", "//shop.example", "https://a b"]
)
def test_an_address_to_return_to_is_a_secure_one(counter: Counter, url: str) -> None:
    assert_problem(counter.begin(return_url=url), 422, "invalid_input")


def test_the_same_key_is_the_same_deposit_twenty_times_at_once(counter: Counter) -> None:
    with ThreadPoolExecutor(10) as senders:
        answers = list(senders.map(lambda _: counter.begin(key="one"), range(20)))
    assert [answer.status_code for answer in answers] == [201] * 20
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers].count(None) == 1
    assert (counter.count("deposits"), counter.count("sandbox_payments")) == (1, 1)


@pytest.mark.parametrize("other", [{"amount": "11.00"}, {"return_url": "https://elsewhere.example/"}])
def test_the_same_key_with_another_request_is_refused(counter: Counter, other: dict[str, str]) -> None:
    assert counter.begin(key="one").status_code == 201
    assert_problem(counter.begin(key="one", **other), 422, "idempotency_conflict")
    assert counter.count("deposits") == 1


def test_the_same_key_of_another_account_is_another_deposit(counter: Counter) -> None:
    charlie = counter.of(counter.shop.customer(CHARLIE, balance=0))
    assert counter.begin(key="one").json()["id"] != charlie.begin(key="one").json()["id"]


def test_nobody_sees_or_pays_or_sends_back_anothers_deposit(counter: Counter) -> None:
    deposit, waiting = counter.paid(), counter.begun()
    charlie = counter.of(counter.shop.customer(CHARLIE, balance=0))
    assert charlie.send("GET", f"/deposits/{deposit['id']}").status_code == 404
    assert charlie.pay(waiting).status_code == 404
    assert charlie.ask_back(deposit).status_code == 404
    assert charlie.send("GET", "/deposits").json() == {"deposits": [], "next": None}
    counter.work()
    assert [counter.read(one)["state"] for one in (deposit, waiting)] == ["credited", "created"]
    assert counter.count("deposit_refunds") == 0


def test_deposits_are_listed_page_by_page_newest_first(counter: Counter) -> None:
    made = []
    for _ in range(5):
        made.append(counter.begun()["id"])
        counter.shop.clock.advance(1)
    first = counter.send("GET", "/deposits?limit=3").json()
    second = counter.send("GET", f"/deposits?limit=3&cursor={first['next']}").json()
    assert [one["id"] for one in first["deposits"] + second["deposits"]] == made[::-1]
    assert second["next"] is None


def test_more_than_was_asked_for_is_credited_as_it_came(counter: Counter) -> None:
    deposit = counter.begun("10.00")
    counter.pay(deposit, "over")
    counter.work()
    assert counter.available == "11.0000"


def test_less_than_was_asked_for_is_credited_as_it_came(counter: Counter) -> None:
    deposit = counter.begun("10.00")
    counter.pay(deposit, "under")
    counter.work()
    assert (counter.read(deposit)["credited"], counter.available) == ("5.0000", "5.0000")


def test_less_than_the_least_waits_for_staff(counter: Counter) -> None:
    deposit = counter.begun("1.50")
    counter.pay(deposit, "under")
    counter.work()
    assert (counter.read(deposit)["state"], counter.available) == ("review", "0.0000")
    assert counter.exceptions() == ["too_little"]


@pytest.mark.parametrize("first", ["fail", "expire"])
def test_money_that_comes_after_a_failure_is_credited(counter: Counter, first: str) -> None:
    deposit = counter.begun()
    counter.pay(deposit, first)
    counter.work()
    assert counter.read(deposit)["state"] in ("failed", "expired")
    assert counter.pay(deposit).status_code == 202
    counter.work()
    assert counter.available == "10.0000"


def test_what_was_paid_is_not_paid_otherwise(counter: Counter) -> None:
    deposit = counter.begun()
    counter.pay(deposit)
    assert counter.pay(deposit).status_code == 202
    assert_problem(counter.pay(deposit, "over"), 422, "invalid_input", field="outcome")
    counter.work()
    assert counter.available == "10.0000"


def test_nobody_pays_with_words_on_the_live_side(counter: Counter) -> None:
    live = counter.of(counter.shop.customer(CHARLIE, balance=0, mode="live"))
    assert live.send("GET", "/deposits/methods").json() == {"methods": []}
    assert_problem(live.begin(), 404, "not_found", what="way to pay")
    answer = live.send("POST", "/test/deposits/dep_7q2m5k3w4x6z2a4b/pay", {})
    assert_problem(answer, 403, "wrong_mode")


def test_a_callback_that_never_came_is_made_up_for_by_asking(counter: Counter) -> None:
    deposit = counter.begun()
    counter.pay(deposit)
    counter.shop.run("delete from processor_hints")
    assert counter.work() == 0
    counter.shop.clock.advance(61)
    counter.work()
    assert (counter.read(deposit)["state"], counter.available) == ("credited", "10.0000")


def test_a_payment_that_the_processor_does_not_know_is_for_staff_and_moves_nothing(counter: Counter) -> None:
    deposit = counter.begun()
    counter.shop.run("delete from sandbox_payments")
    counter.shop.clock.advance(61)
    counter.work()
    assert (counter.exceptions(), counter.available) == (["payment_gone"], "0.0000")
    assert counter.read(deposit)["state"] == "created"


def test_a_method_that_is_switched_off_begins_nothing_and_still_credits(counter: Counter) -> None:
    deposit = counter.begun()
    with counter.shop.db.transaction() as tx:
        store.set_enabled(tx, "sandbox", False)
    counter.till.hear(frozenset({store.PROCESSORS_WORD}))
    assert_problem(counter.begin(), 404, "not_found", what="way to pay")
    counter.pay(deposit)
    counter.work()
    assert counter.available == "10.0000"


# Back again -------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M4")
def test_an_unspent_deposit_goes_back_whole(counter: Counter) -> None:
    deposit = counter.paid()
    answer = counter.ask_back(deposit)
    assert (answer.status_code, answer.json()["state"], answer.json()["refund"]["state"]) == (
        202,
        "refunding",
        "approved",
    )
    assert counter.available == "0.0000"
    counter.work()
    found = counter.read(deposit)
    assert (found["state"], found["refund"]["state"], found["refund"]["amount"]) == (
        "refunded",
        "sent",
        "10.0000",
    )
    assert counter.shop.value("select refund from sandbox_payments") == found["refund"]["id"]
    counter.shop.assert_books_are_true()


def test_asked_back_twenty_times_at_once_it_goes_back_once(counter: Counter) -> None:
    deposit = counter.paid()
    with ThreadPoolExecutor(10) as senders:
        answers = list(senders.map(lambda _: counter.ask_back(deposit), range(20)))
    assert [answer.status_code for answer in answers] == [202] * 20
    assert counter.count("deposit_refunds") == 1
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda _: counter.work(), range(8)))
    assert counter.read(deposit)["refund"]["state"] == "sent"
    counter.shop.assert_books_are_true()


@pytest.mark.promise("M4")
def test_what_was_spent_stays_and_the_order_that_spent_it_is_named(counter: Counter) -> None:
    deposit = counter.paid()
    order = counter.shop.place(counter.who)
    assert_problem(counter.ask_back(deposit), 409, "deposit_not_refundable", reason="spent", order=order.id)
    assert counter.read(deposit)["state"] == "credited"


@pytest.mark.promise("M4")
def test_after_fourteen_days_it_stays(counter: Counter) -> None:
    deposit = counter.paid()
    counter.shop.clock.advance(TWO_WEEKS_S)
    assert counter.read(deposit)["refundable_until"] is not None
    counter.shop.clock.advance(1)
    assert_problem(counter.ask_back(deposit), 409, "deposit_not_refundable", reason="age", order=None)


def test_what_has_not_come_cannot_go_back(counter: Counter) -> None:
    deposit = counter.begun()
    assert_problem(counter.ask_back(deposit), 409, "deposit_not_refundable", reason="state", order=None)


@pytest.mark.promise("M5")
def test_nobody_can_name_an_address_for_money_to_go_to(counter: Counter) -> None:
    deposit = counter.paid()
    for body in ({"address": "bc1qthief"}, {"to": "bc1qthief"}):
        answer = counter.send("POST", f"/deposits/{deposit['id']}/refund", body)
        assert answer.status_code == 202
    document = counter.http.get(f"{counter.url}/api/v1/openapi.json").json()
    route = document["paths"]["/api/v1/deposits/{deposit_id}/refund"]["post"]
    assert "requestBody" not in route
    assert [one["name"] for one in route["parameters"]] == ["deposit_id"]
    columns = counter.shop.rows(
        "select column_name from information_schema.columns where table_name in ('deposit_refunds', 'openings', 'processors')"
    )
    assert [
        row.column_name for row in columns if "address" in row.column_name or "dest" in row.column_name
    ] == []


# Limits of new accounts ---------------------------------------------------------------------------------------------


@pytest.mark.promise("A3")
def test_a_new_account_begins_only_so_many_a_day(counter: Counter) -> None:
    for _ in range(10):
        counter.begun("1.00")
    answer = counter.begin("1.00")
    assert_problem(answer, 429, "limit_exceeded", limit="deposits a day", retry_after_s=3600)
    counter.shop.clock.advance(86400 + 1)
    assert counter.begin("1.00").status_code == 201


@pytest.mark.promise("A3")
def test_a_new_account_brings_in_only_so_much_a_day_and_an_older_one_what_it_likes(counter: Counter) -> None:
    counter.paid("150.00")
    answer = counter.begin("51.00")
    assert_problem(answer, 429, "limit_exceeded", limit="paid in a day", retry_after_s=3600)
    assert counter.begin("50.00").status_code == 201
    counter.shop.run("update accounts set opened_at = opened_at - interval '31 days'")
    assert counter.begin("900.00").status_code == 201


# What a processor says that cannot be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"currency": "EUR"}, "wrong_currency"),
        ({"is_live": True}, "wrong_mode"),
        ({"deposit": "dep_aaaaaaaaaaaaaaaa"}, "foreign_payment"),
        ({"processor_id": "sbx_of_another"}, "foreign_payment"),
        ({"processor_id": "sbx_of_another", "deposit": "dep_aaaaaaaaaaaaaaaa"}, "unknown_payment"),
        ({"value": 9 * MICROS}, "wrong_amount"),
    ],
)
def test_what_does_not_fit_a_deposit_moves_nothing_and_is_for_staff(
    counter: Counter, said: dict[str, Any], code: str
) -> None:
    deposit = counter.begun()
    words = {
        "processor_id": counter.processor_id(deposit), "deposit": deposit["id"], "state": Paid.PAID,
        "value": 10 * MICROS, "currency": "USD", "is_live": False,
    }  # fmt: skip
    with counter.shop.db.transaction() as tx:
        counter.till.heard(tx, counter.till.entry("sandbox"), Payment(**(words | said)))
    assert (counter.exceptions(), counter.available) == ([code], "0.0000")
    counter.shop.assert_books_are_true()


def test_a_refund_of_which_nothing_is_known_stays_set_aside_and_staff_hear_of_it(counter: Counter) -> None:
    deposit = counter.paid()
    counter.ask_back(deposit)
    counter.shop.run("update processors set settings = '{\"unknown\": 1}'")
    counter.till.hear(frozenset({store.PROCESSORS_WORD}))
    for _ in range(3):
        counter.work()
        counter.shop.clock.advance(3600)
    counter.work()
    assert (counter.read(deposit)["state"], counter.available) == ("refunding", "0.0000")
    assert counter.exceptions() == ["refund_uncertain"]
    counter.shop.run("update processors set settings = '{}'")
    counter.till.hear(frozenset({store.PROCESSORS_WORD}))
    counter.shop.clock.advance(3601)
    counter.work()
    assert counter.read(deposit)["state"] == "refunded"
    counter.shop.assert_books_are_true()


def test_a_processor_never_credits_the_deposit_of_another(counter: Counter) -> None:
    """One that is not named at its own processor yet, so that nothing else tells them apart."""
    deposit = counter.begun()
    counter.shop.run("update deposits set processor_id = null")
    with counter.shop.db.transaction() as tx:
        store.add(tx, "play", "sandbox", "test", {}, Figures(1, 10**9, 0, 0, 0), counter.shop.clock.now())
    counter.till.hear(frozenset({store.PROCESSORS_WORD}))
    said = Payment("sbx_theirs", deposit["id"], Paid.PAID, 10 * MICROS, "USD", is_live=False)
    with counter.shop.db.transaction() as tx:
        counter.till.heard(tx, counter.till.entry("play"), said)
    assert (counter.exceptions(), counter.available) == (["unknown_payment"], "0.0000")
