"""The socket byte by byte: what RFC 6455 allows is understood, what it forbids closes the socket with the right code.

Spoken by a client of our own on a plain TCP socket. After every case the same process must serve a good socket. Where
the server is not what the RFC says, the test's name says so.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from onceline.edge import hub, live
from onceline.edge.server import MOST_FRAGMENTS
from onceline.serve import FRAME_BYTES
from tests.edge.door import API, Client, Town, eventually, serving

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
PROTOCOL_ERROR, BAD_TEXT, TOO_BIG, UNANSWERED = 1002, 1007, 1009, 1011
SHORT, MIDDLE, LONG = 7, 16, 64


@pytest.fixture(autouse=True)
def _the_process_serves_on(alice: Client) -> Iterator[None]:
    yield
    with alice.live() as line:
        assert line.ready()["type"] == "ready"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    form: int | None = None,
    length: int | None = None,
) -> bytes:
    """One frame as a client sends it; `form` is how many bits carry the length, `length` what they say."""
    size = len(payload) if length is None else length
    form = form or (SHORT if size < 126 else MIDDLE if size < 2**16 else LONG)
    head = bytes([fin << 7 | reserved << 4 | opcode])
    bit = masked << 7
    if form == SHORT:
        head += bytes([bit | size])
    else:
        head += struct.pack("!BH" if form == MIDDLE else "!BQ", bit | (126 if form == MIDDLE else 127), size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def closing(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


@dataclass
class Wire:
    """A connection that has been upgraded."""

    line: socket.socket
    heard: bytes = field(default=b"")

    def send(self, *pieces: bytes) -> None:
        with suppress(ConnectionError):  # it may have been closed at the first of them
            self.line.sendall(b"".join(pieces))

    def next(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame. Raises EOFError at the end of the connection."""
        head = self._take(2)
        assert head[1] < 128, "a server masks nothing"
        size = head[1]
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        assert head[0] & 0xF0 == 0x80, "whole frames, without extensions"
        return head[0] & 15, self._take(size)

    def text(self) -> dict[str, object]:
        opcode, payload = self.next()
        assert opcode == TEXT, (opcode, payload)
        found: dict[str, object] = json.loads(payload)
        return found

    def closed(self) -> int | None:
        """The code of the close frame, after which the connection ends; None when it carries none."""
        opcode, payload = self.next()
        while opcode != CLOSE:
            opcode, payload = self.next()
        with suppress(ConnectionError), pytest.raises(EOFError):
            self.next()
        return int.from_bytes(payload[:2], "big") if payload else None

    def ends(self) -> None:
        """The connection ends without another word."""
        with suppress(ConnectionError), pytest.raises(EOFError):
            self.next()

    def _take(self, size: int) -> bytes:
        while len(self.heard) < size:
            data = self.line.recv(65536)
            if not data:
                raise EOFError
            self.heard += data
        taken, self.heard = self.heard[:size], self.heard[size:]
        return taken


def asked(url: str, *lines: str, method: str = "GET", version: str = "HTTP/1.1") -> socket.socket:
    line = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5)
    line.sendall("\r\n".join([f"{method} {API}/live {version}", "Host: x", *lines, "", ""]).encode())
    return line


