"""An SMSC, numbers of its supplier with orders on them, and binds that run in threads of the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from onceline.core.db import Database
from onceline.core.money import MICROS
from onceline.core.orders.context import Context
from onceline.core.orders.model import Order
from onceline.outbound import ConfiguredDoor
from onceline.suppliers.base import Arrival, Configured, Heartbeat, Surroundings
from onceline.suppliers.intake import DirectIntake
from onceline.suppliers.smpp import kind
from onceline.suppliers.smpp.link import Pace
from onceline.suppliers.smpp.session import Patience
from onceline.suppliers.smpp.settings import SmppSettings
from tests.edge.door import eventually
from tests.personas import ALICE
from tests.shop import Shop, numbers
from tests.suppliers.smpp.smsc import PASSWORD, Smsc
from tests.suppliers.smpp.smsc import smsc as started

SUPPLIER = "carrier"
PACE = Pace(answer=1.0, idle=20.0, unbind=1.0)
PATIENCE = Patience(first=0.05, most=0.4, refused=30.0, steady=5.0, alert=300.0, beat=0.1)


@pytest.fixture
def smsc() -> Iterator[Smsc]:
    with started() as made:
        yield made


@dataclass
class Listening:
    """An Intake that also writes down what it was told."""

    inner: DirectIntake
    beats: dict[str, Heartbeat] = field(default_factory=dict)
    alerts: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    """Called before each commit."""

    def keep(self, supplier: str, arrivals: list[Arrival]) -> Any:
        self.before()
        return self.inner.keep(supplier, arrivals)

    def beat(self, supplier: str, heartbeat: Heartbeat) -> None:
        self.beats[heartbeat.device] = heartbeat
        self.inner.beat(supplier, heartbeat)

    def alert(self, supplier: str, code: str, subject: str = "") -> None:
        self.alerts.append((code, subject))
        self.inner.alert(supplier, code, subject)


@dataclass
class Mast:
    """Our side of the SMSC, with the customer who reads what comes."""

    shop: Shop
    smsc: Smsc
    intake: Listening
    surroundings: Surroundings
    orders: dict[str, Order] = field(default_factory=dict)

    def own(self, count: int) -> list[str]:
        """Numbers of this supplier, each with an order of one customer that waits for anything."""
        pool = f"masts-{len(self.orders)}"
        self.shop.pool(pool, MICROS // 4, mode="live", supplier=SUPPLIER)
        self.shop.stock("GB", numbers(count, len(self.orders)), pool=pool)
        customer = self.shop.customer(ALICE, mode="live")
        placed = [self.shop.place(customer, "other", "GB", pool=pool) for _ in range(count)]
        new = {self.shop.view(order)["number"]: order for order in placed}
        self.orders |= new
        return list(new)

    def texts(self, number: str) -> list[str]:
        """What its owner reads, in the order of its coming."""
        return [message["text"] for message in self.shown(number)]

    def shown(self, number: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.shop.view(self.orders[number])["messages"]
        return messages

    def await_texts(self, number: str, *texts: str) -> None:
        def read() -> bool:
            assert sorted(self.texts(number)) == sorted(texts)
            return True

        eventually(read, seconds=10)

    def stored(self) -> int:
        return int(self.shop.value("select count(*) from inbound"))

    def fact(self, name: str, device: str = "carrier/1") -> Any:
        """What a bind last said of itself."""
        beat = self.intake.beats.get(device)
        return beat.facts[name] if beat else None

    def configured(self, **settings: Any) -> Configured:
        given = {"host": "127.0.0.1", "port": self.smsc.port, "system_id": "onceline", **settings}
        return Configured(SUPPLIER, SmppSettings(**given), {"password": (PASSWORD,)})

    @contextmanager
    def bound(
        self,
        *,
        pace: Pace = PACE,
        patience: Patience = PATIENCE,
        configured: Configured | None = None,
        wait: bool = True,
        **settings: Any,
    ) -> Iterator[None]:
        """The supplier's binds, each in a thread as in a worker."""
        made = kind.sessions(configured or self.configured(**settings), self.surroundings)
        sessions = [replace(one, pace=pace, patience=patience) for one in made]
        stopping = threading.Event()
        threads = [threading.Thread(target=one.run, args=(stopping,)) for one in sessions]
        for thread in threads:
            thread.start()
        try:
            if wait:
                for _ in threads:
                    self.smsc.wait("bind", lambda event: event["status"] == 0)
            yield
        finally:
            stopping.set()
            for one in sessions:
                one.wake()
            for thread in threads:
                thread.join(timeout=20)
            assert not any(thread.is_alive() for thread in threads), "a bind does not end"


@pytest.fixture
def mast(shop: Shop, smsc: Smsc, db: Database, context: Context, intake: DirectIntake) -> Mast:
    listening = Listening(intake)
    return Mast(shop, smsc, listening, Surroundings(db, context, listening, ConfiguredDoor))
