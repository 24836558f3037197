"""What SMSCs send, octet by octet, and what has to come of it: the cases in which others lost or mixed messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Pdu = dict[str, Any]
LONG = "".join(f"{number:03d} " for number in range(63)) + "ab"
"""254 characters."""


@dataclass(frozen=True)
class Vector:
    """`pdus` name their numbers by place, 0 or 1; `texts` are what each number's owner reads.

    `kannel` is what Kannel makes of it where that differs; an octet that is not UTF-8 is a lone surrogate.
    """

    name: str
    pdus: Sequence[Pdu]
    texts: Sequence[Sequence[str]]
    kannel: Sequence[Sequence[str]] | None = None


def sms(
    body: bytes, *, coding: int = 0, udh: bytes = b"", to: int = 0, sender: bytes = b"Acme", **more: Any
) -> Pdu:
    header = bytes([len(udh)]) + udh if udh else b""
    return {
        "to": to,
        "source_addr_ton": 5,
        "source_addr_hex": sender.hex(),
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "esm_class": 0x40 if udh else 0,
        "data_coding": coding,
        "short_message_hex": (header + body).hex(),
        **more,
    }


def addressed(pdu: Pdu, numbers: Sequence[str], name: str) -> Pdu:
    """To a real number, with a name that the SMSC calls it by."""
    rest = {key: value for key, value in pdu.items() if key != "to"}
    digits = rest.pop("digits", None) or numbers[pdu["to"]].removeprefix("+").encode()
    return {"id": name, "destination_addr_hex": digits.hex(), **rest}


def ref8(reference: int, total: int, index: int) -> bytes:
    return bytes([0x00, 3, reference, total, index])


def ref16(reference: int, total: int, index: int) -> bytes:
    return bytes([0x08, 4]) + reference.to_bytes(2, "big") + bytes([total, index])


def sar(reference: int, total: int, index: int) -> Pdu:
    return {"sar_msg_ref_num": reference, "sar_total_segments": total, "sar_segment_seqnum": index}


PORTS = bytes([0x05, 4, 0x0B, 0x84, 0x23, 0xF0])
EMOJI = "Your code 🔐 is 123456".encode("utf-16-be")
CUT = EMOJI.index(b"\xd8\x3d") + 2
"""In the middle of a character."""
ARABIC = "رمز التحقق ١٢٣٤٥٦"

VECTORS = [
    Vector("plain", [sms(b"Your code is 123456")], [["Your code is 123456"]]),
    Vector("basic and extension", [sms(b"\x00\x02\x11 \x1b\x65 \x1b\x28\x1b\x29 7b")], [["@$_ € {} 7b"]]),
    Vector("ascii", [sms(b"Your code is 123456", coding=1)], [["Your code is 123456"]]),
    Vector("latin-1", [sms("Código 4711 ñ".encode("latin-1"), coding=3)], [["Código 4711 ñ"]]),
    Vector("arabic digits", [sms(ARABIC.encode("utf-16-be"), coding=8)], [[ARABIC]]),
    Vector(
        "emoji across a boundary",
        [
            sms(EMOJI[:CUT], coding=8, udh=ref8(9, 2, 1)),
            sms(EMOJI[CUT:], coding=8, udh=ref8(9, 2, 2)),
        ],
        [["Your code 🔐 is 123456"]],
    ),
    Vector(
        "8-bit references out of order",
        [sms(b"two ", udh=ref8(7, 3, 2)), sms(b"three", udh=ref8(7, 3, 3)), sms(b"one ", udh=ref8(7, 3, 1))],
        [["one two three"]],
    ),
    Vector(
        "16-bit references out of order",
        [
            sms(b"three", udh=ref16(700, 3, 3)),
            sms(b"one ", udh=ref16(700, 3, 1)),
            sms(b"two ", udh=ref16(700, 3, 2)),
        ],
        [["one two three"]],
    ),
    Vector(
        "one reference to two numbers",
        [
            sms(b"first 1, ", udh=ref8(1, 2, 1), to=0),
            sms(b"second 1, ", udh=ref8(1, 2, 1), to=1),
            sms(b"first 2", udh=ref8(1, 2, 2), to=0),
            sms(b"second 2", udh=ref8(1, 2, 2), to=1),
        ],
        [["first 1, first 2"], ["second 1, second 2"]],
    ),
    Vector(
        "one reference from two senders",
        [
            sms(b"Acme 1, ", udh=ref8(2, 2, 1), sender=b"Acme"),
            sms(b"Zeta 1, ", udh=ref8(2, 2, 1), sender=b"Zeta"),
            sms(b"Acme 2", udh=ref8(2, 2, 2), sender=b"Acme"),
            sms(b"Zeta 2", udh=ref8(2, 2, 2), sender=b"Zeta"),
        ],
        [["Acme 1, Acme 2", "Zeta 1, Zeta 2"]],
    ),
    Vector(
        "parts by parameters",
        [sms(b"part two", **sar(1234, 2, 2)), sms(b"part one, ", **sar(1234, 2, 1))],
        [["part one, part two"]],
    ),
    Vector(
        "text as a parameter",
        [sms(b"", message_payload_hex=b"Your code is 778899".hex())],
        [["Your code is 778899"]],
    ),
    Vector(
        "octets of class 1",
        [sms("Código 4711".encode("latin-1"), coding=0xF5)],
        [["Código 4711"]],
        [["C\udcf3digo 4711"]],  # as octets, without an alphabet
    ),
    Vector("flash", [sms(b"\x00 is 1234", coding=0x10)], [["@ is 1234"]]),
    Vector("flash of the older group", [sms(b"\x00 is 1234", coding=0xF0)], [["@ is 1234"]]),
    Vector("flash in ucs2", [sms("Код 1234".encode("utf-16-be"), coding=0x18)], [["Код 1234"]]),
    Vector(
        "ports before the reference",
        [
            sms(b"one ", udh=PORTS + ref8(3, 2, 1)),
            sms(b"two", udh=PORTS + ref8(3, 2, 2)),
        ],
        [["one two"]],
    ),
    Vector(
        "unknown elements around the reference",
        [
            sms(b"one ", udh=bytes([0x70, 2, 1, 2]) + ref8(4, 2, 1) + bytes([0x22, 1, 0])),
            sms(b"two", udh=bytes([0x70, 2, 1, 2]) + ref8(4, 2, 2) + bytes([0x22, 1, 0])),
        ],
        [["one two"]],
    ),
    Vector(
        "turkish",
        [sms(b"Kodunuz \x1b\x67\x1b\x69 123456", udh=bytes([0x24, 1, 1]))],
        [["Kodunuz ğı 123456"]],
        [["Kodunuz ?g?i 123456"]],
    ),
    Vector(
        "portuguese",
        [sms(b"c\x08digo n\x7bo 12", udh=bytes([0x25, 1, 3]))],
        [["código não 12"]],
        [["còdigo näo 12"]],
    ),
    Vector("sender beyond ascii", [sms(b"Your code is 55555", sender=b"Caf\xe9")], [["Your code is 55555"]]),
    Vector(
        "twelve parts",
        [sms(f"{part:02d} ".encode(), udh=ref8(5, 12, part)) for part in (12, *range(1, 12))],
        [["".join(f"{part:02d} " for part in range(1, 13))]],
    ),
    Vector("receipt", [sms(b"id:1 sub:001 dlvrd:001 stat:DELIVRD", esm_class=0x04)], [[]]),
    Vector("silent", [sms(b"ping", protocol_id=0x40)], [[]], [["ping"]]),
    Vector(
        "data_sm",
        [sms(b"", command="data_sm", message_payload_hex=b"Your code is 424242".hex())],
        [["Your code is 424242"]],
    ),
    Vector("empty", [sms(b"")], [[""]]),
    Vector("254 octets", [sms(LONG.encode())], [[LONG]]),
    Vector("octets", [sms("Код 4711".encode(), coding=4)], [["Код 4711"]]),
    Vector("reserved coding", [sms(b"Your code is 31337", coding=0xB5)], [["Your code is 31337"]]),
    Vector("cyrillic", [sms("Код 4711".encode("iso8859_5"), coding=6)], [["Код 4711"]]),
    Vector("hebrew", [sms("קוד 4711".encode("iso8859_8"), coding=7)], [["קוד 4711"]]),
    Vector(
        "japanese",
        [sms("コード 4711".encode("iso2022_jp"), coding=5)],
        [["コード 4711"]],
        [["\x1b$B%3!<%I\x1b(B 4711"]],
    ),
    Vector(
        "korean",
        [sms("인증 4711".encode("euc_kr"), coding=14)],
        [["인증 4711"]],
        [["\udcc0\udcce\udcc1\udcf5 4711"]],
    ),
    Vector(
        "byte order mark",
        [sms(b"\xfe\xff" + "Код 12".encode("utf-16-be"), coding=8)],
        [["Код 12"]],
        [["\ufeffКод 12"]],
    ),
    Vector("odd octet", [sms("Код 12".encode("utf-16-be") + b"\x00", coding=8)], [["Код 12�"]], [["Код 12"]]),
    Vector("header longer than the text", [sms(b"\x30ut short 1", esm_class=0x40)], [["0ut short 1"]], [[]]),
    Vector("a part alone", [sms(b"whole 1234", udh=ref8(6, 1, 1))], [["whole 1234"]]),
    Vector("a part beyond the count", [sms(b"beyond 1234", udh=ref8(6, 2, 3))], [["beyond 1234"]]),
    Vector("the same twice", [sms(b"Your code is 777777")] * 2, [["Your code is 777777"] * 2]),
    Vector(
        "codings 2 and 5 of the sender", [sms(b"Code 99", source_addr_ton=0, sender=b"72333")], [["Code 99"]]
    ),
]
