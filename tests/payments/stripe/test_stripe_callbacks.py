"""What Stripe sends us: whose word it is, what it is about, and that it says nothing but where to look."""

from __future__ import annotations

import hmac
import importlib
import inspect
import itertools
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from onceline.payments.base import (
    Callback,
    Dispute,
    Hint,
    NotAuthentic,
    Paid,
    SendBack,
    Sent,
    Stage,
    Unreadable,
)
from onceline.payments.stripe import events, signature
from onceline.payments.stripe.processor import Stripe
from tests.counterparts.stripe.process import LIVE, SECRET, TEST, FakeStripe
from tests.payments.stripe.dealing import FIVE, heard, instant, paid, processor, read, return_of
from tests.receiver import Answer, Receiver, receiving

NOW = 1_772_366_400
OTHER = "whsec_of_another_endpoint"
BODY = b'{"id": "evt_1"}'


def signed(body: bytes, secret: str = SECRET, at: int = NOW) -> str:
    """By the official SDK."""
    return stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at)


def verdict(header: str | None, body: bytes = BODY, *, secret: str = SECRET, at: float = NOW) -> str:
    try:
        signature.check(header, body, secret, instant(at))
    except NotAuthentic as refused:
        return refused.reason
    return "accepted"


# Whose word it is.


def test_what_the_sdk_signs_is_authentic_and_what_is_authentic_the_sdk_takes() -> None:
    assert verdict(signed(BODY)) == "accepted"
    assert stripe.WebhookSignature.verify_header(BODY, signed(BODY), SECRET)


def test_a_body_that_was_changed_is_not() -> None:
    assert verdict(signed(BODY), BODY.replace(b"1", b"2")) == "wrong"
    assert verdict(signed(BODY), BODY + b" ") == "wrong"


def test_a_signature_of_another_endpoint_is_not() -> None:
    assert verdict(signed(BODY, OTHER)) == "wrong"


def test_a_time_that_was_changed_is_not() -> None:
    assert verdict(signed(BODY).replace(str(NOW), str(NOW + 1))) == "wrong"


@pytest.mark.parametrize(
    ("late_s", "said"),
    [(0, "accepted"), (299, "accepted"), (300, "accepted"), (301, "old"), (360, "old"), (86_400, "old"),
     (-300, "accepted"), (-301, "old")],
)  # fmt: skip
def test_a_signature_holds_for_five_minutes(late_s: int, said: str) -> None:
    assert verdict(signed(BODY), at=NOW + late_s) == said


def test_any_of_several_signatures_counts_while_a_secret_is_replaced() -> None:
    new, old = (signed(BODY, secret).partition(",")[2] for secret in (SECRET, OTHER))
    assert verdict(f"t={NOW},{old},{new}") == "accepted"
    assert verdict(f"t={NOW},{new},{old}") == "accepted"
    assert verdict(f"t={NOW},{old},{old}") == "wrong"


def test_a_signature_of_another_scheme_counts_for_nothing() -> None:
    assert verdict(signed(BODY).replace("v1=", "v0=")) == "wrong"


def test_the_raw_bytes_are_what_is_signed() -> None:
    body = b'{"name": "\xff\x00"}'
    mark = hmac.digest(SECRET.encode(), f"{NOW}.".encode() + body, "sha256").hex()
    assert verdict(f"t={NOW},v1={mark}", body) == "accepted"


@pytest.mark.parametrize("header", [None, ""])
def test_a_callback_without_a_signature_is_missing_it(header: str | None) -> None:
    assert verdict(header) == "missing"


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.replace("t=", "T="),
        lambda header: header.replace(",", ";"),
        lambda header: header + f",t={NOW}",
        lambda header: header.replace("t=", "t=-"),
        lambda header: header.replace("t=", "t= "),
        lambda header: header.replace("t=", "t=1e"),
        lambda header: header.replace(str(NOW), "9" * 40),
        lambda header: header.replace(str(NOW), "١٧٧٢٣٦٦٤٠٠"),
        lambda header: header.upper(),
        lambda header: header + "0",
        lambda header: header[:-1],
        lambda header: header.partition(",")[0],
        lambda header: header.partition(",")[2],
        lambda header: header.replace("v1=", "v1=é"),
        lambda header: header + ",v1=0" * 1_000,
        lambda header: "=",
    ],
)
def test_a_header_that_is_none_is_wrong(change: Any) -> None:
    assert verdict(change(signed(BODY))) == "wrong"


def test_nothing_is_authentic_without_a_secret() -> None:
    mark = hmac.digest(b"", f"{NOW}.".encode() + BODY, "sha256").hex()
    assert verdict(f"t={NOW},v1={mark}", secret="") == "wrong"


@given(st.text(max_size=200), st.binary(max_size=50))
def test_no_header_is_ever_more_than_wrong(header: str, body: bytes) -> None:
    assert verdict(header, body) in ("missing", "wrong")


# What it is about.


def event(kind: str = "checkout.session.completed", **rest: Any) -> bytes:
    about = {"id": "cs_test_1", "object": "checkout.session"}
    return json.dumps(
        {"id": "evt_1", "type": kind, "livemode": False, "data": {"object": about}} | rest
    ).encode()


