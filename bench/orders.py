"""Placing and polling orders over HTTP, against limits of the same run on the same durable server.

Place: pgbench simple-update (scale 10, prepared) with as many clients. Poll: /readyz, which does `select 1` through the
same pool of the same server.
"""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator
from statistics import median

import psycopg

from bench.client import Result, load, request
from bench.house import House, house
from bench.rows import Row

CONNECTIONS = 8
SECONDS = 4.0
ROUNDS = 3


def run() -> Iterator[Row]:
    with house() as served:
        keys = [served.account(f"buyer {n}") for n in range(CONNECTIONS)]
        served.cli("sandbox", "numbers", "--country", "GB", "--count", "60000")
        make_yardstick(served)
        yield _placing(served, keys, [served.port])
        yield from _half_load(served, keys)
        yield _polling(served, keys)
        with served.another_edge() as port:
            yield _placing(served, keys, [served.port, port])


def _placing(served: House, keys: list[str], ports: list[int]) -> Row:
    ratios, notes = [], []
    _place(ports, keys, 1.0)
    for _ in range(ROUNDS):
        limit = pgbench(served, CONNECTIONS, SECONDS)
        result = _place(ports, keys, SECONDS)
        assert not result.refused, f"{result.refused} orders were refused"
        ratios.append(result.rate / limit)
        notes.append(f"{result.rate:.0f}/{limit:.0f} a second")
    return Row(
        f"place an order / pgbench simple-update, 8 clients, {len(ports)} edge",
        median(ratios),
        0.45,
        True,
        note=", ".join(notes),
    )


def _half_load(served: House, keys: list[str]) -> Iterator[Row]:
    """Latency with half as many buyers as cores would like to have."""
    result = _place([served.port], keys[: CONNECTIONS // 2], SECONDS, pause=0.01)
    yield Row(
        "place an order, p99 at half load",
        result.at(0.99) * 1000,
        50,
        False,
        "ms",
        f"p50 {result.at(0.5) * 1000:.1f} ms",
    )


def _polling(served: House, keys: list[str]) -> Row:
    order = _some_order(served, keys[0])
    poll = request("GET", f"/api/v1/orders/{order}", keys[0])
    ready = request("GET", "/readyz", keys[0])
    ratios, notes = [], []
    for _ in range(ROUNDS):
        limit = load([served.port], CONNECTIONS, SECONDS, lambda _: ready)
        result = load([served.port], CONNECTIONS, SECONDS, lambda _: poll)
        ratios.append(result.rate / limit.rate)
        notes.append(f"{result.rate:.0f}/{limit.rate:.0f} a second")
    return Row(
        "poll an order / select 1 through the same pool", median(ratios), 0.8, True, note=", ".join(notes)
    )


def _place(ports: list[int], keys: list[str], seconds: float, pause: float = 0.0) -> Result:
    body = {"service": "telegram", "country": "GB"}

    def next_request(connection: int) -> bytes:
        return request("POST", "/api/v1/orders", keys[connection], body, Idempotency_Key=secrets.token_hex(8))

    return load(ports, len(keys), seconds, next_request, pause)


def _some_order(served: House, key: str) -> int:
    with psycopg.connect(served.conninfo) as connection:
        side = "select g.side_id from api_keys k join grants g on g.id = k.grant_id where k.last4 = %s"
        row = connection.execute(
            f"select id from orders where side_id in ({side}) limit 1", (key[-4:],)
        ).fetchone()
    assert row
    return int(row[0])


def make_yardstick(served: House) -> None:
    with psycopg.connect(served.conninfo, autocommit=True) as connection:
        connection.execute("create database yardstick")
    subprocess.run(
        [served.program("pgbench"), "-i", "-q", "-s", "10", "yardstick"],
        env=_libpq(served),
        capture_output=True,
        check=True,
    )


def pgbench(served: House, clients: int, seconds: float) -> float:
    done = subprocess.run(
        [
            served.program("pgbench"),
            "-N",
            "-n",
            "-M",
            "prepared",
            "-c",
            str(clients),
            "-T",
            str(int(seconds)),
            "yardstick",
        ],
        env=_libpq(served),
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    assert found
    return float(found.group(1))


def _libpq(served: House) -> dict[str, str]:
    host = re.search(r"host='([^']+)'", served.conninfo)
    assert host
    return {**served.environment, "PGHOST": host.group(1), "PGUSER": "onceline"}
