"""Deposits through the door, in the words of the tests: a customer, an edge that serves, and a worker that works when told."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import httpx

from onceline.core.processors import store
from onceline.core.processors.store import Figures
from onceline.payments import rounds
from onceline.payments.till import Till
from tests.counterparts.stripe.process import LIVE, SECRET, TEST, FakeStripe
from tests.shop import Customer, Shop

BACK = "https://shop.example/back"
FIGURES = Figures(5_000_000, 500_000_000, 0, 0, 0)


@dataclass(frozen=True)
class Counter:
    shop: Shop
    till: Till
    """The worker's."""
    url: str
    http: httpx.Client
    who: Customer

    def of(self, who: Customer) -> Counter:
        return Counter(self.shop, self.till, self.url, self.http, who)

    # The customer.

    def send(self, method: str, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.who.key}"} | ({"Idempotency-Key": key} if key else {})
        return self.http.request(method, f"{self.url}/api/v1{path}", json=body, headers=headers)

    def begin(
        self, amount: str = "10.00", method: str = "sandbox", key: str = "", **rest: Any
    ) -> httpx.Response:
        body = {"method": method, "amount": amount, "return_url": BACK} | rest
        return self.send("POST", "/deposits", body, key or secrets.token_hex(8))

    def begun(self, amount: str = "10.00", method: str = "sandbox") -> dict[str, Any]:
        answer = self.begin(amount, method)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def pay(self, deposit: dict[str, Any], outcome: str = "paid") -> httpx.Response:
        return self.send("POST", f"/test/deposits/{deposit['id']}/pay", {"outcome": outcome})

    def paid(self, amount: str = "10.00") -> dict[str, Any]:
        """In the sandbox, and credited."""
        deposit = self.begun(amount)
        assert self.pay(deposit).status_code == 202
        self.work()
        found = self.read(deposit)
        assert found["state"] == "credited"
        return found

    def read(self, deposit: dict[str, Any]) -> dict[str, Any]:
        answer = self.send("GET", f"/deposits/{deposit['id']}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ask_back(self, deposit: dict[str, Any]) -> httpx.Response:
        return self.send("POST", f"/deposits/{deposit['id']}/refund")

    @property
    def available(self) -> str:
        return str(self.send("GET", "/balance").json()["available"])

    # The house.

    def work(self) -> int:
        """One round of each clock; how much they did."""
        return sum(one(self.till) for one in (rounds.hints_round, rounds.awaited_round, rounds.refunds_round))

    def call(self, name: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        """As a processor calls."""
        return self.http.post(f"{self.url}/pay/{name}", content=body, headers=headers)

    def exceptions(self) -> list[str]:
        return [row.code for row in self.shop.rows("select code from payment_exceptions order by id")]

    def count(self, table: str) -> int:
        return int(self.shop.value(f"select count(*) from {table}"))

    def processor_id(self, deposit: dict[str, Any]) -> str:
        return str(self.shop.value("select processor_id from deposits where id = %(id)s", id=deposit["id"]))

    def stripe(
        self, fake: FakeStripe, name: str = "cards", *, mode: str = "test", secret: str = SECRET
    ) -> None:
        """Configured, as an operator does."""
        with self.shop.db.transaction() as tx:
            vault, now = self.shop.context.vault, self.shop.clock.now()
            store.add(tx, name, "stripe", mode, {"url": fake.url}, FIGURES, now)
            store.set_secret(tx, vault, name, "api_key", TEST if mode == "test" else LIVE, now)
            store.set_secret(tx, vault, name, "webhook_secret", secret, now)
        self.till.hear(frozenset({store.PROCESSORS_WORD}))
