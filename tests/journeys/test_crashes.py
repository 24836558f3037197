"""Invariant I5: every acknowledged write exists, whoever is killed or frozen when.

The load orders, sends messages, cancels and looks; its windows are short, so that the worker's releases run among it.
The last test is the control: with a database that acknowledges before it keeps, the same harness does see a loss.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

import psycopg
import pytest

from tests.journeys.conftest import Customer, House
from tests.journeys.load import (
    BUYERS,
    CALM_S,
    WANTED,
    Load,
    assert_nothing_is_lost,
    assert_the_money_comes_home,
    customers,
    held,
    under_load,
)

SHORT = {"activation_window_s": 3, "drain_s": 1, "cancel_lock_s": 0}
_ROUNDS = 8
"""A kill between two statements of everybody hurts nobody: then once more."""
_WORKER_BACK_S = 10.0
_FORGETFUL = (
    "alter database onceline set synchronous_commit = off",
    "alter system set wal_writer_delay = '10s'",
    "alter system set wal_writer_flush_after = '1GB'",
    "select pg_reload_conf()",
    "checkpoint",
)
"""Answer before keeping, and keep as late as PostgreSQL can be told to."""


@pytest.fixture
def standing(lasting_house: House) -> House:
    """A house that serves; what a story before this one did to it is over."""
    if lasting_house.server is None:
        lasting_house.up(**SHORT)
    lasting_house.await_ready()
    return lasting_house


@pytest.mark.attack(3)
def test_kill_9_of_the_server_loses_nothing_acknowledged(standing: House, soak: bool) -> None:
    def disturb(load: Load) -> None:
        for _ in range(10 if soak else 1):
            standing.kill()
            standing.up(**SHORT)
            time.sleep(CALM_S)

    load = under_load(standing, disturb)
    assert load.unanswered, "the kill must have hit somebody"
    assert_nothing_is_lost(load)


def test_a_frozen_server_loses_nothing_acknowledged(standing: House, soak: bool) -> None:
    """Longer than the database waits for a silent client, in the long form."""
    assert standing.server is not None
    load = under_load(standing, lambda _: _freeze([standing.server.pid], 25 if soak else 1.5))
    assert load.longest_s > 1, "the freeze must have hit somebody"
    assert_nothing_is_lost(load)


def test_kill_9_of_the_worker_loses_nothing_and_another_one_comes(standing: House, soak: bool) -> None:
    def disturb(load: Load) -> None:
        for _ in range(10 if soak else 2):
            _kill_worker(standing)

    load = under_load(standing, disturb)
    assert load.refused == 0, "the edge does not need the worker"
    assert_nothing_is_lost(load)


def test_a_frozen_worker_stops_nobody_and_then_catches_up(standing: House, soak: bool) -> None:
    """While it is frozen codes come and orders end for their readers; the money waits for it, and comes."""
    frozen = _the_worker(standing)

    def disturb(load: Load) -> None:
        os.kill(frozen, signal.SIGSTOP)
        time.sleep(30 if soak else 3)

    try:
        load = under_load(standing, disturb)
        (fresh,) = customers(standing, 1)
        _assert_the_edge_works(fresh)
        _await_the_end(fresh)
        assert held(fresh), "nobody is there to release it"
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert_nothing_is_lost(load)
    load.buyers.append(fresh)
    assert_the_money_comes_home(load)
    assert standing.worker_pid() == frozen


def test_a_worker_started_by_hand_takes_over_from_a_frozen_one(standing: House) -> None:
    frozen = _the_worker(standing)
    (alice,) = customers(standing, 1)
    os.kill(frozen, signal.SIGSTOP)
    second = subprocess.Popen([sys.executable, "-m", "onceline", "work"], env=standing.told(**SHORT))
    try:
        alice.order()
        assert held(alice)
        deadline = time.monotonic() + SHORT["activation_window_s"] + SHORT["drain_s"] + _WORKER_BACK_S
        while held(alice):
            assert time.monotonic() < deadline, "the second worker must release it"
            time.sleep(0.1)
    finally:
        os.kill(frozen, signal.SIGCONT)
        second.terminate()
    assert second.wait(timeout=30) == 0


@pytest.mark.attack(8)
def test_kill_9_of_postgresql_loses_nothing_acknowledged(standing: House, soak: bool) -> None:
    load = _killing_until_somebody_is_hurt(standing, lambda: [standing.postgres_pid()], soak)
    assert standing.server is not None
    assert standing.server.poll() is None, "the server comes back without a restart"
    assert_nothing_is_lost(load)


@pytest.mark.attack(8)
def test_kill_9_of_every_postgresql_process_loses_nothing_acknowledged(standing: House, soak: bool) -> None:
    load = _killing_until_somebody_is_hurt(standing, standing.postgres_group, soak)
    assert_nothing_is_lost(load)


def test_kill_9_of_one_connection_loses_nothing_acknowledged(standing: House, soak: bool) -> None:
    """PostgreSQL then throws everybody out and recovers by itself."""
    load = _killing_until_somebody_is_hurt(standing, lambda: standing.postgres_group()[-1:], soak)
    assert_nothing_is_lost(load)


def test_a_frozen_postgresql_loses_nothing_acknowledged(standing: House, soak: bool) -> None:
    load = under_load(standing, lambda _: _freeze(standing.postgres_group(), 15 if soak else 1.5))
    assert load.longest_s > 1, "the freeze must have hit somebody"
    assert_nothing_is_lost(load)


def test_a_frozen_postgresql_is_answered_for_within_five_seconds(standing: House) -> None:
    (alice,) = customers(standing, 1)
    alice.order()
    group = standing.postgres_group()
    _signal(group, signal.SIGSTOP)
    try:
        asked = time.monotonic()
        answer = alice.post("orders", WANTED)
        assert time.monotonic() - asked < 5.5
        assert (answer.status_code, answer.json()["retryable"]) == (503, True)
        assert "retry-after" in answer.headers
    finally:
        _signal(reversed(group), signal.SIGCONT)
    standing.await_ready()
    assert alice.order()["state"] == "waiting"


def test_the_harness_sees_a_database_that_forgets(house: House) -> None:
    """The control: commits are answered before they are kept, and every process of PostgreSQL dies at once."""
    buyers = customers(house, BUYERS)
    with house.core() as shop, psycopg.connect(shop.db.conninfo, autocommit=True) as connection:
        for change in _FORGETFUL:
            connection.execute(change)
    house.up(**SHORT)
    for _ in range(_ROUNDS):
        load = under_load(house, lambda _: _kill_at_once(house.postgres_group()), buyers)
        house.await_ready()
        lost = load.lost()
        if lost["orders"] and lost["looks"]:
            break
    assert lost["orders"], "a database that forgets must be noticed"
    assert lost["looks"], "also by what its readers had been shown"


def _killing_until_somebody_is_hurt(house: House, victims: Callable[[], list[int]], soak: bool) -> Load:
    def disturb(load: Load) -> None:
        hurt = 0
        for _ in range(30 if soak else _ROUNDS):
            before = len(load.unanswered)
            _kill_at_once(victims())
            time.sleep(0.2)
            house.await_ready()
            time.sleep(CALM_S)
            hurt += len(load.unanswered) > before
            if hurt >= (10 if soak else 1):
                break

    load = under_load(house, disturb)
    assert load.unanswered, "the kill must have hit somebody"
    return load


def _kill_at_once(pids: list[int]) -> None:
    """Frozen first, so that none of them sees another one go."""
    _signal(pids, signal.SIGSTOP)
    _signal(pids, signal.SIGKILL)


def _freeze(pids: list[int], seconds: float) -> None:
    _signal(pids, signal.SIGSTOP)
    time.sleep(seconds)
    _signal(reversed(pids), signal.SIGCONT)


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _the_worker(house: House) -> int:
    deadline = time.monotonic() + _WORKER_BACK_S
    while (pid := house.worker_pid()) is None:
        assert time.monotonic() < deadline, "there must be a worker"
        time.sleep(0.05)
    return pid


def _kill_worker(house: House) -> None:
    """And wait for the next one."""
    killed = _the_worker(house)
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + _WORKER_BACK_S
    while house.worker_pid() in (killed, None):
        assert time.monotonic() < deadline, "a killed worker must be started again"
        time.sleep(0.05)
    time.sleep(CALM_S)


def _assert_the_edge_works(buyer: Customer) -> None:
    """Order, message, code, cancel: none of it needs the worker. A lock that it died with is free after a while."""
    order = buyer.order()
    assert buyer.sms(order["number"], "Telegram code: 48291").status_code == 202
    deadline = time.monotonic() + 5
    while buyer.get(f"orders/{order['id']}").json()["code"] != "48291":
        assert time.monotonic() < deadline, "the code must come without the worker"
        time.sleep(0.02)
    assert buyer.post(f"orders/{buyer.order()['id']}/cancel").status_code == 200


def _await_the_end(buyer: Customer) -> None:
    """One more order, until its reader sees it expired."""
    order = buyer.order()
    time.sleep(SHORT["activation_window_s"] + SHORT["drain_s"] + 0.5)
    found = buyer.get(f"orders/{order['id']}").json()
    assert (found["state"], found["closed_at"], found["charged"]) == ("expired", None, False)
