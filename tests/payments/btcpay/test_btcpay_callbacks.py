"""BTCPay's calls to us: hints, signed by HMAC, and never more than a reason to read."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.payments.base import Callback, Hint, NotAuthentic, Paid, Unreadable
from onceline.payments.btcpay.signature import demand_signed
from tests.conftest import NOON
from tests.counterparts.btcpay.process import SECRET, STORE
from tests.payments.btcpay.conftest import Store
from tests.receiver import Answer

EVENT = {
    "deliveryId": "d1", "webhookId": "hook", "originalDeliveryId": "d0", "isRedelivery": True, "type": "InvoiceSettled",
    "timestamp": 1, "storeId": STORE, "invoiceId": "invoice1", "manuallyMarked": False,
}  # fmt: skip


def signature(body: bytes, secret: str = SECRET) -> str:
    return f"sha256={hmac.new(secret.encode(), body, 'sha256').hexdigest()}"


def callback(event: object, **headers: str) -> Callback:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return Callback({"btcpay-sig": signature(body), **headers}, body, NOON)


def reason(store: Store, called: Callback) -> str:
    with pytest.raises(NotAuthentic) as refused:
        store.processor.hint(called)
    return refused.value.reason


def test_a_callback_names_the_payment_and_nothing_else(store: Store) -> None:
    invoice = store.open()
    store.fake.set(webhook=store.receiver.url)
    store.fake.pay(invoice, status="Processing")
    hints = store.hints(2)  # received, and processing
    assert {(one.about, one.object_id, one.is_live) for one in hints if one} == {("payment", invoice, True)}


def test_every_word_about_a_payment_is_a_hint_and_other_words_are_none(store: Store) -> None:
    kinds = ["InvoiceReceivedPayment", "InvoicePaymentSettled", "InvoiceProcessing", "InvoiceSettled", "InvoiceExpired",
             "InvoiceInvalid", "InvoiceCreated", "PayoutCreated", "PaymentRequestCompleted", None, 5]  # fmt: skip
    hints = [store.processor.hint(callback({**EVENT, "type": kind})) for kind in kinds]
    assert [hint is not None for hint in hints] == [True] * 6 + [False] * 5


@pytest.mark.attack(32)
def test_a_lie_is_a_hint_and_the_read_back_decides(store: Store) -> None:
    invoice = store.open()
    store.fake.set(webhook=store.receiver.url)
    store.fake.lie(invoice, "InvoiceSettled", overPaid=True)
    [hint] = store.hints()
    assert isinstance(hint, Hint)
    assert (store.payment(invoice).state, store.payment(invoice).value) == (Paid.OPEN, 0)


def test_an_invoice_that_a_person_marked_is_told_as_settled_and_is_not_paid(store: Store) -> None:
    invoice = store.open()
    store.fake.set(webhook=store.receiver.url)
    store.fake.mark(invoice)
    assert store.called()[0].body.count(b'"manuallyMarked": true') == 1
    assert (store.payment(invoice).state, store.payment(invoice).value) == (Paid.FROZEN, 0)


def test_a_redelivery_is_known_by_the_first_delivery(store: Store) -> None:
    invoice = store.open()
    store.receiver.answer = lambda _: Answer(500 if len(store.receiver.received) < 3 else 204)
    store.fake.set(webhook=store.receiver.url)
    store.fake.lie(invoice, "InvoiceSettled")
    called = store.called(3)
    deliveries = {json.loads(one.body)["deliveryId"] for one in called}
    events = {hint.event_id for hint in map(store.processor.hint, called) if hint}
    assert (len(deliveries), len(events)) == (3, 1)


def test_a_repeat_is_the_same_event_and_the_next_word_is_another(store: Store) -> None:
    invoice = store.open()
    store.fake.set(webhook=store.receiver.url, copies=3)
    store.fake.lie(invoice, "InvoiceProcessing")
    store.called(3)
    store.fake.lie(invoice, "InvoiceSettled")
    assert len({hint.event_id for hint in store.hints(6) if hint}) == 2


def test_callbacks_the_wrong_way_round_lead_to_the_same_reading(store: Store) -> None:
    invoice = store.open()
    store.fake.set(webhook=store.receiver.url, hold=True)
    store.fake.pay(invoice, status="Processing")
    store.fake.confirm(invoice)
    store.fake.release()
    hints = store.hints(4)
    assert {hint.object_id for hint in hints if hint} == {invoice}
    assert store.payment(invoice).state is Paid.PAID


def test_a_callback_that_never_comes_is_made_up_for_by_reading(store: Store) -> None:
    invoice = store.open()
    store.fake.set(webhook=store.receiver.url, drop=True)
    store.fake.pay(invoice)
    assert store.receiver.received == []
    assert store.payment(invoice).state is Paid.PAID


@pytest.mark.parametrize("knob", [{"key": "wrong"}, {"tamper": {"invoiceId": "another"}}])
def test_what_the_server_did_not_sign_is_refused(store: Store, knob: dict[str, Any]) -> None:
    invoice = store.open()
    store.fake.set(webhook=store.receiver.url, **knob)
    store.fake.lie(invoice, "InvoiceSettled")
    assert reason(store, store.called()[0]) == "wrong"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("", "missing"),
        ("sha256=", "wrong"),
        ("sha256=" + "0" * 64, "wrong"),
        ("sha1=" + "0" * 40, "wrong"),
        ("ключ", "wrong"),
        (signature(b"{}"), "wrong"),
        (signature(json.dumps(EVENT).encode(), "another"), "wrong"),
        (signature(json.dumps(EVENT).encode())[7:], "wrong"),
    ],
)
def test_a_wrong_signature_is_refused(store: Store, header: str, why: str) -> None:
    assert reason(store, callback(EVENT, **{"btcpay-sig": header})) == why


def test_without_a_secret_nobody_is_believed(store: Store) -> None:
    store.set({"api_key": "greenfield-key"})
    body = json.dumps(EVENT).encode()
    assert reason(store, callback(EVENT, **{"btcpay-sig": signature(body, "")})) == "missing"


def test_another_stores_payment_concerns_nobody(store: Store) -> None:
    assert store.processor.hint(callback({**EVENT, "storeId": "another"})) is None


@pytest.mark.parametrize("invoice", [None, "", 5, "a/b", "../x", "x" * 129, "é"])
def test_a_payment_without_a_name_makes_no_sense(store: Store, invoice: object) -> None:
    with pytest.raises(Unreadable, match="invoiceId"):
        store.processor.hint(callback({**EVENT, "invoiceId": invoice}))


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"null", b"{", b"[" * 60_000, b" " * 65_537])
def test_what_is_no_object_makes_no_sense(store: Store, body: bytes) -> None:
    with pytest.raises(Unreadable):
        store.processor.hint(callback(body))


@given(st.binary(max_size=200), st.text(max_size=80))
def test_nothing_unsigned_comes_in_and_nothing_breaks(body: bytes, header: str) -> None:
    with pytest.raises(NotAuthentic):
        demand_signed(body, header, SECRET)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_no_changed_octet_comes_in(body: bytes, data: st.DataObject) -> None:
    changed = bytearray(body)
    changed[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    demand_signed(body, signature(body), SECRET)
    with pytest.raises(NotAuthentic):
        demand_signed(bytes(changed), signature(body), SECRET)
