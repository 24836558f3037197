"""Cryptomus: money goes back in full, once, and only to where it came from; and what its lists say of movements."""

from __future__ import annotations

import dataclasses
import inspect
from datetime import datetime, timedelta
from typing import Any

import pytest

from onceline import outbound
from onceline.core.money import MICROS
from onceline.payments.base import Entry, Payment, ProcessorAway, ProcessorRefused, Refunds, SendBack, Sent
from onceline.payments.cryptomus import processor as module
from onceline.payments.cryptomus.processor import Cryptomus
from onceline.payments.cryptomus.settings import CryptomusSettings
from tests.counterparts.cryptomus.process import PAYER
from tests.payments.cryptomus.conftest import TEN, Merchant

REFUND = "v1/payment/refund"
THIEF = "T" + "z" * 33


def test_a_refund_goes_to_where_the_money_came_from_in_full(merchant: Merchant) -> None:
    found = merchant.paid()
    sent = merchant.send_back(found)
    assert (sent.state, sent.refund_id) == (Sent.ON_ITS_WAY, found.processor_id)
    [asked] = merchant.fake.refunds
    assert asked == {"uuid": found.processor_id, "address": PAYER, "is_subtract": True}


def test_it_is_confirmed_when_it_was_sent(merchant: Merchant) -> None:
    found = merchant.paid()
    merchant.send_back(found)
    assert _sent_back(merchant, found) is Sent.ON_ITS_WAY
    merchant.fake.become("dep_1", "refund_paid", quiet=True)
    assert _sent_back(merchant, found) is Sent.DONE


@pytest.mark.attack(33)
def test_nothing_that_a_caller_can_say_is_an_address(merchant: Merchant) -> None:
    """M4: no parameter, no field, no setting."""
    names = {one.name for one in dataclasses.fields(SendBack)} | set(CryptomusSettings.model_fields)
    names |= set(inspect.signature(Cryptomus.send_back).parameters) | set(
        inspect.signature(Cryptomus).parameters
    )
    words = ("address", "origin", "wallet", "to", "destination", "target", "receiver")
    assert [name for name in names if set(name.split("_")) & set(words)] == []
    with pytest.raises(TypeError):
        merchant.refund(merchant.paid(), address=THIEF)


@pytest.mark.attack(33)
def test_the_address_is_the_one_of_the_read_back_and_of_no_callback(merchant: Merchant) -> None:
    found = merchant.paid()
    merchant.fake.lie("dep_1", **{"from": THIEF})
    assert merchant.hints() != [None]
    merchant.send_back(dataclasses.replace(found, origin=THIEF))
    assert [one["address"] for one in merchant.fake.refunds] == [PAYER]


def test_what_has_no_origin_is_never_sent(merchant: Merchant) -> None:
    assert Cryptomus.refunds is Refunds.ORIGIN
    found = merchant.paid(
        network="btc", payer_currency="BTC", **{"from": "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"}
    )
    sent = merchant.send_back(found)
    assert (sent.state, sent.reason) == (Sent.REFUSED, "nobody knows where it came from")
    assert merchant.fake.asked(REFUND) == 0


def test_a_refund_that_is_asked_for_again_is_sent_once(merchant: Merchant) -> None:
    found = merchant.paid()
    states = [merchant.send_back(found).state for _ in range(3)]
    merchant.fake.become("dep_1", "refund_paid", quiet=True)
    states.append(merchant.send_back(found).state)
    assert states == [Sent.ON_ITS_WAY] * 3 + [Sent.DONE]
    assert (len(merchant.fake.refunds), merchant.fake.asked(REFUND)) == (1, 1)


def test_a_refund_that_failed_is_not_tried_again(merchant: Merchant) -> None:
    """The processor's people can still send it: two would leave."""
    found = merchant.paid()
    merchant.send_back(found)
    merchant.fake.become("dep_1", "refund_fail", quiet=True)
    assert _sent_back(merchant, found) is Sent.REFUSED
    assert merchant.send_back(found, "ref_2").state is Sent.REFUSED
    assert merchant.fake.asked(REFUND) == 1