def answered(line: socket.socket) -> str:
    """The head of the answer."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        data = line.recv(1)
        assert data, heard
        heard += data
    return heard.decode()


KEY = base64.b64encode(b"sixteen bytes ok").decode()
UPGRADE, CONNECTION, VERSION = "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"
NAMED = f"Sec-WebSocket-Key: {KEY}"


@contextmanager
def wire(client: Client, *more: str) -> Iterator[Wire]:
    line = asked(client.url, UPGRADE, CONNECTION, VERSION, NAMED, *more)
    with line:
        head = answered(line)
        assert head.startswith("HTTP/1.1 101 "), head
        yield Wire(line)


@contextmanager
def opened(client: Client) -> Iterator[Wire]:
    """One that has said who it is."""
    with wire(client) as raw:
        raw.send(frame(TEXT, auth(client)))
        assert raw.text()["type"] == "ready"
        yield raw


def auth(client: Client, size: int = 0) -> bytes:
    """The first frame, filled up with blanks."""
    return json.dumps({"type": "auth", "ticket": client.ticket()}).encode().ljust(size)


def is_ready(raw: Wire) -> bool:
    return raw.text()["type"] == "ready"


# The handshake ----------------------------------------------------------------------------------------------------


def test_a_handshake_is_answered_with_the_digest_of_its_key(alice: Client) -> None:
    with asked(alice.url, UPGRADE, CONNECTION, VERSION, NAMED) as line:
        head = answered(line)
    digest = hashlib.sha1(KEY.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    assert f"sec-websocket-accept: {base64.b64encode(digest).decode()}".lower() in head.lower()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((UPGRADE, CONNECTION, NAMED, "Sec-WebSocket-Version: 8"), 400),
        ((UPGRADE, CONNECTION, NAMED), 400),
        ((UPGRADE, CONNECTION, VERSION), 400),
        ((UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: short"), 400),
        ((UPGRADE, CONNECTION, VERSION, NAMED, NAMED), 400),
        ((CONNECTION, VERSION, NAMED), 404),
        (("Upgrade: h2c", CONNECTION, VERSION, NAMED), 404),
        ((UPGRADE, VERSION, NAMED), 404),
    ],
    ids=["version 8", "no version", "no key", "short key", "two keys", "no upgrade", "another upgrade", "no connection"],
)  # fmt: skip
def test_a_half_handshake_is_refused(alice: Client, lines: tuple[str, ...], status: int) -> None:
    """RFC 6455, 4.4: another version SHOULD be told which one is spoken, by 426. The server says 400."""
    with asked(alice.url, *lines) as line:
        assert answered(line).split()[1] == str(status)


def test_a_handshake_by_post_is_refused(alice: Client) -> None:
    with asked(alice.url, UPGRADE, CONNECTION, VERSION, NAMED, method="POST") as line:
        assert answered(line).split()[1] in ("400", "405")


def test_compression_is_offered_and_declined(alice: Client) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    with asked(alice.url, UPGRADE, CONNECTION, VERSION, NAMED, offer) as line:
        head = answered(line)
    assert head.startswith("HTTP/1.1 101 ")
    assert "extensions" not in head.lower()


def test_beyond_the_sockets_that_may_knock_a_handshake_is_turned_away(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wire(alice), monkeypatch.context() as narrow:
        narrow.setattr(hub, "MOST_KNOCKING", 1)
        with asked(alice.url, UPGRADE, CONNECTION, VERSION, NAMED) as line:
            head = answered(line)
    assert head.startswith("HTTP/1.1 429 ")
    assert re.search(r"^retry-after: 1\r$", head, re.MULTILINE | re.IGNORECASE)


# Messages and fragments -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [2, 5, MOST_FRAGMENTS])
def test_a_message_may_come_in_fragments(alice: Client, parts: int) -> None:
    whole = auth(alice, MOST_FRAGMENTS * 2)
    size = -(-len(whole) // parts)
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    with wire(alice) as raw:
        for at, piece in enumerate(pieces):
            raw.send(frame(CONT if at else TEXT, piece, fin=at == len(pieces) - 1))
        assert is_ready(raw)


def test_fragments_may_be_empty(alice: Client) -> None:
    with wire(alice) as raw:
        raw.send(
            frame(TEXT, fin=False), frame(CONT, fin=False), frame(CONT, auth(alice), fin=False), frame(CONT)
        )
        assert is_ready(raw)


def test_a_ping_between_fragments_is_answered_at_once(alice: Client) -> None:
    whole = auth(alice)
    with wire(alice) as raw:
        raw.send(frame(TEXT, whole[:9], fin=False), frame(PING, b"between"))
        assert raw.next() == (PONG, b"between")
        raw.send(frame(CONT, whole[9:]))
        assert is_ready(raw)


def test_fragments_without_end_close_the_socket(alice: Client) -> None:
    with opened(alice) as raw:
        raw.send(frame(TEXT, fin=False), *[frame(CONT, fin=False)] * MOST_FRAGMENTS)
        assert raw.closed() == TOO_BIG


@pytest.mark.parametrize(
    "pieces",
    [
        (frame(CONT, b"x"),),
        (frame(CONT, b"x", fin=False),),
        (frame(TEXT, b"x", fin=False), frame(TEXT, b"y")),
        (frame(TEXT, b"x", fin=False), frame(BINARY, b"y")),
        (frame(TEXT, b"{}"), frame(CONT, b"y")),
    ],
    ids=["end without start", "middle without start", "text in text", "binary in text", "after the end"],
)
def test_fragments_out_of_order_close_the_socket(alice: Client, pieces: tuple[bytes, ...]) -> None:
    with wire(alice) as raw:
        raw.send(*pieces)
        assert raw.closed() == PROTOCOL_ERROR


def test_a_frame_may_come_byte_by_byte(alice: Client) -> None:
    with wire(alice) as raw:
        raw.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(TEXT, auth(alice)):
            raw.send(bytes([byte]))
            time.sleep(0.002)
        assert is_ready(raw)


# Heads ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_an_unknown_opcode_closes_the_socket(alice: Client, opcode: int) -> None:
    with wire(alice) as raw:
        raw.send(frame(opcode, b"x"))
        assert raw.closed() == PROTOCOL_ERROR


@pytest.mark.parametrize("reserved", [1, 2, 4, 7])
@pytest.mark.parametrize("opcode", [TEXT, PING])
def test_a_reserved_bit_closes_the_socket(alice: Client, opcode: int, reserved: int) -> None:
    with wire(alice) as raw:
        raw.send(frame(opcode, b"x", reserved=reserved))
        assert raw.closed() == PROTOCOL_ERROR


@pytest.mark.parametrize("opcode", [TEXT, PING, CLOSE])
def test_an_unmasked_frame_closes_the_socket(alice: Client, opcode: int) -> None:
    with wire(alice) as raw:
        raw.send(frame(opcode, b"\x03\xe8", masked=False))
        assert raw.closed() == PROTOCOL_ERROR


@pytest.mark.parametrize("form", [SHORT, MIDDLE, LONG])
def test_a_length_may_take_seven_sixteen_or_in_spite_of_the_rfc_more_bits_than_it_needs(
    alice: Client, form: int
) -> None:
    """RFC 6455, 5.2: the fewest bytes MUST be used. The server takes longer forms, too: they cannot hurt."""
    with wire(alice) as raw:
        raw.send(frame(TEXT, auth(alice), form=form))
        assert is_ready(raw)


def test_a_length_of_sixteen_bits_is_understood(alice: Client) -> None:
    with wire(alice) as raw:
        raw.send(frame(TEXT, auth(alice, 300)))
        assert is_ready(raw)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**63 - 1, 2**32, FRAME_BYTES + 1])
def test_a_length_beyond_the_bound_closes_the_socket_before_its_payload_comes(
    alice: Client, length: int
) -> None:
    """RFC 6455, 5.2: the highest bit MUST be 0. The server says `too big` to it as to every other."""
    with wire(alice) as raw:
        raw.send(frame(TEXT, b"x", form=LONG, length=length))
        assert raw.closed() == TOO_BIG


def test_a_first_frame_may_have_the_most_bytes_and_no_more(alice: Client) -> None:
    with wire(alice) as raw:
        raw.send(frame(TEXT, auth(alice, FRAME_BYTES)))
        assert is_ready(raw)
    with wire(alice) as raw:
        raw.send(frame(TEXT, auth(alice, FRAME_BYTES + 1)))
        assert raw.closed() == TOO_BIG


def test_fragments_are_bounded_together(alice: Client) -> None:
    with wire(alice) as raw:
        raw.send(frame(TEXT, b" " * 4000, fin=False), frame(CONT, b" " * 97))
        assert raw.closed() == TOO_BIG


# Texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"\xc3", b"\xc3(", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80"],
    ids=["no lead byte", "cut short", "no continuation", "overlong 2", "overlong 3", "surrogate", "above U+10FFFF", "five bytes"],
)  # fmt: skip
@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
def test_a_text_that_is_no_utf_8_closes_the_socket(alice: Client, text: bytes, split: bool) -> None:
    with wire(alice) as raw:
        if split:
            raw.send(frame(TEXT, b'{"' + text[:1], fin=False), frame(CONT, text[1:] + b'"'))
        else:
            raw.send(frame(TEXT, text))
        assert raw.closed() == BAD_TEXT


def test_a_letter_may_be_split_over_fragments(alice: Client) -> None:
    text = '{"type":"auth","ticket":"tkt_Zürich"}'.encode()
    cut = text.index(b"\xc3") + 1
    with wire(alice) as raw:
        raw.send(frame(TEXT, text[:cut], fin=False), frame(CONT, text[cut:]))
        assert raw.closed() == live.NOT_ALLOWED


@pytest.mark.parametrize(("opcode", "text"), [(BINARY, b"{}"), (BINARY, b""), (TEXT, b""), (TEXT, b"\0")])
def test_a_first_frame_that_is_no_text_of_ours_closes_the_socket(
    alice: Client, opcode: int, text: bytes
) -> None:
    with wire(alice) as raw:
        raw.send(frame(opcode, text))
        assert raw.closed() == live.BAD_FRAME


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_second_frame_of_any_kind_closes_the_socket(alice: Client, opcode: int) -> None:
    with opened(alice) as raw:
        raw.send(frame(opcode, auth(alice)))
        assert raw.closed() == live.BAD_FRAME


def test_two_first_frames_at_once_close_the_socket(alice: Client) -> None:
    with wire(alice) as raw:
        raw.send(frame(TEXT, auth(alice)), frame(TEXT, auth(alice)))
        assert is_ready(raw)
        assert raw.closed() == live.BAD_FRAME


# Control frames ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"\0", b"hello", b"\xff" * 125])
def test_a_ping_comes_back_as_a_pong_with_its_payload(alice: Client, payload: bytes) -> None:
    with opened(alice) as raw:
        raw.send(frame(PING, payload))
        assert raw.next() == (PONG, payload)


def test_a_pong_that_nobody_asked_for_is_passed_over(alice: Client) -> None:
    with opened(alice) as raw:
        raw.send(frame(PONG, b"hello"), frame(PING, b"there"))
        assert raw.next() == (PONG, b"there")


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
@pytest.mark.parametrize("fault", ["too long", "fragmented"])
def test_a_control_frame_is_short_and_whole_or_closes_the_socket(
    alice: Client, opcode: int, fault: str
) -> None:
    with opened(alice) as raw:
        raw.send(frame(opcode, b"\x03\xe8" * 63) if fault == "too long" else frame(opcode, fin=False))
        assert raw.closed() == PROTOCOL_ERROR


@pytest.mark.parametrize("code", [None, 1000, 1001, 1002, 1003, 1007, 1011, 3000, 4000, 4999])
def test_a_close_is_answered_with_its_own_code(alice: Client, code: int | None) -> None:
    with opened(alice) as raw:
        raw.send(closing(code, b"" if code is None else "Grüße".encode()))
        assert raw.closed() == code


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535])
def test_a_close_with_a_code_that_is_not_to_be_sent_is_a_protocol_error(alice: Client, code: int) -> None:
    with opened(alice) as raw:
        raw.send(closing(code))
        assert raw.closed() == PROTOCOL_ERROR


def test_a_close_of_one_byte_is_a_protocol_error(alice: Client) -> None:
    with opened(alice) as raw:
        raw.send(frame(CLOSE, b"\x03"))
        assert raw.closed() == PROTOCOL_ERROR


def test_a_close_whose_reason_is_no_utf_8_is_a_bad_text(alice: Client) -> None:
    with opened(alice) as raw:
        raw.send(closing(1000, b"\xc3("))
        assert raw.closed() == BAD_TEXT


def test_a_close_whose_reason_is_too_long_is_a_protocol_error(alice: Client) -> None:
    with opened(alice) as raw:
        raw.send(closing(1000, b"x" * 124))
        assert raw.closed() == PROTOCOL_ERROR


def test_what_comes_after_a_close_is_passed_over(alice: Client) -> None:
    with opened(alice) as raw:
        raw.send(closing(1000), frame(TEXT, b"more"), frame(PING, b"more"), b"\xff" * 100)
        assert raw.closed() == 1000


def test_a_close_between_fragments_ends_the_socket_as_an_error_in_spite_of_the_rfc(alice: Client) -> None:
    """RFC 6455, 5.4: control frames MAY come between fragments. The server takes a close there for a fault."""
    with wire(alice) as raw:
        raw.send(frame(TEXT, b"{", fin=False), closing(1001))
        assert raw.closed() == PROTOCOL_ERROR


# The connection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"\x81", frame(TEXT, b"{}", length=100), frame(TEXT, b"{", fin=False)])
def test_a_connection_that_is_reset_in_the_middle_frees_its_place(
    alice: Client, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setitem(hub.MOST_WAITERS, "socket", 1)
    with opened(alice) as raw:
        raw.send(said)
        raw.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: _has_place(alice), 1)


def test_a_half_closed_connection_is_closed_and_frees_its_place(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(hub.MOST_WAITERS, "socket", 1)
    with opened(alice) as raw:
        raw.line.shutdown(socket.SHUT_WR)
        raw.ends()
        eventually(lambda: _has_place(alice), 1)


def _has_place(client: Client) -> bool:
    with opened(client) as raw:
        raw.send(frame(PING))
        return raw.next()[0] == PONG


def test_a_client_that_answers_no_ping_is_closed(town: Town, alice: Client) -> None:
    hasty = {"ws_ping_interval": 0.3, "ws_ping_timeout": 0.3}
    with (
        serving(town.settings, town.shop.db, town.shop.context, **hasty) as url,
        opened(alice.at(url)) as raw,
    ):
        assert raw.next()[0] == PING
        assert raw.closed() == UNANSWERED


def test_a_client_that_answers_its_pings_stays(town: Town, alice: Client) -> None:
    hasty = {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.3}
    with (
        serving(town.settings, town.shop.db, town.shop.context, **hasty) as url,
        opened(alice.at(url)) as raw,
    ):
        for _ in range(6):
            opcode, payload = raw.next()
            assert opcode == PING
            raw.send(frame(PONG, payload))


def test_pings_whose_answers_nobody_reads_do_not_pile_up(alice: Client) -> None:
    """The server reads no more than it can answer: the client's own sending stops."""
    pings = memoryview(frame(PING, b"x" * 125) * 2000)
    sent, most = 0, 100_000_000
    with opened(alice) as raw:
        raw.line.setblocking(False)
        last = time.monotonic()
        while sent < most and time.monotonic() - last < 1:
            with suppress(BlockingIOError):
                sent += raw.line.send(pings[sent % len(pings) :])
                last = time.monotonic()
    assert sent < most
