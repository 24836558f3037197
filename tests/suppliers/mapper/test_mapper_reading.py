"""A request becomes messages by names and paths alone; whatever a stranger wrote, nothing but the two refusals comes out."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

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
from onceline.suppliers.mapper.inlet import MapperInlet
from onceline.suppliers.mapper.settings import MapperSettings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NUMBER, OTHER = "+447700900123", "+447700900124"
TOKEN = "f3b1c2d4e5f60718293a4b5c"
FORM = {"text": "message", "sender": "from", "number": "to", "id": "id", "time": "at"}
SENT = {
    "message": "Your code is 123456",
    "from": "Acme",
    "to": NUMBER,
    "id": "m-1",
    "at": "2026-03-01T12:00:00",
}


def inlet(settings: dict[str, Any] | None = None, **secrets: tuple[str, ...]) -> MapperInlet:
    found = MapperSettings.model_validate(FORM if settings is None else settings)
    return MapperInlet(Configured("box", found, {"path_token": (TOKEN,), **secrets}))


def asked(
    query: str = "", body: bytes = b"", *, rest: str = TOKEN, headers: dict[str, str] | None = None
) -> Request:
    return Request("POST" if body else "GET", rest, query, headers or {}, body, None, NOON)


def as_json(value: Any) -> Request:
    return asked(body=json.dumps(value).encode(), headers={"content-type": "application/json"})


def only(found: Any) -> Arrival:
    [one] = found
    assert isinstance(one, Arrival)
    return one


# Forms


def test_a_get_with_fields_is_a_message() -> None:
    found = only(inlet().read(asked(urlencode(SENT))))
    assert found == Arrival("m-1", NUMBER, "Acme", "Your code is 123456", None, "2026-03-01T12:00:00")


def test_a_form_that_is_posted_is_the_same_message() -> None:
    posted = asked(
        body=urlencode(SENT).encode(), headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert inlet().read(posted) == inlet().read(asked(urlencode(SENT)))


def test_fields_may_be_in_the_query_and_in_the_body() -> None:
    found = only(inlet().read(asked(urlencode({"to": NUMBER}), urlencode(SENT | {"to": "ignored"}).encode())))
    assert (found.number, found.text) == (NUMBER, SENT["message"])


def test_unknown_fields_change_nothing() -> None:
    assert inlet().read(asked(urlencode(SENT | {"new": "thing", "x": ""}))) == inlet().read(
        asked(urlencode(SENT))
    )


def test_bytes_are_read_in_the_charset_that_was_set() -> None:
    russian = {**FORM, "charset": "windows-1251"}
    query = urlencode(SENT | {"message": ""}) + "&text=" + quote("Ваш код 123456".encode("cp1251"))
    assert only(inlet({**russian, "text": "text"}).read(asked(query))).text == "Ваш код 123456"


def test_a_field_may_name_the_charset_of_the_text_alone() -> None:
    settings = {**FORM, "charset_field": "charset", "text": "text"}
    query = urlencode(SENT | {"charset": "UTF-16BE"}) + "&text=" + quote("код 1🙂".encode("utf-16-be"))
    found = only(inlet(settings).read(asked(query)))
    assert (found.text, found.sender, found.number) == ("код 1🙂", "Acme", NUMBER)


def test_a_charset_that_nobody_knows_is_read_as_the_one_that_was_set() -> None:
    settings = {**FORM, "charset_field": "charset"}
    found = only(inlet(settings).read(asked(urlencode(SENT | {"charset": "rot13", "message": "é 1"}))))
    assert found.text == "é 1"


def test_bytes_that_are_wrong_for_their_charset_lose_no_other_character() -> None:
    query = urlencode(SENT | {"message": ""}).replace("message=", "message=123456%FF")
    assert only(inlet().read(asked(query))).text == "123456\ufffd"


def test_an_empty_text_is_a_message() -> None:
    assert only(inlet().read(asked(urlencode(SENT | {"message": ""})))).text == ""


def test_a_request_without_the_text_is_refused() -> None:
    with pytest.raises(Unreadable, match="text"):
        inlet().read(asked("from=Acme"))


def test_a_multipart_body_is_refused_in_words() -> None:
    with pytest.raises(Unreadable, match="x-www-form-urlencoded"):
        inlet().read(asked(body=b"--x", headers={"content-type": "multipart/form-data; boundary=x"}))


def test_a_flood_of_fields_is_refused() -> None:
    with pytest.raises(Unreadable, match="200"):
        inlet().read(asked("&".join(f"a{one}=1" for one in range(300)) + "&" + urlencode(SENT)))


# JSON


def test_paths_lead_through_objects_and_arrays() -> None:
    settings = {"format": "json", "text": "data.sms.0.text", "sender": "data.sms.0.from", "number": "to.1"}
    body = {"data": {"sms": [{"text": "code 1", "from": "Acme"}]}, "to": ["x", NUMBER]}
    assert only(inlet(settings).read(as_json(body))) == Arrival("", NUMBER, "Acme", "code 1")


def test_each_element_of_a_list_is_a_message() -> None:
    settings = {"format": "json", "list": "sms", "text": "t", "number": "to", "device": "$.box", "id": "id"}
    body = {"box": 7, "sms": [{"t": "one", "to": NUMBER, "id": 1}, {"t": "two", "to": OTHER, "id": 2}]}
    found = inlet(settings).read(as_json(body))
    assert [
        (one.text, one.number, one.message_id, one.device) for one in found if isinstance(one, Arrival)
    ] == [
        ("one", NUMBER, "7/1", "7"),
        ("two", OTHER, "7/2", "7"),
    ]


def test_an_empty_list_is_no_message_and_no_fault() -> None:
    assert (
        inlet({"format": "json", "list": "sms", "text": "t", "number": "to"}).read(as_json({"sms": []})) == []
    )


def test_one_that_cannot_be_read_does_not_stop_those_beside_it_and_staff_are_told() -> None:
    settings = {"format": "json", "list": "sms", "text": "t", "number": "to", "text_encoding": "hex-utf16"}
    good, bad = {"t": "0031", "to": NUMBER}, {"t": "no hex", "to": NUMBER}
    assert inlet(settings).read(as_json({"sms": [good, bad]})) == [
        Arrival("", NUMBER, "", "1"),
        Heartbeat("box", warning="unreadable-entry"),
    ]
    with pytest.raises(Unreadable, match="hex-utf16"):
        inlet(settings).read(as_json({"sms": [bad]}))


def test_a_list_that_is_not_where_it_was_said_to_be_is_refused() -> None:
    with pytest.raises(Unreadable):
        inlet({"format": "json", "list": "sms", "text": "t", "number": "to"}).read(as_json({"messages": []}))


def test_too_many_messages_at_once_are_refused() -> None:
    settings = {"format": "json", "list": "sms", "text": "t", "number": "to"}
    with pytest.raises(Unreadable, match="1000"):
        inlet(settings).read(as_json({"sms": [{"t": "x"}] * 1001}))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'"' + b"\\ud800" * 9, b"9" * 9000]
)
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable, match="JSON"):
        inlet({"format": "json", "text": "t", "number": "to"}).read(asked(body=body))


# Text, recipients, parts


@pytest.mark.parametrize(
    ("encoding", "written", "text"),
    [
        ("plain", "+1 2", "+1 2"),
        ("hex-utf16", "feff041A 0434".replace(" ", ""), "Кд"),
        ("hex-utf16", "d83dde42", "🙂"),
        ("hex-utf16", "d83d", "\ud83d"),
        ("base64-utf8", base64.b64encode("код 🙂?>".encode()).decode(), "код 🙂?>"),
        ("base64-utf8", base64.b64encode("~~~ÿÿ".encode()).decode().rstrip("=").replace("+", " "), "~~~ÿÿ"),
        ("base64-utf8", base64.urlsafe_b64encode("~~~ÿÿ".encode()).decode(), "~~~ÿÿ"),
        ("hex", "c3a9", "é"),
    ],
)
def test_a_text_is_decoded_as_it_was_encoded(encoding: str, written: str, text: str) -> None:
    settings = {"format": "json", "text": "t", "number": "to", "text_encoding": encoding}
    assert only(inlet(settings).read(as_json({"t": written, "to": NUMBER}))).text == text


@pytest.mark.parametrize(
    ("encoding", "written"), [("hex-utf16", "041"), ("hex", "zz"), ("base64-utf8", "a"), ("hex-utf16", "00")]
)
def test_a_text_that_is_not_encoded_so_is_refused_and_never_passed_on_as_it_is(
    encoding: str, written: str
) -> None:
    with pytest.raises(Unreadable, match=encoding):
        inlet({**FORM, "text_encoding": encoding}).read(asked(urlencode(SENT | {"message": written})))


def test_a_box_that_does_not_say_the_recipient_has_a_number_for_each_device() -> None:
    settings = {"text": "message", "device": "port", "number": "to", "numbers": {"1B": OTHER}}
    for said in ("", "unknown", "  "):
        assert (
            only(inlet(settings).read(asked(urlencode({"message": "x", "port": "1B", "to": said})))).number
            == OTHER
        )


def test_what_a_box_says_instead_of_e164_can_be_given_its_number() -> None:
    settings = {**FORM, "numbers": {"07700900124": OTHER}}
    assert only(inlet(settings).read(asked(urlencode(SENT | {"to": "07700900124"})))).number == OTHER


def test_a_message_for_a_device_that_was_not_set_is_never_given_to_a_guessed_number() -> None:
    settings = {"text": "message", "device": "port", "numbers": {"1B": OTHER}}
    assert only(inlet(settings).read(asked("message=x&port=9Z"))).number == ""


def test_parts_are_told_apart_though_the_box_gives_them_one_id() -> None:
    settings = {**FORM, "part_reference": "ref", "part_index": "part", "part_total": "of"}
    found = [
        only(inlet(settings).read(asked(urlencode(SENT | {"ref": "7", "part": one, "of": "2"}))))
        for one in "12"
    ]
    assert [(one.part, one.message_id) for one in found] == [
        (Part(7, 1, 2), "m-1/1"),
        (Part(7, 2, 2), "m-1/2"),
    ]


@pytest.mark.parametrize(
    ("index", "total"), [("0", "2"), ("3", "2"), ("1", "1"), ("1", "999"), ("x", "2"), ("", ""), ("²", "2")]
)
def test_part_numbers_without_sense_leave_a_whole_message(index: str, total: str) -> None:
    settings = {**FORM, "part_reference": "ref", "part_index": "part", "part_total": "of"}
    found = only(inlet(settings).read(asked(urlencode(SENT | {"ref": "7", "part": index, "of": total}))))
    assert (found.part, found.message_id) == (None, "m-1")


def test_reports_are_no_messages() -> None:
    settings = {**FORM, "ignore": {"type": ["report", "status"], "dir": "out"}}
    assert inlet(settings).read(asked(urlencode(SENT | {"type": "status"}))) == []
    assert inlet(settings).read(asked(urlencode(SENT | {"dir": "out"}))) == []
    assert len(inlet(settings).read(asked(urlencode(SENT | {"type": "sms"})))) == 1


# Who may


def test_every_active_token_opens() -> None:
    both = inlet(None, path_token=("second-token-of-20-and-more", TOKEN))
    for token in (TOKEN, "second-token-of-20-and-more"):
        assert len(both.read(asked(urlencode(SENT), rest=token))) == 1


@pytest.mark.parametrize(
    ("rest", "reason"),
    [("", "missing"), ("x", "token"), (TOKEN[:-1], "token"), (TOKEN + "/", "token"), ("é\ud800", "token")],
)
def test_another_token_opens_nothing(rest: str, reason: str) -> None:
    with pytest.raises(NotAuthentic) as refused:
        inlet().read(asked(urlencode(SENT), rest=rest))
    assert refused.value.reason == reason


def test_nothing_is_read_before_the_token_was_right() -> None:
    with pytest.raises(NotAuthentic):
        inlet({"format": "json", "text": "t", "number": "n"}).read(asked(body=b"{", rest="wrong"))


def test_without_a_token_there_is_no_way_in() -> None:
    with pytest.raises(NotConfigured, match="path_token"):
        inlet(None, path_token=())


def test_basic_is_asked_for_beside_the_token() -> None:
    guarded = inlet(None, basic=("box:new secret", "box:old:secret"))
    for pair in ("box:new secret", "box:old:secret"):
        header = {"authorization": "basic " + base64.b64encode(pair.encode()).decode()}
        assert len(guarded.read(asked(urlencode(SENT), headers=header))) == 1


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({}, "missing"),
        ({"authorization": "Basic Ym94Ong="}, "wrong"),
        ({"authorization": "Basic ***"}, "wrong"),
        ({"authorization": "Bearer Ym94OnNlY3JldA=="}, "wrong"),
    ],
)
def test_other_credentials_are_refused(header: dict[str, str], reason: str) -> None:
    with pytest.raises(NotAuthentic) as refused:
        inlet(None, basic=("box:secret",)).read(asked(urlencode(SENT), headers=header))
    assert refused.value.reason == reason


def test_the_box_reads_what_it_wants_to_read_only_when_the_message_was_kept() -> None:
    talking = inlet({**FORM, "answer": "ACK/Jasmin"})
    assert (talking.answer(Outcome.KEPT).status, talking.answer(Outcome.KEPT).body) == (200, b"ACK/Jasmin")
    assert [
        (talking.answer(one).status, talking.answer(one).body) for one in (Outcome.AWAY, Outcome.UNREADABLE)
    ] == [
        (503, b""),
        (400, b""),
    ]


# Settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"number": "to"}, "text"),
        ({"text": "t"}, "numbers to the number of each device"),
        ({"text": "t", "number": "to", "template": "{t}"}, "Extra inputs"),
        ({"text": "t", "number": "to", "charset": "rot13"}, "utf-8, latin-1"),
        ({"text": "t", "number": "to", "list": "sms"}, "set format to json"),
        ({"text": "a..b", "number": "to", "format": "json"}, "data.sms.0.text"),
        ({"text": ".".join("a" * 9), "number": "to", "format": "json"}, "up to 8 keys"),
        ({"text": "t", "number": "to", "part_index": "p"}, "all three"),
        ({"text": "t", "numbers": {"1A": "07700"}}, "as in \\+447700900123"),
        ({"text": "t", "number": "to", "answer": "a\nb"}, "one line"),
        ({"text": "t", "number": "to", "ignore": {"a": {"b": "c"}}}, "ignore"),
        ({"text": "t", "numbers": {str(one): NUMBER for one in range(5001)}}, "5000"),
    ],
)
def test_settings_without_sense_are_refused_with_what_would_be_right(
    settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        MapperSettings.model_validate(settings)


# Anything at all

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8) | st.sampled_from(["sms", "t", "0"]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


def accepts_or_refuses(box: MapperInlet, request: Request) -> None:
    try:
        found = box.read(request)
    except Unreadable:
        return
    assert all(isinstance(one, Arrival | Heartbeat) for one in found)


@given(
    st.text(max_size=300),
    st.binary(max_size=300),
    st.sampled_from(["plain", "hex-utf16", "base64-utf8", "hex"]),
)
def test_whatever_comes_as_a_form_is_a_message_or_unreadable(query: str, body: bytes, encoding: str) -> None:
    box = inlet(
        {
            **FORM,
            "text_encoding": encoding,
            "charset_field": "c",
            "part_reference": "r",
            "part_index": "i",
            "part_total": "n",
        }
    )
    accepts_or_refuses(box, asked(query, body))
    accepts_or_refuses(box, asked("message=" + query, body))


@given(_JSON, st.sampled_from(["plain", "hex-utf16", "base64-utf8", "hex"]))
def test_whatever_comes_as_json_is_a_message_or_unreadable(value: Any, encoding: str) -> None:
    settings = {
        "format": "json",
        "list": "sms",
        "text": "t",
        "number": "n.0",
        "device": "$.d",
        "id": "0",
        "text_encoding": encoding,
    }
    accepts_or_refuses(inlet(settings), as_json(value))
    accepts_or_refuses(
        inlet({"format": "json", "text": "t", "number": "n", "text_encoding": encoding}), as_json(value)
    )


@given(st.binary(max_size=200))
def test_whatever_octets_come_are_a_message_or_unreadable(body: bytes) -> None:
    accepts_or_refuses(inlet({"format": "json", "text": "t", "number": "n"}), asked(body=body))


@given(st.text(max_size=60), st.text(max_size=60))
def test_every_wrong_way_in_is_refused(rest: str, authorization: str) -> None:
    with pytest.raises(NotAuthentic):
        inlet(None, basic=("box:secret",)).read(
            asked(urlencode(SENT), rest=rest, headers={"authorization": authorization})
        )


@given(st.text(max_size=500), st.text(max_size=30))
def test_text_and_sender_come_out_of_json_as_they_went_in(text: str, sender: str) -> None:
    settings = {"format": "json", "text": "t", "sender": "s", "number": "n"}
    found = only(inlet(settings).read(as_json({"t": text, "s": sender, "n": NUMBER})))
    assert (found.text, found.sender) == (text, sender.strip())