@pytest.mark.parametrize("how", ["500", "cut", "html", "429"])
def test_an_answer_that_was_lost_leaves_one_refund(merchant: Merchant, how: str) -> None:
    found = merchant.paid()
    merchant.fake.fail(REFUND, how)
    assert merchant.send_back(found).state is Sent.UNKNOWN
    assert merchant.send_back(found).state is Sent.ON_ITS_WAY
    assert (len(merchant.fake.refunds), merchant.fake.asked(REFUND)) == (1, 1)


def test_a_refund_that_was_not_done_is_asked_for_again(merchant: Merchant) -> None:
    found = merchant.paid()
    merchant.fake.fail(REFUND, "500_before")
    assert merchant.send_back(found).state is Sent.UNKNOWN
    assert merchant.send_back(found).state is Sent.ON_ITS_WAY
    assert len(merchant.fake.refunds) == 1


def test_a_refund_that_does_not_show_yet_is_never_given_up(merchant: Merchant) -> None:
    """Its answer was lost, and its repeat is refused: what was sent must not come back to the balance."""
    found = merchant.paid()
    merchant.fake.set(refund_lags=True)
    merchant.fake.fail(REFUND, "500")
    states = [merchant.send_back(found).state for _ in range(3)]
    merchant.fake.become("dep_1", "refund_paid", quiet=True)
    states.append(merchant.send_back(found).state)
    assert states == [Sent.UNKNOWN] * 3 + [Sent.DONE]
    assert len(merchant.fake.refunds) == 1


def test_a_no_to_what_was_done_all_the_same_is_read_again(merchant: Merchant) -> None:
    """As when two ask at once: one is refused, and the refund is on its way."""
    found = merchant.paid()
    merchant.fake.fail(REFUND, "422")
    assert merchant.send_back(found).state is Sent.ON_ITS_WAY
    assert len(merchant.fake.refunds) == 1


def test_an_answer_that_never_comes_is_unknown(merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    found = merchant.paid()
    monkeypatch.setattr(outbound, "TOTAL_S", 0.5)
    merchant.fake.fail(REFUND, "hang")
    assert merchant.send_back(found).state is Sent.UNKNOWN


def test_a_processor_that_is_away_is_unknown_and_nothing_is_sent(merchant: Merchant) -> None:
    found = merchant.paid()
    merchant.fake.fail("v1/payment/info", "500")
    sent = merchant.send_back(found)
    assert (sent.state, sent.reason) == (Sent.UNKNOWN, "no answer: status 500")
    assert merchant.fake.asked(REFUND) == 0


@pytest.mark.parametrize(
    ("says", "state", "reason"),
    [
        ({"errors": {"address": ["validation.invalid"]}}, Sent.REFUSED, "422: address"),
        ({"message": "Payment was not found"}, Sent.REFUSED, "422: Payment was not found"),
        ({"message": "You are forbidden"}, Sent.UNKNOWN, "422: You are forbidden"),
        ({"message": "Not enough funds"}, Sent.UNKNOWN, "422: Not enough funds"),
        ({}, Sent.UNKNOWN, "422: no reason given"),
    ],
)
def test_a_no_that_may_pass_is_asked_again_and_a_fault_of_ours_is_not(
    merchant: Merchant, says: dict[str, Any], state: Sent, reason: str
) -> None:
    found = merchant.paid()
    merchant.fake.set(refund_says=says or {"message": ""})
    sent = merchant.send_back(found)
    assert (sent.state, sent.reason) == (state, reason)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"amount": TEN - 1}, "another amount"),
        ({"amount": TEN + 1}, "another amount"),
        ({"currency": "EUR"}, "another amount"),
        ({"payment_id": "tx-other"}, "another payment"),
    ],
)
def test_what_is_not_the_payment_that_was_credited_is_not_sent(
    merchant: Merchant, changed: dict[str, Any], reason: str
) -> None:
    sent = merchant.send_back(merchant.paid(), **changed)
    assert sent.state is Sent.REFUSED
    assert reason in sent.reason
    assert merchant.fake.asked(REFUND) == 0


