"""The worker that makes exports, as a process that is killed, and with more rows than memory should know of."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from onceline.core.exports import model
from onceline.core.exports.model import Export
from onceline.workers import export as worker
from onceline.workers.retain import retain_round
from tests.core.exports.clerk import as_json, ask, exported, file_of, make, see
from tests.personas import ALICE
from tests.shop import Customer, Shop

FILL = """
insert into orders (id, serial, side_id, kind, state, service_id, country, pool_id, network, e164, price, hold_id, money,
                    created_at, ends_at, expires_at, cancel_from, cancel_until, closed_at, revision, client_reference)
select order_id(n, i.order_key), n, %(side)s, 'activation', 'expired', 1 + n %% 700, 'GB', 1, '', '+4477009' || n,
       250000, -n, 'released', t, t, t, t, t, t, 2, 'order-' || n
from (select nextval('order_serials') as n from generate_series(1, %(count)s)) serials, installation i,
     (select %(now)s::timestamptz as t) at
"""
CHILD = """
import sys, time
from datetime import datetime
from pathlib import Path
from onceline.config import Settings
from onceline.core.clock import ManualClock
from onceline.core.db import Database
from onceline.core.exports import pages, sections
from onceline.wiring import open_context
from onceline.workers import export

conninfo, keys, now = sys.argv[1:]
sections.STEP_ROWS, pages.PAGE_ROWS, export.SLICE_S, export.MOST_REST_S = 7, 50, 60, 0.05
with Database(conninfo, size=2, name="doomed") as db:
    settings = Settings(data_dir=Path(keys).parent, keystore_dir=Path(keys))
    context = open_context(db, settings, ManualClock(datetime.fromisoformat(now)))
    while True:
        export.export_round(db, context)
        time.sleep(0.05)
"""


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


def fill(shop: Shop, who: Customer, count: int) -> None:
    """Orders that came and went."""
    shop.run(FILL, side=who.side, count=count, now=shop.clock.now())


def kill_after(shop: Shop, export: Export, pieces: int, keys: Path) -> None:
    """A worker process that is killed when it has stored so many pieces."""
    words = [sys.executable, "-c", CHILD, shop.db.conninfo, str(keys), shop.clock.now().isoformat()]
    child = subprocess.Popen(words)
    try:
        deadline = time.monotonic() + 60
        while see(shop, export).pieces < pieces:
            assert time.monotonic() < deadline
            assert child.poll() is None
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


@pytest.mark.promise("D9")
def test_the_export_of_a_killed_worker_is_finished_by_another_to_the_byte(
    shop: Shop, alice: Customer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shop, alice, 2000)
    monkeypatch.setattr(worker, "MOST_REST_S", 0)
    export = ask(shop, alice, "orders", "csv")
    whole = exported_beside(shop, alice, export)
    kill_after(shop, export, 5, tmp_path / "keys")
    killed = see(shop, export)
    assert killed.state == "running"
    assert 250 <= killed.rows_done < 2000
    shop.clock.advance(model.LEASE.total_seconds())
    make(shop)
    assert file_of(shop, alice, export) == whole
    assert see(shop, export).rows_done == 2000


def exported_beside(shop: Shop, alice: Customer, waiting: Export) -> bytes:
    """The same export undisturbed, while the other one waits."""
    later = "update exports set next_at = next_at + interval '{} hour' where id = %(id)s"
    shop.run(later.format("1"), id=waiting.id)
    whole = exported(shop, alice, "orders", "csv")
    shop.run(later.format("-1"), id=waiting.id)
    return whole


def test_ten_times_the_rows_take_no_more_memory(
    shop: Shop, alice: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MOST_REST_S", 0)
    monkeypatch.setattr(worker, "SLICE_S", 3600)
    peaks = []
    for count in (2_000, 18_000):
        fill(shop, alice, count)
        export = ask(shop, alice, "orders", "json")
        tracemalloc.start()
        make(shop)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert see(shop, export).rows_done == 20_000
    assert len(as_json(file_of(shop, alice, export))["rows"]) == 20_000
    assert peaks[1] < 1.3 * peaks[0]


def test_the_retention_destroys_what_is_over(shop: Shop, alice: Customer, tmp_path: Path) -> None:
    exported(shop, alice)
    shop.clock.advance(model.KEPT_FOR.total_seconds())
    retain_round(shop.db, shop.context, tmp_path, 7)
    assert shop.value("select count(*) from export_pieces") == 0
    assert shop.value("select state from exports") == "expired"
