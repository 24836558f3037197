"""Stripe's objects with anything in them: read as what they say, or refused, and never half."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from onceline.payments.base import Paid, ProcessorRefused, SendBack
from onceline.payments.stripe import objects

CHARGE = {"id": "ch_1", "object": "charge", "amount_captured": 500, "captured": True, "currency": "usd", "livemode": False,
          "metadata": {"deposit": "dep_1"}, "payment_intent": "pi_1", "status": "succeeded"}  # fmt: skip
INTENT = {"id": "pi_1", "object": "payment_intent", "amount_received": 500, "currency": "usd", "livemode": False,
          "metadata": {"deposit": "dep_1"}, "status": "succeeded", "latest_charge": CHARGE}  # fmt: skip
SESSION = {"id": "cs_1", "object": "checkout.session", "amount_total": 500, "client_reference_id": "dep_1", "currency": "usd",
           "livemode": False, "metadata": {"deposit": "dep_1"}, "payment_status": "paid", "status": "complete",
           "presentment_details": {"presentment_amount": 400, "presentment_currency": "eur"}, "payment_intent": INTENT}  # fmt: skip
REFUND = {"id": "re_1", "object": "refund", "amount": 500, "currency": "usd", "metadata": {"refund": "ref_1"}, "status": "pending",
          "failure_reason": None, "pending_reason": "processing"}  # fmt: skip
DISPUTE = {"id": "du_1", "object": "dispute", "amount": 500, "currency": "usd", "status": "prevented", "payment_intent": "pi_1",
           "charge": "ch_1", "balance_transactions": [{"amount": -500}]}  # fmt: skip
MOVEMENT = {
    "id": "txn_1",
    "amount": 500,
    "fee": 44,
    "currency": "usd",
    "created": 1_772_366_400,
    "type": "charge",
    "source": CHARGE,
}
BACK = SendBack("ref_1", "cs_1", "pi_1", 5_000_000, "USD")

JUNK = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.text(max_size=8)
    | st.just([])
    | st.just({})
    | st.just([{}])
)
Tree = dict[str, Any]


def spoilt(whole: Tree) -> st.SearchStrategy[Tree]:
    """With one or two of its fields, at any depth, replaced or gone."""
    paths = list(_paths(whole, ()))
    changes = st.lists(st.tuples(st.sampled_from(paths), JUNK, st.booleans()), min_size=1, max_size=2)
    return changes.map(lambda found: _changed(whole, found))


def _paths(node: Any, above: tuple[str, ...]) -> Any:
    for name, value in node.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _paths(value, (*above, name))


def _changed(whole: Tree, changes: list[tuple[tuple[str, ...], Any, bool]]) -> Tree:
    whole = copy.deepcopy(whole)
    for (*above, name), value, gone in changes:
        node: Any = whole
        for step in above:
            node = node.get(step) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(name, None) if gone else node.__setitem__(name, value)
    return whole


def said(reading: Callable[[], Any]) -> Any:
    """None for what was refused."""
    try:
        return reading()
    except ProcessorRefused:
        return None


def test_the_objects_as_stripe_makes_them_are_read() -> None:
    payment = objects.payment(SESSION)
    assert (payment.state, payment.value, payment.deposit) == (Paid.PAID, 5_000_000, "dep_1")
    assert objects.sent_back(REFUND, BACK).refund_id == "re_1"
    assert objects.dispute(DISPUTE).amount == 5_000_000
    assert [entry.amount for entry in objects.entries(MOVEMENT)] == [5_000_000, -440_000]


@given(spoilt(SESSION))
def test_a_payment_is_worth_what_all_of_its_parts_say_or_nothing(session: Tree) -> None:
    payment = said(lambda: objects.payment(session))
    if payment is not None and payment.value:
        intent = session["payment_intent"]
        minor = intent["amount_received"]
        assert minor == intent["latest_charge"]["amount_captured"] == session["amount_total"] > 0
        assert session["currency"] == intent["currency"] == intent["latest_charge"]["currency"]
        assert (session["payment_status"], intent["status"]) == ("paid", "succeeded")
        assert payment.state is Paid.PAID


@given(spoilt(SESSION))
def test_a_deposit_is_named_only_where_every_part_names_it(session: Tree) -> None:
    payment = said(lambda: objects.payment(session))
    if payment is not None and payment.deposit:
        assert session["client_reference_id"] == session["metadata"]["deposit"] == payment.deposit
        intent = session.get("payment_intent")
        assert not intent or intent["metadata"]["deposit"] == payment.deposit


@given(spoilt(REFUND))
def test_a_refund_is_the_one_that_was_asked_for_or_refused(refund: Tree) -> None:
    sent = said(lambda: objects.sent_back(refund, BACK))
    if sent is not None:
        assert (refund["amount"], refund["currency"].upper(), refund["metadata"]) == (
            500,
            "USD",
            {"refund": "ref_1"},
        )


@given(spoilt(DISPUTE), spoilt(MOVEMENT))
def test_disputes_and_movements_are_read_or_refused(dispute: Tree, movement: Tree) -> None:
    found = said(lambda: objects.dispute(dispute))
    if found is not None and found.amount:
        assert found.amount == objects.to_micros(dispute["amount"], dispute["currency"].upper())
    entries = said(lambda: objects.entries(movement)) or []
    assert all(isinstance(entry.amount, int) and entry.amount for entry in entries)
