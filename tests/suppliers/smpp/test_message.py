"""What a delivery means: whose number, which alphabet, which part."""

from __future__ import annotations

from typing import Any

import pytest

from onceline.core.inbox.model import Encoded, Part
from onceline.suppliers.smpp.message import Reading, arrival, content, is_report
from onceline.suppliers.smpp.pdu import Delivery, Sar


def delivery(body: bytes = b"code 1", **rest: Any) -> Delivery:
    fields: dict[str, Any] = {
        "source": b"Acme",
        "source_ton": 5,
        "destination": b"447700900123",
        "destination_ton": 1,
        "esm_class": 0,
        "protocol_id": 0,
        "data_coding": 0,
        "sar": None,
    }
    return Delivery(body=body, **(fields | rest))


def told(one: Delivery, reading: Reading | None = None) -> Any:
    return arrival(one, reading or Reading(), message_id="x", device="carrier/1")


@pytest.mark.parametrize(
    ("destination", "ton", "calling_code", "number"),
    [
        (b"447700900123", 1, "", "+447700900123"),
        (b"+447700900123", 0, "", "+447700900123"),
        (b"00447700900123", 0, "44", "+447700900123"),
        (b"00447700900123", 1, "", "+447700900123"),
        (b"447700900123", 0, "44", "+447700900123"),
        (b"07700900123", 2, "44", "+447700900123"),
        (b"7700900123", 2, "44", "+447700900123"),
        (b"07700900123", 0, "44", "+447700900123"),
        (b"0612345678", 2, "33", "+33612345678"),
        (b"89123456789", 2, "7", "+79123456789"),
        (b"0212345678", 2, "39", "+390212345678"),
        (b"*99#", 2, "44", "+44*99#"),
        (b"07700900123", 2, "", "+07700900123"),
    ],
)
def test_the_number_is_told_from_what_the_smsc_says_of_it(
    destination: bytes, ton: int, calling_code: str, number: str
) -> None:
    one = delivery(destination=destination, destination_ton=ton)
    assert told(one, Reading("gsm7", calling_code)).number == number


@pytest.mark.parametrize(
    ("data_coding", "coding"),
    [
        (0x00, "gsm7"), (0x01, "ascii"), (0x02, "octets"), (0x03, "latin-1"), (0x04, "octets"), (0x05, "jis"),
        (0x06, "cyrillic"), (0x07, "hebrew"), (0x08, "ucs2"), (0x09, "shift-jis"), (0x0A, "jis"), (0x0B, "octets"),
        (0x0D, "jis"), (0x0E, "euc-kr"), (0x0F, "octets"), (0x10, "gsm7"), (0x14, "octets"), (0x18, "ucs2"),
        (0x1A, "ucs2"), (0x21, "octets"), (0x4C, "gsm7"), (0x88, "gsm7"), (0xC8, "gsm7"), (0xD0, "gsm7"),
        (0xE0, "ucs2"), (0xF0, "gsm7"), (0xF2, "gsm7"), (0xF4, "octets"), (0xF5, "octets"),
    ],
)  # fmt: skip
def test_every_data_coding_has_an_alphabet(data_coding: int, coding: str) -> None:
    assert told(delivery(data_coding=data_coding)).text == Encoded(b"code 1", coding)


def test_the_smscs_own_alphabet_is_the_operators_to_say() -> None:
    assert told(delivery(), Reading("latin-1")).text.coding == "latin-1"
    assert told(delivery(data_coding=0x10), Reading("latin-1")).text.coding == "latin-1"


def test_shifts_of_languages_go_with_the_alphabet() -> None:
    header = bytes([6, 0x24, 1, 1, 0x25, 1, 3])
    assert told(delivery(header + b"x", esm_class=0x40)).text == Encoded(b"x", "gsm7/1/3")
    assert told(delivery(header + b"x", esm_class=0x40, data_coding=8)).text == Encoded(b"x", "ucs2")


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (bytes([5, 0x00, 3, 9, 3, 2]), Part(9, 2, 3)),
        (bytes([6, 0x08, 4, 1, 2, 3, 2]), Part(0x10102, 2, 3)),
        (bytes([5, 0x00, 3, 9, 1, 1]), None),
        (bytes([5, 0x00, 3, 9, 2, 3]), None),
        (bytes([5, 0x00, 3, 9, 2, 0]), None),
        (bytes([4, 0x00, 3, 9, 2]), None),
        (bytes([1, 0x00]), None),
        (bytes([0]), None),
    ],
)
def test_a_header_names_a_part_or_none(header: bytes, part: Part | None) -> None:
    found = told(delivery(header + b"text", esm_class=0x40))
    assert (found.part, found.text.data) == (part, b"text")


def test_parameters_name_a_part_apart_from_headers() -> None:
    assert told(delivery(sar=Sar(9, 2, 1))).part == Part(0x20009, 1, 2)


@pytest.mark.parametrize("kind", [0x04, 0x08, 0x10, 0x18, 0x20])
def test_receipts_and_notices_are_no_messages(kind: int) -> None:
    assert is_report(delivery(esm_class=kind))
    assert is_report(delivery(esm_class=kind | 0x43))


@pytest.mark.parametrize("rest", [{"protocol_id": 0x40}, {"protocol_id": 0x7F}])
def test_what_no_phone_shows_is_no_message(rest: dict[str, int]) -> None:
    assert is_report(delivery(**rest))


@pytest.mark.parametrize(
    "rest",
    [
        {},
        {"esm_class": 0x40},
        {"esm_class": 0x80},
        {"esm_class": 0x03},
        {"protocol_id": 0x41},
        {"data_coding": 0xF2},
    ],
)
def test_everything_else_is_a_message(rest: dict[str, int]) -> None:
    assert not is_report(delivery(**rest))


@pytest.mark.parametrize(
    "other",
    [
        {"body": b"code 2"},
        {"source": b"Zeta"},
        {"destination": b"447700900124"},
        {"data_coding": 1},
        {"sar": Sar(1, 2, 1)},
        {"source": b"Acme4", "destination": b"47700900123"},
    ],
)
def test_another_message_has_another_content(other: dict[str, Any]) -> None:
    assert content(delivery(**other)) != content(delivery())
