"""The wire: whatever pieces a stream comes in, and whatever a PDU holds, it is read or refused, and never ends the reader."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.suppliers.smpp import pdu
from onceline.suppliers.smpp.message import Reading, arrival, content, is_report
from onceline.suppliers.smpp.pdu import (
    DATA_SM,
    DELIVER_SM,
    LONGEST,
    Delivery,
    Frames,
    Header,
    Impossible,
    Malformed,
    Sar,
    read_delivery,
)


def frame(body: bytes, command: int = DELIVER_SM, sequence: int = 1) -> bytes:
    return struct.pack(">LLLL", 16 + len(body), command, 0, sequence) + body


def body(text: bytes = b"code 1", *, esm_class: int = 0, coding: int = 0, after: bytes = b"") -> bytes:
    addresses = b"\0\5\0Acme\0\1\x01447700900123\0"
    return addresses + bytes([esm_class, 0, 0, 0, 0, 0, 0, coding, 0, len(text)]) + text + after


def tlv(tag: int, value: bytes) -> bytes:
    return struct.pack(">HH", tag, len(value)) + value


def read(octets: bytes, command: int = DELIVER_SM) -> Delivery:
    (found,) = Frames().feed(frame(octets, command))
    return read_delivery(*found)


def test_a_delivery_is_read_field_by_field() -> None:
    assert read(body(b"\x05\x00\x03\x01\x02\x01hi", esm_class=0x40, coding=8)) == Delivery(
        b"Acme", 5, b"447700900123", 1, 0x40, 0, 8, b"\x05\x00\x03\x01\x02\x01hi", None
    )


def test_a_data_sm_has_its_text_in_a_parameter() -> None:
    octets = b"\0\5\0Acme\0\1\x01447700900123\0" + bytes([0, 0, 8]) + tlv(0x0424, b"\0h\0i")
    assert read(octets, DATA_SM).body == b"\0h\0i"


def test_parameters_that_nobody_knows_or_expects_or_that_are_too_short_cost_no_message() -> None:
    strange = (
        tlv(0x1500, b"vendor")  # of a vendor
        + tlv(0x0005, b"\1")  # known, not in this command
        + tlv(0x0204, b"\1")  # an integer of two octets
        + tlv(0x020C, b"\0\7") + tlv(0x020E, b"\2") + tlv(0x020F, b"\1")
        + struct.pack(">HH", 0x0424, 99) + b"cut"
    )  # fmt: skip
    found = read(body(after=strange))
    assert (found.body, found.sar) == (b"code 1", Sar(7, 2, 1))


def test_parts_by_parameters_need_all_three() -> None:
    assert read(body(after=tlv(0x020C, b"\0\7") + tlv(0x020E, b"\2"))).sar is None


@pytest.mark.parametrize("length", range(len(body()) - len(b"code 1")))
def test_a_delivery_that_ends_before_its_text_is_malformed(length: int) -> None:
    with pytest.raises(Malformed):
        read(body()[:length])


def test_a_text_that_is_shorter_than_announced_is_shown_as_it_is() -> None:
    assert read(body()[:-3]).body == b"cod"


@given(st.lists(st.binary(max_size=60), max_size=6), st.integers(1, 50))
def test_a_stream_is_cut_alike_whatever_pieces_it_comes_in(bodies: list[bytes], size: int) -> None:
    stream = b"".join(frame(one, sequence=at) for at, one in enumerate(bodies))
    frames, found = Frames(), []
    for at in range(0, len(stream), size):
        found += frames.feed(stream[at : at + size])
    assert [octets[16:] for _, octets in found] == bodies
    assert [header.sequence for header, _ in found] == list(range(len(bodies)))


@pytest.mark.parametrize("length", [0, 15, LONGEST + 1, 0xFFFFFFFF])
def test_an_impossible_length_is_seen_at_once(length: int) -> None:
    frames = Frames()
    assert [header.sequence for header, _ in frames.feed(frame(b"x", sequence=9))] == [9]
    with pytest.raises(Impossible):
        list(frames.feed(struct.pack(">L", length)))


def test_a_pdu_that_was_before_an_impossible_one_is_read_all_the_same() -> None:
    found = []
    with pytest.raises(Impossible):
        found.extend(header.sequence for header, _ in Frames().feed(frame(b"x", sequence=9) + b"\xff" * 4))
    assert found == [9]


@given(st.binary(max_size=300))
def test_garbage_ends_in_nothing_but_an_impossible_length(data: bytes) -> None:
    try:
        for header, octets in Frames().feed(data):
            assert header.length == len(octets)
    except Impossible:
        assert int.from_bytes(data[:4]) != len(data) or len(data) < 16


@given(st.binary(max_size=200), st.sampled_from((DELIVER_SM, DATA_SM)))
def test_a_body_of_garbage_is_read_or_malformed(octets: bytes, command: int) -> None:
    try:
        found = read(octets, command)
    except Malformed:
        return
    assert is_report(found) in (True, False)
    told = arrival(found, Reading("gsm7", "44"), message_id="x", device="carrier/1")
    assert told.part is None or 1 <= told.part.index <= told.part.total
    assert content(found)


@given(st.binary(max_size=80), st.integers(0, 255))
def test_any_header_of_any_text_is_read(text: bytes, coding: int) -> None:
    told = arrival(read(body(text, esm_class=0x40, coding=coding)), Reading(), message_id="x", device="")
    assert not isinstance(told.text, str)
    assert text.endswith(told.text.data)


def test_a_long_password_is_sent_whole() -> None:
    sent = pdu.bind("receiver", system_id="me", password="0123456789abcdef", system_type="", sequence=1)
    assert b"\0".join((b"me", b"0123456789abcdef", b"", b"\x34")) in sent
    assert Header(*pdu.HEADER.unpack_from(sent)) == (len(sent), 1, 0, 1)


def test_answers_carry_what_they_answer() -> None:
    answer = pdu.response(DELIVER_SM, pdu.AGAIN_LATER, 0x7FFFFFFF)
    assert Header(*pdu.HEADER.unpack_from(answer)) == (17, 0x80000005, 0x64, 0x7FFFFFFF)
    assert Header(*pdu.HEADER.unpack_from(pdu.nack(pdu.INVALID_COMMAND, 5))) == (16, 0x80000000, 3, 5)
