"""The inlet of Vonage's SMS API: every shape of a message, every function that signs, and what is refused for what."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.core.inbox.model import Encoded, Part
from onceline.suppliers.base import Arrival, NotAuthentic, NotConfigured, Request, Unreadable
from onceline.suppliers.vonage.header import part_of
from onceline.suppliers.vonage.sms import KIND
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
METHODS = ("md5-hash", "hmac-md5", "hmac-sha1", "hmac-sha256", "hmac-sha512")
SMS = {
    "msisdn": "447700900001",
    "to": "447700900123",
    "messageId": "0B0000004B65F62F",
    "text": "Your code is 482913 & x=1",
    "type": "text",
    "keyword": "YOUR",
    "api-key": "abcd1234",
    "message-timestamp": "2026-03-01 12:00:00",
    "timestamp": str(NOW_S),
    "nonce": "5f1c0f3e-1b5b",
}
INLET = inlet_of(KIND, {"signature_secret": (SECRET,)}, signature="hmac-sha256")


def signature(parameters: Mapping[str, Any], method: str = "hmac-sha256", secret: str = SECRET) -> str:
    """As its documentation describes it."""
    text = "".join(
        f"&{name}={str(parameters[name]).replace('&', '_').replace('=', '_')}" for name in sorted(parameters)
    )
    if method == "md5-hash":
        return hashlib.md5((text + secret).encode()).hexdigest()
    return hmac.new(secret.encode(), text.encode(), method.removeprefix("hmac-")).hexdigest()


def signed(
    changes: Mapping[str, Any] | None = None, method: str = "hmac-sha256", secret: str = SECRET
) -> dict[str, Any]:
    parameters = {**SMS, **(changes or {})}
    return {**parameters, "sig": signature(parameters, method, secret)}


def sms(changes: Mapping[str, str] | None = None) -> Request:
    return request(signed(changes))


def posted_json(parameters: Mapping[str, Any]) -> Request:
    return request(json.dumps(parameters), {"content-type": "application/json"})


def part(index: int, total: int = 2, **more: str) -> Request:
    concat = {"concat": "true", "concat-ref": "14", "concat-total": str(total), "concat-part": str(index)}
    return sms({**concat, "text": f"part {index}", **more})


MESSAGE = Arrival("0B0000004B65F62F", "447700900123", "447700900001", "Your code is 482913 & x=1")


def test_a_form_a_query_and_json_say_the_same() -> None:
    shapes = [
        sms(),
        request(method="GET", query=urlencode(signed())),
        posted_json(signed()),
    ]
    assert [only_arrival(INLET, asked) for asked in shapes] == [MESSAGE] * 3


def test_numbers_and_truths_in_json_are_signed_as_they_are_written() -> None:
    changed = signed({"timestamp": NOW_S, "price": 0.01, "big": 10**30})
    assert verdict(INLET, posted_json(changed)) == "accepted"
    truth = signed({"flag": "true"})
    assert verdict(INLET, posted_json({**truth, "flag": True})) == "accepted"


@pytest.mark.parametrize("value", [None, [], {}, ["x"]])
def test_a_json_parameter_that_is_no_text_makes_no_sense(value: Any) -> None:
    assert verdict(INLET, posted_json({**signed(), "text": value})) == "unreadable"


@pytest.mark.parametrize("method", METHODS)
def test_each_function_that_an_account_may_choose_is_understood_and_no_other(method: str) -> None:
    inlet = inlet_of(KIND, {"signature_secret": (SECRET,)}, signature=method)
    said = {one: verdict(inlet, request(signed(method=one))) for one in METHODS}
    assert said == {one: "accepted" if one == method else "wrong" for one in METHODS}


def test_the_signature_may_be_in_capitals() -> None:
    parameters = signed()
    assert verdict(INLET, request({**parameters, "sig": parameters["sig"].upper()})) == "accepted"


def test_every_active_secret_counts() -> None:
    inlet = inlet_of(KIND, {"signature_secret": (SECRET, OLD_SECRET)}, signature="hmac-sha256")
    said = [verdict(inlet, request(signed(secret=secret))) for secret in (SECRET, OLD_SECRET, "another")]
    assert said == ["accepted", "accepted", "wrong"]


def test_unicode_is_read_as_it_is() -> None:
    assert only_arrival(INLET, sms({"type": "unicode", "text": "Код 482913 😀"})).text == "Код 482913 😀"


def test_the_parts_of_a_long_message_know_each_other() -> None:
    arrivals = [only_arrival(INLET, part(index)) for index in (2, 1)]
    assert [(one.message_id, one.text, one.part) for one in arrivals] == [
        ("0B0000004B65F62F-2", "part 2", Part(14, 2, 2)),
        ("0B0000004B65F62F-1", "part 1", Part(14, 1, 2)),
    ]


def test_a_whole_in_one_part_is_whole() -> None:
    assert only_arrival(INLET, part(1, 1)).part is None


@pytest.mark.parametrize(
    "concat",
    [
        {"concat-part": "0"},
        {"concat-part": "3"},
        {"concat-part": ""},
        {"concat-part": "x"},
        {"concat-total": "256"},
        {"concat-total": "-1"},
        {"concat-ref": "999999"},
        {"concat-ref": "１"},
    ],
)
def test_a_part_that_cannot_be_one_makes_no_sense(concat: dict[str, str]) -> None:
    assert verdict(INLET, part(1, **concat)) == "unreadable"


def test_binary_octets_are_left_as_they_came() -> None:
    asked = sms({"type": "binary", "data": "0102FFfe", "udh": "06050415811581"})
    found = only_arrival(INLET, asked)
    assert (found.text, found.part) == (Encoded(b"\x01\x02\xff\xfe", "octets"), None)


def test_the_parts_of_a_binary_message_are_known_by_their_header() -> None:
    asked = sms({"type": "binary", "data": "00", "udh": "0500030E0201"})
    assert only_arrival(INLET, asked).part == Part(14, 1, 2)
    asked = sms({"type": "binary", "data": "00", "udh": "06080400010202"})
    assert only_arrival(INLET, asked).part == Part(0x10001, 2, 2)


@pytest.mark.parametrize("changes", [{"data": "0"}, {"data": "zz"}, {"udh": "é"}])
def test_binary_that_is_not_hexadecimal_makes_no_sense(changes: dict[str, str]) -> None:
    assert verdict(INLET, sms({"type": "binary", **changes})) == "unreadable"


@given(st.binary(max_size=20))
def test_any_header_names_a_part_that_can_be_one_or_none(header: bytes) -> None:
    found = part_of(header)
    assert found is None or 0 < found.index <= found.total <= 255


@pytest.mark.parametrize(
    "header", ["", "00", "05", "05000314", "0500030E0200", "0500030E0203", "0500030E0101", "02000301"]
)
def test_a_header_that_is_cut_or_odd_names_no_part(header: str) -> None:
    assert part_of(bytes.fromhex(header)) is None


def test_a_delivery_receipt_is_no_message() -> None:
    receipt = {"msisdn": "1", "to": "2", "messageId": "m", "status": "delivered", "timestamp": str(NOW_S)}
    assert INLET.read(request({**receipt, "sig": signature(receipt)})) == []


@pytest.mark.parametrize(
    ("seconds", "said"), [(-301, "stale"), (-300, "accepted"), (300, "accepted"), (301, "stale")]
)
def test_a_time_stamp_holds_for_five_minutes(seconds: int, said: str) -> None:
    assert verdict(INLET, sms({"timestamp": str(NOW_S + seconds)})) == said


def test_an_operator_may_allow_older_time_stamps_within_bounds() -> None:
    inlet = inlet_of(KIND, {"signature_secret": (SECRET,)}, signature="hmac-sha256", fresh_for_s=86_400)
    assert verdict(inlet, sms({"timestamp": str(NOW_S - 80_000)})) == "accepted"
    with pytest.raises(ValueError, match="172800"):
        inlet_of(KIND, {}, fresh_for_s=200_000)


@pytest.mark.parametrize("at", ["", "x", "-1", "9" * 13, "2026-03-01 12:00:00"])
def test_a_time_stamp_is_digits(at: str) -> None:
    assert verdict(INLET, sms({"timestamp": at})) == "wrong"


def test_a_signed_message_without_a_time_stamp_is_refused() -> None:
    parameters = {name: value for name, value in SMS.items() if name != "timestamp"}
    assert verdict(INLET, request({**parameters, "sig": signature(parameters)})) == "missing"


@pytest.mark.parametrize("sig", [{}, {"sig": ""}])
def test_a_message_without_a_signature_is_refused(sig: dict[str, str]) -> None:
    assert verdict(INLET, request({**SMS, **sig})) == "missing"


@pytest.mark.parametrize(
    "changes", [{"text": "Your code is 482914"}, {"more": ""}, {"sig": "ключ"}, {"sig": "0" * 64}]
)
def test_a_changed_message_is_refused(changes: dict[str, str]) -> None:
    assert verdict(INLET, request({**signed(), **changes})) == "wrong"


def test_no_text_can_pretend_to_be_a_parameter() -> None:
    """`text=a&to=…` and a text "a&to=…" are not the same thing to sign."""
    parameters = {"text": "a&to=447700900999", "timestamp": str(NOW_S)}
    flat = {"text": "a", "to": "447700900999", "timestamp": str(NOW_S)}
    assert signature(parameters) != signature(flat)
    assert verdict(INLET, request({**flat, "sig": signature(parameters)})) == "wrong"


def test_a_parameter_that_came_twice_makes_no_sense() -> None:
    asked = request([*signed().items(), ("text", "Your code is 000000")])
    with pytest.raises(Unreadable, match=r"^text came more than once$"):
        INLET.read(asked)


@pytest.mark.parametrize("name", ["messageId", "to"])
@pytest.mark.parametrize("value", ["", "x" * 129, "a\x00"])
def test_a_name_that_is_none_makes_no_sense(name: str, value: str) -> None:
    with pytest.raises(Unreadable, match=name):
        INLET.read(sms({name: value}))


def test_more_than_200_parameters_make_no_sense() -> None:
    many = {f"f{number}": "1" for number in range(200)}
    assert verdict(INLET, sms(many)) == "unreadable"
    assert verdict(INLET, posted_json(signed(many))) == "unreadable"


def test_without_a_secret_it_says_which() -> None:
    assert KIND.inlet is not None
    with pytest.raises(NotConfigured, match="signature_secret"):
        KIND.inlet(configured(KIND, {}))


def test_a_check_says_what_would_be_right() -> None:
    good = configured(KIND, {"signature_secret": (SECRET,)})
    assert findings(KIND, good) == {"public address": "", "signature_secret": ""}
    bad = configured(KIND, {"signature_secret": ("a b",)}, url=None)
    assert "without a space" in findings(KIND, bad)["signature_secret"]


def test_a_database_that_is_away_is_never_a_refusal() -> None:
    assert (statuses(INLET)["KEPT"], statuses(INLET)["AWAY"]) == (204, 503)


@given(hostile({}), st.text(max_size=70))
def test_nothing_unsigned_comes_in_and_nothing_breaks(asked: Request, sig: str) -> None:
    with pytest.raises((NotAuthentic, Unreadable)):
        INLET.read(asked)
    form = asked.body + urlencode({"sig": sig, "timestamp": NOW_S}, errors="replace").encode()
    with pytest.raises((NotAuthentic, Unreadable)):
        INLET.read(request(form, asked.headers, method=asked.method, query=form.decode("latin-1")))


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    st.dictionaries(
        st.one_of(st.sampled_from([*SMS, "concat", "concat-part", "data", "udh"]), _TEXT), _TEXT, max_size=8
    )
)
def test_whatever_is_signed_is_read_or_said_to_make_no_sense(changes: dict[str, str]) -> None:
    changes = {name: value for name, value in changes.items() if name not in ("timestamp", "sig")}
    assert verdict(INLET, sms(changes)) in ("accepted", "unreadable")