@pytest.mark.parametrize(
    "status", ["check", "confirm_check", "cancel", "fail", "locked", "wrong_amount_waiting"]
)
def test_what_never_came_is_not_sent(merchant: Merchant, status: str) -> None:
    found = merchant.paid(status)
    sent = merchant.send_back(found, amount=TEN)
    assert (sent.state, merchant.fake.asked(REFUND)) == (Sent.REFUSED, 0)
    assert status in sent.reason


def test_what_was_only_marked_as_paid_is_not_sent(merchant: Merchant) -> None:
    found = merchant.paid("paid", "0.00")
    assert merchant.send_back(found, amount=TEN).state is Sent.REFUSED
    assert merchant.fake.asked(REFUND) == 0


@pytest.mark.parametrize(("status", "paid"), [("paid_over", "12.34"), ("wrong_amount", "7.77")])
def test_more_and_less_go_back_as_they_came(merchant: Merchant, status: str, paid: str) -> None:
    assert merchant.send_back(merchant.paid(status, paid)).state is Sent.ON_ITS_WAY


def test_a_payment_that_is_unknown_is_refused(merchant: Merchant) -> None:
    unknown = SendBack("ref_1", "8b03432e-0000-4670-8d06-064591096795", None, TEN, "USD")
    assert merchant.processor.send_back(unknown).state is Sent.REFUSED
    assert merchant.processor.sent_back(unknown) is None


def test_which_key_signs_refunds_is_a_setting(merchant: Merchant) -> None:
    found = merchant.paid()
    merchant.fake.set(refund_key="payout")
    wrong = merchant.send_back(found)
    merchant.set(refund_key="payout")
    assert (wrong.state, wrong.reason) == (Sent.UNKNOWN, "401: Unauthenticated.")
    assert merchant.send_back(found).state is Sent.ON_ITS_WAY


def test_a_refund_is_told_as_one(merchant: Merchant) -> None:
    found = merchant.paid()
    merchant.send_back(found)
    [hint] = merchant.hints()
    assert hint is not None
    assert (hint.about, hint.object_id) == ("refund", found.processor_id)


def test_there_are_no_disputes(merchant: Merchant) -> None:
    assert merchant.processor.dispute("any") is None


# The report ------------------------------------------------------------------------------------------------------------


def test_a_day_has_its_payments_and_refunds(merchant: Merchant) -> None:
    _at(merchant, "dep_1", "paid", "10.00", day=0, made=0)
    _at(merchant, "dep_2", "paid_over", "12.349", day=0, made=0)
    _at(merchant, "dep_3", "wrong_amount", "3.00", day=0, made=-1)
    _at(merchant, "dep_4", "refund_paid", "10.00", day=0, made=-16)
    _at(merchant, "dep_5", "cancel", "0.00", day=0, made=0)
    _at(merchant, "dep_6", "paid", "10.00", day=-1, made=-1)
    entries = {(one.kind, one.deposit, one.amount, one.currency) for one in _report(merchant)}
    assert entries == {
        ("payment", "dep_1", TEN, "USD"),
        ("payment", "dep_2", 12_340_000, "USD"),
        ("payment", "dep_3", 3 * MICROS, "USD"),
        ("refund", "dep_4", -TEN, "USD"),
    }


def test_what_came_and_went_on_one_day_is_two_entries(merchant: Merchant) -> None:
    _at(merchant, "dep_1", "refund_paid", "10.00", day=0, made=0)
    assert sorted((one.kind, one.amount) for one in _report(merchant)) == [("payment", TEN), ("refund", -TEN)]


