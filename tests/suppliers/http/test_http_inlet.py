"""Signed JSON: whose it is, and what it says."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onceline.core.inbox.model import Part
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
from onceline.suppliers.http import KIND
from onceline.suppliers.http.inlet import HttpSettings, SignedInlet

KEY = "a-signing-key-of-thirty-characters"
NEW_KEY = "the-key-that-takes-over-from-it"
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
BODY = b'{"id":"a1","to":"+447700900123","from":"Telegram","text":"Your code is 482913"}'
BY_OPENSSL = "eb5632f497e056fdf1e7b556cfb9c35901f5e4179121434fab426fba394b1ce0"
"""`printf '1795262400.%s' "$BODY" | openssl dgst -sha256 -hmac "$KEY"`"""
MESSAGE = {"id": "a1", "to": "+447700900123", "from": "Telegram", "text": "Your code is 482913"}


def inlet(*keys: str) -> SignedInlet:
    return SignedInlet(Configured("rack-1", HttpSettings(), {"signing_key": keys or (KEY,)}))


def signature(body: bytes, key: str = KEY, at: datetime = AT) -> str:
    signed = f"{int(at.timestamp())}.".encode() + body
    return hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()


def request(body: bytes = BODY, *, at: datetime = AT, now: datetime = AT, **headers: str | None) -> Request:
    sent = {
        "x-onceline-timestamp": str(int(at.timestamp())),
        "x-onceline-signature": f"v1={signature(body, at=at)}",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    given = {name: value for name, value in sent.items() if value is not None}
    return Request("POST", "", "", given, body, None, now)


def read(found: Any) -> list[Arrival | Heartbeat]:
    return list(inlet().read(request(json.dumps(found).encode())))


def refusal(found: Any) -> str:
    with pytest.raises(Unreadable) as refused:
        read(found)
    return str(refused.value)


def reason(wanted: Request, *keys: str) -> str:
    with pytest.raises(NotAuthentic) as refused:
        inlet(*keys).read(wanted)
    return refused.value.reason


# Signatures.


def test_a_message_that_openssl_signed_is_taken() -> None:
    (arrival,) = inlet().read(request(x_onceline_signature=f"v1={BY_OPENSSL}"))
    assert arrival == Arrival("a1", "+447700900123", "Telegram", "Your code is 482913")


@pytest.mark.parametrize("header", ["x_onceline_signature", "x_onceline_timestamp"])
def test_a_request_without_signature_or_time_is_unsigned(header: str) -> None:
    assert reason(request(**{header: None})) == "missing"
    assert reason(request(**{header: ""})) == "missing"


def test_a_changed_byte_is_refused() -> None:
    genuine = request()
    changed = Request(
        "POST", "", "", genuine.headers, BODY.replace(b"482913", b"482914"), None, genuine.received_at
    )
    assert reason(changed) == "wrong"


def test_a_changed_time_is_refused() -> None:
    assert reason(request(x_onceline_timestamp=str(int(AT.timestamp()) + 1))) == "wrong"


@pytest.mark.parametrize(
    "timestamp", ["now", "-5", "1e9", "1" * 13, "１７９５２６２４００", "1795262400.0", " 1795262400"]
)
def test_a_time_that_is_no_number_of_seconds_is_refused(timestamp: str) -> None:
    assert reason(request(x_onceline_timestamp=timestamp)) == "wrong"


@pytest.mark.parametrize(
    "header", ["v1=", "v1", BY_OPENSSL, f"v2={BY_OPENSSL}", "v1=ü", ",, ,", "v1=" + "0" * 64]
)
def test_what_is_no_signature_of_ours_is_refused(header: str) -> None:
    assert reason(request(x_onceline_signature=header)) == "wrong"


def test_another_key_is_refused() -> None:
    assert reason(request(), NEW_KEY) == "wrong"


def test_both_keys_hold_while_one_takes_over_from_the_other() -> None:
    renewed = inlet(NEW_KEY, KEY)
    assert renewed.read(request())
    assert renewed.read(request(x_onceline_signature=f"v1={signature(BODY, NEW_KEY)}"))


@pytest.mark.parametrize("divider", [",", ", ", " "])
def test_one_of_several_signatures_has_to_hold(divider: str) -> None:
    header = divider.join((f"v1={signature(BODY, NEW_KEY)}", "v2=other", f"V1={signature(BODY).upper()}"))
    assert inlet().read(request(x_onceline_signature=header))


def test_only_so_many_signatures_are_looked_at() -> None:
    header = ",".join(["v1=00"] * 20 + [f"v1={signature(BODY)}"])
    assert reason(request(x_onceline_signature=header)) == "wrong"


@pytest.mark.parametrize("seconds", [-300, 300])
def test_clocks_may_be_five_minutes_apart(seconds: int) -> None:
    assert inlet().read(request(at=AT + timedelta(seconds=seconds)))


@pytest.mark.parametrize("seconds", [-301, 301, 86400])
def test_a_replay_after_five_minutes_is_stale_both_ways(seconds: int) -> None:
    assert reason(request(at=AT + timedelta(seconds=seconds))) == "stale"


def test_staleness_is_told_to_those_alone_who_know_the_key() -> None:
    old = request(at=AT - timedelta(days=1), x_onceline_signature="v1=" + "0" * 64)
    assert reason(old) == "wrong"


def test_nothing_is_parsed_before_the_signature_holds() -> None:
    assert reason(request(b"[" * 100_000, x_onceline_signature="v1=" + "0" * 64)) == "wrong"


def test_without_a_key_of_some_length_there_is_no_inlet() -> None:
    with pytest.raises(NotConfigured, match="no secret signing_key"):
        SignedInlet(Configured("rack-1", HttpSettings()))
    with pytest.raises(NotConfigured, match=r"signing_key .* fewer than 20 characters") as refused:
        inlet(KEY, "short-secret")
    assert "short-secret" not in str(refused.value)


def test_the_check_says_what_is_wrong_with_the_key() -> None:
    assert KIND.check is not None
    found = KIND.check(Configured("rack-1", HttpSettings(), {"signing_key": ("short",)}), None)  # type: ignore[arg-type]  # it calls nobody
    assert [(one.what, one.ok) for one in found] == [("public address", False), ("signing_key", False)]


# Messages.


def test_a_list_of_messages_with_all_they_may_have() -> None:
    whole = MESSAGE | {
        "received_at": "2026-11-21T11:59:58Z",
        "device": "modem 3",
        "part": {"reference": 0x10007, "index": 2, "total": 3},
        "waited_s": 7,
        "colour": {"of": ["the", "case"]},
    }
    first, second = read({"messages": [MESSAGE, whole], "version": 2})
    assert first == Arrival("a1", "+447700900123", "Telegram", "Your code is 482913")
    assert second == Arrival(
        "a1/2",
        "+447700900123",
        "Telegram",
        "Your code is 482913",
        Part(0x10007, 2, 3),
        "2026-11-21T11:59:58Z",
        "modem 3",
        7,
    )


def test_the_only_part_of_a_message_is_the_message() -> None:
    (arrival,) = read(MESSAGE | {"part": {"reference": 1, "index": 1, "total": 1}})
    assert isinstance(arrival, Arrival)
    assert (arrival.message_id, arrival.part) == ("a1", None)


@pytest.mark.parametrize(
    "text", ["", "\0", "a\0b", "\ud83d", "\udc00\ud800", "😀 رمز 482913", "\u202e319284", "x" * 60_000]
)
def test_whatever_a_stranger_wrote_is_taken_as_it_is(text: str) -> None:
    (arrival,) = read(MESSAGE | {"text": text, "from": text})
    assert isinstance(arrival, Arrival)
    assert (arrival.text, arrival.sender) == (text, text)


def test_how_long_a_message_waited_is_handed_on() -> None:
    (arrival,) = read(MESSAGE | {"waited_s": 1501})
    assert isinstance(arrival, Arrival)
    assert arrival.waited_s == 1501


def test_an_empty_request_keeps_nothing() -> None:
    assert read({"messages": []}) == []
    assert read({"heartbeats": []}) == []


def test_a_hundred_messages_are_taken_and_one_more_is_not() -> None:
    assert len(read({"messages": [MESSAGE] * 100})) == 100
    assert refusal({"messages": [MESSAGE] * 101}) == "messages may hold 100 at most."


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": None}, "id has to be text"),
        ({"id": ""}, "id has to be 1 to 120"),
        ({"id": "a" * 121}, "id has to be 1 to 120"),
        ({"id": "a\0"}, "id has to be 1 to 120"),
        ({"id": "a b"}, "id has to be 1 to 120"),
        ({"id": 7}, "id has to be text"),
        ({"to": "Telegram"}, "to has to be a number in E.164"),
        ({"to": "+4477009001231234"}, "to has to be a number in E.164"),
        ({"to": "+٤٤٧٧٠٠٩٠٠١٢٣"}, "to has to be a number in E.164"),
        ({"from": 900123}, "from has to be text"),
        ({"text": ["a"]}, "text has to be text"),
        ({"received_at": "\n"}, "received_at has to be"),
        ({"received_at": 1.5}, "received_at has to be"),
        ({"received_at": True}, "received_at has to be"),
        ({"device": ""}, "device has to be 1 to 64"),
        ({"device": "a\0"}, "device has to be 1 to 64"),
        ({"device": "\ud800"}, "device has to be 1 to 64"),
        ({"device": "m" * 65}, "device has to be 1 to 64"),
        ({"waited_s": -1}, "waited_s has to be a whole number"),
        ({"waited_s": None}, "waited_s has to be a whole number"),
        ({"part": 3}, "part has to be an object"),
        ({"part": {}}, "reference has to be a whole number"),
        ({"part": {"reference": 1, "index": 0, "total": 2}}, "index has to be a whole number from 1 to 2"),
        ({"part": {"reference": 1, "index": 3, "total": 2}}, "index has to be a whole number from 1 to 2"),
        ({"part": {"reference": 1, "index": 1, "total": 256}}, "total has to be a whole number from 1 to 255"),
        ({"part": {"reference": True, "index": 1, "total": 2}}, "reference has to be a whole number"),
        ({"part": {"reference": 1.0, "index": 1, "total": 2}}, "reference has to be a whole number"),
    ],
)  # fmt: skip
def test_a_broken_field_is_named_and_not_quoted(change: dict[str, Any], words: str) -> None:
    said = refusal({"messages": [MESSAGE, MESSAGE | change]})
    assert said.startswith("messages[1]")
    assert words in said


@pytest.mark.parametrize("field", ["id", "to", "from", "text"])
def test_a_missing_field_is_named(field: str) -> None:
    assert f"{field} has to be" in refusal({name: value for name, value in MESSAGE.items() if name != field})


@pytest.mark.parametrize(
    "found", [None, 1, "a", [], [MESSAGE], {}, {"messages": {}}, {"messages": None}, {"messages": [1]}]
)
def test_another_shape_is_refused(found: Any) -> None:
    assert "has to be" in refusal(found)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe{}",
        b"{",
        b'{"messages": [NaN]}',
        b'{"messages": [], "x": Infinity}',
        b'{"messages": [], "messages": []}',
        b'{"messages": [{"id": "a", "id": "b"}]}',
        b'{"messages": ' + b"[" * 50_000,
        b'{"messages": [], "x": ' + b"9" * 5000 + b"}",
        "{}".encode("utf-16"),
    ],
)
def test_what_json_readers_differ_about_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        inlet().read(request(body))


def test_only_a_post_brings_messages() -> None:
    genuine = request()
    with pytest.raises(Unreadable, match="posted"):
        inlet().read(Request("GET", "", "", genuine.headers, BODY, None, AT))


# Heartbeats.


def test_a_heartbeat_says_how_a_device_is() -> None:
    facts = {"signal": 71, "roaming": False, "network": "234-15", "battery": 0.5, "sim": None}
    (beat,) = read({"heartbeats": [{"device": "modem-3", "facts": facts, "warning": "sim-missing"}]})
    assert beat == Heartbeat("modem-3", facts | {"battery": "0.5"}, "sim-missing")


def test_facts_become_what_the_database_can_keep() -> None:
    facts = {"a": "x\0y\ud800z", "b": "l" * 300, "c": 10**300}
    (beat,) = read({"heartbeats": [{"device": "m", "facts": facts}]})
    assert isinstance(beat, Heartbeat)
    assert beat.facts["a"] == "x\ufffdy\ufffdz"
    assert beat.facts["b"] == "l" * 200
    assert str(beat.facts["c"]).startswith("1000")


@pytest.mark.parametrize(
    ("beat", "words"),
    [
        ({}, "device has to be text"),
        ({"device": "m", "facts": []}, None),
        ({"device": "m", "facts": [1]}, "facts has to be an object"),
        ({"device": "m", "facts": {"a": []}}, "a fact has to be text"),
        ({"device": "m", "facts": {"": 1}}, "the name of a fact"),
        ({"device": "m", "facts": {"\0": 1}}, "the name of a fact"),
        ({"device": "m", "facts": {str(at): 1 for at in range(21)}}, "facts may be 20 at most"),
        ({"device": "m", "warning": "Sim Missing"}, "warning has to be a word"),
        ({"device": "m", "warning": None}, "warning has to be text"),
    ],
)
def test_a_broken_heartbeat_is_refused(beat: Any, words: str | None) -> None:
    if words is None:
        assert read({"heartbeats": [beat]}) == [Heartbeat("m")]
    else:
        assert words in refusal({"heartbeats": [beat]})


def test_the_answer_is_a_status_and_nothing_else() -> None:
    answers = {outcome: inlet().answer(outcome) for outcome in Outcome}
    assert [one.status for one in answers.values()] == [204, 400, 401, 403, 503]
    assert {one.body for one in answers.values()} == {b""}
