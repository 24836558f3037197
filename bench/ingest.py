"""What the gateway takes: signed HTTP requests of one edge process, and whether a flood to numbers that nobody ordered holds
up the codes of those that somebody did.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator

import uvloop

from bench.client import exchange
from bench.house import House, house
from bench.messages import CHANNELS, Times, order_numbers
from bench.orders import make_yardstick, pgbench
from bench.rows import Row
from onceline.config import Settings
from onceline.core.catalog import store as catalog
from onceline.core.catalog.store import Pool
from onceline.core.inventory import store as inventory
from onceline.core.money import MICROS
from onceline.core.suppliers import store
from onceline.wiring import installation
from tests.suppliers.smpp.smsc import Smsc, smsc
from tests.suppliers.smpp.vectors import Pdu, addressed, sms

CONNECTIONS = 32
COUNT = 6000
KEY, PASSWORD = "k" * 32, "secret"
FLOOD_HTTP, FLOOD_SMPP = 500, 2000
"""Messages a second to numbers of ours that nobody ordered."""
ORDERED_RATE = 5
SECONDS = 15
STOCK = 5000
SINGLES, BURST = 100, 1000


def run() -> Iterator[Row]:
    with house() as served:
        _configure(served, None)
        make_yardstick(served)
        limit = pgbench(served, CONNECTIONS, 4)
        took = uvloop.run(_at_full_speed(served))
        note = (
            f"{COUNT / took:,.0f} a second on {CONNECTIONS} connections; pgbench simple-update {limit:,.0f}"
        )
        yield Row("signed HTTP in, committed, of pgbench", COUNT / took / limit, None, True, "×", note)
    with house() as served:
        key, ordered, idle = _stocked(served, None)
        waits = uvloop.run(_through_a_flood(served, key, ordered, idle))
        yield _waited("HTTP", FLOOD_HTTP, waits)
    with smsc(password=PASSWORD, telling=False) as carrier, house() as served:
        key, ordered, idle = _stocked(served, carrier.port)
        carrier.wait("bind", lambda event: event["status"] == 0, seconds=60)
        count = FLOOD_SMPP * SECONDS
        flood = [
            addressed(sms(b"Your code is 123456", digits=idle[one % len(idle)][1:].encode()), [""], str(one))
            for one in range(count)
        ]
        feeding = threading.Thread(target=lambda: carrier.queue(flood, window=50))
        feeding.start()
        waits = uvloop.run(_through_a_flood(served, key, ordered, None))
        feeding.join()
        drained = carrier.wait("drained", seconds=300)
        rate = drained["count"] / drained["seconds"]
        yield _waited(f"SMPP ({rate:,.0f} came through)", FLOOD_SMPP, waits)
    yield from _to_webhooks()


def _to_webhooks() -> Iterator[Row]:
    """SMPP in until the customer's server was called: one by one, and as a burst."""
    with smsc(password=PASSWORD, telling=False) as carrier, house(webhook_loopback="true") as served:
        _configure(served, carrier.port, cheapest="carrier")
        carrier.wait("bind", lambda event: event["status"] == 0, seconds=60)
        [key] = served.accounts(1)
        numbers = uvloop.run(order_numbers(served, key, SINGLES + BURST))
        singles, burst = uvloop.run(_called(served, key, carrier, numbers))
    seconds = sorted(singles)
    yield Row("SMPP in → webhook called, one by one, p50", seconds[len(seconds) // 2] * 1000, unit="ms")
    yield Row(
        "SMPP in → webhook called, one by one, p95", seconds[len(seconds) * 95 // 100] * 1000, unit="ms"
    )
    yield Row(
        "SMPP in → webhook called, a burst", BURST / burst, unit="/s", note=f"{BURST} orders, window 50"
    )


async def _called(served: House, key: str, carrier: Smsc, numbers: list[str]) -> tuple[list[float], float]:
    times = Times()
    async with CHANNELS["webhook"](served, key, times.heard):
        for turn, number in enumerate(numbers[:SINGLES]):
            times.sent[f"{300000 + turn}"] = time.monotonic()
            carrier.queue([_delivered(number, f"{300000 + turn}")], window=50)
            await asyncio.sleep(0.1)
        await times.settled()
        singles = list(times.took.values())
        began = time.monotonic()
        for turn in range(SINGLES, len(numbers)):
            times.sent[f"{300000 + turn}"] = began
        carrier.queue(
            [
                _delivered(number, f"{300000 + SINGLES + turn}")
                for turn, number in enumerate(numbers[SINGLES:])
            ],
            window=50,
        )
        await times.settled()
    assert len(times.took) == len(numbers), f"{len(numbers) - len(times.took)} never came"
    return singles, max(list(times.took.values())[SINGLES:])


def _delivered(number: str, code: str) -> Pdu:
    return addressed(sms(f"Telegram code: {code}".encode(), digits=number[1:].encode()), [""], code)


def _waited(what: str, rate: int, waits: list[float]) -> Row:
    seconds = sorted(waits)
    note = f"{len(seconds)} ordered ones, p50 {seconds[len(seconds) // 2] * 1000:.0f} ms"
    return Row(
        f"slowest ordered code through {rate} others a second over {what}",
        seconds[-1] * 1000,
        1000,
        unit="ms",
        note=note,
    )


def _configure(served: House, port: int | None, cheapest: str = "box") -> None:
    settings = Settings(data_dir=served.folder, database_url=served.conninfo)
    with installation(settings) as (db, context), db.transaction() as tx:
        now = context.clock.now()
        store.add(tx, context.vault, "box", "http", {}, now)
        store.add_secret(tx, context.vault, "box", "signing_key", KEY, now)
        if port:
            given = {"host": "127.0.0.1", "port": port, "system_id": "onceline"}
            store.add(tx, context.vault, "carrier", "smpp", given, now)
            store.add_secret(tx, context.vault, "carrier", "password", PASSWORD, now)
        for name, first in (("box", 0), ("carrier", STOCK)):
            pool = catalog.seed_pool(tx, Pool(name, name, name, "test"))
            catalog.set_price(tx, pool, MICROS // (100 if name == cheapest else 50))
            inventory.add_numbers(
                tx,
                pool=name,
                country="GB",
                network="",
                contract="bench",
                numbers=[_number(first + one) for one in range(STOCK)],
                now=now,
            )


def _number(one: int) -> str:
    return f"+999001{one:06d}"


def _stocked(served: House, port: int | None) -> tuple[str, list[str], list[str]]:
    """A customer's key, the numbers that he ordered (they are the cheapest ones), and those that nobody did."""
    _configure(served, port)
    [key] = served.accounts(1)
    numbers = uvloop.run(order_numbers(served, key, ORDERED_RATE * SECONDS * 2))
    ours = [number for number in numbers if number < _number(STOCK)]
    first = STOCK if port else 0
    idle = [_number(one) for one in range(first, first + STOCK) if _number(one) not in set(numbers)]
    return key, ours, idle


async def _at_full_speed(served: House) -> float:
    turns = iter(range(COUNT))

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for turn in turns:
            status, _ = await exchange(
                reader, writer, _signed(_number(turn % STOCK), "123456", f"full-{turn}")
            )
            assert status == 204, status
        writer.close()

    began = time.monotonic()
    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return time.monotonic() - began


async def _through_a_flood(
    served: House, key: str, ordered: list[str], idle: list[str] | None
) -> list[float]:
    """Seconds from sending a message to an ordered number until its code is on the socket."""
    times = Times()
    async with CHANNELS["socket"](served, key, times.heard):
        flood = asyncio.ensure_future(_flood(served, idle)) if idle else None
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for turn, number in enumerate(ordered[: ORDERED_RATE * SECONDS]):
            code = f"{200000 + turn}"
            times.sent[code] = time.monotonic()
            status, _ = await exchange(reader, writer, _signed(number, code, code))
            assert status == 204, status
            await asyncio.sleep(1 / ORDERED_RATE)
        if flood:
            await flood
        await times.settled()
        writer.close()
    assert len(times.took) == len(times.sent), f"{len(times.sent) - len(times.took)} messages never came"
    return list(times.took.values())


async def _flood(served: House, idle: list[str]) -> None:
    began = time.monotonic()

    async def send(connection: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for turn in range(connection, FLOOD_HTTP * SECONDS, CONNECTIONS):
            await asyncio.sleep(max(began + turn / FLOOD_HTTP - time.monotonic(), 0))
            await exchange(reader, writer, _signed(idle[turn % len(idle)], "123456", f"flood-{turn}"))
        writer.close()

    await asyncio.gather(*map(send, range(CONNECTIONS)))


def _signed(number: str, code: str, name: str) -> bytes:
    text = f"Telegram code: {code}"
    body = json.dumps({"id": name, "to": number, "from": "Telegram", "text": text}).encode()
    stamp = str(int(time.time()))
    digest = hmac.new(KEY.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    lines = (
        "POST /in/box HTTP/1.1",
        "Host: bench",
        f"X-Onceline-Timestamp: {stamp}",
        f"X-Onceline-Signature: v1={digest}",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
