"""The harness of invariant I5: customers who order, send themselves messages, cancel and look, while something breaks.

It remembers every write that was acknowledged (orders answered 201, messages 202, cancels 200) and what looking has
shown, and says afterwards what of it is missing.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from onceline.core.money import MICROS, parse_amount
from onceline.core.proofs.checks import prove
from onceline.suppliers.sandbox import stock
from tests.journeys.conftest import Customer, House

BUYERS = 6
CALM_S = 1.0
SETTLED_S = 20.0
"""Until the sweeper and the expiry have been by, the worker's start included."""
WANTED = {"service": "telegram", "country": "GB"}
_NUMBERS = 20_000
_CANCELLED_OF_4 = 1


@dataclass
class Load:
    house: House
    buyers: list[Customer]
    orders: list[tuple[Customer, dict[str, Any]]] = field(default_factory=list)
    cancels: list[tuple[Customer, int]] = field(default_factory=list)
    messages: list[tuple[Customer, str]] = field(default_factory=list)
    looks: list[tuple[Customer, dict[str, Any]]] = field(default_factory=list)
    unanswered: list[tuple[Customer, str]] = field(default_factory=list)
    refused: int = 0
    longest_s: float = 0.0
    """How long the slowest answer took."""
    faults: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def buy(self, buyer: Customer, seed: int) -> None:
        dice = random.Random(seed)
        while not self.stopping.is_set():
            try:
                self._once(buyer, dice)
            except httpx.TransportError:
                time.sleep(0.05)
            except Exception as fault:
                self.faults.append(repr(fault))
                return

    def _once(self, buyer: Customer, dice: random.Random) -> None:
        order = self._order(buyer)
        if order is None:
            return
        if dice.randrange(4) < _CANCELLED_OF_4:
            answer = self._timed(lambda: buyer.post(f"orders/{order['id']}/cancel"))
            if answer.status_code == 200:
                self.cancels.append((buyer, order["id"]))
            assert answer.status_code in (200, 409, 503), answer.text
        else:
            self._message(buyer, order["number"])
        self._look(buyer, order["id"])

    def _order(self, buyer: Customer) -> dict[str, Any] | None:
        key = secrets.token_hex(8)
        try:
            answer = self._timed(lambda: buyer.post("orders", WANTED, key=key))
        except httpx.TransportError:
            self.unanswered.append((buyer, key))
            raise
        if answer.status_code == 201:
            self.orders.append((buyer, answer.json()))
            found: dict[str, Any] = answer.json()
            return found
        assert answer.status_code == 503, answer.text
        self.unanswered.append((buyer, key))
        self.refused += 1
        return None

    def _message(self, buyer: Customer, number: str) -> None:
        text = f"Telegram code: {secrets.randbelow(90000) + 10000}"
        answer = self._timed(lambda: buyer.sms(number, text))
        if answer.status_code == 202:
            self.messages.append((buyer, answer.json()["message_id"]))
        assert answer.status_code in (202, 503), answer.text

    def _look(self, buyer: Customer, order: int) -> None:
        """An order that was acknowledged is there for whoever asks, at every moment."""
        answer = self._timed(lambda: buyer.get(f"orders/{order}"))
        if answer.status_code == 200:
            self.looks.append((buyer, answer.json()))
        assert answer.status_code in (200, 503), f"acknowledged, and then {answer.text}"

    def _timed(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        began = time.monotonic()
        try:
            return ask()
        finally:
            self.longest_s = max(self.longest_s, time.monotonic() - began)

    def lost(self) -> Counter[str]:
        """How many acknowledged writes are not there, by their kind."""
        found = {id(buyer): {one["id"]: one for one in all_orders(buyer)} for buyer in self.buyers}
        messages = defaultdict(list)
        for buyer in self.buyers:
            for one in found[id(buyer)].values():
                messages[id(buyer)] += [message["id"] for message in one["messages"]]
        lost = Counter(
            {
                "orders": sum(not _same(found[id(who)].get(one["id"]), one) for who, one in self.orders),
                "cancels": sum(
                    found[id(who)].get(one, {}).get("state") != "cancelled" for who, one in self.cancels
                ),
                "messages": sum(messages[id(who)].count(one) != 1 for who, one in self.messages),
                "looks": sum(_undone(found[id(who)].get(one["id"]), one) for who, one in self.looks),
            }
        )
        return +lost


def under_load(house: House, disturb: Callable[[Load], None], buyers: list[Customer] | None = None) -> Load:
    """Calm, the disturbance, and what was acknowledged meanwhile."""
    load = Load(house, buyers or customers(house, BUYERS))
    threads = [
        threading.Thread(target=load.buy, args=(buyer, seed)) for seed, buyer in enumerate(load.buyers)
    ]
    for thread in threads:
        thread.start()
    try:
        time.sleep(CALM_S)
        disturb(load)
    finally:
        load.stopping.set()
        for thread in threads:
            thread.join(timeout=60)
    assert len(load.orders) > 20, "the load must have been real"
    return load


def customers(house: House, count: int) -> list[Customer]:
    """With money, and with numbers enough for all that they will order."""
    with house.core() as shop:
        with shop.db.transaction() as tx:
            stock.add(tx, stock.PLAIN, "GB", _NUMBERS, shop.clock.now())
        opened = [shop.customer(f"buyer {n}", 1000 * MICROS) for n in range(count)]
    return [house.customer(one.key, one.account) for one in opened]


def assert_nothing_is_lost(load: Load) -> None:
    """Every acknowledged write is there, every unanswered order is had once by its key, and the money is at home."""
    assert load.faults == []
    _eventually(lambda: load.lost() == {}, load.lost)
    for buyer, key in load.unanswered:
        retried, again = (buyer.post("orders", WANTED, key=key) for _ in range(2))
        assert (retried.status_code, retried.json()) == (201, again.json())
    for buyer in load.buyers:
        placed = sum(who is buyer for who, _ in [*load.orders, *load.unanswered])
        assert len(list(all_orders(buyer))) == placed, "one order per idempotency key"
    assert_the_money_comes_home(load)


def assert_the_money_comes_home(load: Load) -> None:
    """Orders end by themselves: nothing stays held, what is charged has its code, and the books are true."""
    _eventually(
        lambda: not any(held(buyer) for buyer in load.buyers), lambda: [held(buyer) for buyer in load.buyers]
    )
    for buyer in load.buyers:
        for one in all_orders(buyer):
            in_time = [message for message in one["messages"] if message["code"] and not message["late"]]
            assert one["charged"] == bool(in_time), one
    with load.house.core() as shop, shop.db.transaction() as tx:
        assert [proof for proof in prove(tx, shop.clock.now()) if proof.broken] == []


def held(buyer: Customer) -> bool:
    answer = buyer.get("balance")
    assert answer.status_code == 200, answer.text
    return parse_amount(answer.json()["held"]) != 0


def all_orders(buyer: Customer) -> Iterator[dict[str, Any]]:
    cursor: str | None = ""
    while cursor is not None:
        page = buyer.get("orders", limit=100, **({"cursor": cursor} if cursor else {}))
        assert page.status_code == 200, page.text
        yield from page.json()["orders"]
        cursor = page.json()["next"]


def _same(found: dict[str, Any] | None, acknowledged: dict[str, Any]) -> bool:
    """Not just an order of that id: a lost one's id may be given out again."""
    return found is not None and all(
        found[name] == acknowledged[name] for name in ("number", "created_at", "expires_at", "price")
    )


def _undone(found: dict[str, Any] | None, seen: dict[str, Any]) -> bool:
    """What a reader was shown goes on: no revision is taken back, and no code."""
    return (
        found is None or found["revision"] < seen["revision"] or (seen["code"] not in (None, found["code"]))
    )


def _eventually(holds: Callable[[], bool], tell: Callable[[], object]) -> None:
    deadline = time.monotonic() + SETTLED_S
    while not holds():
        assert time.monotonic() < deadline, tell()
        time.sleep(0.3)
