"""Two edges and two workers as separate processes, on one database and one key store in PostgreSQL: one house to everybody.

What is done at one machine is seen, heard and respected at the other; the laws of money and messages hold when both
sell the same numbers to the same account, when their clocks differ, and when one of them is killed.
"""

from __future__ import annotations

import secrets
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from onceline.config import Settings
from onceline.core.proofs.checks import prove
from onceline.core.vault import KeyStoreRefused
from onceline.edge.hub import POLL_S
from onceline.wiring import move_keys
from tests.journeys.conftest import Customer
from tests.journeys.load import (
    CALM_S,
    WANTED,
    Load,
    all_orders,
    assert_nothing_is_lost,
    assert_the_money_comes_home,
    customers,
    held,
    under_load,
)
from tests.journeys.machines import SHORT, Line, Machine, Machines, live, two_machines

_HANDS = 8


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with two_machines(tmp_path_factory.mktemp("machines")) as made:
        yield made


@pytest.fixture
def a(machines: Machines) -> Machine:
    return machines.all[0]


@pytest.fixture
def b(machines: Machines) -> Machine:
    return machines.all[1]


def _at(customer: Customer, machine: Machine) -> Customer:
    """The same customer, who speaks to another machine."""
    return machine.customer(customer.key, customer.account)


def _customer(machine: Machine) -> Customer:
    (made,) = customers(machine, 1)
    return made


def _together(*works: Callable[[], Any]) -> list[Any]:
    """At the same moment, from threads."""
    start = threading.Barrier(len(works))

    def after_start(work: Callable[[], Any]) -> Any:
        start.wait(10)
        return work()

    with ThreadPoolExecutor(len(works)) as hands:
        return list(hands.map(after_start, works))


def _assert_books_are_true(machine: Machine) -> None:
    with machine.core() as shop, shop.db.transaction() as tx:
        assert [proof for proof in prove(tx, shop.clock.now()) if proof.broken] == []


def test_the_main_job_leads_over_both_machines(a: Machine, b: Machine) -> None:
    """Opened and ordered here, the message comes in there, both show the code; the price is charged once."""
    alice = _customer(a)
    there = _at(alice, b)
    with live(alice, a) as here_line, live(there, b) as there_line:
        order = alice.order()
        assert there.get(f"orders/{order['id']}").json() == order
        assert there.sms(order["number"], "Your code is 482913").status_code == 202
        for who in (alice, there):
            assert who.get(f"orders/{order['id']}", wait=5).json()["code"] == "482913"
        heard = [_told(line, 3) for line in (here_line, there_line)]
    assert heard[0] == heard[1]
    assert [(kind, code) for _, _, kind, code in heard[0]] == [
        ("order.placed", None),
        ("order.message", "482913"),
        ("order.received", None),
    ]
    assert there.get("balance").json()["available"] == "999.7500"
    for machine in (a, b):
        _assert_books_are_true(machine)


def _told(line: Line, count: int) -> list[tuple[int, str, str, str | None]]:
    """Seq, id, type and code of the first events; the order beside them is as it was when they were read."""
    frames = [frame for _, frame in line.await_events(count)[:count]]
    return [
        (frame["seq"], frame["id"], frame["event"]["type"], (frame["event"]["message"] or {}).get("code"))
        for frame in frames
    ]


