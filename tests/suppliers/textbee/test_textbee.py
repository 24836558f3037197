"""textbee: signed JSON, a number for each device, and a repeated request that is one message."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from onceline.suppliers.base import (
    Arrival,
    Configured,
    Heartbeat,
    NotAuthentic,
    NotConfigured,
    Request,
    Unreadable,
)
from onceline.suppliers.textbee import KIND
from onceline.suppliers.textbee.inlet import TextbeeInlet, TextbeeSettings, read_body
from tests.suppliers.conftest import Gateway

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "0f6c1f2e-3a44-4d59-9a3e"
NUMBER, DEVICE = "+447700900123", "66f0a1b2c3d4e5f601234567"
SETTINGS = TextbeeSettings.model_validate({"devices": {DEVICE: NUMBER}})
EVENT: dict[str, Any] = {
    "smsId": "66f0a1b2c3d4e5f601234568",
    "message": "Your code is 123456",
    "deviceId": DEVICE,
    "webhookSubscriptionId": "66f0a1b2c3d4e5f601234569",
    "webhookEvent": "MESSAGE_RECEIVED",
    "idempotencyKey": "4f0c4e1e-92d2-4f43-9d6d-5c1b4f6f3f55",
    "sender": "Acme",
    "receivedAt": "2026-03-01T12:00:00.000Z",
}


def signed(body: Any = None, *, secret: str = SECRET, **headers: str) -> Request:
    raw = (
        body
        if isinstance(body, bytes)
        else json.dumps(EVENT if body is None else body, separators=(",", ":")).encode()
    )
    mac = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return Request("POST", "", "", {"x-signature": mac, **headers}, raw, None, NOON)


def phones(*secrets: str) -> TextbeeInlet:
    return TextbeeInlet(Configured("phones", SETTINGS, {"signing_secret": secrets or (SECRET,)}))


def test_a_received_message_is_one_for_its_devices_number() -> None:
    assert phones().read(signed()) == [
        Arrival(
            "66f0a1b2c3d4e5f601234568",
            NUMBER,
            "Acme",
            "Your code is 123456",
            None,
            "2026-03-01T12:00:00.000Z",
            DEVICE,
        )
    ]


def test_unknown_fields_change_nothing() -> None:
    assert phones().read(signed(EVENT | {"new": {"a": 1}})) == phones().read(signed())


def test_a_phone_that_was_not_set_gets_no_number_and_staff_are_told() -> None:
    arrival, told = phones().read(signed(EVENT | {"deviceId": "other"}))
    assert isinstance(arrival, Arrival)
    assert (arrival.number, told) == ("", Heartbeat("other", warning="unknown-device"))


@pytest.mark.parametrize(
    "event", ["MESSAGE_SENT", "MESSAGE_DELIVERED", "MESSAGE_FAILED", "UNKNOWN_STATE", None]
)
def test_other_events_are_of_no_interest(event: str | None) -> None:
    assert phones().read(signed(EVENT | {"webhookEvent": event})) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"[" * 100_000, EVENT | {"message": 1}, EVENT | {"smsId": "", "idempotencyKey": None}],
)
def test_what_makes_no_sense_is_refused(body: Any) -> None:
    with pytest.raises(Unreadable):
        phones().read(signed(body))


def test_every_active_secret_opens() -> None:
    for secret in (SECRET, "another-secret-of-twenty"):
        assert len(phones("another-secret-of-twenty", SECRET).read(signed(secret=secret))) == 1


@pytest.mark.parametrize(
    ("headers", "reason"),
    [({"x-signature": ""}, "missing"), ({"x-signature": "0" * 64}, "wrong"), ({"x-signature": "é"}, "wrong")],
)
def test_a_request_that_is_not_signed_is_refused(headers: dict[str, str], reason: str) -> None:
    with pytest.raises(NotAuthentic) as refused:
        phones().read(signed(None, **headers))
    assert refused.value.reason == reason


def test_another_body_under_the_signature_is_refused() -> None:
    request = signed()
    with pytest.raises(NotAuthentic):
        phones().read(Request("POST", "", "", request.headers, request.body + b" ", None, NOON))


def test_without_a_secret_there_is_no_way_in() -> None:
    with pytest.raises(NotConfigured, match="signing_secret"):
        TextbeeInlet(Configured("phones", SETTINGS, {}))


@pytest.mark.parametrize(
    ("devices", "words"),
    [({}, "at least 1"), ({"a": "07700"}, "as in \\+447700900123"), ({"": NUMBER}, "at least 1 character")],
)
def test_settings_without_sense_are_refused_with_what_would_be_right(
    devices: dict[str, str], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        TextbeeSettings.model_validate({"devices": devices})


def test_check_wants_a_secret_and_an_address() -> None:
    assert KIND.check is not None
    assert [one.ok for one in KIND.check(Configured("phones", SETTINGS, {}), None)] == [False, False]  # type: ignore[arg-type]  # it calls nothing


def test_a_repeated_request_is_one_message(gateway: Gateway) -> None:
    """Nothing in it says when it was made: whoever saw it may send it again, and changes nothing."""
    gateway.supplier(
        "phones",
        "textbee",
        {"devices": {DEVICE: NUMBER}},
        {"signing_secret": ["an-older-secret-of-it", SECRET]},
    )
    gateway.own(NUMBER, "phones")
    order = gateway.order(NUMBER)
    request = signed(EVENT | {"message": "Telegram code 54321"})
    for _ in range(3):
        assert gateway.post("/in/phones", request.body, request.headers).status_code == 204
    assert [one["text"] for one in gateway.await_shown(order)] == ["Telegram code 54321"]
    assert gateway.post("/in/phones", request.body).status_code == 401
    assert gateway.post("/in/phones", request.body + b" ", request.headers).status_code == 403


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from([*EVENT]), _JSON))
def test_whatever_the_server_says_is_understood_or_unreadable(event: Any) -> None:
    try:
        found = read_body(SETTINGS.devices, json.dumps(event | {"webhookEvent": "MESSAGE_RECEIVED"}).encode())
    except Unreadable:
        return
    assert all(isinstance(one, Arrival | Heartbeat) for one in found)


@given(st.text(max_size=100), st.binary(max_size=60))
def test_nothing_unsigned_comes_in(signature: str, body: bytes) -> None:
    with pytest.raises(NotAuthentic):
        phones().read(Request("POST", "", "", {"x-signature": signature}, body, None, NOON))
