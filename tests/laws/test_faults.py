"""Connections that are lost at the commit: nobody knows then what happened, and the idempotency key answers it."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from onceline.config import Settings
from onceline.core.clock import ManualClock
from onceline.core.db import Database
from onceline.core.errors import Busy, DatabaseAway
from onceline.wiring import open_context
from tests.edge.door import serving
from tests.laws.fault_proxy import Cut, FaultProxy, faulty
from tests.shop import PRICE, Customer, Shop, numbers

_HANDS = 4
_MOST_TRIES = 20
_LOCK_S = 3.5
_SILENCE_S = 25.0
_WANTED = {"service": "telegram", "country": "GB"}


@dataclass
class Edge:
    """An edge whose way to the database leads through the proxy, and what was seen of it."""

    shop: Shop
    proxy: FaultProxy
    url: str
    outcomes: Counter[tuple[str, Cut, bool]] = field(default_factory=Counter)
    """(what was asked, the cut, whether it had been committed)"""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def client(self, who: Customer) -> Iterator[httpx.Client]:
        headers = {"Authorization": f"Bearer {who.key}"}
        with httpx.Client(base_url=f"{self.url}/api/v1/", headers=headers, timeout=10) as client:
            yield client

    def post_and_lose(self, client: httpx.Client, path: str, body: object, cut: Cut) -> httpx.Response:
        """The answer after a cut, which every further one is equal to."""
        key = secrets.token_hex(16)
        self.proxy.mark(key, cut)
        headers = {"Idempotency-Key": key}
        lost = client.post(path, json=body, headers=headers)
        assert (lost.status_code, lost.json()["code"]) == (503, "database_away"), lost.text
        second, tries = _asked_until_answered(client, path, body, headers)
        third, _ = _asked_until_answered(client, path, body, headers)
        assert (second.status_code, second.json()) == (third.status_code, third.json())
        if tries == 1:
            committed = second.headers.get("Idempotent-Replayed") == "true"
            with self.lock:
                self.outcomes[path, self.proxy.happened(key), committed] += 1
        return second


def _asked_until_answered(
    client: httpx.Client, path: str, body: object, headers: dict[str, str]
) -> tuple[httpx.Response, int]:
    """And how often. Orders of others travel in the same statement, and their cut is everybody's."""
    for tries in range(1, _MOST_TRIES + 1):
        answer = client.post(path, json=body, headers=headers)
        if answer.is_success:
            return answer, tries
        assert answer.status_code == 503, answer.text
    raise AssertionError(f"never answered: {answer.text}")


@pytest.fixture
def edge(conninfo: str, shop: Shop, tmp_path: Path, clock: ManualClock) -> Iterator[Edge]:
    settings = Settings(data_dir=tmp_path, keystore_dir=tmp_path / "keys", limits="off")
    with (
        faulty(conninfo) as proxy,
        Database(proxy.conninfo, size=_HANDS + 2, name="cut") as db,
        serving(settings, db, open_context(db, settings, clock)) as url,
    ):
        yield Edge(shop, proxy, url)


