"""Invariant I5: every acknowledged write exists, whoever is killed when."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from tests.journeys.conftest import Customer, House

_BUYERS = 6
_CALM_S = 1.5


@dataclass
class Load:
    """Orders and messages until told to stop; remembers what was acknowledged and what was asked without an answer."""

    house: House
    buyers: list[Customer]
    orders: list[tuple[Customer, int]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    unanswered: list[tuple[Customer, str]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with ThreadPoolExecutor(len(self.buyers)) as pool:
            for done in [pool.submit(self._buy, buyer) for buyer in self.buyers]:
                done.result()

    def _buy(self, buyer: Customer) -> None:
        while not self.stopping.is_set():
            key = secrets.token_hex(8)
            try:
                answer = buyer.post("orders", {"service": "telegram", "country": "GB"}, key=key)
                if answer.status_code != 201:
                    assert answer.status_code == 503, answer.text
                    self.unanswered.append((buyer, key))
                    continue
                self.orders.append((buyer, answer.json()["id"]))
                sent = buyer.sms(
                    answer.json()["number"], f"Telegram code: {secrets.randbelow(90000) + 10000}"
                )
                if sent.status_code == 202:
                    self.messages.append(sent.json()["message_id"])
            except httpx.TransportError:
                self.unanswered.append((buyer, key))
                time.sleep(0.05)


def _under_load(house: House, disturb: Callable[[Load], None]) -> Load:
    buyers = [house.open_account(f"buyer {n}", "1000") for n in range(_BUYERS)]
    house.cli("sandbox", "numbers", "--country", "GB", "--count", "5000")
    load = Load(house, buyers)
    runner = threading.Thread(target=load.run)
    runner.start()
    time.sleep(_CALM_S)
    disturb(load)
    load.stopping.set()
    runner.join(timeout=60)
    return load


def _check(load: Load) -> None:
    assert len(load.orders) > 20, "the load must have been real"
    for buyer, order in load.orders:
        assert buyer.get(f"orders/{order}").status_code == 200
    _check_messages(load)
    for buyer, key in load.unanswered:
        retried = buyer.post("orders", {"service": "telegram", "country": "GB"}, key=key)
        again = buyer.post("orders", {"service": "telegram", "country": "GB"}, key=key)
        assert retried.status_code == 201
        assert retried.json() == again.json()
    proof = load.house.prove()
    assert proof["ok"], proof


def _check_messages(load: Load) -> None:
    """Every message that got its 202 is in its owner's orders, once, when the sweeper has been by."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        seen = [
            message["id"]
            for buyer, order in load.orders
            for message in buyer.get(f"orders/{order}/messages").json()["messages"]
        ]
        if set(load.messages) <= set(seen):
            break
        time.sleep(0.5)
    assert set(load.messages) <= set(seen)
    assert len(seen) == len(set(seen))


def test_kill_9_of_the_server_under_load_loses_nothing_acknowledged(house: House) -> None:
    house.up()

    def disturb(_: Load) -> None:
        house.kill()
        time.sleep(0.3)
        house.up()
        time.sleep(_CALM_S)

    load = _under_load(house, disturb)
    assert load.unanswered, "the kill must have hit somebody"
    _check(load)


def test_kill_9_of_postgresql_under_load_loses_nothing_acknowledged(house: House) -> None:
    house.up()

    def disturb(load: Load) -> None:
        for _ in range(8):  # a kill between two statements of everybody hurts nobody: once more then
            os.kill(house.postgres_pid(), signal.SIGKILL)
            time.sleep(0.2)
            house.await_ready()
            time.sleep(_CALM_S)
            if load.unanswered:
                break

    load = _under_load(house, disturb)
    assert load.unanswered, "the kill must have hit somebody"
    assert load.house.server is not None
    assert load.house.server.poll() is None, "the server comes back without a restart"
    _check(load)


def test_a_frozen_postgresql_is_answered_for_within_five_seconds(house: House) -> None:
    house.up()
    alice = house.open_account("alice")
    alice.order()
    postgres = house.postgres_pid()
    group = [postgres, *_children(postgres)]
    for pid in group:
        os.kill(pid, signal.SIGSTOP)
    try:
        asked = time.monotonic()
        answer = alice.post("orders", {"service": "telegram", "country": "GB"})
        assert time.monotonic() - asked < 5.5
        assert (answer.status_code, answer.json()["retryable"]) == (503, True)
        assert "retry-after" in answer.headers
    finally:
        for pid in reversed(group):
            os.kill(pid, signal.SIGCONT)
    house.await_ready()
    assert alice.order()["state"] == "waiting"


def _children(parent: int) -> list[int]:
    with open(f"/proc/{parent}/task/{parent}/children") as listed:
        return [int(pid) for pid in listed.read().split()]
