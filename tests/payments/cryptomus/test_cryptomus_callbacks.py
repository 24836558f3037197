"""Cryptomus's calls to us: hints, signed in whatever form they travel, and never more than a reason to read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from onceline.payments.base import Callback, Hint, NotAuthentic, Paid, Unreadable
from tests.counterparts.cryptomus.process import MERCHANT, PAYER, PAYMENT_KEY
from tests.payments.cryptomus.conftest import Merchant
from tests.payments.cryptomus.signing import PAID, UUID, arrived
from tests.payments.oracles.asking import ask
from tests.receiver import Answer


def test_a_callback_names_the_payment_and_nothing_else(merchant: Merchant) -> None:
    opened = merchant.open()
    merchant.fake.pay("dep_1")
    [hint] = merchant.hints()
    assert hint is not None
    assert (hint.about, hint.object_id, hint.is_live) == ("payment", opened.processor_id, True)


@pytest.mark.parametrize("form", ["php", "escaped", "loose", "sign_first"])
def test_it_is_known_in_every_form_it_travels_in(merchant: Merchant, form: str) -> None:
    merchant.open()
    merchant.fake.set(form=form)
    merchant.fake.pay("dep_1", additional_data='Zoë/你好 "sign":"' + "0" * 32 + '"')
    [hint] = merchant.hints()
    assert hint is not None
    assert hint.about == "payment"


@pytest.mark.attack(32)
def test_a_lie_is_a_hint_and_the_read_back_decides(merchant: Merchant) -> None:
    opened = merchant.open()
    merchant.fake.lie(
        "dep_1", status="paid", payment_amount="10.00", is_final=True, txid="tx", **{"from": PAYER}
    )
    [hint] = merchant.hints()
    assert isinstance(hint, Hint)
    assert (merchant.payment(opened).state, merchant.payment(opened).value) == (Paid.OPEN, 0)
    assert merchant.payment(opened).origin is None


def test_a_lie_about_a_refund_moves_none(merchant: Merchant) -> None:
    found = merchant.paid()
    merchant.fake.lie("dep_1", status="refund_paid")
    [hint] = merchant.hints()
    assert hint is not None
    assert (hint.about, hint.object_id) == ("refund", found.processor_id)
    assert merchant.processor.sent_back(merchant.refund(found)) is None


def test_a_repeat_is_known_by_its_event(merchant: Merchant) -> None:
    merchant.open()
    merchant.fake.set(copies=3)
    merchant.fake.pay("dep_1")
    first = {hint.event_id for hint in merchant.hints(3) if hint}
    merchant.fake.set(copies=1)
    merchant.fake.become("dep_1", "locked")
    assert len(first) == 1
    assert len({hint.event_id for hint in merchant.hints(4) if hint}) == 2


def test_the_same_words_on_another_day_are_a_reason_to_read_again(merchant: Merchant) -> None:
    """Paid, locked, and paid again: the first and the last may be the same bytes."""
    body, now = arrived(PAID, PAYMENT_KEY), merchant.clock.now()
    hints = [merchant.processor.hint(Callback({}, body, now + timedelta(hours=late))) for late in (0, 1, 24)]
    assert len({hint.event_id for hint in hints if hint}) == 2


def test_a_callback_that_was_refused_comes_again(merchant: Merchant) -> None:
    merchant.open()
    merchant.receiver.answer = lambda _: Answer(500 if len(merchant.receiver.received) == 1 else 204)
    merchant.fake.pay("dep_1")
    assert len({hint.event_id for hint in merchant.hints(2) if hint}) == 1


def test_callbacks_that_come_late_and_the_wrong_way_round_all_lead_to_the_same_reading(
    merchant: Merchant,
) -> None:
    opened = merchant.open()
    merchant.fake.set(hold=True)
    for status in ("confirm_check", "cancel", "paid"):
        merchant.fake.pay("dep_1", status)
    merchant.fake.release()
    hints = merchant.hints(3)
    assert {hint.object_id for hint in hints if hint} == {opened.processor_id}
    assert merchant.payment(opened).state is Paid.PAID


def test_a_callback_that_never_comes_is_made_up_for_by_reading(merchant: Merchant) -> None:
    opened = merchant.open()
    merchant.fake.set(drop=True)
    merchant.fake.pay("dep_1")
    assert merchant.receiver.received == []
    assert merchant.payment(opened).state is Paid.PAID


@pytest.mark.parametrize(
    "knob", [{"key": "wrong"}, {"tamper": {"payment_amount": "9999.00"}}, {"tamper": {"uuid": UUID}}]
)
def test_what_the_processor_did_not_sign_is_refused(merchant: Merchant, knob: dict[str, Any]) -> None:
    merchant.open()
    merchant.fake.set(**knob)
    merchant.fake.pay("dep_1")
    [callback] = merchant.called()
    with pytest.raises(NotAuthentic) as refused:
        merchant.processor.hint(callback)
    assert refused.value.reason == "wrong"


@pytest.mark.parametrize("kind", ["wallet", "payout", None, 5])
def test_what_is_no_payment_concerns_nobody(merchant: Merchant, kind: object) -> None:
    body = arrived({**PAID, "type": kind}, PAYMENT_KEY)
    assert merchant.processor.hint(Callback({}, body, merchant.clock.now())) is None


@pytest.mark.parametrize("uuid", [None, "", 5, "x" * 129, "a/b", "a b", "../x", "é", ["x"]])
def test_a_payment_without_a_name_makes_no_sense(merchant: Merchant, uuid: object) -> None:
    body = arrived({**PAID, "uuid": uuid}, PAYMENT_KEY)
    with pytest.raises(Unreadable, match="uuid"):
        merchant.processor.hint(Callback({}, body, merchant.clock.now()))


@pytest.mark.parametrize("status", [None, 5, ["refund_paid"], {}, "no such status"])
def test_a_status_that_nobody_knows_is_a_hint_all_the_same(merchant: Merchant, status: object) -> None:
    hint = merchant.processor.hint(
        Callback({}, arrived({**PAID, "status": status}, PAYMENT_KEY), merchant.clock.now())
    )
    assert hint is not None
    assert (hint.about, hint.object_id) == ("payment", UUID)


def test_where_a_call_comes_from_proves_nothing(merchant: Merchant) -> None:
    headers = {"x-forwarded-for": "91.227.144.54", "x-real-ip": "91.227.144.54"}
    body = arrived(PAID, "another key")
    with pytest.raises(NotAuthentic):
        merchant.processor.hint(Callback(headers, body, merchant.clock.now()))


# The fake itself, by the client that others wrote ----------------------------------------------------------------------


def test_the_other_client_takes_the_fakes_calls_for_genuine(merchant: Merchant) -> None:
    merchant.open()
    merchant.fake.pay("dep_1", additional_data="Zoë/你好")
    merchant.fake.set(key="wrong")
    merchant.fake.become("dep_1", "locked")
    bodies = [one.body.decode() for one in merchant.called(2)]
    checks = [{"do": "read", "body": body, "key": PAYMENT_KEY} for body in bodies]
    assert sorted(ask("cryptomus", checks)) == [False, True]


def test_the_other_client_finds_the_fake_to_be_what_it_knows(merchant: Merchant) -> None:
    opened = merchant.open()
    merchant.fake.pay("dep_1", quiet=True)

    def asked(do: str, key: str = PAYMENT_KEY, **given: Any) -> dict[str, Any]:
        return {"do": do, "merchant": MERCHANT, "key": key, "url": merchant.fake.url, "with": given}

    day = {"date_from": "2000-01-01 00:00:00", "date_to": "2100-01-01 00:00:00"}
    name = {"invoice_uuid": opened.processor_id}
    made, read, count, strange, refund = ask(
        "cryptomus",
        [
            asked("create", amount="10.00", currency="USD", order_id="dep_1"),
            asked("info", **name),
            asked("list", **day),
            asked("info", key="another", **name),
            asked("refund", address=PAYER, is_subtract=True, **name),
        ],
    )
    assert (made["uuid"], read["payment_status"], read["payment_amount"]) == (opened.processor_id, "paid", 10)
    assert (count, strange, refund) == (1, {"refused": "Unauthenticated."}, [])
    assert [one["address"] for one in merchant.fake.refunds] == [PAYER]