@pytest.mark.attack(3)
def test_a_connection_lost_at_the_commit_makes_one_order_of_every_key(edge: Edge, soak: bool) -> None:
    """Placed as the edge does: one order as one statement, several in a transaction; cut before and behind the commit."""
    tries = 500 if soak else 96
    shop = edge.shop
    shop.stock("GB", numbers(tries * 2))
    alice = shop.customer("Alice", 10**12)

    def place(seed: int) -> int:
        """Returns how many orders there must be now."""
        dice, made = random.Random(seed), 0
        with edge.client(alice) as client:
            for turn in range(tries // _HANDS):
                cut, several = list(Cut)[turn % 3], dice.random() < 0.4
                path, body = ("orders/batch", {"orders": [_WANTED] * 2}) if several else ("orders", _WANTED)
                answer = edge.post_and_lose(client, path, body, cut)
                assert answer.status_code == 201, answer.text
                made += 2 if several else 1
        return made

    with ThreadPoolExecutor(_HANDS) as hands:
        made = sum(hands.map(place, range(_HANDS)))
    _assert_every_cut_was_made(edge, {"orders", "orders/batch"})
    assert shop.value("select count(*) from orders") == made
    assert shop.value("select sum(cardinality(serials)) from idempotency") == made
    balance = shop.balance(alice)
    assert (balance.available, balance.held) == (10**12 - made * PRICE, made * PRICE)
    shop.assert_books_are_true()


def test_a_connection_lost_at_the_commit_makes_one_message_of_every_key(edge: Edge, soak: bool) -> None:
    """T1 answers only after its commit; the supplier that got no answer sends again."""
    tries = 200 if soak else 12
    shop = edge.shop
    shop.stock("GB", numbers(tries))
    alice = shop.customer("Alice", 10**12)
    orders = [shop.place(alice) for _ in range(tries)]
    with edge.client(alice) as client:
        for turn, order in enumerate(orders):
            cut = list(Cut)[turn % 3]
            before = shop.value("select count(*) from inbound")
            body = {"number": order.e164, "sender": "Service", "text": "Your code is 482913"}
            kept = edge.post_and_lose(client, "test/messages", body, cut)
            assert kept.status_code == 202
            assert shop.value("select count(*) from inbound") == before + 1
    for row in shop.rows("select id from inbound where state = 'stored'"):
        shop.settle(row.id)
    assert set(edge.proxy.made) == set(Cut)
    assert [len(shop.view(order)["messages"]) for order in orders] == [1] * tries
    balance = shop.balance(alice)
    assert (balance.available, balance.held) == (10**12 - tries * PRICE, 0)
    shop.assert_books_are_true()


def _assert_every_cut_was_made(edge: Edge, asked: set[str]) -> None:
    seen: dict[str, Any] = {
        one: {(cut, committed) for path, cut, committed in edge.outcomes if path == one} for one in asked
    }
    for one in asked:
        assert {cut for cut, _ in seen[one]} == set(Cut), seen
        assert (Cut.BEFORE, True) not in seen[one], "what was never committed cannot be there"
        assert (Cut.ANSWERED, False) not in seen[one], "what was committed must be there"
        assert {committed for _, committed in seen[one]} == {True, False}, seen
    assert set(edge.proxy.made) == set(Cut)


def test_a_lock_that_nobody_lets_go_stops_one_account_for_seconds(shop: Shop, soak: bool) -> None:
    """As a worker frozen in the middle of a release: its account is refused at once, and free when the time is over."""
    alice, bob = shop.customer("Alice"), shop.customer("Bob")
    let_go = threading.Event()
    with ThreadPoolExecutor(1) as frozen:
        done = frozen.submit(_hold_the_row_of, shop, alice, let_go)
        _await_the_lock(shop, alice)
        asked = time.monotonic()
        with pytest.raises(Busy):
            shop.place(alice)
        assert time.monotonic() - asked < _LOCK_S
        assert shop.place(bob).state == "waiting"
        while soak and shop.balance(alice).held == 0:
            assert time.monotonic() - asked < _SILENCE_S, "the database ends a transaction that says nothing"
            with suppress(Busy):
                shop.place(alice)
        let_go.set()
        if soak:
            with pytest.raises(DatabaseAway):
                done.result()
    assert shop.place(alice).state == "waiting"
    shop.assert_books_are_true()


def _hold_the_row_of(shop: Shop, who: Customer, let_go: threading.Event) -> None:
    with shop.db.transaction() as tx:
        tx.one("select id from sides where id = %(side)s for no key update", {"side": who.side})
        let_go.wait(2 * _SILENCE_S)


def _await_the_lock(shop: Shop, who: Customer) -> None:
    free = "select count(*) from (select from sides where id = %(side)s for no key update skip locked) free"
    deadline = time.monotonic() + _LOCK_S
    while shop.value(free, side=who.side):
        assert time.monotonic() < deadline
        time.sleep(0.01)
