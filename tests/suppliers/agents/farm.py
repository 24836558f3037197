"""A farm that speaks the agent protocol, as tests tell it to answer, and the installation that buys of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from onceline.core.orders.model import Order
from onceline.suppliers.agents.buying import Buyer
from onceline.suppliers.agents.kind import KIND
from onceline.suppliers.agents.stock import StockSession
from onceline.suppliers.base import Arrival, Call, Configured, Surroundings
from onceline.workers.supply import supply_round
from tests.receiver import Answer, Received, Receiver
from tests.shop import PRICE, Customer, Shop

NAME, KEY, POOL = "farm", "key-of-the-farm", "farm-numbers"
NUMBER = 447700900123


@dataclass
class Farm:
    """`answers` by action: what is said, or a function of what was asked."""

    receiver: Receiver
    answers: dict[str, Any] = field(default_factory=dict)
    packed: bool = False

    def __post_init__(self) -> None:
        self.receiver.answer = self._answer
        self.has(tg=5)
        self.answers["GET_NUMBER"] = {"status": "SUCCESS", "number": NUMBER, "activationId": 355}
        self.answers["FINISH_ACTIVATION"] = {"status": "SUCCESS"}

    def has(self, country: Any = "england", **counts: int) -> None:
        listed = [{"country": country, "operatorMap": {"any": counts}}]
        self.answers["GET_SERVICES"] = {"status": "SUCCESS", "countryList": listed}

    def _answer(self, one: Received) -> Answer:
        told = self.answers[one.json["action"]]
        said = told(one.json) if callable(told) else told
        if isinstance(said, Answer):
            return said
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        headers = {"content-encoding": "gzip"} if self.packed else {}
        return Answer(200, headers, gzip.compress(body) if self.packed else body)

    def asked(self, action: str) -> list[dict[str, Any]]:
        return [one.json for one in self.receiver.received if one.json["action"] == action]


@dataclass
class House:
    """The hub: its own shop, the farm configured in it, and what its workers do, a round at a time."""

    shop: Shop
    farm: Farm
    around: Surroundings
    customer: Customer
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def configured(self) -> Configured:
        told = {"url": self.farm.receiver.url, "pool": POOL} | self.settings
        return Configured(NAME, KIND.settings.model_validate(told), {"key": (KEY,)})

    @property
    def buyer(self) -> Buyer:
        return Buyer(self.configured, self.around)

    def look(self) -> None:
        StockSession(self.configured, self.around).look()

    def work(self, buyer: Buyer | None = None) -> None:
        """The supply worker looks once."""
        supply_round(self.shop.db, self.shop.context, NAME, buyer or self.buyer)

    def ordered(self, service: str = "telegram", country: str = "GB") -> Order:
        """An order that the farm was asked about."""
        self.look()
        order = self.shop.place(self.customer, service, country, pool=POOL)
        self.work()
        return self.shop.order(order)

    def sms(self, number: str, text: str) -> None:
        """The farm pushed a message, and it was matched."""
        [kept] = self.around.intake.keep(NAME, [Arrival("", number, "Service", text)])
        self.shop.settle(kept.id)

    def call(self, order: Order, number: str | None = None) -> Call:
        return Call(f"ol-{order.id}", order.service, order.country, None, number, PRICE)

    def purchase(self, order: Order) -> str:
        return str(self.shop.value("select state from purchases where reference = %(r)s", r=f"ol-{order.id}"))

    def alerts(self) -> list[str]:
        self.around.intake.flush()  # type: ignore[attr-defined]  # the real one, which writes its notes down
        rows = self.shop.rows("select code from supplier_alerts where supplier = %(s)s order by code", s=NAME)
        return [row.code for row in rows]


def says(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda _: fields
