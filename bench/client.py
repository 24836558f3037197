"""A lean HTTP/1.1 load generator: one connection, one request at a time, times kept."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field


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
    status = int(head[9:12])
    at = head.lower().find(b"content-length:")
    length = int(head[at + 15 : head.index(b"\r", at)]) if at >= 0 else 0
    return status, await reader.readexactly(length) if length else b""


async def load(
    port: int, connections: int, seconds: float, next_request: Callable[[int], bytes], pause: float = 0.0
) -> Result:
    """Each connection sends what `next_request(connection)` says, one after the other, for the given time."""
    result = Result()
    ends = time.monotonic() + seconds

    async def one(connection: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (started := time.monotonic()) < ends:
            status, _ = await exchange(reader, writer, next_request(connection))
            result.seconds.append(time.monotonic() - started)
            result.refused += status > 299
            if pause:
                await asyncio.sleep(pause)
        writer.close()

    began = time.monotonic()
    await asyncio.gather(*(one(connection) for connection in range(connections)))
    result.took = time.monotonic() - began
    return result
