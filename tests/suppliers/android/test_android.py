"""Phones with SMS Gateway for Android: signed envelopes become messages of numbers that are sure, and pings become heartbeats."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from onceline.core.inbox.model import Encoded
from onceline.suppliers.android import KIND
from onceline.suppliers.android.inlet import AndroidInlet
from onceline.suppliers.android.reading import read_body
from onceline.suppliers.android.settings import AndroidSettings
from onceline.suppliers.base import (
    Arrival,
    Configured,
    Heartbeat,
    NotAuthentic,
    NotConfigured,
    Request,
    Unreadable,
)
from tests.suppliers.conftest import Gateway

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = int(NOON.timestamp())
ONE, TWO, THREE = "+447700900123", "+447700900124", "+447700900125"
KEY = "t2X9qLm4"
DEVICES = {
    "single": {"sims": {"1": ONE}, "android": 15},
    "dual": {"sims": {"1": TWO, "2": THREE}, "android": 16},
    "modern": {"sims": {"1": "+447700900126"}, "android": 17},
    "unsaid": {"sims": {"2": "+447700900127"}},
}
SETTINGS = AndroidSettings.model_validate({"devices": DEVICES})


def phones(*keys: str) -> AndroidInlet:
    return AndroidInlet(Configured("phones", SETTINGS, {"signing_key": keys or (KEY,)}))


def envelope(device: str = "single", event: str = "sms:received", **payload: Any) -> dict[str, Any]:
    """As version 1.5x of the app writes it; a None takes a field out."""
    full = {
        "messageId": "b52f3c1a",
        "message": "Your code is 123456",
        "sender": "Acme",
        "recipient": None,
        "simNumber": 1,
        "receivedAt": "2026-03-01T12:00:00.000+00:00",
        **payload,
    }
    kept = {name: value for name, value in full.items() if value is not None}
    return {"id": "Xk3-_9", "webhookId": "w1", "event": event, "deviceId": device, "payload": kept}


def signed(body: Any, *, key: str = KEY, at: int = NOW, headers: dict[str, str] | None = None) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = hmac.new(key.encode(), raw + str(at).encode(), hashlib.sha256).hexdigest()
    ours = {"x-signature": signature, "x-timestamp": str(at), "user-agent": "me.capcom.smsgateway/1.57.0"}
    return Request("POST", "", "", ours | (headers or {}), raw, None, NOON)


def read(body: Any) -> list[Arrival | Heartbeat]:
    return [*phones().read(signed(body))]


def the_number(body: Any) -> str:
    [first, *_] = read(body)
    assert isinstance(first, Arrival)
    return first.number


# Messages


def test_a_message_has_the_envelopes_id_and_the_number_of_its_slot() -> None:
    assert read(envelope()) == [
        Arrival("Xk3-_9", ONE, "Acme", "Your code is 123456", None, "2026-03-01T12:00:00.000+00:00", "single")
    ]


def test_an_older_app_calls_the_sender_phone_number() -> None:
    [found] = read(envelope(sender=None, phoneNumber="+4915700000000"))
    assert isinstance(found, Arrival)
    assert found.sender == "+4915700000000"


def test_two_messages_with_one_content_are_two() -> None:
    """`messageId` is made of the content."""
    first, second = envelope(), envelope() | {"id": "other"}
    assert {one.message_id for one in (*read(first), *read(second)) if isinstance(one, Arrival)} == {
        "Xk3-_9",
        "other",
    }


def test_unknown_fields_change_nothing() -> None:
    body = envelope(new={"a": 1}) | {"extra": [1]}
    assert read(body) == read(envelope())


def test_a_message_to_a_port_is_octets() -> None:
    [found] = read(
        envelope(event="sms:data-received", message=None, data=base64.b64encode(b"\x00Code 1").decode())
    )
    assert isinstance(found, Arrival)
    assert found.text == Encoded(b"\x00Code 1", "octets")


def test_messages_that_come_together_have_names_of_their_own() -> None:
    payload = {"messages": [envelope()["payload"], envelope(message="two", simNumber=1)["payload"]]}
    found = read(envelope(event="sms:batch:received") | {"payload": payload})
    assert [(one.message_id, one.text) for one in found if isinstance(one, Arrival)] == [
        ("Xk3-_9/0", "Your code is 123456"),
        ("Xk3-_9/1", "two"),
    ]


@pytest.mark.parametrize(
    "event", ["sms:sent", "sms:delivered", "sms:failed", "mms:received", "app:started", "sms:cancelled"]
)
def test_other_events_are_of_no_interest(event: str) -> None:
    assert read(envelope(event=event)) == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"[" * 100_000,
        {"event": 1},
        envelope() | {"id": None},
        envelope() | {"deviceId": ""},
        envelope() | {"payload": "x"},
        envelope(message=None),
        envelope(message=None, data="no base64!"),
        envelope(event="sms:batch:received"),
        envelope(event="sms:batch:received") | {"payload": {"messages": [{}] * 501}},
    ],
)
def test_what_makes_no_sense_is_refused(body: Any) -> None:
    with pytest.raises(Unreadable):
        read(body)


# Whose message it is


@pytest.mark.parametrize(
    ("device", "payload", "number"),
    [
        ("single", {"simNumber": None}, ONE),
        ("dual", {"simNumber": 2}, THREE),
        ("dual", {"simNumber": None, "recipient": THREE}, THREE),
        ("dual", {"simNumber": None, "recipient": "44 7700900125"}, THREE),
        ("dual", {"simNumber": 1, "recipient": TWO}, TWO),
        ("dual", {"simNumber": 2, "recipient": "+15005550006"}, THREE),
        ("single", {"simNumber": None, "recipient": "+15005550006"}, ONE),
    ],
)
def test_the_number_is_that_of_the_sim_which_the_phone_names(
    device: str, payload: dict[str, Any], number: str
) -> None:
    assert the_number(envelope(device, **payload)) == number


@pytest.mark.parametrize(
    ("device", "payload", "warning"),
    [
        ("dual", {"simNumber": None}, "ambiguous-sim"),
        ("dual", {"simNumber": 3}, "ambiguous-sim"),
        ("single", {"simNumber": 2}, "ambiguous-sim"),
        ("dual", {"simNumber": 1, "recipient": THREE}, "ambiguous-sim"),
        ("dual", {"simNumber": {"a": 1}}, "ambiguous-sim"),
        ("stranger", {"recipient": ONE}, "unknown-device"),
    ],
)
def test_a_number_is_never_guessed_and_staff_are_told(
    device: str, payload: dict[str, Any], warning: str
) -> None:
    arrival, told = read(envelope(device, **payload))
    assert isinstance(arrival, Arrival)
    assert (arrival.number, arrival.message_id) == ("", "Xk3-_9")
    assert told == Heartbeat(device, warning=warning)


# Life


def ping(device: str, **checks: Any) -> dict[str, Any]:
    health = {"status": "pass", "checks": {name: {"status": "pass", "observedValue": value, "observedUnit": "", "description": ""} for name, value in checks.items()}}  # fmt: skip
    return {
        "id": "p",
        "webhookId": "w",
        "event": "system:ping",
        "deviceId": device,
        "payload": {"health": health},
    }


def test_a_ping_says_how_the_phone_is() -> None:
    assert read(ping("single", **{"battery:level": 87, "battery:charging": 2})) == [
        Heartbeat(
            "single",
            {
                "app": "me.capcom.smsgateway/1.57.0",
                "health": "pass",
                "battery:level": 87,
                "battery:charging": 2,
                "android": 15,
            },
        )
    ]


def test_a_ping_without_a_word_is_a_heartbeat() -> None:
    [found] = read(ping("single") | {"payload": {}})
    assert found == Heartbeat("single", {"app": "me.capcom.smsgateway/1.57.0", "android": 15})


@pytest.mark.parametrize(
    ("device", "checks", "warning"),
    [
        ("single", {}, ""),
        ("modern", {}, "android-too-new"),
        ("unsaid", {"android:version": 17}, "android-too-new"),
        ("single", {"android:api": 37}, "android-too-new"),
        ("single", {"android:api": 36, "android:version": "x"}, ""),
        ("stranger", {}, "unknown-device"),
    ],
)
def test_a_phone_that_withholds_codes_is_told_to_staff(
    device: str, checks: dict[str, Any], warning: str
) -> None:
    [found] = read(ping(device, **checks))
    assert isinstance(found, Heartbeat)
    assert found.warning == warning


def test_facts_are_few_and_can_be_stored() -> None:
    checks = {f"check{one}\x00" * 60: "\x00\ud800" + "x" * 999 for one in range(40)}
    [found] = read(ping("single", **checks))
    assert isinstance(found, Heartbeat)
    assert len(found.facts) <= 20
    assert all(str(value).isprintable() and len(str(value)) <= 200 for value in found.facts.values())


# Who may


def test_every_active_key_opens() -> None:
    for key in (KEY, "another"):
        assert len(phones("another", KEY).read(signed(envelope(), key=key))) == 1


def test_a_signature_in_capitals_is_the_same() -> None:
    request = signed(envelope())
    capitals = signed(envelope(), headers={"x-signature": request.headers["x-signature"].upper()})
    assert len(phones().read(capitals)) == 1


@pytest.mark.parametrize("missing", ["x-signature", "x-timestamp"])
def test_a_request_without_a_signature_is_refused(missing: str) -> None:
    with pytest.raises(NotAuthentic) as refused:
        phones().read(signed(envelope(), headers={missing: ""}))
    assert refused.value.reason == "missing"


@pytest.mark.parametrize(
    "change",
    [
        {"x-timestamp": str(NOW - 1)},
        {"x-timestamp": "soon"},
        {"x-timestamp": "9" * 30},
        {"x-signature": "0" * 64},
        {"x-signature": "é"},
    ],
)
def test_a_request_that_was_changed_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(NotAuthentic) as refused:
        phones().read(signed(envelope(), headers=change))
    assert refused.value.reason == "wrong"


def test_another_body_under_the_signature_is_refused() -> None:
    request = signed(envelope())
    with pytest.raises(NotAuthentic):
        phones().read(Request("POST", "", "", request.headers, request.body + b" ", None, NOON))


@pytest.mark.parametrize("age", [-301, 301, 86400])
def test_an_old_request_and_one_from_the_future_are_refused(age: int) -> None:
    with pytest.raises(NotAuthentic) as refused:
        phones().read(signed(envelope(), at=NOW - age))
    assert refused.value.reason == "stale"


@pytest.mark.parametrize("age", [-300, 300])
def test_five_minutes_are_near_enough(age: int) -> None:
    assert len(phones().read(signed(envelope(), at=NOW - age))) == 1


def test_without_a_key_there_is_no_way_in() -> None:
    with pytest.raises(NotConfigured, match="signing_key"):
        AndroidInlet(Configured("phones", SETTINGS, {}))


# The whole way


def posted(gateway: Gateway, body: Any) -> httpx.Response:
    request = signed(body, at=int(gateway.clock.now().timestamp()))
    return gateway.post("/in/phones", request.body, {**request.headers, "content-type": "application/json"})


def test_a_message_reaches_the_customer_once(gateway: Gateway) -> None:
    gateway.supplier("phones", "android", {"devices": DEVICES}, {"signing_key": ["old", KEY]})
    gateway.own(THREE, "phones")
    order = gateway.order(THREE)
    body = envelope("dual", simNumber=2, message="Telegram code 54321")
    assert [posted(gateway, body).status_code for _ in range(2)] == [204, 204]
    assert [one["text"] for one in gateway.await_shown(order)] == ["Telegram code 54321"]


@pytest.mark.promise("P6")
def test_a_message_that_a_phone_kept_while_offline_is_not_the_next_customers(gateway: Gateway) -> None:
    gateway.supplier("phones", "android", {"devices": DEVICES}, {"signing_key": [KEY]})
    gateway.own(ONE, "phones")
    before = gateway.clock.now()
    gateway.clock.advance(3000)
    order = gateway.order(ONE)
    old = envelope(message="Telegram code 54321", receivedAt=before.isoformat())
    new = envelope(message="Telegram code 11111", receivedAt=gateway.clock.now().isoformat())
    assert posted(gateway, old).status_code == 204
    assert posted(gateway, new | {"id": "another"}).status_code == 204
    assert [one["code"] for one in gateway.await_shown(order)] == ["11111"]


def test_a_message_whose_sim_is_unsure_reaches_nobody(gateway: Gateway) -> None:
    gateway.supplier("phones", "android", {"devices": DEVICES}, {"signing_key": [KEY]})
    for number in (TWO, THREE):
        gateway.own(number, "phones")
    orders = [gateway.order(number) for number in (TWO, THREE)]
    assert posted(gateway, envelope("dual", simNumber=None, message="Telegram code 54321")).status_code == 204
    assert gateway.unowned() == 1
    assert [gateway.shown(order) for order in orders] == [[], []]


def test_a_request_that_is_not_signed_changes_nothing(gateway: Gateway) -> None:
    gateway.supplier("phones", "android", {"devices": DEVICES}, {"signing_key": [KEY]})
    assert gateway.post("/in/phones", json.dumps(envelope())).status_code == 401
    assert gateway.post("/in/phones", b"{}", {"x-signature": "0", "x-timestamp": str(NOW)}).status_code == 403
    assert gateway.shop.value("select count(*) from inbound") == 0


# Settings


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        ({}, "at least 1"),
        ({"a": {"sims": {}}}, "at least 1"),
        ({"a": {"sims": {"0": ONE}}}, "\\^\\[1-4\\]"),
        ({"a": {"sims": {"1": "07700"}}}, "as in \\+447700900123"),
        ({"a": {"sims": {"1": ONE}, "android": 99999}}, "less than or equal"),
        ({"a": {"sims": {"1": ONE}, "colour": 1}}, "Extra inputs"),
    ],
)
def test_settings_without_sense_are_refused_with_what_would_be_right(
    devices: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        AndroidSettings.model_validate({"devices": devices})


def test_check_calls_no_phone_fit_that_withholds_codes() -> None:
    assert KIND.check is not None
    configured = Configured("phones", SETTINGS, {"signing_key": (KEY,)}, "https://sms.example/in/phones")
    found = {one.what: one for one in KIND.check(configured, None)}  # type: ignore[arg-type]  # it calls nothing
    assert {what: one.ok for what, one in found.items()} == {
        "signing_key": True,
        "public address": True,
        "phone single": True,
        "phone dual": True,
        "phone modern": False,
        "phone unsaid": False,
    }
    assert "Android 17 withholds" in found["phone modern"].words
    assert "Android 16 or older" in found["phone modern"].words


# Anything at all

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.sampled_from(["health", "checks", "message", "data", "messages", "simNumber"]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip
_EVENTS = st.sampled_from(["sms:received", "sms:data-received", "sms:batch:received", "system:ping", "x"])


@given(_EVENTS, st.sampled_from(["single", "dual", "stranger"]), _JSON)
def test_whatever_a_phone_says_is_understood_or_unreadable(event: str, device: str, payload: Any) -> None:
    body = {"id": "1", "event": event, "deviceId": device, "payload": payload}
    try:
        found = read_body(SETTINGS, json.dumps(body).encode(), "app")
    except Unreadable:
        return
    assert all(isinstance(one, Arrival | Heartbeat) for one in found)


@given(_JSON)
def test_whatever_json_comes_is_understood_or_unreadable(body: Any) -> None:
    try:
        found = read_body(SETTINGS, json.dumps(body).encode(), "")
    except Unreadable:
        return
    assert found == []


@given(st.text(max_size=100), st.text(max_size=40), st.binary(max_size=60))
def test_nothing_unsigned_comes_in(signature: str, stamp: str, body: bytes) -> None:
    request = Request("POST", "", "", {"x-signature": signature, "x-timestamp": stamp}, body, None, NOON)
    with pytest.raises(NotAuthentic):
        phones().read(request)
