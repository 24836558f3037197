"""Plivo's inlet, and its rule against Plivo's SDK."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.suppliers.base import Arrival, NotAuthentic, NotConfigured, Request, Unreadable
from onceline.suppliers.plivo.inlet import KIND
from tests.suppliers.oracles.asking import ask
from tests.suppliers.oracles.requesting import (
    HOST,
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

AUTH = "YmFzZTY0IGF1dGggdG9rZW4gb2YgcGxpdm8"
MAIN = "bWFpbiBhY2NvdW50cyBhdXRoIHRva2Vu"
PATH = "9f86d081884c7d659a2feaa0c55ad015"
NEXT_PATH = "a3bf4f1b2b0b822cd15d6c15b0f00a08"
NONCE = "12345678901234567890"
SMS = {
    "From": "15005550006",
    "To": "447700900123",
    "Text": "Your code is 482913 & more",
    "Type": "sms",
    "MessageUUID": "ef0bb05e-5fc0-11e5-8c0f-842b2b1a9bcd",
    "Units": "1",
    "TotalRate": "0",
}
SECRETS = {"auth_token": (AUTH,), "path_token": (PATH,)}
INLET = inlet_of(KIND, SECRETS)


def signature(url: str, nonce: str = NONCE, token: str = AUTH) -> str:
    return base64.b64encode(hmac.new(token.encode(), (url + nonce).encode(), "sha256").digest()).decode()


def headers(path: str = PATH, *, token: str = AUTH, name: str = "x-plivo-signature-v2") -> dict[str, str]:
    return {name: signature(f"{URL}/{path}", token=token), "x-plivo-signature-v2-nonce": NONCE}


def sms(changes: Mapping[str, str] | None = None, path: str = PATH) -> Request:
    return request({**SMS, **(changes or {})}, headers(path), rest=path)


def test_a_signed_form_is_a_message() -> None:
    assert only_arrival(INLET, sms()) == Arrival(
        SMS["MessageUUID"], "447700900123", "15005550006", "Your code is 482913 & more"
    )


def test_a_signed_query_is_a_message_and_the_signature_leaves_it_out() -> None:
    asked = request(method="GET", rest=PATH, query=request(SMS).body.decode(), headers=headers())
    assert only_arrival(INLET, asked).text == SMS["Text"]


def test_the_main_accounts_signature_counts_too() -> None:
    main = headers(token=MAIN, name="x-plivo-signature-ma-v2")
    both = {**headers(token="sub"), **main}
    inlet = inlet_of(KIND, SECRETS | {"auth_token": (MAIN,)})
    assert [verdict(inlet, request(SMS, given, rest=PATH)) for given in (main, both)] == ["accepted"] * 2
    assert verdict(INLET, request(SMS, both, rest=PATH)) == "wrong"


def test_every_active_secret_counts() -> None:
    inlet = inlet_of(KIND, {"auth_token": (AUTH, MAIN), "path_token": (NEXT_PATH, PATH)})
    said = [
        verdict(inlet, request(SMS, headers(path, token=token), rest=path))
        for path in (PATH, NEXT_PATH)
        for token in (AUTH, MAIN)
    ]
    assert said == ["accepted"] * 4


@pytest.mark.parametrize("rest", ["", "x", PATH[:-1], f"{PATH}/", f"{PATH}/more", PATH.upper(), "ключ"])
def test_without_the_token_of_the_address_even_a_right_signature_is_refused(rest: str) -> None:
    url = f"{URL}/{rest}" if rest else URL
    signed = {"x-plivo-signature-v2": signature(url), "x-plivo-signature-v2-nonce": NONCE}
    assert verdict(INLET, request(SMS, signed, rest=rest)) == "token"


@pytest.mark.parametrize("name", ["x-plivo-signature-v2", "x-plivo-signature-v2-nonce"])
def test_a_request_without_a_header_is_refused(name: str) -> None:
    given = {one: value for one, value in headers().items() if one != name}
    assert verdict(INLET, request(SMS, given, rest=PATH)) == "missing"


@pytest.mark.parametrize(
    "changes",
    [
        {"x-plivo-signature-v2": "x"},
        {"x-plivo-signature-v2": "ключ"},
        {"x-plivo-signature-v2-nonce": "0"},
        {"x-plivo-signature-v2": signature(f"{URL}/{PATH}", token="another")},
        {"x-plivo-signature-v2": f"{signature(f'{URL}/{PATH}')}, {signature(f'{URL}/{PATH}')}"},
    ],
)
def test_a_wrong_signature_is_refused(changes: dict[str, str]) -> None:
    assert verdict(INLET, request(SMS, {**headers(), **changes}, rest=PATH)) == "wrong"


def test_another_host_is_refused() -> None:
    assert verdict(INLET, request(SMS, headers(), rest=PATH, host="https://evil.example")) == "wrong"


def test_a_report_about_a_sent_message_is_no_message() -> None:
    report = {"MessageUUID": "u", "Status": "delivered", "To": "1", "From": "2"}
    assert INLET.read(request(report, headers(), rest=PATH)) == []


def test_a_field_that_came_twice_makes_no_sense() -> None:
    asked = request([*SMS.items(), ("Text", "Your code is 000000")], headers(), rest=PATH)
    with pytest.raises(Unreadable, match=r"^Text came more than once$"):
        INLET.read(asked)


@pytest.mark.parametrize("name", ["MessageUUID", "To"])
@pytest.mark.parametrize("value", ["", "x" * 129, "a\x00"])
def test_a_name_that_is_none_makes_no_sense(name: str, value: str) -> None:
    with pytest.raises(Unreadable, match=name):
        INLET.read(sms({name: value}))


def test_more_than_200_fields_make_no_sense() -> None:
    assert verdict(INLET, sms({f"f{number}": "" for number in range(200)})) == "unreadable"


def test_without_a_public_address_or_a_secret_it_says_what_to_set() -> None:
    assert KIND.inlet is not None
    with pytest.raises(NotConfigured, match="set ONCELINE_PUBLIC_URL to where"):
        KIND.inlet(configured(KIND, SECRETS, url=None))
    for name in SECRETS:
        left = {one: values for one, values in SECRETS.items() if one != name}
        with pytest.raises(NotConfigured, match=name):
            KIND.inlet(configured(KIND, left))


@pytest.mark.parametrize("token", ["short", "x" * 21, "a/b" * 10, "x" * 129])
def test_a_token_that_can_be_guessed_or_does_not_fit_an_address_is_refused(token: str) -> None:
    supplier = configured(KIND, SECRETS | {"path_token": (PATH, token)})
    assert KIND.inlet is not None
    with pytest.raises(NotConfigured, match="nobody can guess"):
        KIND.inlet(supplier)
    assert "1 of 2 cannot be right" in findings(KIND, supplier)["path_token"]


def test_a_check_of_a_good_one_finds_nothing() -> None:
    assert findings(KIND, configured(KIND, SECRETS)) == {
        "public address": "",
        "auth_token": "",
        "path_token": "",
    }


def test_a_database_that_is_away_is_never_a_refusal() -> None:
    assert (statuses(INLET)["KEPT"], statuses(INLET)["AWAY"]) == (200, 503)


@given(
    hostile(
        {"x-plivo-signature-v2": st.text(max_size=50), "x-plivo-signature-v2-nonce": st.text(max_size=20)}
    ),
    st.booleans(),
)
def test_nothing_unsigned_comes_in_and_nothing_breaks(asked: Request, knows_token: bool) -> None:
    rest = PATH if knows_token else asked.rest
    with pytest.raises((NotAuthentic, Unreadable)):
        INLET.read(
            Request(asked.method, rest, asked.query, asked.headers, asked.body, asked.url, asked.received_at)
        )


@given(st.binary(max_size=200))
def test_whatever_is_in_a_signed_body_is_read_or_said_to_make_no_sense(body: bytes) -> None:
    assert verdict(INLET, request(body, headers(), rest=PATH)) in ("accepted", "unreadable")


def test_we_and_the_sdk_say_the_same_of_every_case() -> None:
    given, address = headers(), f"{URL}/{PATH}"
    port, signed_port = f"{HOST}:8443", signature(f"{HOST}:8443/in/supply/{PATH}")
    cases = {
        "good": (request(SMS, given, rest=PATH), True),
        "a query kept": (request(SMS, given, rest=PATH, query="a=1&b=%C3%BC"), True),
        "the query signed": (
            request(
                SMS, {**given, "x-plivo-signature-v2": signature(f"{address}?a=1")}, rest=PATH, query="a=1"
            ),
            False,
        ),
        "another nonce": (request(SMS, {**given, "x-plivo-signature-v2-nonce": "1"}, rest=PATH), False),
        "no nonce": (request(SMS, {**given, "x-plivo-signature-v2-nonce": ""}, rest=PATH), False),
        "no signature": (request(SMS, {**given, "x-plivo-signature-v2": ""}, rest=PATH), False),
        "one octet changed": (
            request(
                SMS, {**given, "x-plivo-signature-v2": "A" + given["x-plivo-signature-v2"][1:]}, rest=PATH
            ),
            given["x-plivo-signature-v2"].startswith("A"),
        ),
        "another secret": (request(SMS, headers(token=MAIN), rest=PATH), False),
        "another host": (request(SMS, given, rest=PATH, host="https://other.example"), False),
        "http for https": (request(SMS, given, rest=PATH, host=HOST.replace("https", "http")), False),
        "a port": (request(SMS, {**given, "x-plivo-signature-v2": signed_port}, rest=PATH, host=port), True),
        "a port that was not signed": (request(SMS, given, rest=PATH, host=f"{HOST}:443"), False),
        "parameters in another order": (request(dict(reversed(SMS.items())), given, rest=PATH), True),
    }
    theirs = ask(
        "plivo",
        [
            {
                "url": asked.url,
                "nonce": asked.headers["x-plivo-signature-v2-nonce"],
                "signature": asked.headers["x-plivo-signature-v2"],
                "secret": AUTH,
            }
            for asked, _ in cases.values()
        ],
    )
    wanted = {name: right for name, (_, right) in cases.items()}
    assert dict(zip(cases, theirs, strict=True)) == wanted
    assert {name: verdict(INLET, asked) == "accepted" for name, (asked, _) in cases.items()} == wanted


def test_the_sdk_takes_any_body_under_one_signature_and_so_the_address_holds_a_token() -> None:
    changed = sms({"Text": "Your code is 000000"})
    case = {
        "url": changed.url,
        "nonce": NONCE,
        "signature": headers()["x-plivo-signature-v2"],
        "secret": AUTH,
    }
    assert ask("plivo", [case]) == [True]
    assert verdict(INLET, changed) == "accepted"
    open_address = request(SMS, {"x-plivo-signature-v2": signature(URL), "x-plivo-signature-v2-nonce": NONCE})
    case = {"url": URL, "nonce": NONCE, "signature": signature(URL), "secret": AUTH}
    assert (ask("plivo", [case]), verdict(INLET, open_address)) == ([True], "token")


def test_the_sdk_falls_over_letters_beyond_ascii_and_we_do_not() -> None:
    asked = request(SMS, headers(), rest=PATH, query="a=ü")
    case = {"url": asked.url, "nonce": NONCE, "signature": "", "secret": AUTH}
    assert verdict(INLET, asked) == "accepted"
    with pytest.raises(AssertionError, match="UnicodeDecodeError"):
        ask("plivo", [case])
