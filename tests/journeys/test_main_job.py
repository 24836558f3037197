"""The main job as its users run it: the demo, `up`, the command line beside it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.journeys.conftest import Customer, House


@pytest.mark.promise("M1")
def test_the_demo_tells_the_main_job_and_ends(house: House) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "onceline", "demo", "--once"],
        env=house.environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"number +\+44\d{10} ", done.stdout)
    assert re.search(r"code +\d{5} +\d+\.\d ms from gateway to socket", done.stdout)
    assert "expired, charged: no" in done.stdout
    balances = re.findall(r"balance +(\S+) USD available, (\S+) held", done.stdout)
    assert balances == [
        ("100.0000", "0.0000"),
        ("99.7500", "0.2500"),
        ("99.7500", "0.0000"),
        ("99.5000", "0.2500"),
        ("99.7500", "0.0000"),
        ("124.7500", "0.0000"),
        ("99.7500", "0.0000"),
    ]
    assert re.findall(r"deposit +25.0000 USD (\w+)", done.stdout) == ["credited", "refunded"]


def test_commands_work_with_and_without_a_running_server(house: House) -> None:
    alone = house.open_account("alice", "5")
    house.up()
    beside = house.open_account("bob", "7")
    assert alone.get("balance").json()["available"] == "5.0000"
    assert beside.get("balance").json()["available"] == "7.0000"
    added = json.loads(house.cli("sandbox", "numbers", "--country", "GB", "--count", "1000", "--json"))
    assert added["added"] == 1000
    offers = beside.get("catalog/offers", country="GB", service="telegram").json()["offers"]
    assert offers[0]["stock"] == 1020
    protocol = json.loads(
        house.cli("keys", "create", "bob", "--kind", "protocol", "--mode", "test", "--json")
    )
    refused = httpx.get(
        f"{house.base}/api/v1/balance", headers={"Authorization": f"Bearer {protocol['key']}"}
    )
    assert refused.json()["code"] == "invalid_key"
    assert house.prove()["ok"] is True
    assert house.stop() == 0


def test_sigterm_ends_the_server_its_worker_and_its_database(house: House) -> None:
    house.up()
    postgres = house.postgres_pid()
    assert house.stop() == 0
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _lives(postgres):
        time.sleep(0.05)
    assert not _lives(postgres)


def test_a_worker_that_dies_is_started_again(house: House) -> None:
    house.up(activation_window_s=1, drain_s=0)
    alice = house.open_account("alice")
    workers = _children_of(house, "work --with-parent")
    assert len(workers) == 1
    subprocess.run(["kill", "-9", str(workers[0])], check=True)
    order = alice.order()
    assert _wait_for_state(alice, order["id"], "expired", seconds=15)


def test_pages_that_die_come_back_and_codes_do_not_wait_for_them(house: House) -> None:
    house.up()
    alice = house.open_account("alice")
    (pages,) = _children_of(house, "desk --parents-socket")
    subprocess.run(["kill", "-9", str(pages)], check=True)
    order = alice.order()
    assert alice.sms(order["number"], "Telegram code: 48291").status_code == 202
    deadline = time.monotonic() + 5
    while alice.get(f"orders/{order['id']}").json()["code"] != "48291":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert httpx.get(house.base, timeout=30).status_code == 200
    assert _children_of(house, "desk --parents-socket") != [pages]


def test_no_child_outlives_a_server_that_is_killed(house: House) -> None:
    house.up()
    left = _children_of(house, "onceline")
    assert len(left) == 2
    house.kill()
    deadline = time.monotonic() + 30
    while any(_lives(pid) for pid in left):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_order_that_ended_while_the_server_was_down_is_released_within_five_seconds(house: House) -> None:
    house.up(activation_window_s=2)
    alice = house.open_account("alice")
    order = alice.order()
    house.kill()
    time.sleep(4)
    house.up(activation_window_s=2)
    ready = time.monotonic()
    assert alice.get(f"orders/{order['id']}").json()["state"] == "expired"
    while alice.get("balance").json()["held"] != "0.0000":
        assert time.monotonic() - ready < 5
        time.sleep(0.05)
    assert alice.get("balance").json()["available"] == "100.0000"


def _wait_for_state(customer: Customer, order: int, state: str, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = customer.get(f"orders/{order}").json()
        if found["state"] == state and found["closed_at"]:
            return True
        time.sleep(0.1)
    return False


def _children_of(house: House, words: str) -> list[int]:
    """Child processes whose command line has these words."""
    assert house.server is not None
    pid = house.server.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if words in _command_line(int(child))]


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
