"""Telnyx's inlet, and its rule against Telnyx's SDK."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from onceline.suppliers.base import Arrival, NotAuthentic, NotConfigured, Request, Unreadable
from onceline.suppliers.telnyx.inlet import KIND
from tests.suppliers.oracles.asking import ask
from tests.suppliers.oracles.requesting import (
    NOW,
    NOW_S,
    configured,
    findings,
    hostile,
    inlet_of,
    only_arrival,
    request,
    statuses,
    verdict,
)

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
NEXT_KEY = Ed25519PrivateKey.from_private_bytes(b"n" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)


def public(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


INLET = inlet_of(KIND, {"public_key": (public(KEY),)})


def event(payload: Mapping[str, Any] | None = None, event_type: str = "message.received") -> bytes:
    message = {
        "id": "7ee4241c-f127",
        "direction": "inbound",
        "type": "SMS",
        "from": {"phone_number": "+18665550001", "carrier": "T"},
        "to": [{"phone_number": "+447700900123", "status": "webhook_delivered"}],
        "text": "Код 482913 😀",
        "parts": 1,
        **(payload or {}),
    }
    data = {"event_type": event_type, "id": "bf6307bd", "record_type": "event", "payload": message}
    return json.dumps({"data": data, "meta": {"attempt": 1}}, ensure_ascii=False).encode()


def signed(
    body: bytes, *, at: int | str = NOW_S, key: Ed25519PrivateKey = KEY, received: datetime = NOW
) -> Request:
    signature = base64.b64encode(key.sign(f"{at}|".encode() + body)).decode()
    headers = {
        "content-type": "application/json",
        "telnyx-signature-ed25519": signature,
        "telnyx-timestamp": str(at),
    }
    return request(body, headers, at=received)


def with_header(asked: Request, name: str, value: str | None) -> Request:
    headers = {**asked.headers, name: value} if value is not None else dict(asked.headers)
    if value is None:
        del headers[name]
    return request(asked.body, headers, at=asked.received_at)


def test_a_signed_event_is_a_message() -> None:
    assert only_arrival(INLET, signed(event())) == Arrival(
        "7ee4241c-f127", "+447700900123", "+18665550001", "Код 482913 😀"
    )


def test_a_message_to_several_is_one_for_each() -> None:
    numbers = ["+447700900123", "+447700900124", "+447700900123"]
    arrivals = INLET.read(signed(event({"to": [{"phone_number": one} for one in numbers]})))
    assert [(one.message_id, one.number) for one in arrivals if isinstance(one, Arrival)] == [
        ("7ee4241c-f127|+447700900123", "+447700900123"),
        ("7ee4241c-f127|+447700900124", "+447700900124"),
    ]


@pytest.mark.parametrize("event_type", ["message.sent", "message.finalized", "call.initiated", ""])
def test_another_event_is_no_message(event_type: str) -> None:
    assert INLET.read(signed(event(event_type=event_type))) == []


def test_it_answers_before_telnyx_gives_up() -> None:
    assert INLET.answers_within_s < 2


def test_every_active_key_counts() -> None:
    inlet = inlet_of(KIND, {"public_key": (public(NEXT_KEY), public(KEY) + "\n")})
    body = event()
    assert [verdict(inlet, signed(body, key=key)) for key in (KEY, NEXT_KEY, STRANGER)] == [
        "accepted",
        "accepted",
        "wrong",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"), [(-301, "stale"), (-300, "accepted"), (300, "accepted"), (301, "stale")]
)
def test_a_time_stamp_holds_for_five_minutes(seconds: int, said: str) -> None:
    assert verdict(INLET, signed(event(), at=NOW_S + seconds)) == said


@pytest.mark.parametrize("at", ["-1", "1e9", "１２", "9" * 13, " 1", "x"])
def test_a_time_stamp_is_digits(at: str) -> None:
    assert verdict(INLET, signed(event(), at=at)) == "wrong"


@pytest.mark.parametrize("name", ["telnyx-signature-ed25519", "telnyx-timestamp"])
def test_a_request_without_a_header_is_refused(name: str) -> None:
    assert verdict(INLET, with_header(signed(event()), name, None)) == "missing"


@pytest.mark.parametrize("value", ["x", "!!!!", base64.b64encode(b"short").decode(), "ключ", "A" * 10_000])
def test_a_signature_that_is_none_is_refused(value: str) -> None:
    assert verdict(INLET, with_header(signed(event()), "telnyx-signature-ed25519", value)) == "wrong"


def test_one_changed_octet_is_refused() -> None:
    good = signed(event())
    assert verdict(INLET, request(good.body.replace(b"482913", b"482914"), good.headers)) == "wrong"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b"{}",
        event({"to": []}),
        event({"to": "+447700900123"}),
        event({"to": [{"phone_number": f"+4477009{number:05}"} for number in range(51)]}),
        event({"to": ["+447700900123"]}),
        event({"to": [{"phone_number": None}]}),
        event({"id": None}),
        event({"id": "x" * 129}),
    ],
)
def test_a_signed_body_that_makes_no_sense_is_told_apart(body: bytes) -> None:
    assert verdict(INLET, signed(body)) == "unreadable"


def test_a_message_without_a_sender_or_a_text_is_one_all_the_same() -> None:
    found = only_arrival(INLET, signed(event({"from": None, "text": None})))
    assert (found.sender, found.text) == ("", "")


@pytest.mark.parametrize("key", ["", "x", base64.b64encode(b"k" * 31).decode(), "-----BEGIN PUBLIC KEY-----"])
def test_a_key_that_is_none_is_said_when_the_inlet_is_made(key: str) -> None:
    supplier = configured(KIND, {"public_key": (public(KEY), key)})
    assert KIND.inlet is not None
    with pytest.raises(NotConfigured, match="32 bytes"):
        KIND.inlet(supplier)
    assert "1 of 2 cannot be right" in findings(KIND, supplier)["public_key"]


def test_a_check_of_a_good_one_finds_nothing() -> None:
    good = configured(KIND, {"public_key": (public(KEY),)})
    assert findings(KIND, good) == {"public address": "", "public_key": ""}
    assert "ONCELINE_PUBLIC_URL" in findings(KIND, configured(KIND, {}, url=None))["public address"]


def test_a_database_that_is_away_is_never_a_refusal() -> None:
    assert statuses(INLET)["AWAY"] == 503
    assert statuses(INLET)["KEPT"] == 204


@given(
    hostile(
        {
            "telnyx-signature-ed25519": st.one_of(
                st.text(max_size=90),
                st.binary(min_size=64, max_size=64).map(lambda octets: base64.b64encode(octets).decode()),
            ),
            "telnyx-timestamp": st.one_of(st.just(str(NOW_S)), st.text(max_size=15)),
        }
    )
)
def test_nothing_unsigned_comes_in_and_nothing_breaks(asked: Request) -> None:
    with pytest.raises((NotAuthentic, Unreadable)):
        INLET.read(asked)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional={name: _JSON for name in ("id", "from", "to", "text")}))
def test_whatever_is_signed_is_read_or_said_to_make_no_sense(payload: Mapping[str, Any]) -> None:
    body = json.dumps({"data": {"event_type": "message.received", "payload": payload}}).encode()
    assert verdict(INLET, signed(body)) in ("accepted", "unreadable")


def test_we_and_the_sdk_say_the_same_of_every_case() -> None:
    now = datetime.now(UTC)
    at, body = int(now.timestamp()), event()
    good = signed(body, at=at, received=now)
    cases = {
        "good": (good, True),
        "one octet changed": (request(body.replace(b"482913", b"482914"), good.headers, at=now), False),
        "no signature": (with_header(good, "telnyx-signature-ed25519", None), False),
        "no time stamp": (with_header(good, "telnyx-timestamp", None), False),
        "another time stamp": (with_header(good, "telnyx-timestamp", str(at - 1)), False),
        "an old time stamp": (signed(body, at=at - 310, received=now), False),
        "a time stamp to come": (signed(body, at=at + 310, received=now), False),
        "an almost old time stamp": (signed(body, at=at - 280, received=now), True),
        "another key": (signed(body, at=at, key=STRANGER, received=now), False),
        "another address": (request(body, good.headers, at=now, host="https://other.example"), True),
        "a query kept": (request(body, good.headers, at=now, query="a=1"), True),
        "a cut signature": (with_header(good, "telnyx-signature-ed25519", "AAAA"), False),
        "an empty body": (signed(b"{}", at=at, received=now + timedelta(seconds=1)), True),
    }
    theirs = ask(
        "telnyx",
        [
            {"body": asked.body.hex(), "headers": dict(asked.headers), "key": public(KEY)}
            for asked, _ in cases.values()
        ],
    )
    ours = [verdict(INLET, asked) in ("accepted", "unreadable") for asked, _ in cases.values()]
    wanted = {name: right for name, (_, right) in cases.items()}
    assert dict(zip(cases, theirs, strict=True)) == wanted
    assert dict(zip(cases, ours, strict=True)) == wanted


def test_the_sdk_does_not_take_a_body_that_is_no_utf8_and_we_call_it_senseless() -> None:
    """Different on purpose: the signature is over octets, so ours holds before they are read."""
    now = datetime.now(UTC)
    asked = signed(b"\xff", at=int(now.timestamp()), received=now)
    case = {"body": asked.body.hex(), "headers": dict(asked.headers), "key": public(KEY)}
    assert verdict(INLET, asked) == "unreadable"
    with pytest.raises(AssertionError, match="UnicodeDecodeError"):
        ask("telnyx", [case])
