"""Deposits in crypto in the words of the tests: configured, paid at the counterpart, which calls our door, and followed."""

from __future__ import annotations

from typing import Any

from onceline.core.processors import store
from tests.counterparts.cryptomus.process import FakeCryptomus
from tests.edge.door import eventually
from tests.payments.counter import FIGURES, Counter

COINS, CHAIN = "coins", "chain"
"""What Cryptomus and BTCPay are called here."""
THIEF = "T" + "z" * 33


def live(counter: Counter, name: str) -> Counter:
    return counter.of(counter.shop.customer(name, balance=0, mode="live"))


def configure(
    counter: Counter, name: str, kind: str, settings: dict[str, str], secrets: dict[str, str]
) -> None:
    vault, now = counter.shop.context.vault, counter.shop.clock.now()
    with counter.shop.db.transaction() as tx:
        store.add(tx, name, kind, "live", settings, FIGURES, now)
        for one, value in secrets.items():
            store.set_secret(tx, vault, name, one, value, now)
    counter.till.hear(frozenset({store.PROCESSORS_WORD}))


def answered(coins: FakeCryptomus, count: int) -> list[int]:
    """How our door answered its calls, once they were so many."""
    told: list[int] = []

    def are_there() -> bool:
        told[:] = [one["status"] for one in coins.control()["told"]]
        return len(told) >= count

    eventually(are_there, 15)
    return told


def kept(counter: Counter, count: int) -> None:
    """So many calls were kept, and the worker has looked at each."""
    eventually(lambda: counter.count("processor_hints") >= count, 15)
    counter.work()


def pay(counter: Counter, coins: FakeCryptomus, deposit: dict[str, Any], status: str, paid: str) -> None:
    """It becomes so at Cryptomus, whose call we keep and follow."""
    before = len(coins.control()["told"])
    coins.pay(deposit["id"], status, paid)
    assert answered(coins, before + 1)[before:] == [200]
    counter.work()


def credits(counter: Counter) -> int:
    """Transfers that brought money in, of whatever account."""
    return int(counter.shop.value("select count(*) from transfers where kind = 'deposit'"))