@pytest.mark.parametrize(("status", "kinds"), [("refund_process", ["payment"]), ("refund_fail", ["payment"])])
def test_what_is_on_its_way_back_or_failed_to_go_has_not_gone(
    merchant: Merchant, status: str, kinds: list[str]
) -> None:
    _at(merchant, "dep_1", status, "10.00", day=0, made=0)
    assert [one.kind for one in _report(merchant)] == kinds


def test_stamps_are_three_hours_ahead_where_they_name_no_zone(merchant: Merchant) -> None:
    merchant.open()
    noon = merchant.clock.now()
    merchant.fake.pay("dep_1", quiet=True, created_at=noon.isoformat(), updated_at="2026-03-01 15:00:00")
    assert [one.at for one in merchant.processor.report(noon, noon + timedelta(seconds=1))] == [noon]


def test_pages_are_read_to_the_end_and_each_line_once(merchant: Merchant) -> None:
    merchant.fake.set(per_page=2)
    for number in range(7):
        _at(merchant, f"dep_{number}", "paid", "10.00", day=0, made=0)
    assert sorted(one.deposit or "" for one in _report(merchant)) == [f"dep_{number}" for number in range(7)]
    assert merchant.fake.asked("v1/payment/list") == 4


def test_a_line_that_moved_to_the_next_page_meanwhile_counts_once(merchant: Merchant) -> None:
    merchant.fake.set(per_page=2, overlap=1)
    for number in range(4):
        _at(merchant, f"dep_{number}", "paid", "10.00", day=0, made=0)
    assert [one.deposit for one in _report(merchant)] == [f"dep_{number}" for number in range(4)]


def test_more_pages_than_can_be_read_are_said(merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PAGES", 2)
    merchant.fake.set(per_page=1)
    for number in range(3):
        _at(merchant, f"dep_{number}", "paid", "10.00", day=0, made=0)
    with pytest.raises(ProcessorRefused, match="more than 2 pages"):
        _report(merchant)


def test_a_line_that_cannot_be_counted_differs_from_the_books(merchant: Merchant) -> None:
    _at(merchant, "dep_1", "paid", "10.00", day=0, made=0, amount="0.123456789")
    assert [(one.amount, one.deposit) for one in _report(merchant)] == [(0, "dep_1")]


def test_a_line_of_nobodys_is_shown_without_a_deposit(merchant: Merchant) -> None:
    _at(merchant, "dep_1", "paid", "10.00", day=0, made=0, order_id=None)
    assert [one.deposit for one in _report(merchant)] == [None]


def test_a_report_that_breaks_off_is_no_report(merchant: Merchant) -> None:
    merchant.fake.set(per_page=1)
    for number in range(2):
        _at(merchant, f"dep_{number}", "paid", "10.00", day=0, made=0)
    merchant.fake.fail("v1/payment/list", "500")
    with pytest.raises(ProcessorAway):
        _report(merchant)


def _sent_back(merchant: Merchant, found: Payment) -> Sent | None:
    sent = merchant.processor.sent_back(merchant.refund(found))
    return sent.state if sent else None


def _at(merchant: Merchant, id: str, status: str, paid: str, *, day: int, made: int, **fields: Any) -> None:
    """Made and last changed at an hour of these days, counted from the clock's."""
    merchant.open(id)
    when = {"created_at": _day(merchant, made), "updated_at": _day(merchant, day)}
    merchant.fake.pay(id, status, paid, quiet=True, **{**when, **fields})


def _day(merchant: Merchant, day: int) -> str:
    at: datetime = merchant.clock.now() + timedelta(days=day, hours=1)
    return at.isoformat(timespec="seconds")


def _report(merchant: Merchant) -> list[Entry]:
    return merchant.processor.report(merchant.clock.now(), merchant.clock.now() + timedelta(days=1))
