"""A lean HTTP/1.1 load generator: one connection, one request at a time, times kept."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import uvloop


@dataclass
class Result:
    """Seconds per answer; `refused` counts answers above 299."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    took: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.took

    def at(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def request(method: str, path: str, key: str, body: object | None = None, **headers: str) -> bytes:
    payload = json.dumps(body).encode() if body is not None else b""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {key}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if payload:
        lines += ["Content-Type: application/json", f"Content-Length: {len(payload)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + payload


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes
) -> tuple[int, bytes]:
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    length = _length(head)
    return int(head[9:12]), await reader.readexactly(length) if length else b""


def _length(head: bytes) -> int:
    at = head.find(b"content-length:")
    return int(head[at + 15 : head.index(b"\r", at)]) if at >= 0 else 0


class _Buyer(asyncio.Protocol):
    """One connection of the load: sends the next request as soon as the answer is whole."""

    def __init__(self, result: Result, ends: float, next_request: Callable[[], bytes], pause: float) -> None:
        self._result, self._ends, self._next, self._pause = result, ends, next_request, pause
        self._answer = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        end = self._answer.find(b"\r\n\r\n") + 4
        if end < 4 or len(self._answer) < end + _length(self._answer[:end]):
            return
        self._result.seconds.append(time.monotonic() - self._asked)
        self._result.refused += int(self._answer[9:12]) > 299
        if self._pause:
            asyncio.get_running_loop().call_later(self._pause, self._ask)
        else:
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))

    def _ask(self) -> None:
        self._answer = b""
        self._asked = time.monotonic()
        if self._asked < self._ends:
            self._transport.write(self._next())  # type: ignore[attr-defined]  # a TCP transport writes
        else:
            self.done.set_result(None)
            self._transport.close()


def load(
    ports: Sequence[int],
    connections: int,
    seconds: float,
    next_request: Callable[[int], bytes],
    pause: float = 0.0,
) -> Result:
    """Each connection sends what `next_request(connection)` says, one after the other, for the given time.

    Connections take the ports in turn.
    """
    result = Result()

    async def all_at_once() -> None:
        ends = time.monotonic() + seconds
        loop = asyncio.get_running_loop()
        buyers = []
        for one in range(connections):
            buyer = partial(_Buyer, result, ends, partial(next_request, one), pause)
            _, protocol = await loop.create_connection(buyer, "127.0.0.1", ports[one % len(ports)])
            buyers.append(protocol.done)
        began = time.monotonic()
        await asyncio.gather(*buyers)
        result.took = time.monotonic() - began

    uvloop.run(all_at_once())
    return result
