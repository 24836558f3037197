"""A gateway: an edge that serves, suppliers configured in it, their numbers, and a customer with live money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import phonenumbers
import pytest

from onceline.config import Settings
from onceline.core.clock import ManualClock
from onceline.core.db import Database
from onceline.core.money import MICROS
from onceline.core.orders.context import Context
from onceline.core.orders.model import Order
from onceline.core.suppliers import store
from onceline.suppliers.intake import DirectIntake
from tests.edge.door import eventually, serving
from tests.personas import ALICE
from tests.shop import Customer, Shop

PUBLIC = "https://otp.example.com"
"""What the installation believes its address to be: signed URLs begin with it."""


@dataclass
class Gateway:
    shop: Shop
    settings: Settings
    url: str
    http: httpx.Client
    customer: Customer
    pools: dict[str, str] = field(default_factory=dict)

    @property
    def clock(self) -> ManualClock:
        return self.shop.clock

    def supplier(
        self,
        name: str,
        kind: str,
        settings: Mapping[str, Any] | None = None,
        secrets: Mapping[str, list[str]] | None = None,
    ) -> None:
        """Configured and enabled; secrets are given oldest first."""
        with self.shop.db.transaction() as tx:
            vault, now = self.shop.context.vault, self.clock.now()
            store.add(tx, vault, name, kind, settings or {}, now)
            for secret, values in (secrets or {}).items():
                for value in values:
                    store.add_secret(tx, vault, name, secret, value, now)

    def own(self, number: str, supplier: str) -> str:
        """Into a live pool of its own, at a price of 0.25."""
        pool = f"pool-{len(self.pools)}"
        self.shop.pool(pool, MICROS // 4, mode="live", supplier=supplier)
        region = phonenumbers.region_code_for_number(phonenumbers.parse(number))
        self.shop.stock(region or "GB", [number], pool=pool)
        self.pools[number] = pool
        return pool

    def order(self, number: str, service: str = "telegram") -> Order:
        """The customer orders this very number."""
        region = phonenumbers.region_code_for_number(phonenumbers.parse(number))
        return self.shop.place(self.customer, service, region or "GB", pool=self.pools[number])

    def post(
        self, path: str, body: bytes | str = b"", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        content = body.encode() if isinstance(body, str) else body
        return self.http.post(self.url + path, content=content, headers=dict(headers or {}))

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self.http.get(self.url + path, headers=dict(headers or {}))

    def shown(self, order: Order) -> list[dict[str, Any]]:
        """The messages that the customer sees now; look with `eventually`, matching comes right after the answer."""
        messages: list[dict[str, Any]] = self.shop.view(order)["messages"]
        return messages

    def await_shown(self, order: Order, count: int = 1) -> list[dict[str, Any]]:
        eventually(lambda: len(self.shown(order)) >= count)
        return self.shown(order)

    def unowned(self) -> int:
        """Messages kept apart: to numbers that are not ours, or not that supplier's."""
        return int(self.shop.value("select count(*) from inbound where state = 'unowned'"))


@pytest.fixture
def gateway(shop: Shop, settings: Settings, context: Context, db: Database) -> Iterator[Gateway]:
    public = settings.model_copy(update={"public_url": PUBLIC})
    with serving(public, db, context) as url, httpx.Client(timeout=20) as http:
        yield Gateway(shop, public, url, http, shop.customer(ALICE, mode="live"))


@pytest.fixture
def intake(db: Database, context: Context) -> Iterator[DirectIntake]:
    """What sessions hand their messages to."""
    made = DirectIntake(db, context)
    yield made
    made.close()
