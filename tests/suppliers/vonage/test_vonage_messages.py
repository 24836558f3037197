"""The inlet of Vonage's Messages API: a token that signs the hash of a body."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.suppliers.base import Arrival, NotAuthentic, NotConfigured, Request, Unreadable
from onceline.suppliers.vonage.messages import KIND
from tests.suppliers.oracles.requesting import (
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

SECRET = "sIgNaTuReSeCrEt0123456789"
OLD_SECRET = "oldSecret0123456789"
SMS = {
    "channel": "sms",
    "message_uuid": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    "to": "447700900123",
    "from": "447700900001",
    "timestamp": "2026-03-01T12:00:00Z",
    "message_type": "text",
    "text": "Код 482913 😀",
    "sms": {"num_messages": "1", "keyword": "CODE"},
}
BODY = json.dumps(SMS, ensure_ascii=False).encode()
CLAIMS = {
    "iat": NOW_S,
    "jti": "c5ba8f24",
    "iss": "Vonage",
    "payload_hash": sha256(BODY).hexdigest(),
    "api_key": "abcd1234",
    "application_id": "0000-1111",
}
INLET = inlet_of(KIND, {"signature_secret": (SECRET,)})


def _packed(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def token(claims: Any = CLAIMS, *, secret: str = SECRET, header: Any = None, digest: str = "sha256") -> str:
    parts = [header or {"alg": "HS256", "typ": "JWT"}, claims]
    text = ".".join(_packed(json.dumps(one).encode()) for one in parts)
    return f"{text}.{_packed(hmac.new(secret.encode(), text.encode(), digest).digest())}"


def sms(claims: Any = CLAIMS, body: bytes = BODY, **more: Any) -> Request:
    return bearing(token(claims, **more), body)


def bearing(text: str, body: bytes = BODY) -> Request:
    return request(body, {"content-type": "application/json", "authorization": f"Bearer {text}"})


def of(message: Mapping[str, Any] | bytes) -> Request:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return sms(CLAIMS | {"payload_hash": sha256(body).hexdigest()}, body)


def test_a_signed_body_is_a_message() -> None:
    assert only_arrival(INLET, sms()) == Arrival(
        "aaaaaaaa-bbbb-cccc-dddd-0123456789ab", "447700900123", "447700900001", "Код 482913 😀"
    )


@pytest.mark.parametrize("changes", [{"channel": "whatsapp"}, {"status": "delivered"}, {"channel": None}])
def test_another_channel_or_a_report_is_no_message(changes: dict[str, Any]) -> None:
    assert INLET.read(of({**SMS, **changes})) == []


def test_a_message_without_a_text_is_one_all_the_same() -> None:
    assert only_arrival(INLET, of({**SMS, "text": None, "from": 5})).text == ""


def test_every_active_secret_counts() -> None:
    inlet = inlet_of(KIND, {"signature_secret": (SECRET, OLD_SECRET)})
    said = [verdict(inlet, sms(secret=secret)) for secret in (SECRET, OLD_SECRET, "another")]
    assert said == ["accepted", "accepted", "wrong"]


def test_a_body_that_was_changed_is_refused() -> None:
    assert verdict(INLET, sms(body=BODY.replace(b"482913", b"482914"))) == "wrong"
    assert verdict(INLET, sms(body=b"")) == "wrong"


@pytest.mark.parametrize("digest", [None, 5, []])
def test_a_token_without_the_hash_of_a_body_is_refused(digest: Any) -> None:
    assert verdict(INLET, sms(CLAIMS | {"payload_hash": digest})) == "missing"


@pytest.mark.parametrize(
    ("seconds", "said"), [(-301, "stale"), (-300, "accepted"), (300, "accepted"), (301, "stale")]
)
def test_a_token_holds_for_five_minutes(seconds: int, said: str) -> None:
    assert verdict(INLET, sms(CLAIMS | {"iat": NOW_S + seconds})) == said


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"iat": None}, "missing"),
        ({"iat": True}, "missing"),
        ({"iat": str(NOW_S)}, "missing"),
        ({"iat": float("nan")}, "stale"),
        ({"iat": float("inf")}, "stale"),
        ({"iat": 10**400}, "stale"),
        ({"iat": NOW_S + 0.5}, "accepted"),
        ({"exp": NOW_S + 1}, "accepted"),
        ({"exp": NOW_S}, "stale"),
        ({"exp": "later"}, "stale"),
        ({"exp": float("nan")}, "stale"),
    ],
)
def test_a_time_is_a_number_and_an_end_counts(claims: dict[str, Any], said: str) -> None:
    assert verdict(INLET, sms(CLAIMS | claims)) == said


@pytest.mark.parametrize("name", ["api_key", "application_id"])
def test_another_application_or_key_is_refused_when_one_is_set(name: str) -> None:
    inlet = inlet_of(KIND, {"signature_secret": (SECRET,)}, **{name: CLAIMS[name]})
    assert verdict(inlet, sms()) == "accepted"
    assert verdict(inlet, sms(CLAIMS | {name: "other"})) == "wrong"
    assert verdict(inlet, sms({one: CLAIMS[one] for one in CLAIMS if one != name})) == "wrong"


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "HS512"}, {"alg": "RS256"}, {"typ": "JWT"}, ["HS256"]]
)
def test_the_token_does_not_choose_how_it_is_checked(header: Any) -> None:
    assert verdict(INLET, sms(header=header)) == "wrong"


def test_a_token_signed_by_another_function_is_refused() -> None:
    assert verdict(INLET, sms(digest="sha512")) == "wrong"


@pytest.mark.parametrize("claims", [[], "x", None, 5])
def test_claims_that_are_no_object_are_refused(claims: Any) -> None:
    assert verdict(INLET, sms(claims)) == "wrong"


@pytest.mark.parametrize(
    "text", ["x", "a.b", token().rsplit(".", 1)[0] + ".", token() + ".x", token()[:-1], token() + "=", "ключ"]
)
def test_a_token_that_is_none_is_refused(text: str) -> None:
    assert verdict(INLET, bearing(text)) == "wrong"


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Basic eDp5"}]
)
def test_a_request_without_a_token_is_refused(headers: dict[str, str]) -> None:
    assert verdict(INLET, request(BODY, headers)) == "missing"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 50_000])
def test_a_signed_body_that_makes_no_sense_is_told_apart(body: bytes) -> None:
    assert verdict(INLET, of(body)) == "unreadable"


@pytest.mark.parametrize("name", ["message_uuid", "to"])
@pytest.mark.parametrize("value", ["", None, {"number": "1"}, "x" * 129, "a\x00"])
def test_a_name_that_is_none_makes_no_sense(name: str, value: Any) -> None:
    with pytest.raises(Unreadable, match=name):
        INLET.read(of({**SMS, name: value}))


def test_without_a_secret_it_says_which() -> None:
    assert KIND.inlet is not None
    with pytest.raises(NotConfigured, match="signature_secret"):
        KIND.inlet(configured(KIND, {}))


def test_a_check_says_what_would_be_right() -> None:
    assert findings(KIND, configured(KIND, {"signature_secret": (SECRET,)})) == {
        "public address": "",
        "signature_secret": "",
    }
    assert "not set" in findings(KIND, configured(KIND, {}))["signature_secret"]


def test_a_database_that_is_away_is_never_a_refusal() -> None:
    assert (statuses(INLET)["KEPT"], statuses(INLET)["AWAY"]) == (200, 503)


@given(
    hostile(
        {
            "authorization": st.one_of(
                st.text(max_size=40),
                st.text(max_size=40).map(lambda end: f"Bearer {end}"),
                st.binary(max_size=40).map(
                    lambda octets: f"Bearer {_packed(octets)}.{_packed(octets)}.{'A' * 43}"
                ),
            )
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


@given(st.fixed_dictionaries({}, optional={name: _JSON for name in SMS}))
def test_whatever_is_signed_is_read_or_said_to_make_no_sense(changes: dict[str, Any]) -> None:
    assert verdict(INLET, of({**SMS, **changes})) in ("accepted", "unreadable")


@given(st.fixed_dictionaries({}, optional={name: _JSON for name in ("iat", "exp", "payload_hash", "alg")}))
def test_whatever_a_signed_token_claims_is_judged(changes: dict[str, Any]) -> None:
    assert verdict(INLET, sms(CLAIMS | changes)) in ("accepted", "missing", "wrong", "stale")
