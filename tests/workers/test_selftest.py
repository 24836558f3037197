"""A self-test goes out through one gammu daemon and comes in through another; a supplier that fails hurts no other's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from onceline.core.selftests import commands
from onceline.core.suppliers import store as suppliers
from onceline.suppliers.base import Configured, Kind, KindSettings, Surroundings
from onceline.suppliers.gammu.session import GammuSession
from onceline.suppliers.registry import KINDS
from onceline.workers.selftest import selftest_round
from onceline.workers.sweep import sweep_round
from tests.shop import PRICE, Shop
from tests.suppliers.gammu.conftest import NUMBERS, Gammu, gammu, intake, phones, running
from tests.suppliers.gammu.daemon import Phone, await_true, sms

__all__ = ["gammu", "intake", "phones"]
DAY_S = 86400
FIRST, SECOND = NUMBERS.values()


def added(shop: Shop, number_from: str, number_to: str) -> int:
    with shop.db.transaction() as tx:
        return commands.add(tx, number_from, number_to, DAY_S, quarantine=False, now=shop.clock.now())


def runs(shop: Shop) -> list[Any]:
    with shop.db.transaction() as tx:
        return commands.listed(tx)


@contextmanager
def network(gammu: Gammu, phones: Sequence[Phone]) -> Iterator[None]:
    """Brings what one phone sent to the one that has the number."""
    by_number = {phone.number: phone for phone in phones}
    numbers = {phone.name: phone.number for phone in phones}
    ending, carried = threading.Event(), set()

    def carry() -> None:
        while not ending.wait(0.1):
            for sent, sender, number, text in gammu.rows(
                'select "ID", "SenderID", "DestinationNumber", "TextDecoded" from sentitems'
            ):
                if sent not in carried:
                    carried.add(sent)
                    by_number[number].receive(sms(numbers[sender], text))

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(timeout=10)


def test_a_self_test_goes_out_at_one_phone_and_comes_in_at_the_other(
    gammu: Gammu, phones: Callable[[], Sequence[Phone]]
) -> None:
    shop = gammu.shop
    for pair in ((FIRST, SECOND), (SECOND, FIRST)):
        added(shop, *pair)
    began = time.monotonic()
    with network(gammu, phones()), running(GammuSession(gammu.configured, gammu.around)):
        assert selftest_round(gammu.around, None) == 2
        shop.clock.advance(2)
        await_true(
            lambda: sweep_round(shop.db, shop.context) >= 0 and all(run.arrived_at for run in runs(shop)), 30
        )
    assert time.monotonic() - began < 40
    assert [(run.failures, run.seconds) for run in runs(shop)] == [(0, 2.0), (0, 2.0)]
    assert gammu.processed == 2
    assert shop.value("select array_agg(distinct state) from inbound") == ["counted"]


def test_a_dead_sim_is_told_to_staff(gammu: Gammu, phones: Callable[[], Sequence[Phone]]) -> None:
    """Its daemon lives, its modem answers, and nothing arrives."""
    shop = gammu.shop
    added(shop, FIRST, SECOND)
    phones()
    with running(gammu.session()):
        for _ in range(3):
            assert selftest_round(gammu.around, None) == 1
            shop.clock.advance(DAY_S - 1)
            assert selftest_round(gammu.around, None) == 1
            shop.clock.advance(1)
    [run] = runs(shop)
    assert (run.failures, run.reason) == (3, "no_arrival")
    assert ("self_test_failed", f"test {run.id}") in gammu.alerts()


class Sent(list[tuple[str, str, str]]):
    """A supplier that only writes down."""

    def send(self, number_from: str, number_to: str, text: str) -> None:
        self.append((number_from, number_to, text))


class Failing:
    def send(self, number_from: str, number_to: str, text: str) -> None:
        raise OSError("cannot be reached")


@pytest.fixture
def sent(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Two suppliers with two numbers each: one that sends, one that cannot."""
    sent = Sent()
    with shop.db.transaction() as tx:
        for name, sender in (("good", sent), ("bad", Failing()), ("mute", None)):
            send = None if sender is None else _giving(sender)
            monkeypatch.setitem(KINDS, name, Kind(name, KindSettings, send=send))
            suppliers.add(tx, shop.context.vault, name, name, {}, shop.clock.now())
    for at, name in enumerate(("good", "bad", "mute")):
        shop.pool(name, PRICE, mode="live", supplier=name, asks=False, tells=False)
        shop.stock("GB", [f"+44770090010{at}", f"+44770090020{at}"], pool=name)
    return sent


def _giving(sender: Any) -> Callable[[Configured, Surroundings], Any]:
    return lambda configured, around: sender


def test_a_supplier_that_fails_and_one_that_cannot_send_hurt_no_other_s_tests(
    shop: Shop, context: Any, sent: Sent, gammu_free: Surroundings
) -> None:
    for at in (1, 2, 0):
        added(shop, f"+44770090010{at}", f"+44770090020{at}")
    assert selftest_round(gammu_free, None) == 3
    assert [pair[:2] for pair in sent] == [("+447700900100", "+447700900200")]
    assert [run.reason for run in runs(shop)] == ["not_sent", "not_sent", ""]
    codes = shop.rows("select supplier, code from supplier_alerts order by supplier")
    assert [tuple(row) for row in codes] == [("bad", "self_test_not_sent"), ("mute", "self_test_not_sent")]


@pytest.fixture
def gammu_free(shop: Shop, intake: Any) -> Surroundings:
    return Surroundings(shop.db, shop.context, intake)


def test_a_supplier_that_is_disabled_sends_nothing(shop: Shop, sent: Sent, gammu_free: Surroundings) -> None:
    added(shop, "+447700900100", "+447700900200")
    with shop.db.transaction() as tx:
        suppliers.set_enabled(tx, "good", False)
    selftest_round(gammu_free, None)
    assert (sent, [run.reason for run in runs(shop)]) == ([], ["not_sent"])


def test_two_workers_send_each_test_once(shop: Shop, sent: Sent, gammu_free: Surroundings) -> None:
    added(shop, "+447700900100", "+447700900200")
    rounds = [threading.Thread(target=selftest_round, args=(gammu_free, None)) for _ in range(4)]
    for one in rounds:
        one.start()
    for one in rounds:
        one.join(timeout=20)
    assert len(sent) == 1
