"""What one order, poll, message and idle socket cost: processor time of the edge and of PostgreSQL, and memory.

Processor time grows with the machine's mood (other work on the same cores costs caches), so the figures are for planning,
not for comparing versions.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import uvloop
from websockets.asyncio.client import connect

from bench.client import exchange, load, request
from bench.house import House, house
from bench.rows import Row

CONNECTIONS, SECONDS = 8, 5.0
SOCKETS = 720
_TICKS = os.sysconf("SC_CLK_TCK")
_ORDER = {"service": "telegram", "country": "GB"}


@dataclass(frozen=True, slots=True)
class Used:
    """Seconds of processor time, so far."""

    edge: float
    database: float
    disk: int
    """Bytes of the database, with its indexes."""


def run() -> Iterator[Row]:
    with house() as served:
        keys = [served.account(f"buyer {n}") for n in range(CONNECTIONS)]
        served.cli("sandbox", "numbers", "--country", "GB", "--count", "60000")
        yield from _cost(served, "order", lambda: _place(served, keys))
        order = _some_order(served, keys[0])
        poll = request("GET", f"/api/v1/orders/{order['id']}", keys[0])
        yield from _cost(
            served, "poll", lambda: len(load([served.port], CONNECTIONS, SECONDS, lambda _: poll).seconds)
        )
        numbers = uvloop.run(_numbers(served, keys))
        yield from _cost(served, "message", lambda: uvloop.run(_messages(served, keys, numbers)))
        yield uvloop.run(_sockets(served, keys))


def _cost(served: House, what: str, work: Callable[[], int]) -> Iterator[Row]:
    """What the given work costs, divided by the number that it returns."""
    before = _used(served)
    times = work()
    time.sleep(1)  # what was begun is finished, and paid by it
    after = _used(served)
    for process in ("edge", "database"):
        spent = (getattr(after, process) - getattr(before, process)) / times
        yield Row(
            f"one {what}: processor time of the {process}", spent * 1e6, unit="µs", note=f"{times} times"
        )
    if after.disk > before.disk:
        yield Row(f"one {what}: disk", (after.disk - before.disk) / times / 1024, unit="KB")


def _place(served: House, keys: list[str]) -> int:
    def next_request(one: int) -> bytes:
        return request("POST", "/api/v1/orders", keys[one], _ORDER, Idempotency_Key=secrets.token_hex(8))

    return len(load([served.port], CONNECTIONS, SECONDS, next_request).seconds)


def _some_order(served: House, key: str) -> dict[str, str]:
    async def ask() -> dict[str, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        sent = request("POST", "/api/v1/orders", key, _ORDER, Idempotency_Key=secrets.token_hex(8))
        _, answer = await exchange(reader, writer, sent)
        writer.close()
        found: dict[str, str] = json.loads(answer)
        return found

    return uvloop.run(ask())


async def _numbers(served: House, keys: list[str]) -> list[list[str]]:
    """Of fresh orders, for each key."""
    return [[order["number"] for _ in range(4) for order in await _batch(served, key)] for key in keys]


async def _messages(served: House, keys: list[str], numbers: list[list[str]]) -> int:
    """The first message of each order, one after the other for each key."""

    async def send(key: str, mine: list[str]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for number in mine:
            body = {"number": number, "sender": "Telegram", "text": "Telegram code: 48291"}
            status, _ = await exchange(reader, writer, request("POST", "/api/v1/test/messages", key, body))
            assert status == 202
        writer.close()

    await asyncio.gather(*(send(key, mine) for key, mine in zip(keys, numbers, strict=True)))
    return sum(map(len, numbers))


async def _batch(served: House, key: str) -> list[dict[str, str]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    sent = request(
        "POST", "/api/v1/orders/batch", key, {"orders": [_ORDER] * 50}, Idempotency_Key=secrets.token_hex(8)
    )
    _, answer = await exchange(reader, writer, sent)
    writer.close()
    orders: list[dict[str, str]] = json.loads(answer)["orders"]
    return orders


async def _sockets(served: House, keys: list[str]) -> Row:
    before = served.memory()
    sockets = []
    for one in range(SOCKETS):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        _, ticket = await exchange(
            reader, writer, request("POST", "/api/v1/socket-tickets", keys[one % len(keys)])
        )
        writer.close()
        socket = await connect(f"ws://127.0.0.1:{served.port}/api/v1/live", compression=None)
        await socket.send(json.dumps({"type": "auth", "ticket": json.loads(ticket)["ticket"]}))
        await socket.recv()
        sockets.append(socket)
    each = (served.memory() - before) / SOCKETS
    await asyncio.gather(*(socket.close() for socket in sockets))
    return Row("one idle socket: memory of the edge", each / 1024, 30, False, "KB", f"{SOCKETS} sockets")


def _used(served: House) -> Used:
    with psycopg.connect(served.conninfo) as connection:
        row = connection.execute("select pg_database_size(current_database())").fetchone()
    assert row
    return Used(_spent(served.edge), sum(_spent(pid) for pid in _family(served.postgres)), row[0])


def _spent(pid: int) -> float:
    """With the children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def _family(pid: int) -> list[int]:
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