def test_what_is_done_at_one_edge_is_on_the_others_socket_by_a_wake_up(
    a: Machine, b: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the poll alone it would take half the poll's interval at the median."""
    alice = _customer(a)
    asked: list[float] = []
    with live(alice, a) as here, live(_at(alice, b), b) as there:
        for turn in range(40):
            asked.append(time.monotonic())
            alice.order()
            arrivals = there.await_events(turn + 1)
            time.sleep(0.01)
        own = here.await_events(40)
    took = [arrived - began for (arrived, _), began in zip(arrivals, asked, strict=True)]
    further = [far[0] - near[0] for far, near in zip(arrivals, own, strict=True)]
    with capsys.disabled():
        sys.stderr.write(
            f"\nrequest at A to socket at B: {_spread(took)}; behind A's own socket: {_spread(further)}\n"
        )
    assert statistics.median(took) < POLL_S / 4


def _spread(seconds: list[float]) -> str:
    ordered = sorted(1000 * one for one in seconds)
    return f"p50 {statistics.median(ordered):.1f} ms, p95 {ordered[int(0.95 * len(ordered))]:.1f} ms"


def test_a_key_made_at_one_machine_works_and_ends_at_the_other(a: Machine, b: Machine) -> None:
    alice = _customer(a)
    made = alice.post("keys", {"name": "short-lived"}).json()
    there = b.customer(made["key"])
    assert there.get("balance").status_code == 200
    with live(there, b) as line:
        assert alice.delete(f"keys/{made['id']}").status_code == 204
        revoked = time.monotonic()
        assert line.await_end() - revoked < 1
    assert there.get("balance").json()["code"] == "revoked_key"


def test_both_machines_sell_the_last_numbers_once(a: Machine, b: Machine, soak: bool) -> None:
    """One account, twenty numbers, eight hands at two edges: placing, cancelling, and messages for whatever they hold."""
    alice = _customer(a)
    with a.core() as shop:
        stock = shop.only("AT", 20)
    ends = time.monotonic() + (60 if soak else 4)
    outcomes: Counter[int] = Counter()

    def buy(hand: int) -> None:
        who = _at(alice, (a, b)[hand % 2])
        while time.monotonic() < ends:
            answer = who.post("orders", WANTED | {"country": "AT"})
            outcomes[answer.status_code] += 1
            assert answer.status_code in (201, 409), answer.text
            if answer.status_code == 201 and secrets.randbelow(3):
                who.post(f"orders/{answer.json()['id']}/cancel")

    with ThreadPoolExecutor(_HANDS) as hands:
        list(hands.map(buy, range(_HANDS)))
    with a.core() as shop:
        sold = shop.rows("select e164, count(*) as live from orders where closed_at is null group by e164")
    assert all(one.live == 1 for one in sold if one.e164 in stock)
    assert min(outcomes[201], outcomes[409]) > 0, outcomes
    _assert_books_are_true(a)


def test_one_idempotency_key_at_both_machines_is_one_order_and_one_message(a: Machine, b: Machine) -> None:
    alice = _customer(a)
    both = (alice, _at(alice, b))
    for turn in range(10):
        key = f"turn-{turn}"
        answers = _together(*(partial(who.post, "orders", WANTED, key=key) for who in both * 2))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["id"] for answer in answers}) == 1
        order = answers[0].json()
        message = {"number": order["number"], "sender": "Service", "text": "Your code is 482913"}
        sent = _together(*(partial(who.post, "test/messages", message, key=key) for who in both))
        assert len({answer.json()["message_id"] for answer in sent}) == 1
    assert len(list(all_orders(alice))) == 10
    _await(lambda: all(one["code"] == "482913" and len(one["messages"]) == 1 for one in all_orders(alice)))
    _assert_books_are_true(a)


def test_a_cancel_at_one_machine_against_a_message_and_a_cancel_at_the_other(
    a: Machine, b: Machine, soak: bool
) -> None:
    alice = _customer(a)
    there = _at(alice, b)
    outcomes: Counter[str] = Counter()
    for turn in range(200 if soak else 30):
        order = alice.order()
        path = f"orders/{order['id']}/cancel"
        ahead = 0.004 * (turn % 6 - 2)
        _together(
            partial(_after, -ahead, partial(alice.sms, order["number"], "Your code is 482913")),
            partial(_after, ahead, partial(there.post, path)),
            partial(_after, ahead, partial(alice.post, path)),
        )
        _await(lambda order=order: alice.get(f"orders/{order['id']}").json()["messages"])
        found = there.get(f"orders/{order['id']}").json()
        in_time = [message for message in found["messages"] if not message["late"]]
        assert found["charged"] == bool(in_time) == (found["state"] != "cancelled"), found
        outcomes[found["state"]] += 1
    assert len(outcomes) == 2, f"both must have won sometimes: {outcomes}"
    _assert_books_are_true(a)


def _after(seconds: float, work: Callable[[], Any]) -> Any:
    time.sleep(max(seconds, 0))
    return work()


