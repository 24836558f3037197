"""Codes reach the customer's own server through real processes, also when the worker is killed in between."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.journeys.conftest import Customer, House
from tests.receiver import Answer, Received, Receiver, receiving

HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "webhooks.md"
ORDERS = 25


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def standing(lasting_house: House) -> House:
    """A house whose webhooks may reach this machine."""
    if lasting_house.server is None:
        lasting_house.up(webhook_loopback="true")
        lasting_house.cli("sandbox", "numbers", "--country", "GB", "--count", "2000")
    return lasting_house


def eventually(holds: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)


def hook(customer: Customer, url: str, **wanted: Any) -> dict[str, Any]:
    answer = customer.post("webhooks", {"url": url, **wanted})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def snippet() -> Callable[[str, dict[str, str], bytes], bool]:
    """The check that the page for customers shows."""
    found: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", HOWTO.read_text(), re.DOTALL)[0], found)
    is_genuine: Callable[[str, dict[str, str], bytes], bool] = found["is_genuine"]
    return is_genuine


def stream(customer: Customer, after: int) -> list[dict[str, Any]]:
    """Every event after a seq, as GET /events tells them."""
    events: list[dict[str, Any]] = customer.get("events", after=after, limit=500).json()["events"]
    return events


@pytest.mark.promise("D5")
def test_a_code_is_at_the_customers_server_within_a_moment_and_its_signature_holds(
    standing: House, receiver: Receiver
) -> None:
    alice, is_genuine = standing.open_account("alice"), snippet()
    secret = hook(alice, receiver.url, types=["order.message"])["secret"]["secret"]
    time.sleep(1.5)  # the worker has heard of the endpoint
    order = alice.order()
    alice.sms(order["number"], "Your code is 482913")
    sent = time.monotonic()
    eventually(lambda: receiver.received)
    assert time.monotonic() - sent < 3
    (got,) = receiver.received
    assert got.json["data"]["message"]["code"] == "482913"
    Webhook(secret).verify(got.body, got.headers)
    assert is_genuine(secret, got.headers, got.body)
    assert not is_genuine(secret, got.headers, got.body + b" ")
    late = str(int(got.headers["webhook-timestamp"]) - 301)
    assert not is_genuine(secret, {**got.headers, "webhook-timestamp": late}, got.body)
    assert not is_genuine("whsec_" + "A" * 43 + "=", got.headers, got.body)


@pytest.mark.promise("D7")
def test_kill_9_of_the_worker_loses_no_event_for_a_webhook(standing: House, receiver: Receiver) -> None:
    """It is killed while requests are open; their leases are over a moment later instead of half a minute."""
    bob = standing.open_account("bob")
    start = bob.get("events").json()["seq"]
    webhook = hook(bob, receiver.url, concurrency=4)["webhook"]["id"]
    receiver.answer = _slow
    eventually(lambda: _place(bob) and len(receiver.received) >= 3)
    for _ in range(2):
        _kill_worker(standing)
        for _ in range(ORDERS // 2):
            _place(bob)
        _end_leases(standing)
    receiver.say(204)
    expected = {event["id"] for event in stream(bob, start)}
    assert len(expected) > ORDERS

    def all_there() -> bool:
        _end_leases(standing)
        return (
            set(receiver.ids) >= expected and bob.get(f"webhooks/{webhook}").json()["health"]["pending"] == 0
        )

    eventually(all_there, 60)
    assert set(receiver.ids) == expected
    for event in stream(bob, start):
        said = [got.json for got in receiver.received if got.id == event["id"]]
        assert {one["data"]["seq"] for one in said} == {event["seq"]}
        assert {one["type"] for one in said} == {event["event"]["type"]}


def _slow(_: Received) -> Answer:
    return Answer(slow_s=0.3)


def _place(customer: Customer) -> bool:
    """An order and its code: three events."""
    order = customer.order()
    assert customer.sms(order["number"], "Your code is 482913").status_code == 202
    return True


def _kill_worker(house: House) -> None:
    """And wait until another one is there."""
    eventually(lambda: house.worker_pid() is not None)
    pid = house.worker_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: house.worker_pid() not in (None, pid))


def _end_leases(house: House) -> None:
    """As if half a minute had passed for whatever nobody is at work on any more."""
    with house.core() as shop:
        shop.run(
            "update deliveries set claimed_until = now() - interval '1 second'"
            " where claimed_until < now() + interval '28 seconds'"
        )
