"""What gammu-smsd and smstools3 hand over, as messages of ours."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onceline.agent import gammu, smstools
from onceline.agent.message import MOST_TEXT, Message, Part, received, unpack
from tests.agent.site import SMSD

NUMBERS = {"modem-1": "+447700900123"}
STORED = ["IN20261121_122901_00_Telegram_00.txt"]
NOW = "2026-11-21T12:29:05Z"
RECEIVED_FILE = b"""From: 491721234567
From_TOA: 91 international, ISDN/telephone
From_SMSC: 491722270333
Sent: 26-11-21 12:29:01
Received: 26-11-21 12:29:05
Subject: modem-1
Modem: modem-1
IMSI: 234150000000000
Report: no
Alphabet: ISO
Length: 19

Your code is 482913"""


def by_gammu(stored: list[str] | None = None, now: str = NOW, **told: str) -> Message | None:
    environ = (
        SMSD | {"PHONE_ID": "modem-1", "SMS_1_NUMBER": "Telegram", "SMS_1_TEXT": "Your code is 482913"} | told
    )
    return gammu.read(environ, STORED if stored is None else stored, NUMBERS, now)


def by_smstools(file: bytes = RECEIVED_FILE, name: str = "modem-1.Xa81kQ") -> Message:
    message = smstools.read(file, name, NUMBERS)
    assert message
    return message


def changed(**headers: str) -> bytes:
    file = RECEIVED_FILE
    for name, value in headers.items():
        title = name.replace("_", "-").encode()
        lines = file.split(b"\n")
        file = b"\n".join(
            title + b": " + value.encode() if line.startswith(title + b":") else line for line in lines
        )
    return file


# gammu-smsd.


def test_a_message_of_gammu_goes_to_the_number_of_its_phone() -> None:
    message = by_gammu()
    assert message
    assert (message.to, message.sender, message.text) == ("+447700900123", "Telegram", "Your code is 482913")
    assert (message.device, message.said_at, message.part) == ("modem-1", "20261121_122901", None)


def test_the_whole_of_a_long_message_is_its_decoded_text() -> None:
    message = by_gammu(
        SMS_MESSAGES="2",
        SMS_1_TEXT="Your co",
        SMS_2_TEXT="de is 1",
        DECODED_PARTS="1",
        DECODED_1_TEXT="Your code is 1",
    )
    assert message
    assert message.text == "Your code is 1"


def test_a_long_message_that_is_not_whole_is_its_parts() -> None:
    message = by_gammu(SMS_MESSAGES="2", SMS_1_TEXT="Your co", SMS_2_TEXT="de is 1")
    assert message
    assert message.text == "Your code is 1"


def test_a_message_without_text_is_none() -> None:
    assert by_gammu(SMS_1_TEXT="") is None
    assert gammu.read({}, [], {}, NOW) is None


@pytest.mark.parametrize("count", ["-1", "x", "", "9999", "٣"])
def test_a_count_that_is_none_costs_nothing(count: str) -> None:
    assert by_gammu(SMS_MESSAGES=count) is None


def test_the_same_sms_handed_over_twice_has_one_id() -> None:
    first, again = by_gammu(now="a"), by_gammu(["/inbox/IN20261121_122901_01_Telegram_00.txt"], now="b")
    assert first
    assert first == again


def test_equal_sms_of_different_times_have_two_ids() -> None:
    messages = (by_gammu(), by_gammu(["IN20261121_122902_00_Telegram_00.txt"]))
    assert len({one.id for one in messages if one}) == 2


def test_the_networks_time_is_preferred_where_gammu_gives_it() -> None:
    message = by_gammu(SMS_1_TIMESTAMP="1795264141")
    assert message
    assert message.said_at == "1795264141"


@pytest.mark.parametrize("stored", [[], ["17"], ["17", "18"]])
def test_without_any_time_of_the_message_it_is_ours(stored: list[str]) -> None:
    message = by_gammu(stored)
    assert message
    assert message.said_at == NOW


def test_sender_text_and_phone_make_the_id() -> None:
    others = [
        by_gammu(SMS_1_NUMBER="Signal"),
        by_gammu(SMS_1_TEXT="b"),
        by_gammu(PHONE_ID="modem-2"),
        by_gammu(),
    ]
    assert len({one.id for one in others if one}) == 4


def test_a_phone_that_nobody_named_has_no_number() -> None:
    message = by_gammu(PHONE_ID="modem-9")
    assert message
    assert (message.to, message.device) == ("", "modem-9")


@pytest.mark.parametrize(
    ("told", "lost"),
    [
        ({}, True),
        ({"LANG": "C"}, True),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "de_DE.utf8"}, False),
        ({"LANG": "C.UTF-8", "LC_ALL": "POSIX"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
    ],
)
def test_a_locale_that_loses_letters_is_noticed(told: dict[str, str], lost: bool) -> None:
    assert gammu.loses_letters(told) is lost


# smstools3.


def test_a_file_of_smstools_goes_to_the_number_of_its_modem() -> None:
    message = by_smstools()
    assert (message.to, message.sender, message.text) == (
        "+447700900123",
        "491721234567",
        "Your code is 482913",
    )
    assert (message.device, message.said_at) == ("modem-1", "26-11-21 12:29:01")


@pytest.mark.parametrize(
    ("alphabet", "body"),
    [
        ("ISO", "Größe: 5 €".encode("iso8859-15")),
        ("Latin", "Größe: 5 €".encode("iso8859-15")),
        ("UTF-8", "Größe: 5 €".encode()),
        ("UCS2", "Größe: 5 €".encode("utf-16-be")),
        ("Unicode", "Größe: 5 €".encode("utf-16-be")),
        ("ucs2", "Größe: 5 €".encode("utf-16-be")),
    ],
)
def test_every_alphabet_is_read(alphabet: str, body: bytes) -> None:
    head = changed(Alphabet=alphabet).split(b"\n\n")[0]
    assert by_smstools(head + b"\n\n" + body).text == "Größe: 5 €"


def test_a_ucs2_body_may_hold_what_looks_like_an_empty_line() -> None:
    text = "\u0a0a\u0a0a رمز 482913 \n\n 😀"
    head = changed(Alphabet="UCS2").split(b"\n\n")[0]
    assert by_smstools(head + b"\n\n" + text.encode("utf-16-be") + b"\n").text == text


def test_a_file_without_alphabet_is_latin() -> None:
    assert by_smstools(b"From: 1234\nModem: modem-1\n\nGr\xfc\xdfe").text == "Grüße"


def test_lines_may_end_as_on_windows() -> None:
    assert by_smstools(RECEIVED_FILE.replace(b"\n", b"\r\n")).text == "Your code is 482913"


def test_a_file_that_comes_twice_is_one_message_and_another_time_is_another() -> None:
    again = by_smstools(changed(Received="26-11-21 12:31:00"), name="modem-1.other")
    assert again.id == by_smstools().id
    assert by_smstools(changed(Sent="26-11-21 12:29:02")).id != again.id


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("05 00 03 5F 02 01", Part(0x5F, 1, 2)),
        ("06 08 04 01 02 03 03", Part(0x10102, 3, 3)),
        ("0A 24 01 01 00 03 5F 02 02", Part(0x5F, 2, 2)),
        ("05 00 03 5F 02 03", None),
        ("05 00 03 5F 01 01", None),
        ("05 00 03", None),
        ("zz", None),
        ("", None),
    ],
)
def test_parts_that_smsd_left_alone_are_told_apart(header: str, part: Part | None) -> None:
    file = RECEIVED_FILE.replace(b"Alphabet: ISO", b"UDH: true\nUDH-DATA: " + header.encode())
    assert by_smstools(file).part == part


def test_parts_of_one_message_have_ids_of_their_own() -> None:
    files = [
        RECEIVED_FILE.replace(b"Alphabet: ISO", f"UDH-DATA: 05 00 03 5F 02 0{at}".encode()) for at in (1, 2)
    ]
    assert len({by_smstools(file).id for file in files}) == 2


def test_binary_messages_and_what_smsd_could_not_decode_are_none() -> None:
    assert smstools.read(changed(Alphabet="binary"), "f", NUMBERS) is None
    assert smstools.read(RECEIVED_FILE.replace(b"Length: 19", b"Error: cannot decode"), "f", NUMBERS) is None


def test_the_example_of_the_package_is_read() -> None:
    example = b"From: 491721234567\nFrom_SMSC: 491722270333\nSent: 02-01-21 22:26:23\nReceived: 02-01-21 22:26:25\nSubject: GSM1\nAlphabet: ISO8859-15\n\nA text."
    message = smstools.read(example, "GSM1.a", {"GSM1": "+447700900123"})
    assert message
    assert (message.text, message.to, message.said_at) == ("A text.", "+447700900123", "02-01-21 22:26:23")


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_file_is_read_or_left_out(file: bytes) -> None:
    message = smstools.read(file, "name", NUMBERS)
    assert message is None or unpack(message.packed()) == message


# Messages.


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)), st.text(max_size=100))
@settings(max_examples=200, deadline=None)
def test_every_text_survives_the_spool(text: str, sender: str, device: str) -> None:
    message = received(device=device, to="+447700900123", sender=sender, text=text, said_at="now")
    assert unpack(message.packed()) == message
    assert message.text == text[:MOST_TEXT]


def test_what_is_too_long_is_cut_and_fits_into_a_request() -> None:
    message = received(
        device="d" * 99, to="+447700900123", sender="s" * 99, text="😀" * 20_000, said_at="t" * 99
    )
    assert [len(one) for one in (message.device, message.sender, message.text, message.said_at)] == [
        64,
        64,
        10_000,
        40,
    ]
    assert len(message.packed()) < 200_000


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b'{"id": "a", "to": "b", "from": "c", "text": "d", "part": 3}']
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(data)
