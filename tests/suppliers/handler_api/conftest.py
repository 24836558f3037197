"""A server of the field in a process of its own, and Onceline as its customer."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from onceline.core.money import MICROS
from onceline.core.orders.model import Order
from onceline.core.suppliers import store
from onceline.suppliers.base import Configured, Surroundings
from onceline.suppliers.handler_api.market import Market
from onceline.suppliers.handler_api.messages import Messages
from onceline.suppliers.handler_api.orders import HandlerApi
from onceline.suppliers.handler_api.settings import HandlerApiSettings
from onceline.suppliers.intake import DirectIntake
from onceline.workers.supply import supply_round
from onceline.workers.sweep import sweep_round
from tests.personas import ALICE
from tests.shop import Customer, Shop

KEY = "sesame"
HALF = MICROS // 2


@dataclass
class Upstream:
    """The server's own books, by the test's own door."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/stubs/handler_api.php"

    def control(self, **wanted: Any) -> dict[str, Any]:
        body = json.dumps(wanted).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/control", body, timeout=10) as reply:
            told: dict[str, Any] = json.load(reply)
        return told

    def set(self, **knobs: Any) -> None:
        self.control(set=knobs)

    def fail(self, action: str, how: str, times: int = 1) -> None:
        self.control(faults=[{"action": action, "how": how, "times": times}])

    def sms(self, supplier_order_id: str, code: str, text: str = "") -> None:
        self.control(sms={"id": supplier_order_id, "code": code, "text": text})

    @property
    def activations(self) -> list[dict[str, Any]]:
        return list(self.control()["activations"].values())

    @property
    def live(self) -> list[dict[str, Any]]:
        return [one for one in self.activations if one["state"] not in ("cancelled", "finished")]

    @property
    def balance(self) -> float:
        return float(self.control()["balance"])

    def asked(self, action: str) -> int:
        return int(self.control()["asked"].get(action, 0))


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("fake_upstream.py")), str(port)])
    try:
        _await(port)
        yield Upstream(port)
    finally:
        process.kill()
        process.wait()


def _await(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("the server did not start")


class Hub:
    """The supplier as configured here: its session's rounds are run by hand, its clock moves with ours."""

    def __init__(self, shop: Shop, intake: DirectIntake, upstream: Upstream, **settings: Any) -> None:
        self.shop, self.intake, self.upstream = shop, intake, upstream
        self.around = Surroundings(shop.db, shop.context, intake)
        fields = {"url": upstream.url, "pool": "hub", "markup_percent": "30", **settings}
        self.configured = Configured("hub", HandlerApiSettings(**fields), {"api_key": (KEY,)})
        self.market = Market(self.configured, self.around)
        self.messages = Messages(self.configured, self.around)
        self.orders = HandlerApi(self.configured, self.around)
        self.customer: Customer = shop.customer(ALICE, mode="live")
        with shop.db.transaction() as tx:
            store.add(tx, shop.context.vault, "hub", "handler-api", {}, shop.clock.now())
        shop.pool("hub", mode="live", supplier="hub", asks=True, tells=True)
        self.keep_time()

    def keep_time(self) -> None:
        """The server's clock shows ours."""
        self.upstream.set(shift_s=self.shop.clock.now().timestamp() - time.time())

    def wait(self, seconds: float) -> None:
        """Time passes on both sides, and orders that are over end."""
        self.shop.clock.advance(seconds)
        self.keep_time()
        self.shop.wait(0)

    def order(self, service: str = "telegram", country: str = "GB", **rest: Any) -> Order:
        return self.shop.place(self.customer, service, country, pool="hub", **rest)

    def call(self) -> int:
        """One round of the outbox."""
        return supply_round(self.shop.db, self.shop.context, "hub", self.orders)

    def bought(self, **rest: Any) -> Order:
        """An order that has its number."""
        order = self.order(**rest)
        self.call()
        return self.shop.order(order)

    def listen(self) -> None:
        """One round of the session that fetches messages, when all are due again; what came is matched."""
        self.wait(16)
        with ThreadPoolExecutor(2) as threads:
            self.messages._round(threads)
        self.settle()

    def settle(self) -> None:
        """What came is matched, also what came for nobody who waits."""
        self.intake.settled()
        sweep_round(self.shop.db, self.shop.context)

    def codes(self, order: Order) -> list[str | None]:
        return [message["code"] for message in self.shop.view(order)["messages"]]

    def states(self) -> list[str]:
        return [
            row.state for row in self.shop.rows("select state from purchases order by asked_at, reference")
        ]

    def alerts(self) -> set[str]:
        self.intake.flush()
        return {row.code for row in self.shop.rows("select code from supplier_alerts")}


@pytest.fixture
def hub(shop: Shop, intake: DirectIntake, upstream: Upstream) -> Hub:
    """Its offers were brought over once."""
    hub = Hub(shop, intake, upstream)
    hub.market.look()
    return hub
