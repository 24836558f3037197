"""Twilio's inlet: what its requests say, and which are refused for what."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from hashlib import sha1, sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.suppliers.base import Arrival, NotAuthentic, NotConfigured, Request, Unreadable
from onceline.suppliers.twilio.inlet import KIND
from tests.suppliers.oracles.requesting import (
    URL,
    configured,
    findings,
    hostile,
    inlet_of,
    only_arrival,
    request,
    statuses,
    verdict,
)

TOKEN = "0123456789abcdef0123456789abcdef"
OLD_TOKEN = "f" * 32
ACCOUNT = "AC" + "a" * 32
SMS = {
    "MessageSid": "SM0123456789abcdef",
    "AccountSid": ACCOUNT,
    "From": "+15005550006",
    "To": "+447700900123",
    "Body": "Your code is 482913 & more",
    "NumSegments": "1",
    "NumMedia": "0",
    "SmsStatus": "received",
    "FromCity": "",
}
INLET = inlet_of(KIND, {"auth_token": (TOKEN,)})


def signature(url: str, fields: Mapping[str, str], token: str = TOKEN, digest: str = "sha1") -> str:
    text = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), digest).digest()).decode()


def sms(fields: Mapping[str, str] = SMS, *, token: str = TOKEN, query: str = "") -> Request:
    url = f"{URL}?{query}" if query else URL
    return request(fields, {"x-twilio-signature": signature(url, fields, token)}, query=query)


def json_sms(body: bytes, hashed: bytes | None = None) -> Request:
    query = f"bodySHA256={sha256(body if hashed is None else hashed).hexdigest()}"
    headers = {
        "content-type": "application/json; charset=utf-8",
        "x-twilio-signature": signature(f"{URL}?{query}", {}),
    }
    return request(body, headers, query=query)


def test_a_signed_form_is_a_message() -> None:
    assert only_arrival(INLET, sms()) == Arrival(
        "SM0123456789abcdef", "+447700900123", "+15005550006", "Your code is 482913 & more"
    )


def test_a_signed_query_is_a_message() -> None:
    query = request(SMS).body.decode()
    asked = request(
        method="GET", query=query, headers={"x-twilio-signature": signature(f"{URL}?{query}", {})}
    )
    assert only_arrival(INLET, asked).text == SMS["Body"]


def test_a_json_body_is_known_by_its_hash_in_the_signed_query() -> None:
    body = json.dumps(SMS).encode()
    assert only_arrival(INLET, json_sms(body)).message_id == SMS["MessageSid"]
    assert verdict(INLET, json_sms(body.replace(b"482913", b"482914"), hashed=body)) == "wrong"


def test_a_json_body_that_nothing_signs_is_refused() -> None:
    headers = {"content-type": "application/json", "x-twilio-signature": signature(URL, {})}
    assert verdict(INLET, request(json.dumps(SMS), headers)) == "missing"


def test_a_query_that_the_operator_put_into_the_address_is_signed_with_it() -> None:
    assert only_arrival(INLET, sms(query="a=1&b=%20x")).text == SMS["Body"]
    moved = sms(query="a=1")
    again = request(moved.body, moved.headers, query="a=2")
    assert verdict(INLET, again) == "wrong"


def test_every_active_token_counts() -> None:
    inlet = inlet_of(KIND, {"auth_token": (TOKEN, OLD_TOKEN)})
    assert [verdict(inlet, sms(token=token)) for token in (TOKEN, OLD_TOKEN, "x" * 32)] == [
        "accepted",
        "accepted",
        "wrong",
    ]


def test_a_shared_key_signs_by_the_function_that_the_request_names() -> None:
    signed = {"x-twilio-signature": signature(URL, SMS, digest="sha256")}
    settings = "x-twilio-webhooks-signature-settings"
    named = {settings: "key=webhooks_sharedkey_1, algorithm=HMAC_SHA256"}
    assert verdict(INLET, request(SMS, signed | named)) == "accepted"
    assert verdict(INLET, request(SMS, signed)) == "wrong"
    assert verdict(INLET, request(SMS, signed | {settings: "algorithm=NONE"})) == "wrong"


def test_a_function_that_nobody_knows_is_refused_without_a_word_of_it_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    named = {"x-twilio-webhooks-signature-settings": "algorithm=CODE_482913"}
    assert verdict(INLET, request(SMS, {"x-twilio-signature": signature(URL, SMS), **named})) == "wrong"
    assert caplog.text == ""


def test_an_address_that_cannot_be_written_is_refused() -> None:
    asked = request(SMS, {"x-twilio-signature": signature(URL, SMS)}, query="\udcff")
    assert verdict(INLET, asked) == "wrong"
    asked = request(SMS, {"x-twilio-signature": signature(URL, SMS)}, host="https://[::1")
    assert verdict(INLET, asked) == "wrong"


def test_the_text_of_a_message_with_pictures_is_not_lost() -> None:
    fields = SMS | {"NumMedia": "1", "MediaUrl0": "https://api.example/1", "MediaContentType0": "image/png"}
    assert only_arrival(INLET, sms(fields)).text == SMS["Body"]
    without_text = {name: value for name, value in fields.items() if name != "Body"}
    assert only_arrival(INLET, sms(without_text)).text == ""


def test_another_accounts_message_is_refused_when_the_account_is_set() -> None:
    inlet = inlet_of(KIND, {"auth_token": (TOKEN,)}, account_sid=ACCOUNT)
    strangers = [{"AccountSid": "AC" + "b" * 32}, {"AccountSid": ""}]
    assert verdict(inlet, sms()) == "accepted"
    assert [verdict(inlet, sms(SMS | one)) for one in strangers] == ["wrong", "wrong"]


def test_a_report_about_a_sent_message_is_no_message() -> None:
    assert INLET.read(sms(SMS | {"SmsStatus": "delivered"})) == []
    assert INLET.read(sms({"MessageSid": "SM1", "MessageStatus": "sent"})) == []


@pytest.mark.parametrize("headers", [{}, {"x-twilio-signature": ""}])
def test_a_request_without_a_signature_is_refused(headers: Mapping[str, str]) -> None:
    assert verdict(INLET, request(SMS, headers)) == "missing"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-twilio-signature": "x"},
        {"x-twilio-signature": signature(URL, SMS) + ", " + signature(URL, SMS)},
        {"x-twilio-signature": signature(URL, SMS, "other")},
        {"x-twilio-signature": "ключ"},
    ],
)
def test_a_wrong_signature_is_refused(headers: Mapping[str, str]) -> None:
    assert verdict(INLET, request(SMS, headers)) == "wrong"


def test_one_changed_octet_is_refused() -> None:
    good = sms()
    changed = good.body.replace(b"482913", b"482914")
    assert verdict(INLET, request(changed, good.headers)) == "wrong"
    assert verdict(INLET, request(good.body + b"&Extra=", good.headers)) == "wrong"


def test_another_address_is_refused() -> None:
    good = sms()
    assert verdict(INLET, request(good.body, good.headers, host="https://evil.example")) == "wrong"
    assert verdict(INLET, request(good.body, good.headers, rest="more")) == "wrong"


def test_a_field_that_came_twice_is_covered_and_refused_by_name() -> None:
    twice = [*SMS.items(), ("Body", "Your code is 000000")]
    text = URL + "".join(name + value for name, value in sorted(twice))
    header = base64.b64encode(hmac.new(TOKEN.encode(), text.encode(), sha1).digest()).decode()
    with pytest.raises(Unreadable, match=r"^Body came more than once$"):
        INLET.read(request(twice, {"x-twilio-signature": header}))
    assert verdict(INLET, request(twice, {"x-twilio-signature": signature(URL, SMS)})) == "wrong"


@pytest.mark.parametrize("name", ["MessageSid", "To"])
@pytest.mark.parametrize("value", ["", "x" * 129, "a\x00b", "a\nb"])
def test_a_name_that_is_none_makes_no_sense(name: str, value: str) -> None:
    with pytest.raises(Unreadable, match=name):
        INLET.read(sms(SMS | {name: value}))


def test_escapes_that_are_no_utf8_break_nothing() -> None:
    body = b"MessageSid=SM1&To=%2B447700900123&Body=%ff%FE%zz%&&=&"
    fields = {"MessageSid": "SM1", "To": "+447700900123", "Body": "\ufffd\ufffd%zz%", "": ""}
    assert only_arrival(INLET, request(body, {"x-twilio-signature": signature(URL, fields)})).text == (
        "\ufffd\ufffd%zz%"
    )


def test_more_than_200_fields_make_no_sense() -> None:
    many = {f"f{number}": "" for number in range(200 - len(SMS))}
    assert verdict(INLET, sms(SMS | many)) == "accepted"
    assert verdict(INLET, sms(SMS | many | {"one": "more"})) == "unreadable"


def test_without_a_public_address_it_says_what_to_set() -> None:
    assert KIND.inlet is not None
    with pytest.raises(NotConfigured, match="set ONCELINE_PUBLIC_URL to where"):
        KIND.inlet(configured(KIND, {"auth_token": (TOKEN,)}, url=None))
    with pytest.raises(NotConfigured, match="auth_token"):
        KIND.inlet(configured(KIND, {}))


def test_a_database_that_is_away_is_never_a_refusal() -> None:
    assert statuses(INLET) == {
        "KEPT": 204,
        "UNREADABLE": 400,
        "UNSIGNED": 401,
        "NOT_AUTHENTIC": 403,
        "AWAY": 503,
    }


def test_a_check_says_what_would_be_right() -> None:
    good = configured(KIND, {"auth_token": (TOKEN,)}, account_sid=ACCOUNT)
    bad = configured(KIND, {"auth_token": ("short",)}, url="http://10.0.0.1/in/s", account_sid="SK1")
    none = configured(KIND, {}, url=None)
    assert findings(KIND, good) == {"public address": "", "auth_token": "", "account_sid": ""}
    assert [
        part in one for part, one in zip(("https", "32", "AC"), findings(KIND, bad).values(), strict=True)
    ] == [True] * 3
    assert list(map(bool, findings(KIND, none).values())) == [True, True, False]


@given(
    hostile(
        {
            "x-twilio-signature": st.text(max_size=40),
            "x-twilio-webhooks-signature-settings": st.sampled_from(
                ["algorithm=HMAC_SHA256", "algorithm=ſ", "="]
            ),
        }
    )
)
def test_nothing_unsigned_comes_in_and_nothing_breaks(asked: Request) -> None:
    with pytest.raises((NotAuthentic, Unreadable)):
        INLET.read(asked)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=8), st.text(max_size=50))
def test_whatever_a_stranger_writes_is_read_as_written(extra: dict[str, str], text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    fields = {
        name.encode("utf-8", "replace").decode(): value.encode("utf-8", "replace").decode()
        for name, value in extra.items()
    }
    assert only_arrival(INLET, sms(fields | SMS | {"Body": text})).text == text
