"""Picking a number out of ten thousand and out of a million, 99 % of them used for the service, with an old snapshot open.

A pick is taken and its number leased and returned, so that dead row versions pile up as they do in life.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psycopg

from bench.rows import Row
from onceline import embedded
from onceline.config import Settings
from onceline.core.clock import SystemClock
from onceline.wiring import prepare

PICKS = 3000
SMALL, LARGE = 10_000, 1_000_000
PLACES = {"ZA": SMALL, "BR": LARGE}


def run() -> Iterator[Row]:
    with (
        tempfile.TemporaryDirectory(prefix="onceline-bench-") as name,
        embedded.serving(Path(name)) as conninfo,
    ):
        prepare(conninfo, Settings(data_dir=Path(name)), SystemClock())
        with psycopg.connect(conninfo, autocommit=True) as connection:
            for country, count in PLACES.items():
                _stock(connection, country, count)
            connection.execute("vacuum analyze")
            with psycopg.connect(conninfo) as old:
                old.execute("set transaction isolation level repeatable read")
                old.execute("select count(*) from accounts").fetchone()
                times = _measure(conninfo)
    small, large = times["ZA"], times["BR"]
    note = f"p50 {median(small) * 1e6:.0f} -> {median(large) * 1e6:.0f} µs"
    yield Row(
        "allocation, 10 thousand -> 1 million numbers, p50",
        median(large) / median(small),
        1.2,
        False,
        note=note,
    )
    note = f"p99 {_at(small, 0.99) * 1e6:.0f} -> {_at(large, 0.99) * 1e6:.0f} µs"
    yield Row(
        "allocation, 10 thousand -> 1 million numbers, p99",
        _at(large, 0.99) / _at(small, 0.99),
        2.0,
        False,
        note=note,
    )


def _measure(conninfo: str) -> dict[str, list[float]]:
    """In turns, so that the machine's moods meet both alike."""
    times: dict[str, list[float]] = {country: [] for country in PLACES}
    with psycopg.connect(conninfo, autocommit=True, prepare_threshold=0) as connection:
        connection.execute("set synchronous_commit = off")  # the disk would drown what is measured here
        for turn in range(PICKS):
            for country in PLACES:
                began = time.perf_counter()
                row = connection.execute(
                    "select number_id from take_number((select id from pools where slug = 'sandbox'), %s, null,"
                    " (select id from services where slug = 'telegram'), 1, now(), 1)",
                    (country,),
                ).fetchone()
                took = time.perf_counter() - began
                assert row, f"nothing leasable in {country} at turn {turn}"
                times[country].append(took)
                connection.execute("update numbers set state = 'free' where id = %s", row)
    return times


def _stock(connection: psycopg.Connection[tuple[int, ...]], country: str, count: int) -> None:
    """Full chunks of numbers, one in a hundred of each not burnt for the service."""
    pool = "(select id from pools where slug = 'sandbox')"
    connection.execute(
        f"update numbers n set state = 'retired' from chunks c where c.id = n.chunk_id and c.country = '{country}'"
    )
    connection.execute(
        f"delete from burns where chunk_id in (select id from chunks where country = '{country}')"
    )
    batch = connection.execute(
        f"insert into batches (pool_id, country, contract, added_at) values ({pool}, %s, 'bench', now()) returning id",
        (country,),
    ).fetchone()
    assert batch
    chunks = -(-count // 1024)
    connection.execute(
        f"insert into chunks (pool_id, country, network, size, rnd, free) select {pool}, %s, '', 1024,"
        " floor(random() * 2147483647), ~(0::bit(1024)) from generate_series(1, %s)",
        (country, chunks),
    )
    connection.execute(
        "insert into numbers (e164, batch_id, chunk_id, slot, available_at)"
        " select '+9' || c.id || lpad(s::text, 4, '0'), %s, c.id, s, now() - interval '1 day'"
        " from chunks c cross join generate_series(0, 1023) s where c.country = %s and c.size = 1024",
        (batch[0], country),
    )
    dice = random.Random(1)
    ids = connection.execute(
        "select id from chunks where country = %s and size = 1024", (country,)
    ).fetchall()
    rows = []
    for (chunk,) in ids:
        fresh = set(dice.sample(range(1024), 10))
        rows.append((chunk, "".join("0" if slot in fresh else "1" for slot in range(1024))))
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into burns (chunk_id, service_id, slots, burnt)"
            " values (%s, (select id from services where slug = 'telegram'), %s::bit(1024), 1014)",
            rows,
        )


def _at(times: list[float], share: float) -> float:
    return sorted(times)[int(len(times) * share)]
