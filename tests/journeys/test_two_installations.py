"""Two installations feed each other: the agent has the numbers, the hub sells them on to its own customers.

Both are whole installations, each with its own database, keys and workers; between them is nothing but the agent protocol.
The hub reaches the agent through a wire that a test can cut.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from onceline.core.hubs import store as hubs
from onceline.core.money import MICROS, format_amount
from onceline.core.suppliers import store as suppliers
from tests.edge.door import eventually
from tests.journeys.conftest import Customer, House
from tests.receiver import Answer, Received, Receiver, receiving
from tests.shop import Shop

SOON_S = 20.0
"""A round of every worker on both sides, and a look at the stock."""
LOCK_S = 1
OWN, SOLD_ON = MICROS // 5, MICROS // 4
"""What the agent asks of the hub, and the hub of its customer."""
BALANCE = 100 * MICROS
SHARED, SIGNING = "the-key-of-hub-and-agent", "signing-key-of-the-gateway-of-the-agent"
NUMBERS = [f"+4477009001{one:02d}" for one in range(10, 20)]


@dataclass
class Wire:
    """What the hub asks goes to the agent; `cut` says at which action the agent dies before its answer is out."""

    agent: House
    receiver: Receiver
    cut: str = ""

    def __post_init__(self) -> None:
        self.receiver.answer = self._carry

    def _carry(self, one: Received) -> Answer:
        try:
            reply = httpx.post(f"{self.agent.base}/agent/v1", content=one.body, timeout=10)
        except httpx.TransportError:
            return Answer(drop=True)
        if self.cut and one.json["action"] == self.cut:
            self.cut = ""
            self.agent.kill()
            return Answer(drop=True)
        return Answer(reply.status_code, {}, reply.content)

    def asked(self, action: str) -> list[dict[str, Any]]:
        return [one.json for one in self.receiver.received if one.json["action"] == action]


@dataclass
class Two:
    hub: House
    agent: House
    wire: Wire
    shop: Shop
    """The hub's core."""
    side: int
    """The hub's, at the agent."""

    def customer(self) -> tuple[Customer, int]:
        """One of the hub's, with live money, and the number of its side."""
        who = self.shop.customer(f"customer {secrets.token_hex(4)}", BALANCE, mode="live")
        return self.hub.customer(who.key), who.side

    def gateway(self, number: str, text: str) -> None:
        """A SIM of the agent's got an SMS."""
        body = json.dumps(
            {"id": secrets.token_hex(8), "to": number, "from": "Telegram", "text": text}
        ).encode()
        stamp = str(int(time.time()))
        mark = hmac.new(SIGNING.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"x-onceline-timestamp": stamp, "x-onceline-signature": f"v1={mark}"}
        answer = httpx.post(f"{self.agent.base}/in/gate", content=body, headers=headers)
        assert answer.status_code < 300, answer.text

    def activations(self) -> list[Any]:
        """The hub's orders at the agent, the oldest first."""
        with self.agent.core() as shop:
            return shop.rows(
                "select id, state, money, e164 from orders where side_id = %(side)s order by serial",
                side=self.side,
            )

    def held_at_the_agent(self) -> int:
        with self.agent.core() as shop:
            return int(shop.value("select held from sides where id = %(side)s", side=self.side))


def up(house: House) -> None:
    house.up(cancel_lock_s=LOCK_S)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    with ExitStack() as open_:
        hub, agent = House(tmp_path_factory.mktemp("hub")), House(tmp_path_factory.mktemp("agent"))
        for house in (hub, agent):
            open_.callback(close, house)
            up(house)
        wire = Wire(agent, open_.enter_context(receiving()))
        with agent.core() as shop:
            side = own_numbers(shop, hub.base)
        shop = open_.enter_context(hub.core())
        buy_of_an_agent(shop, wire.receiver.url)
        yield Two(hub, agent, wire, shop, side)


def close(house: House) -> None:
    for customer in house.customers:
        customer.close()
    if house.server is not None and house.server.poll() is None:
        house.stop()


def own_numbers(shop: Shop, hub_url: str) -> int:
    """The agent: a gateway with SIM cards, and the hub as a customer; returns its side."""
    with shop.db.transaction() as tx:
        now, vault = shop.clock.now(), shop.context.vault
        suppliers.add(tx, vault, "gate", "http", {}, now)
        suppliers.add_secret(tx, vault, "gate", "signing_key", SIGNING, now)
    shop.pool("own", OWN, mode="live", supplier="gate")
    shop.stock("GB", NUMBERS, pool="own")
    who = shop.customer("the hub", BALANCE, mode="live")
    with shop.db.transaction() as tx:
        hubs.add(
            tx, vault, account=who.account, side=who.side, url=f"{hub_url}/in/farm", key=SHARED, countries="ids", now=now
        )  # fmt: skip
    return who.side


def buy_of_an_agent(shop: Shop, url: str) -> None:
    with shop.db.transaction() as tx:
        now, vault = shop.clock.now(), shop.context.vault
        told = {"url": url, "pool": "farm-numbers", "countries": "ids", "markup_percent": 25, "poll_s": 5}
        suppliers.add(tx, vault, "farm", "agent-protocol", told, now)
        suppliers.add_secret(tx, vault, "farm", "key", SHARED, now)
    shop.pool("farm-numbers", SOLD_ON, mode="live", supplier="farm", asks=True, tells=True)


def offer(who: Customer, service: str = "telegram") -> int:
    found = who.get("catalog/offers", service=service, country="GB").json()["offers"]
    return int(found[0]["stock"]) if found else 0


