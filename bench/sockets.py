"""Many sockets on one process: idle ones, ones that do not read, and all of them coming back at once."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import uvloop

from bench.client import exchange, load, request
from bench.house import House, house
from bench.rows import Row

IDLE = 10_000
STORM = 4_000
A_SIDE = 90
"""Sockets of one side; a process lets it have a few more."""
AT_ONCE = 200
"""Handshakes under way at once."""
LONG = "Long " * 1_900
READERS, SILENT, ROUNDS = 900, 90, 40


class Tally:
    """Counts messages heard, over many sockets."""

    def __init__(self) -> None:
        self._left = 0
        self._all: asyncio.Future[float] | None = None

    def expect(self, count: int) -> asyncio.Future[float]:
        """When that many more were heard."""
        self._left, self._all = count, asyncio.get_running_loop().create_future()
        return self._all

    def heard(self) -> None:
        self._left -= 1
        if self._left == 0 and self._all is not None:
            self._all.set_result(time.monotonic())


class Socket(asyncio.Protocol):
    """A live socket with next to nothing around it, so that thousands fit beside what is measured."""

    def __init__(self, ticket: str, after: int | None, tally: Tally | None) -> None:
        self._hello = {"type": "auth", "ticket": ticket} | ({} if after is None else {"after": after})
        self._buffer = bytearray()
        self._tally = tally
        self._open = False
        self.ready: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.first_event: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = (
            "GET /api/v1/live HTTP/1.1", "Host: bench", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", "",
        )  # fmt: skip
        transport.write("\r\n".join(lines).encode())  # type: ignore[attr-defined]  # a TCP transport writes

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            assert self._buffer.startswith(b"HTTP/1.1 101"), bytes(self._buffer[:80])
            del self._buffer[: end + 4]
            self._open = True
            self._send(0x1, json.dumps(self._hello).encode())
        while (frame := self._frame()) is not None:
            self._heard(*frame)

    def connection_lost(self, error: Exception | None) -> None:
        for future in (self.ready, self.first_event):
            if not future.done():
                future.set_exception(error or ConnectionError("closed"))
                future.exception()  # whoever waits hears it; nobody has to

    def _heard(self, opcode: int, payload: bytes) -> None:
        if opcode == 0x9:
            self._send(0xA, payload)
        elif opcode == 0x1 and payload.startswith(b'{"type":"ready"'):
            self.ready.set_result(time.monotonic())
        elif opcode == 0x1 and payload.startswith(b'{"type":"event"'):
            if not self.first_event.done():
                self.first_event.set_result(time.monotonic())
            if self._tally is not None and b'"order.message"' in payload[:200]:
                self._tally.heard()

    def _frame(self) -> tuple[int, bytes] | None:
        """The next whole frame (RFC 6455, 5.2); a server's are not masked."""
        if len(self._buffer) < 2:
            return None
        length, at = self._buffer[1], 2
        if length > 125:
            size = 2 if length == 126 else 8
            if len(self._buffer) < 2 + size:
                return None
            length, at = int.from_bytes(self._buffer[2 : 2 + size], "big"), 2 + size
        if len(self._buffer) < at + length:
            return None
        frame = self._buffer[0] & 0xF, bytes(self._buffer[at : at + length])
        del self._buffer[: at + length]
        return frame

    def _send(self, opcode: int, payload: bytes) -> None:
        mask = secrets.token_bytes(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        size = (
            bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        )
        self.transport.write(bytes([0x80 | opcode]) + size + mask + masked)  # type: ignore[attr-defined]  # a TCP transport writes


@dataclass
class Crowd:
    """Open sockets and the keys they belong to, `A_SIDE` to each."""

    served: House
    keys: Sequence[str]
    sockets: list[Socket] = field(default_factory=list)

    async def open(self, count: int, *, tally: Tally | None = None, after: int | None = None) -> float:
        """Open that many more; returns the seconds it took until the last was ready."""
        began, gate = time.monotonic(), asyncio.Semaphore(AT_ONCE)

        async def one(key: str) -> Socket:
            async with gate:
                ticket = await _ticket(self.served, key)
                _, socket = await asyncio.get_running_loop().create_connection(
                    lambda: Socket(ticket, after, tally), "127.0.0.1", self.served.port
                )
                await socket.ready
                return socket

        wanted = range(len(self.sockets), len(self.sockets) + count)
        self.sockets += await asyncio.gather(*(one(self.keys[place // A_SIDE]) for place in wanted))
        return time.monotonic() - began

    def cut(self) -> None:
        for socket in self.sockets:
            socket.transport.abort()  # type: ignore[attr-defined]  # a TCP transport aborts
        self.sockets.clear()


def run() -> Iterator[Row]:
    with house() as served:
        served.cli("sandbox", "numbers", "--country", "GB", "--count", "4000")
        keys = served.accounts(-(-IDLE // A_SIDE))
        yield from uvloop.run(_idle(served, keys))
    with house() as served:
        served.cli("sandbox", "numbers", "--country", "GB", "--count", "4000")
        keys = served.accounts(-(-STORM // A_SIDE))
        yield from uvloop.run(_silent(served, keys))
        yield from uvloop.run(_storm(served, keys))


async def _idle(served: House, keys: list[str]) -> list[Row]:
    crowd = Crowd(served, keys)
    await crowd.open(A_SIDE)
    before = served.memory()
    seconds = await crowd.open(IDLE - A_SIDE)
    each = (served.memory() - before) / (IDLE - A_SIDE)
    numbers = await _numbers(served, keys[0], 20)
    with_crowd = await _latency(served, keys[0], numbers[:10], crowd.sockets[:1])
    crowd.cut()
    await asyncio.sleep(2)
    await crowd.open(1)
    alone = await _latency(served, keys[0], numbers[10:], crowd.sockets[:1])
    crowd.cut()
    note = f"{IDLE} sockets, opened {IDLE / seconds:.0f} a second"
    return [
        Row("10,000 idle sockets: memory of the edge for each", each / 1024, 30, False, "KB", note),
        Row(
            "10,000 idle sockets: message → one of them, against alone", with_crowd / alone, 2,
            note=f"{with_crowd * 1000:.1f} and {alone * 1000:.1f} ms at the median",
        ),
    ]  # fmt: skip


async def _silent(served: House, keys: list[str]) -> list[Row]:
    """Long messages for one side, whose sockets read or do not; what others' sockets wait meanwhile."""
    waits = []
    for silent in (False, True):
        loud, quiet = Crowd(served, keys[:1]), Crowd(served, keys[1:])
        tally = Tally()
        await loud.open(SILENT)
        await quiet.open(READERS, tally=tally)
        if silent:
            for socket in loud.sockets:
                socket.transport.pause_reading()  # type: ignore[attr-defined]  # a TCP transport pauses
        waits.append(await _beside_long_ones(served, keys, tally))
        loud.cut()
        quiet.cut()
        await asyncio.sleep(1)
    reading, stuck = waits
    note = f"{READERS} readers, {SILENT} of another side get long messages; {stuck * 1000:.0f}, {reading * 1000:.0f} ms at p99"
    return [Row("message → last of 90 readers, beside 90 that do not read", stuck / reading, 1.2, note=note)]


async def _beside_long_ones(served: House, keys: list[str], tally: Tally) -> float:
    [flooded] = await _numbers(served, keys[0], 1)
    others = [(await _numbers(served, key, 1))[0] for key in keys[1:11]]
    waits = []
    for turn in range(ROUNDS):
        await _send(served, keys[0], flooded, f"{LONG} {100000 + turn}")
        last = tally.expect(A_SIDE)
        began = time.monotonic()
        await _send(served, keys[1 + turn % 10], others[turn % 10], f"Your code is {100000 + turn}")
        async with asyncio.timeout(10):
            waits.append(await last - began)
    return sorted(waits)[int(len(waits) * 0.99) - 1]


async def _storm(served: House, keys: list[str]) -> list[Row]:
    """All cut at once; a message comes for every side; all come back at once with their cursors."""
    crowd = Crowd(served, keys)
    await crowd.open(STORM)
    cursors = 0
    crowd.cut()
    for key in keys:
        [number] = await _numbers(served, key, 1)
        await _send(served, key, number, "Your code is 482913")
    polls = asyncio.create_task(asyncio.to_thread(_poll, served, keys[0]))
    began = time.monotonic()
    await crowd.open(STORM, after=cursors)
    arrived = sorted([await socket.first_event - began for socket in crowd.sockets])
    slowest = await polls
    crowd.cut()
    note = f"half after {arrived[STORM // 2]:.1f} s; a poll meanwhile {slowest * 1000:.0f} ms at p99"
    return [
        Row(f"{STORM} sockets cut at once: the last has what it missed", arrived[-1], unit="s", note=note)
    ]


def _poll(served: House, key: str) -> float:
    polled = request("GET", "/api/v1/balance", key)
    return load([served.port], 1, 3.0, lambda _: polled, pause=0.02).at(0.99)


async def _latency(served: House, key: str, numbers: list[str], listening: list[Socket]) -> float:
    """Median seconds from a message's request to its event on the socket."""
    waits = []
    for number in numbers:
        for socket in listening:
            socket.first_event = asyncio.get_running_loop().create_future()
        began = time.monotonic()
        await _send(served, key, number, "Your code is 482913")
        waits.append(await listening[0].first_event - began)
        await asyncio.sleep(0.1)
    return sorted(waits)[len(waits) // 2]


async def _ask(served: House, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    status, answer = await exchange(reader, writer, sent)
    writer.close()
    assert status < 300, answer
    return answer


async def _ticket(served: House, key: str) -> str:
    answer = await _ask(served, request("POST", "/api/v1/socket-tickets", key))
    return str(json.loads(answer)["ticket"])


async def _numbers(served: House, key: str, count: int) -> list[str]:
    wanted = {"orders": [{"service": "telegram", "country": "GB"}] * count}
    sent = request("POST", "/api/v1/orders/batch", key, wanted, Idempotency_Key=secrets.token_hex(8))
    return [order["number"] for order in json.loads(await _ask(served, sent))["orders"]]


async def _send(served: House, key: str, number: str, text: str) -> None:
    body = {"number": number, "sender": "Service", "text": text}
    await _ask(served, request("POST", "/api/v1/test/messages", key, body))


assert os.sysconf("SC_OPEN_MAX") > IDLE + 1000, "raise the limit of open files: ulimit -n 20000"