def test_an_event_says_what_has_to_be_read() -> None:
    assert events.read(event()) == Hint("evt_1", "payment", "cs_test_1", False)


@pytest.mark.parametrize(
    "kind",
    [
        "charge.refunded",
        "customer.created",
        "checkout.session",
        "radar.early_fraud_warning.updated",
        "v2.core.thing",
        "",
    ],
)
def test_an_event_of_another_kind_concerns_nobody(kind: str) -> None:
    assert events.read(event(kind)) is None


def test_an_event_of_a_connected_account_concerns_nobody() -> None:
    assert events.read(event(account="acct_1")) is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"no", b"[]", b"7", b"null", b"\xff", b"[" * 100_000, b"{}", b'{"type": 7}',
        event(data=None), event(data={}), event(data={"object": "cs_test_1"}), event(id=None), event(id="a b"), event(id="x" * 256),
        event(livemode=None), event(livemode="false"), event(data={"object": {"object": "checkout.session"}}),
        event(data={"object": {"id": "re_1", "object": "refund"}}), event("refund.created"), event("charge.dispute.closed"),
        event("radar.early_fraud_warning.created"),
    ],
)  # fmt: skip
def test_what_is_authentic_and_makes_no_sense_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        events.read(body)


def test_every_event_that_we_listen_to_is_one_that_an_endpoint_can_subscribe_to() -> None:
    known = inspect.getsource(importlib.import_module("stripe.params._webhook_endpoint_create_params"))
    assert [kind for kind in events.ABOUT if f'"{kind}"' not in known] == []


# From the one process to the other.


@pytest.mark.counterpart
def test_a_payment_a_refund_a_dispute_and_a_warning_are_heard_of(cards: Stripe, fake: FakeStripe) -> None:
    payment = paid(cards, fake)
    sent = cards.send_back(return_of(payment))
    other = paid(cards, fake, card="disputed")
    dispute = fake.events("charge.dispute")[0]["data"]["object"]["id"]
    warning = fake.tell("warn", intent=other.payment_id)["id"]

    hints = [heard(cards, fake, one["id"]) for one in fake.events()]

    told = {(hint.about, hint.object_id) for hint in hints if hint}
    payments = {("payment", name) for one in (payment, other) for name in (one.processor_id, one.payment_id)}
    assert told == payments | {("refund", sent.refund_id), ("dispute", dispute), ("dispute", warning)}
    assert len({hint.event_id for hint in hints if hint}) == sum(hint is not None for hint in hints)


@pytest.mark.counterpart
def test_a_test_event_says_that_it_is_one_even_when_the_secret_of_live_signed_it(fake: FakeStripe) -> None:
    cards = processor(fake.url, TEST)
    paid(cards, fake)
    event = fake.events("checkout.session.completed")[0]["id"]
    hint = heard(processor(fake.url, LIVE), fake, event)
    assert hint is not None
    assert hint.is_live is False


@pytest.mark.attack(13, 14)
@pytest.mark.counterpart
@pytest.mark.parametrize(
    ("how", "reason"), [({"secrets": (OTHER,)}, "wrong"), ({"late": 301}, "old"), ({"late": 86_400}, "old")]
)
def test_an_event_of_another_endpoint_or_day_is_refused(
    cards: Stripe, fake: FakeStripe, how: dict[str, Any], reason: str
) -> None:
    paid(cards, fake)
    event = fake.events("checkout.session.completed")[0]["id"]
    headers, body = fake.signed(event, *how.get("secrets", ()))
    with pytest.raises(NotAuthentic) as refused:
        cards.hint(Callback(headers, body, instant(fake.now() + how.get("late", 0))))
    assert refused.value.reason == reason


@pytest.mark.counterpart
def test_an_event_is_believed_in_nothing_but_where_to_look(cards: Stripe, fake: FakeStripe) -> None:
    """A signed event says paid; the session does not."""
    payment = paid(cards, fake)
    event = fake.events("checkout.session.completed")[0]["id"]
    fake.lie(payment.processor_id, payment_status="unpaid", status="open")
    fake.lie(str(payment.payment_id), status="requires_payment_method")
    hint = heard(cards, fake, event)
    assert hint is not None
    assert read(cards, hint.object_id).state is Paid.OPEN


@pytest.mark.counterpart
@pytest.mark.attack(11)
def test_events_in_any_order_lead_to_the_same_end(cards: Stripe, fake: FakeStripe, soak: bool) -> None:
    """Five, of which two say the same of one payment, and two were true one after the other of one dispute. In the short form one
    order for every two that can come first."""
    first, second = paid(cards, fake), paid(cards, fake, card="disputed")
    refund = return_of(first)
    made = cards.send_back(refund)
    dispute = fake.events("charge.dispute.created")[0]["data"]["object"]["id"]
    fake.tell("dispute_change", dispute=dispute, status="lost")
    kinds = (
        "checkout.session.completed",
        "payment_intent.succeeded",
        "refund.created",
        "charge.dispute.created",
        "charge.dispute.closed",
    )
    deliveries = [fake.signed(fake.events(kind)[0]["id"]) for kind in kinds]
    now = instant(fake.now())

    orders = list(itertools.permutations(deliveries))[:: 1 if soak else 6]
    ends = [after(cards, now, refund, order) for order in orders]

    assert second.state is Paid.PAID
    assert ends == [{first.deposit: FIVE, made.refund_id: Sent.DONE, dispute: Stage.LOST}] * len(orders)