def ordered(two: Two, who: Customer, service: str = "telegram") -> dict[str, Any]:
    """Placed, and decided one way or the other."""
    eventually(lambda: offer(who, service), SOON_S)
    order = who.order(service)
    assert order["state"] == "placing"
    found: dict[str, Any] = who.get(f"orders/{order['id']}", wait=10, after=1).json()
    return found


def balance(two: Two, side: int) -> tuple[int, int]:
    row = two.shop.rows("select available, held from sides where id = %(side)s", side=side)[0]
    return row.available, row.held


@pytest.mark.promise("A2")
@pytest.mark.promise("P5")
def test_a_code_that_reaches_the_agents_gateway_is_shown_to_the_hubs_customer(two: Two) -> None:
    who, side = two.customer()
    order = ordered(two, who)
    assert order["state"] == "waiting"
    assert order["number"] in NUMBERS
    assert two.activations()[-1].e164 == order["number"]
    two.gateway(order["number"], "Telegram code 48291")
    seen = who.get(f"orders/{order['id']}", wait=15, after=order["revision"]).json()
    assert (seen["code"], seen["charged"]) == ("48291", True)
    assert who.post(f"orders/{order['id']}/finish").status_code == 200
    eventually(lambda: two.activations()[-1].state == "finished", SOON_S)
    assert two.activations()[-1].money == "captured"
    assert balance(two, side) == (BALANCE - SOLD_ON, 0)
    asked = two.wire.asked("GET_NUMBER")[-1]
    assert format_amount(OWN) == f"{asked['sum']:.4f}"
    batch = two.shop.rows("select contract, country from batches order by id desc limit 1")[0]
    assert (batch.contract, batch.country) == ("asked of farm", "GB")


@pytest.mark.promise("M1")
def test_a_cancellation_at_the_hub_releases_the_number_and_the_money_at_the_agent(two: Two) -> None:
    who, side = two.customer()
    order = ordered(two, who, "whatsapp")
    assert order["state"] == "waiting"
    held = two.held_at_the_agent()
    assert held >= OWN
    time.sleep(LOCK_S)
    assert who.post(f"orders/{order['id']}/cancel").status_code == 200
    eventually(lambda: two.activations()[-1].state == "cancelled", SOON_S)
    assert two.held_at_the_agent() == held - OWN
    assert balance(two, side) == (BALANCE, 0)


@pytest.mark.promise("A1")
def test_no_bank_goes_from_one_to_the_other(two: Two) -> None:
    who, _ = two.customer()
    eventually(lambda: offer(who), SOON_S)
    assert [offer(who, service) for service in ("paypal", "revolut", "wise", "coinbase")] == [0] * 4
    banks = "select count(*) from supplier_stock k join services s on s.id = k.service_id where s.prohibited"
    assert two.shop.value(banks) == 0
    refused = who.post("orders", {"service": "paypal", "country": "GB"})
    assert refused.json()["code"] == "prohibited_service"


@pytest.mark.promise("M3")
def test_an_agent_that_sold_its_last_number_elsewhere_costs_the_hubs_customer_nothing(two: Two) -> None:
    """The hub still believes in the stock that it heard of some seconds ago."""
    who, side = two.customer()
    eventually(lambda: offer(who), SOON_S)
    with two.agent.core() as shop:
        shop.run("update numbers set state = 'retired' where state = 'free'")
        try:
            order = ordered(two, who)
            assert (order["state"], order["number"]) == ("failed", None)
            assert balance(two, side) == (BALANCE, 0)
            eventually(lambda: offer(who) == 0, SOON_S)
            refused = who.post("orders", {"service": "telegram", "country": "GB"})
            assert refused.json()["code"] == "out_of_stock"
        finally:
            shop.run("update numbers set state = 'free' where state = 'retired'")


@pytest.mark.promise("M1")
def test_an_agent_that_dies_between_its_commit_and_its_answer_costs_nobody_anything(two: Two) -> None:
    who, side = two.customer()
    eventually(lambda: offer(who), SOON_S)
    before = len(two.wire.asked("GET_NUMBER"))
    two.wire.cut = "GET_NUMBER"
    order = ordered(two, who, "discord")
    assert (order["state"], order["number"]) == ("failed", None)
    assert balance(two, side) == (BALANCE, 0)
    up(two.agent)
    lost = two.activations()[-1]
    assert (lost.state, lost.money) == ("waiting", "held")
    time.sleep(3)
    assert len(two.wire.asked("GET_NUMBER")) == before + 1
    purchase = two.shop.rows("select state from purchases where reference = %(r)s", r=f"ol-{order['id']}")
    assert [row.state for row in purchase] == ["unknown"]
    eventually(
        lambda: two.shop.value("select count(*) from supplier_alerts where code = 'purchase_unknown'") == 1,
        SOON_S,
    )
    two.gateway(lost.e164, "Discord code 123456")
    eventually(lambda: two.activations()[-1].state == "received", SOON_S)
    eventually(lambda: two.shop.value("select count(*) from inbound where state = 'unowned'") == 1, SOON_S)
    assert who.get(f"orders/{order['id']}").json()["messages"] == []
    again = ordered(two, who, "discord")
    assert again["state"] == "waiting"
    assert again["number"] != lost.e164


def test_after_all_of_it_both_books_are_true_and_no_log_holds_a_code(two: Two) -> None:
    assert two.hub.prove()["ok"]
    assert two.agent.prove()["ok"]
    logs = (two.hub.errors.read_text(), two.agent.errors.read_text())
    assert all("48291" not in log and SHARED not in log for log in logs)
