"""Two edges on one database: what is done at one is heard at the other."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from websockets.sync.client import ClientConnection, connect

from tests.journeys.conftest import Customer, House


def test_a_code_that_one_edge_took_in_is_on_the_others_socket(house: House) -> None:
    house.up()
    other = House(house.folder)
    other.server = subprocess.Popen([sys.executable, "-m", "onceline", "edge"], env=other.environment)
    try:
        other.await_ready()
        alice = house.open_account("alice")
        elsewhere = house.customer(alice.key, base=other.base)
        with connect(other.base.replace("http", "ws") + "/api/v1/live", compression=None) as socket:
            ticket = alice.post("socket-tickets").json()["ticket"]
            socket.send(json.dumps({"type": "auth", "ticket": ticket}))
            assert json.loads(socket.recv(timeout=5))["type"] == "ready"
            order = alice.order()
            alice.sms(order["number"], "Your code is 482913")
            sent = time.monotonic()
            assert _codes(socket, 2) == ["482913"]
            assert time.monotonic() - sent < 5
        assert elsewhere.get(f"orders/{order['id']}").json()["code"] == "482913"
        _revocation_is_heard(house, alice, other.base)
    finally:
        assert other.stop() == 0


def _codes(socket: ClientConnection, events: int) -> list[str]:
    """Of the messages among the next events after the placing."""
    frames = [json.loads(socket.recv(timeout=5)) for _ in range(events)]
    return [frame["event"]["message"]["code"] for frame in frames if frame["event"]["message"]]


def _revocation_is_heard(house: House, alice: Customer, elsewhere: str) -> None:
    made = alice.post("keys", {"name": "short-lived"}).json()
    second = house.customer(made["key"], base=elsewhere)
    assert second.get("balance").status_code == 200
    assert alice.delete(f"keys/{made['id']}").status_code == 204
    deadline = time.monotonic() + 2
    while second.get("balance").status_code == 200:
        assert time.monotonic() < deadline, "a revoked key must end everywhere"
        time.sleep(0.05)
    assert second.get("balance").json()["code"] == "revoked_key"