def after(
    cards: Stripe, now: datetime, refund: SendBack, order: Iterable[tuple[dict[str, str], bytes]]
) -> dict[str, Any]:
    """What is known when all of them were heard, and each was looked after."""
    known: dict[str, Any] = {}
    for headers, body in order:
        hint = cards.hint(Callback(headers, body, now))
        assert hint is not None
        match hint.about:
            case "payment":
                payment = read(cards, hint.object_id)
                known[payment.deposit] = payment.value
            case "refund":
                sent = cards.sent_back(refund)
                known[hint.object_id] = sent and sent.state
            case "dispute":
                found = cards.dispute(hint.object_id)
                assert isinstance(found, Dispute)
                known[hint.object_id] = found.stage
    return known


# By the road.


@pytest.fixture
def road(fake: FakeStripe) -> Iterator[Receiver]:
    """An endpoint that the fake delivers to."""
    with receiving() as receiver:
        fake.tell("endpoint", url=receiver.url, secrets=[SECRET])
        yield receiver
        fake.tell("idle")


def arrived(cards: Stripe, fake: FakeStripe, road: Receiver) -> list[str]:
    """What became of each delivery, in the order in which they came."""
    fake.tell("idle")
    said = []
    for one in road.received:
        try:
            hint = cards.hint(Callback(one.headers, one.body, instant(fake.now())))
            said.append(f"{hint.about} {hint.event_id}" if hint else "nothing")
        except NotAuthentic as refused:
            said.append(refused.reason)
    return said


KINDS = ["nothing", "nothing", "payment", "payment"]
"""Of a payment: its intent was made, its charge succeeded; its intent did, and the session is complete."""


def kinds(said: list[str]) -> list[str]:
    return sorted(one.partition(" ")[0] for one in said)


@pytest.mark.counterpart
def test_events_come_signed_and_once(cards: Stripe, fake: FakeStripe, road: Receiver) -> None:
    paid(cards, fake)
    assert kinds(arrived(cards, fake, road)) == KINDS


@pytest.mark.counterpart
def test_an_event_that_comes_again_has_the_id_that_it_had(
    cards: Stripe, fake: FakeStripe, road: Receiver
) -> None:
    fake.set(copies=2)
    paid(cards, fake)
    said = arrived(cards, fake, road)
    assert kinds(said) == sorted(KINDS * 3)
    assert len(set(said)) == len(set(KINDS)) + 1


@pytest.mark.counterpart
def test_an_endpoint_that_was_down_gets_its_event_later(
    cards: Stripe, fake: FakeStripe, road: Receiver
) -> None:
    road.answer = lambda _: Answer(500 if len(road.received) <= 4 else 200)
    fake.set(again_s=0.02)
    paid(cards, fake)
    said = arrived(cards, fake, road)
    assert [sum(one["status"] == status for one in fake.tell("deliveries")) for status in (500, 200)] == [
        4,
        4,
    ]
    assert kinds(said) == sorted(KINDS * 2)


@pytest.mark.counterpart
def test_events_come_backwards(cards: Stripe, fake: FakeStripe, road: Receiver) -> None:
    fake.set(held=True)
    payment = paid(cards, fake)
    fake.tell("flush")
    assert [one.type for one in road.received] == [one["type"] for one in reversed(fake.events())]
    assert kinds(arrived(cards, fake, road)) == KINDS
    assert payment.state is Paid.PAID


@pytest.mark.counterpart
def test_a_payment_whose_events_were_lost_is_found_by_asking(
    cards: Stripe, fake: FakeStripe, road: Receiver
) -> None:
    fake.set(lost=99)
    payment = paid(cards, fake)
    assert arrived(cards, fake, road) == []
    assert read(cards, payment.processor_id).state is Paid.PAID


@pytest.mark.counterpart
@pytest.mark.parametrize(("knobs", "reason"), [({"mis_signed": 99}, "wrong"), ({"stamp_s": -360}, "old")])
def test_events_that_are_not_signed_for_us_now_are_refused(
    cards: Stripe, fake: FakeStripe, road: Receiver, knobs: dict[str, Any], reason: str
) -> None:
    fake.set(**knobs)
    paid(cards, fake)
    assert arrived(cards, fake, road) == [reason] * 4


@pytest.mark.counterpart
def test_an_event_that_comes_late_still_says_where_to_look(
    cards: Stripe, fake: FakeStripe, road: Receiver
) -> None:
    fake.set(late_s=0.2)
    payment = paid(cards, fake)
    assert road.received == []
    assert kinds(arrived(cards, fake, road)) == KINDS
    assert payment.state is Paid.PAID