def test_two_workers_release_each_hold_once(a: Machine, b: Machine) -> None:
    alice = _customer(a)
    orders = [who.order()["id"] for _ in range(40) for who in (alice, _at(alice, b))]
    _await(lambda: not held(alice), SHORT["activation_window_s"] + SHORT["drain_s"] + 15)
    found = {one["id"]: one for one in all_orders(alice)}
    assert {found[one]["state"] for one in orders} == {"expired"}
    with a.core() as shop:
        twice = shop.rows(
            "select pending_id from transfers where pending_id is not null group by pending_id having count(*) > 1"
        )
        ends = shop.rows(
            "select e.order_id, count(*) as n from events e join sides s on s.id = e.side_id"
            " where s.account_id = %(account)s and e.type = 'order.expired' group by e.order_id",
            account=alice.account,
        )
    assert twice == []
    assert [one.n for one in ends] == [1] * len(orders)
    _assert_books_are_true(a)


def test_one_machine_dies_and_the_other_goes_on(
    a: Machine, b: Machine, machines: Machines, soak: bool
) -> None:
    """kill -9 of an edge and of a worker in the middle of the load, and back again."""
    made = customers(a, 4)
    buyers = [*made[:2], *(_at(one, b) for one in made[2:])]

    def disturb(load: Load) -> None:
        for _ in range(10 if soak else 1):
            a.kill()
            b.kill_worker()
            before = sum(who in buyers[2:] for who, _ in load.orders)
            time.sleep(2 * CALM_S)
            assert sum(who in buyers[2:] for who, _ in load.orders) > before + 5, "the other edge goes on"
            a.start_edge()
            b.start_worker()
            a.await_ready()
            time.sleep(CALM_S)

    load = under_load(a, disturb, buyers)
    assert load.unanswered, "the kill must have hit somebody"
    assert_nothing_is_lost(load)


def test_while_the_key_store_is_away_nothing_seems_erased(a: Machine, b: Machine, machines: Machines) -> None:
    alice = _customer(a)
    order = alice.order()
    path = f"orders/{order['id']}"
    alice.sms(order["number"], "Your code is 482913")
    _await(lambda: alice.get(path).json()["code"] == "482913")
    bob = _at(_customer(a), b)
    fresh = bob.order()
    there = _at(alice, b)
    with live(there, b) as line, machines.without_keys():
        answer = there.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "key_store_away")
        assert answer.headers["retry-after"] == "2"
        assert alice.get(path).json()["code"] == "482913", "this machine has looked, and remembers"
        assert bob.get("balance").status_code == 200
        assert bob.get(f"orders/{fresh['id']}").json()["number"] == fresh["number"]
        assert bob.order()["state"] == "waiting", "an order needs no key"
        assert line.closed_at is None
    _await(lambda: there.get(path).status_code == 200)
    assert there.get(path).json()["code"] == "482913"


def test_a_machine_whose_clock_is_ahead_breaks_no_law(machines: Machines, a: Machine, soak: bool) -> None:
    """Its worker ends the others' orders early: whose code came too late for it has the money back, and no other has."""
    skewed = machines.add(skew_s=2.5)
    machines.start(skewed)
    try:
        made = customers(a, 4)
        buyers = [*made[:2], *(_at(one, skewed) for one in made[2:])]
        load = under_load(a, lambda _: time.sleep(60 if soak else 3), buyers)
        assert load.faults == []
        assert_the_money_comes_home(load)
        _sockets_agree(_customer(a), a, skewed)
    finally:
        skewed.end()


def _sockets_agree(customer: Customer, a: Machine, skewed: Machine) -> None:
    there = _at(customer, skewed)
    with live(customer, a) as here_line, live(there, skewed) as there_line:
        order = there.order()
        customer.sms(order["number"], "Your code is 482913")
        heard = [_told(line, 2) for line in (here_line, there_line)]
    assert heard[0] == heard[1]


def test_a_machine_without_the_right_master_key_does_not_start(machines: Machines) -> None:
    stranger = Machine(machines.folder / "stranger", machines.database_url, machines.keystore_url)
    stranger.master.parent.mkdir()
    stranger.master.write_bytes(secrets.token_bytes(32))
    stranger.start_edge()
    assert stranger.server is not None
    assert stranger.server.wait(timeout=30) == 2
    assert "does not fit this key store" in stranger.errors.read_text()


def test_keys_are_not_moved_under_running_doors(a: Machine) -> None:
    """They are known by the names that their connections have."""
    settings = Settings(data_dir=a.folder)
    with a.core() as shop, pytest.raises(KeyStoreRefused, match="stop them all first"):
        move_keys(shop.db, settings, a.keystore_url)


def _await(holds: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
