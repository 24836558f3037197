"""Yesterday's backup takes the place of the database while the processors moved on: every gap is listed, nothing is credited
twice, and what was lost comes by asking, once.

The backup is a copy of the whole database, put back under the house while it runs; the counterparts, processes of their own, keep
what happened since. What stood in no row any more (a deposit that was begun after the backup) nobody can credit by itself: it is
listed for staff with the processor's own name of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from onceline.core.outbox import store as outbox
from onceline.core.processors import store as processors
from onceline.workers.reconcile import reconcile_round
from tests.counterparts.btcpay.process import FakeBTCPay
from tests.counterparts.cryptomus.process import FakeCryptomus
from tests.edge.door import eventually
from tests.payments.counter import Counter
from tests.payments.crypto import CHAIN, COINS, answered, credits, kept, live, pay
from tests.personas import ALICE

DAY_S = 86400


@dataclass(frozen=True)
class Vault:
    """Where the copy lies. Every connection ends while it is made or put back, as with a real one."""

    server: str
    name: str
    away: Callable[[bool], None]

    def back_up(self) -> None:
        with self._alone() as connection:
            connection.execute(f"create database {self.name}_backup template {self.name}")

    def restore(self) -> None:
        with self._alone() as connection:
            connection.execute(f"drop database {self.name} (force)")
            connection.execute(f"alter database {self.name}_backup rename to {self.name}")

    @contextmanager
    def _alone(self) -> Iterator[psycopg.Connection[Any]]:
        self.away(True)
        with psycopg.connect(self.server, autocommit=True) as connection:
            yield connection
        self.away(False)


@pytest.fixture
def vault(server: str, conninfo: str, away: Callable[[bool], None]) -> Vault:
    return Vault(server, str(psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]), away)


def answers(alice: Counter) -> None:
    """Once each connection that was cut has been given up."""
    eventually(lambda: [alice.send("GET", "/balance").status_code for _ in range(10)] == [200] * 10, 20)


def back_again(alice: Counter) -> None:
    """The house answers, and has the new name of its history that a restored database needs (`onceline epoch --new`)."""
    answers(alice)
    with alice.shop.db.transaction() as tx:
        outbox.new_epoch(tx)
    alice.till.hear(frozenset({processors.PROCESSORS_WORD}))


def gaps(counter: Counter, method: str) -> set[tuple[str, str]]:
    rows = counter.shop.rows(
        "select code, object_id from payment_exceptions where resolved_at is null and code like 'report%%'"
        " and method = %(method)s",
        method=method,
    )
    return {(row.code, row.object_id) for row in rows}


def reconciled(counter: Counter) -> int:
    """Every day that is due, of every processor; how many those were."""
    counted = 0
    while compared := reconcile_round(counter.till):
        counted += compared
    return counted


@pytest.mark.attack(45)
def test_after_a_restore_cryptomus_is_reconciled_gap_by_gap_and_credits_nothing_twice(
    counter: Counter, coins: FakeCryptomus, vault: Vault
) -> None:
    alice = live(counter, ALICE)
    stays, waits, returns = (alice.begun(amount, COINS) for amount in ("10.00", "11.00", "12.00"))
    pay(alice, coins, stays, "paid", "10")
    pay(alice, coins, returns, "paid", "12")
    vault.back_up()
    answers(alice)
    # Since then, one that waited was paid, one was begun and paid, one went back.
    lost = alice.begun("13.00", COINS)
    pay(alice, coins, waits, "paid", "11")
    pay(alice, coins, lost, "paid", "13")
    uuid = alice.processor_id(lost)
    assert (alice.available, alice.ask_back(returns).status_code) == ("46.0000", 202)
    coins.set(drop=True)
    alice.work()
    coins.become(returns["id"], "refund_paid")
    vault.restore()
    back_again(alice)
    assert (alice.available, credits(alice), alice.count("deposits")) == ("22.0000", 2, 3)
    # The report of that day, first while nothing was asked, then when it was.
    alice.shop.clock.advance(DAY_S + 4 * 3600)
    assert reconciled(alice) >= 1
    late = {("report_not_ours", f"payment:{uuid}"), ("report_not_ours", f"refund:{returns['id']}")}
    assert gaps(alice, COINS) == late | {("report_not_ours", f"payment:{waits['id']}")}
    assert (alice.available, credits(alice)) == ("22.0000", 2)
    for _ in range(3):
        alice.work()
        alice.shop.clock.advance(3700)
    assert (alice.read(waits)["credited"], alice.available, credits(alice)) == ("11.0000", "33.0000", 3)
    # Whoever calls again about what was credited, or about what is gone, credits nothing.
    coins.set(drop=False)
    before = len(coins.control()["told"])
    for one in (stays, waits, lost):
        coins.lie(one["id"])
    assert answered(coins, before + 3)[before:] == [200] * 3
    alice.work()
    assert (alice.available, credits(alice)) == ("33.0000", 3)
    alice.shop.clock.advance(DAY_S)
    assert reconciled(alice) >= 1
    assert gaps(alice, COINS) == late
    assert alice.exceptions().count("unknown_payment") == 1
    alice.shop.assert_books_are_true()


@pytest.mark.attack(45)
def test_after_a_restore_a_refund_that_had_left_is_not_sent_again(
    counter: Counter, coins: FakeCryptomus, vault: Vault
) -> None:
    """Here nobody knows of it any more; the payer asks once more, and Cryptomus is asked what became of it first."""
    alice = live(counter, ALICE)
    deposit = alice.begun("10.00", COINS)
    pay(alice, coins, deposit, "paid", "10")
    vault.back_up()
    answers(alice)
    assert alice.ask_back(deposit).status_code == 202
    coins.set(drop=True)
    alice.work()
    coins.become(deposit["id"], "refund_paid")
    vault.restore()
    back_again(alice)
    assert alice.available == "10.0000"
    alice.shop.clock.advance(DAY_S + 4 * 3600)
    assert reconciled(alice) >= 1
    assert gaps(alice, COINS) == {("report_not_ours", f"refund:{deposit['id']}")}
    assert alice.ask_back(deposit).status_code == 202
    alice.work()
    assert (alice.read(deposit)["refund"]["state"], alice.available) == ("sent", "0.0000")
    assert (len(coins.refunds), coins.asked("v1/payment/refund")) == (1, 1)
    alice.shop.clock.advance(DAY_S)
    assert reconciled(alice) >= 1
    assert gaps(alice, COINS) == set()
    alice.shop.assert_books_are_true()


@pytest.mark.attack(45)
def test_after_a_restore_btcpay_is_reconciled_gap_by_gap_and_credits_nothing_twice(
    counter: Counter, chain: FakeBTCPay, vault: Vault
) -> None:
    alice = live(counter, ALICE)
    stays, waits = alice.begun("10.00", CHAIN), alice.begun("20.00", CHAIN)
    chain.pay(alice.processor_id(stays))
    kept(alice, 3)
    vault.back_up()
    answers(alice)
    lost = alice.begun("30.00", CHAIN)
    invoice = alice.processor_id(lost)
    chain.pay(alice.processor_id(waits), "0.0004")
    chain.pay(invoice, "0.0006")
    kept(alice, 9)
    assert alice.available == "60.0000"
    vault.restore()
    back_again(alice)
    assert (alice.available, alice.count("deposits")) == ("10.0000", 2)
    alice.shop.clock.advance(DAY_S + 4 * 3600)
    assert reconciled(alice) >= 1
    late = {("report_not_ours", f"payment:{invoice}")}
    assert gaps(alice, CHAIN) == late | {("report_not_ours", f"payment:{waits['id']}")}
    for _ in range(3):
        alice.work()
        alice.shop.clock.advance(3700)
    assert (alice.available, credits(alice)) == ("30.0000", 2)
    for one in (alice.processor_id(stays), alice.processor_id(waits), invoice):
        chain.lie(one, "InvoiceSettled")
    kept(alice, 6)
    alice.shop.clock.advance(DAY_S)
    assert reconciled(alice) >= 1
    assert (alice.available, credits(alice), gaps(alice, CHAIN)) == ("30.0000", 2, late)
    assert alice.exceptions().count("unknown_payment") == 1
    alice.shop.assert_books_are_true()
