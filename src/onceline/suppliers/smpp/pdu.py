"""SMPP 3.4 on the wire: a stream cut into PDUs, the two that bring messages read, ours written. smpplib is the codec.

Promised: nothing that another side writes is kept beyond LONGEST octets, and no optional parameter, known or not, of a right
or a wrong length, makes a message unreadable. Never: decides what a message is.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from smpplib import command as codec
from smpplib.command import Param

LONGEST = 64 * 1024
HEADER = struct.Struct(">LLLL")

GENERIC_NACK = 0x80000000
BIND_RECEIVER_RESP = 0x80000001
UNBIND = 0x00000006
UNBIND_RESP = 0x80000006
BIND_TRANSCEIVER_RESP = 0x80000009
OUTBIND = 0x0000000B
ENQUIRE_LINK = 0x00000015
DELIVER_SM = 0x00000005
ALERT_NOTIFICATION = 0x00000102
DATA_SM = 0x00000103
RESPONSE = 0x80000000

OK = 0x00
INVALID_LENGTH = 0x02
INVALID_COMMAND = 0x03
NOT_BOUND = 0x04
SYSTEM_ERROR = 0x08
BIND_FAILED = 0x0D
WRONG_PASSWORD = 0x0E
WRONG_SYSTEM_ID = 0x0F
QUEUE_FULL = 0x14
WRONG_SYSTEM_TYPE = 0x53
AGAIN_LATER = 0x64
"""ESME_RX_T_APPN, a fault of ours that goes by: the other side keeps the message and sends it again."""

_PAYLOAD, _SAR_REFERENCE, _SAR_TOTAL, _SAR_INDEX = 0x0424, 0x020C, 0x020E, 0x020F
_MOST_PARAMETERS = 200

logging.getLogger("smpplib").setLevel(logging.ERROR)  # it warns of what the other side sends


class Impossible(Exception):
    """What cannot be the beginning of a PDU: where the next one begins is unknown."""


class Malformed(Exception):
    """A PDU that ends before its fields do."""


class Header(NamedTuple):
    length: int
    command: int
    status: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Sar:
    """Parts by optional parameters (SMPP 3.4, 5.3.2.22 to 24)."""

    reference: int
    total: int
    index: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A deliver_sm or data_sm, as it came. `body` is short_message, or message_payload where that is empty."""

    source: bytes
    source_ton: int
    destination: bytes
    destination_ton: int
    esm_class: int
    protocol_id: int
    data_coding: int
    body: bytes
    sar: Sar | None


class Frames:
    """Cuts a stream into PDUs, whatever pieces it comes in."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Header, bytes]]:
        """Each whole PDU with its header read. Raises Impossible at a length that none can have."""
        self._data += data
        at = 0
        try:
            while len(self._data) - at >= 4:
                length = int.from_bytes(self._data[at : at + 4])
                if not HEADER.size <= length <= LONGEST:
                    raise Impossible(f"a PDU of {length} octets")
                if len(self._data) - at < length:
                    return
                frame = bytes(self._data[at : at + length])
                at += length
                yield Header(*HEADER.unpack_from(frame)), frame
        finally:
            del self._data[:at]


# What the other side says ----------------------------------------------------------------------------------------------


class _Tolerant:
    """smpplib's reader of fields, without its two ways to lose a message: it raises on a parameter that it has not listed
    for a command, and goes astray where a text does not end."""

    def __init__(self, name: str) -> None:
        super().__init__(name, sequence=0)  # type: ignore[call-arg]  # of smpplib, which has no types
        self.parameters: dict[int, bytes] = {}

    def parse_optional_params(self, data: bytes) -> None:
        at = 0
        while at + 4 <= len(data) and len(self.parameters) < _MOST_PARAMETERS:
            tag, length = struct.unpack_from(">HH", data, at)
            self.parameters.setdefault(tag, data[at + 4 : at + 4 + length])
            at += 4 + length

    def _parse_string(self, field: str, data: bytes, at: int) -> tuple[bytes, int]:
        end = data.find(b"\0", at)
        if end < 0:
            raise Malformed(f"{field} does not end")
        setattr(self, field, data[at:end])
        return data, end + 1


class _DeliverSm(_Tolerant, codec.DeliverSM):  # type: ignore[misc]  # smpplib has no types
    pass


class _DataSm(_Tolerant, codec.DataSM):  # type: ignore[misc]  # smpplib has no types
    pass


def read_delivery(header: Header, frame: bytes) -> Delivery:
    """A DELIVER_SM or DATA_SM. Raises Malformed."""
    is_data = header.command == DATA_SM
    pdu: Any = _DataSm("data_sm") if is_data else _DeliverSm("deliver_sm")
    pdu.data_coding = pdu.sm_length = None  # so that it shows whether they came
    pdu.parse_params(frame[HEADER.size :])
    last = pdu.data_coding if is_data else pdu.sm_length
    if last is None:
        raise Malformed("fields are missing")
    return Delivery(
        source=pdu.source_addr,
        source_ton=pdu.source_addr_ton,
        destination=pdu.destination_addr,
        destination_ton=pdu.dest_addr_ton,
        esm_class=pdu.esm_class,
        protocol_id=0 if is_data else pdu.protocol_id,
        data_coding=pdu.data_coding,
        body=(None if is_data else pdu.short_message) or pdu.parameters.get(_PAYLOAD, b""),
        sar=_sar(pdu.parameters),
    )


def _sar(parameters: dict[int, bytes]) -> Sar | None:
    """All three, or none is meant (SMPP 3.4, 5.3.2.22)."""
    reference, total, index = (parameters.get(tag, b"") for tag in (_SAR_REFERENCE, _SAR_TOTAL, _SAR_INDEX))
    if not (0 < len(reference) <= 2 and len(total) == len(index) == 1):
        return None
    return Sar(int.from_bytes(reference), total[0], index[0])


# What we say -----------------------------------------------------------------------------------------------------------


def bind(mode: str, *, system_id: str, password: str, system_type: str, sequence: int) -> bytes:
    """`mode` is "transceiver" or "receiver". smpplib would cut a password at 8 characters; many SMSCs take longer ones."""
    pdu: Any = codec.factory(f"bind_{mode}", sequence=0)
    pdu.params = {**pdu.params, "system_id": Param(type=str, max=65), "password": Param(type=str, max=65)}
    pdu.sequence = sequence
    pdu.system_id, pdu.password, pdu.system_type = system_id, password, system_type
    return _written(pdu)


def request(name: str, sequence: int) -> bytes:
    """One without fields: enquire_link, unbind."""
    return _said(name, OK, sequence)


def response(command: int, status: int, sequence: int) -> bytes:
    """To a request of the other side that gets one."""
    return _said(_RESPONSES[command], status, sequence)


def nack(status: int, sequence: int) -> bytes:
    return _said("generic_nack", status, sequence)


_RESPONSES = {
    DELIVER_SM: "deliver_sm_resp",
    DATA_SM: "data_sm_resp",
    ENQUIRE_LINK: "enquire_link_resp",
    UNBIND: "unbind_resp",
}


def _said(name: str, status: int, sequence: int) -> bytes:
    pdu: Any = codec.factory(name, sequence=0, status=status)
    pdu.sequence = sequence
    return _written(pdu)


def _written(pdu: Any) -> bytes:
    written: bytes = pdu.generate()
    return written
