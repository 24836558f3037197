"""httpSMS: a JSON web token says whose request it is, the event what came."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.suppliers.base import (
    Arrival,
    Configured,
    Heartbeat,
    NotAuthentic,
    NotConfigured,
    Outcome,
    Request,
    Unreadable,
)
from onceline.suppliers.httpsms import KIND
from onceline.suppliers.httpsms.inlet import HttpSmsInlet, HttpSmsSettings, read_body
from tests.suppliers.conftest import Gateway

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = int(NOON.timestamp())
KEY = "a-signing-key-of-httpsms"
NUMBER = "+18005550199"
EVENT: dict[str, Any] = {
    "data": {
        "contact": "+18005550100",
        "content": "Your code is 123456",
        "message_id": "0b0123bb-ef2e-468f-908a-c026d51636aa",
        "owner": NUMBER,
        "sim": "SIM1",
        "timestamp": "2026-03-01T12:00:00.814Z",
        "user_id": "u",
    },
    "datacontenttype": "application/json",
    "id": "f4aed1d3-ab4f-42b9-b9dd-9fc7182f7197",
    "source": "/v1/messages/receive",
    "specversion": "1.0",
    "time": "2026-03-01T12:00:00.524331882Z",
    "type": "message.phone.received",
}
CLAIMS = {
    "aud": "https://sms.example/in/phones",
    "exp": NOW + 600,
    "iat": NOW,
    "iss": "api.httpsms.com",
    "nbf": NOW - 600,
    "sub": "u",
}


def packed(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(claims: Any = None, *, key: str = KEY, header: Any = None) -> str:
    """As RFC 7515 makes one, for the claims that httpSMS sends."""
    signed = (
        packed(header or {"alg": "HS256", "typ": "JWT"}) + "." + packed(CLAIMS if claims is None else claims)
    )
    mac = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    return signed + "." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def asked(body: Any = None, bearer: str | None = None, **headers: str) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(EVENT if body is None else body).encode()
    sent = {"authorization": f"Bearer {token() if bearer is None else bearer}", **headers}
    return Request("POST", "", "", sent, raw, None, NOON)


def phones(*keys: str) -> HttpSmsInlet:
    return HttpSmsInlet(Configured("phones", HttpSmsSettings(), {"signing_key": keys or (KEY,)}))


def refusal(request: Request, *keys: str) -> str:
    with pytest.raises(NotAuthentic) as refused:
        phones(*keys).read(request)
    return refused.value.reason


def test_a_received_message_is_one_for_its_owner() -> None:
    assert phones().read(asked()) == [
        Arrival(
            "0b0123bb-ef2e-468f-908a-c026d51636aa",
            NUMBER,
            "+18005550100",
            "Your code is 123456",
            None,
            "2026-03-01T12:00:00.814Z",
            "+180…0199",
        )
    ]


def test_an_older_server_calls_the_messages_name_id() -> None:
    data = {"id": "older", "owner": NUMBER, "contact": "Acme", "content": "x"}
    [found] = phones().read(asked(EVENT | {"data": data}))
    assert isinstance(found, Arrival)
    assert found.message_id == "older"


def test_unknown_fields_change_nothing() -> None:
    assert phones().read(asked(EVENT | {"new": 1, "data": EVENT["data"] | {"new": [1]}})) == phones().read(
        asked()
    )


@pytest.mark.parametrize(
    ("kind", "online", "warning"),
    [("phone.heartbeat.offline", False, "phone-offline"), ("phone.heartbeat.online", True, "")],
)
def test_heartbeats_say_whether_a_phone_was_heard(kind: str, online: bool, warning: str) -> None:
    data = {"owner": NUMBER, "phone_id": "p", "last_heartbeat_timestamp": "2026-03-01T11:00:00Z"}
    assert phones().read(asked(EVENT | {"type": kind, "data": data})) == [
        Heartbeat("+180…0199", {"online": online, "last_heard": "2026-03-01T11:00:00Z"}, warning)
    ]


@pytest.mark.parametrize("kind", ["message.phone.sent", "message.send.failed", "message.call.missed", "x"])
def test_other_events_are_of_no_interest(kind: str) -> None:
    assert phones().read(asked(EVENT | {"type": kind})) == []


def test_what_is_encrypted_is_refused_with_what_to_do() -> None:
    with pytest.raises(Unreadable, match="switch the encryption"):
        phones().read(asked(EVENT | {"data": EVENT["data"] | {"encrypted": True}}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        {"type": 1, "data": {}},
        EVENT | {"data": 1},
        EVENT | {"data": {"owner": NUMBER}},
        EVENT | {"data": {"content": "x"}},
    ],
)
def test_what_makes_no_sense_is_refused(body: Any) -> None:
    with pytest.raises(Unreadable):
        phones().read(asked(body))


# Who may


def test_every_active_key_opens() -> None:
    for key in (KEY, "another-key-of-20-chars"):
        assert len(phones("another-key-of-20-chars", KEY).read(asked(bearer=token(key=key)))) == 1


def test_a_request_without_a_token_is_refused() -> None:
    assert refusal(asked(authorization="")) == "missing"
    assert refusal(asked(authorization="Basic eDp5")) == "missing"
    assert refusal(asked(bearer=" ")) == "missing"


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "HS512"}, {"typ": "JWT"}, ["HS256"]])
def test_no_other_algorithm_is_accepted(header: Any) -> None:
    assert refusal(asked(bearer=token(header=header))) == "wrong"


def test_a_token_without_a_signature_is_refused() -> None:
    unsigned = packed({"alg": "none"}) + "." + packed(CLAIMS)
    assert refusal(asked(bearer=unsigned + ".")) == "wrong"
    assert refusal(asked(bearer=unsigned)) == "wrong"


def test_a_token_of_another_key_is_refused() -> None:
    assert refusal(asked(bearer=token(key="some-other-key-entirely"))) == "wrong"


def test_a_token_whose_claims_were_changed_is_refused() -> None:
    header, _, mac = token().split(".")
    assert refusal(asked(bearer=f"{header}.{packed(CLAIMS | {'exp': NOW + 9999})}.{mac}")) == "wrong"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 61},
        {"nbf": NOW + 61},
        {"iat": NOW + 61},
        {"iat": NOW - 301},
        {"exp": None},
        {"iat": None},
        {"iat": True},
        {"nbf": "soon"},
        {"exp": 10**400},
    ],
)
def test_a_token_of_another_time_is_refused(claims: dict[str, Any]) -> None:
    assert refusal(asked(bearer=token(CLAIMS | claims))) == "stale"


@pytest.mark.parametrize(
    "claims", [{"iat": NOW + 60, "nbf": NOW + 60}, {"iat": NOW - 300}, {"exp": NOW - 59}]
)
def test_clocks_may_differ_a_little(claims: dict[str, Any]) -> None:
    assert len(phones().read(asked(bearer=token(CLAIMS | claims)))) == 1


def test_without_a_key_there_is_no_way_in() -> None:
    with pytest.raises(NotConfigured, match="signing_key"):
        HttpSmsInlet(Configured("phones", HttpSmsSettings(), {}))


def test_the_answer_comes_before_httpsms_gives_up() -> None:
    assert phones().answers_within_s < 5
    assert [phones().answer(one).status for one in (Outcome.KEPT, Outcome.AWAY)] == [204, 503]


def test_check_wants_a_key_and_an_address() -> None:
    assert KIND.check is not None
    bare = Configured("phones", HttpSmsSettings(), {"signing_key": ("short",)})
    assert [one.ok for one in KIND.check(bare, None)] == [False, False]  # type: ignore[arg-type]  # it calls nothing
    whole = Configured("phones", HttpSmsSettings(), {"signing_key": (KEY,)}, "https://sms.example/in/phones")
    assert [one.ok for one in KIND.check(whole, None)] == [True, True]  # type: ignore[arg-type]  # it calls nothing


# The whole way


def test_a_message_reaches_the_customer_once(gateway: Gateway) -> None:
    gateway.supplier("phones", "httpsms", {}, {"signing_key": ["an-older-key-of-httpsms", KEY]})
    gateway.own(NUMBER, "phones")
    order = gateway.order(NUMBER)
    now = int(gateway.clock.now().timestamp())
    body = json.dumps(EVENT | {"data": EVENT["data"] | {"content": "Telegram code 54321"}})
    for made_at in (now, now - 1):
        bearer = token(CLAIMS | {"iat": made_at})
        assert gateway.post("/in/phones", body, {"authorization": f"Bearer {bearer}"}).status_code == 204
    assert [one["text"] for one in gateway.await_shown(order)] == ["Telegram code 54321"]
    assert gateway.post("/in/phones", body).status_code == 401
    assert gateway.post("/in/phones", body, {"authorization": "Bearer x.y.z"}).status_code == 403


# Anything at all

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)


@given(
    st.sampled_from(["message.phone.received", "phone.heartbeat.offline", "x"]),
    st.dictionaries(st.sampled_from(["owner", "content", "contact", "message_id"]), _JSON),
)
def test_whatever_the_server_says_is_understood_or_unreadable(kind: str, data: Any) -> None:
    try:
        found = read_body(json.dumps({"type": kind, "data": data}).encode())
    except Unreadable:
        return
    assert all(isinstance(one, Arrival | Heartbeat) for one in found)


@given(_JSON, _JSON)
def test_whatever_a_signed_token_claims_is_refused_or_right(header: Any, claims: Any) -> None:
    assert refusal(asked(bearer=token(claims if claims is not None else 1, header=header))) in (
        "wrong",
        "stale",
    )


@given(st.text(max_size=200))
def test_whatever_stands_where_the_token_should_be_is_refused(bearer: str) -> None:
    assert refusal(asked(bearer=bearer)) in ("missing", "wrong")
