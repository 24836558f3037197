"""A small SMSC for Kannel to bind to: SMPP 3.4 on a port of this machine, and not a byte more than the tests need."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field

BIND_TRANSCEIVER, DELIVER_SM, ENQUIRE_LINK, UNBIND = 0x09, 0x05, 0x15, 0x06
RESPONSE = 0x80000000
MOST_BYTES = 4096
WITHIN_S = 20


@dataclass
class Smsc:
    """Takes one bind; `deliver` returns when the client has acknowledged, with its command status."""

    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    bound: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._client: socket.socket | None = None
        self._sequence = 0
        self._answers: dict[int, int] = {}
        self._answered = threading.Condition()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def close(self) -> None:
        for one in (self._client, self.listener):
            if one is not None:
                _hang_up(one)
        self._thread.join(WITHIN_S)

    def deliver(
        self,
        sender: str,
        number: str,
        octets: bytes,
        *,
        coding: int = 0,
        esm_class: int = 0,
        sender_ton: int = 1,
    ) -> int:
        """3GPP TS 23.040's text, in SMPP 3.4's deliver_sm (4.6.1)."""
        with self._answered:
            self._sequence += 1
            sequence = self._sequence
        body = (
            b"\0"
            + _address(sender, sender_ton)
            + _address(number, 1)
            + bytes([esm_class, 0, 0])
            + b"\0\0"
            + bytes([0, 0, coding, 0, len(octets)])
            + octets
        )
        self._send(DELIVER_SM, 0, sequence, body)
        with self._answered:
            assert self._answered.wait_for(lambda: sequence in self._answers, WITHIN_S), "no deliver_sm_resp"
            return self._answers.pop(sequence)

    def _serve(self) -> None:
        try:
            self._client, _ = self.listener.accept()
            while True:
                length, command, status, sequence = struct.unpack(">IIII", self._read(16))
                assert 16 <= length <= MOST_BYTES
                self._read(length - 16)
                self._handle(command, status, sequence)
        except OSError:
            return

    def _handle(self, command: int, status: int, sequence: int) -> None:
        if command == BIND_TRANSCEIVER:
            self._send(RESPONSE | command, 0, sequence, b"smsc\0")
            self.bound.set()
        elif command in (ENQUIRE_LINK, UNBIND):
            self._send(RESPONSE | command, 0, sequence)
        elif command == RESPONSE | DELIVER_SM:
            with self._answered:
                self._answers[sequence] = status
                self._answered.notify_all()

    def _read(self, count: int) -> bytes:
        assert self._client is not None
        read = b""
        while len(read) < count:
            piece = self._client.recv(count - len(read))
            if not piece:
                raise ConnectionResetError
            read += piece
        return read

    def _send(self, command: int, status: int, sequence: int, body: bytes = b"") -> None:
        assert self._client is not None
        self._client.sendall(struct.pack(">IIII", 16 + len(body), command, status, sequence) + body)


def in_parts(text: str, reference: int) -> list[bytes]:
    """UCS-2 octets, each part with the header that says which it is (TS 23.040, 9.2.3.24.1)."""
    octets = text.encode("utf-16-be")
    pieces = [octets[at : at + 134] for at in range(0, len(octets), 134)]
    return [bytes([5, 0, 3, reference, len(pieces), index]) + piece for index, piece in enumerate(pieces, 1)]


def _address(text: str, ton: int) -> bytes:
    return bytes([ton, 1 if ton == 1 else 0]) + text.encode("ascii") + b"\0"


def _hang_up(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
