"""PostgreSQL goes away, hangs and comes back: answers stay quick, nothing is lost, nothing needs a restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import psycopg
import pytest

from onceline.config import Settings
from onceline.core.db import Database
from onceline.core.orders.context import Context
from onceline.edge import pool
from tests.edge.door import Client, Town, assert_problem, eventually, serving
from tests.personas import ALICE
from tests.shop import Shop


@pytest.fixture
def lonely(settings: Settings, db: Database, context: Context, shop: Shop) -> Iterator[Client]:
    """A customer of a server whose database is its own, so that it can be taken away."""
    with serving(settings, db, context) as url, httpx.Client(timeout=20) as http:
        yield Town(shop, settings, url, http).customer(ALICE)


def test_without_its_database_the_door_says_503_within_five_seconds_and_comes_back(
    lonely: Client, away: Callable[[bool], None]
) -> None:
    order = lonely.order()
    ready = lonely.url + "/readyz"
    with lonely.live(after=0) as line:
        line.ready()
        heard = [line.event()[0] for _ in range(2)]
        away(True)
        for ask in (
            lambda: lonely.http.get(ready),
            lambda: lonely.place(idempotency_key="through-the-storm"),
            lambda: lonely.get(f"/orders/{order['id']}"),
        ):
            started = time.monotonic()
            answer = ask()
            assert time.monotonic() - started < 5
            body = assert_problem(answer, 503, "database_away", retry_after_s=2)
            assert (answer.headers["retry-after"], body["retryable"]) == ("2", True)
        assert lonely.http.get(lonely.url + "/healthz").status_code == 200

        away(False)
        eventually(lambda: lonely.http.get(ready).status_code == 200, 10)
        placed = lonely.place(idempotency_key="through-the-storm")
        assert placed.status_code == 201
        heard.append(line.event()[0])
    assert heard == [1, 2, 3]
    assert len(lonely.json("/orders")["orders"]) == 2


def test_a_locked_row_is_busy_not_broken(lonely: Client, conninfo: str) -> None:
    assert lonely.who is not None
    with psycopg.connect(conninfo) as rival:
        rival.execute("select from sides where id = %s for update", (lonely.who.side,))
        started = time.monotonic()
        answer = lonely.place(idempotency_key="patience")
        assert time.monotonic() - started < 5
    assert_problem(answer, 503, "busy", retry_after_s=1)
    assert lonely.place(idempotency_key="patience").status_code == 201
    assert lonely.json("/balance")["held"] == "0.2500"


def test_a_database_that_hangs_is_answered_for_in_time(
    lonely: Client, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lonely.who is not None
    monkeypatch.setattr(pool, "COMMAND_DEADLINE_S", 0.2)
    with psycopg.connect(conninfo) as rival:
        rival.execute("select from sides where id = %s for update", (lonely.who.side,))
        batch = {"orders": [{"service": "telegram", "country": "GB"}] * 2}
        for ask in (lonely.place, lambda: lonely.post("/orders/batch", batch, "key")):
            started = time.monotonic()
            assert_problem(ask(), 503, "database_away", retry_after_s=2)
            assert time.monotonic() - started < 1
    monkeypatch.undo()
    assert lonely.get("/balance").status_code == 200
