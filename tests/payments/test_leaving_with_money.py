"""An account that is suspended or closed with money in it loses nothing, and every row of the books stays.

Deleting an account (14 days in a queue, after which the books name a pseudonym) is no command yet and comes with an issue of its
own. What holds until then is proved here: whoever is shut out keeps the balance, a refund on its way goes on, a dispute ends as
it would have, money that comes is credited, and no row can be taken out from under the books.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from typer.main import get_command

from onceline.cli import app as command_line
from onceline.core.access import commands as access
from onceline.core.deposits import disputes
from onceline.core.deposits.model import Dispute, Stage
from onceline.core.money import MICROS
from onceline.core.proofs.checks import prove
from tests.counterparts.cryptomus.process import FakeCryptomus
from tests.payments.counter import Counter
from tests.payments.crypto import COINS, answered, live, pay
from tests.personas import ALICE

STATES = ["suspended", "closed"]


def put(counter: Counter, state: str) -> None:
    with counter.shop.db.transaction() as tx:
        access.set_account_state(tx, counter.who.account, state)


def figures(counter: Counter) -> tuple[int, ...]:
    """Available, on its way back, disputed, owed; in whole dollars."""
    found = counter.shop.balance(counter.who)
    return tuple(one // MICROS for one in (found.available, found.refund_pending, found.disputed, found.debt))


def books(counter: Counter) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in counter.shop.rows("select * from transfers order by id")]


def state_of(counter: Counter, deposit: dict[str, Any]) -> str:
    """Read behind the door, which is shut."""
    return str(counter.shop.value("select state from deposits where id = %(id)s", id=deposit["id"]))


def test_there_is_no_command_that_deletes_an_account() -> None:
    """When one comes, this file has to say what becomes of the money."""
    account: Any = get_command(command_line)
    assert set(account.commands["account"].commands) == {"open", "list", "suspend", "resume"}


@pytest.mark.attack(46)
@pytest.mark.parametrize("state", STATES)
def test_a_balance_an_open_refund_and_an_open_dispute_outlive_it(counter: Counter, state: str) -> None:
    stays, returns, disputed = (counter.paid(amount) for amount in ("10.00", "11.00", "12.00"))
    counter.ask_back(returns)
    payment = counter.shop.value("select payment_id from deposits where id = %(id)s", id=disputed["id"])
    said = Dispute("dp_1", payment, 12 * MICROS, "USD", Stage.OPEN)
    with counter.shop.db.transaction() as tx:
        disputes.hear(tx, disputed["id"], said, counter.shop.clock.now())
    assert figures(counter) == (10, 11, 12, 0)
    put(counter, state)
    assert figures(counter) == (10, 11, 12, 0)
    assert counter.send("GET", "/balance").status_code in (401, 403)
    written = books(counter)
    counter.work()
    assert (state_of(counter, returns), figures(counter)) == ("refunded", (10, 0, 12, 0))
    won = Dispute("dp_1", payment, 12 * MICROS, "USD", Stage.WON)
    with counter.shop.db.transaction() as tx:
        disputes.hear(tx, disputed["id"], won, counter.shop.clock.now())
    assert (state_of(counter, disputed), figures(counter)) == ("credited", (22, 0, 0, 0))
    assert books(counter)[: len(written)] == written
    counter.shop.assert_books_are_true()
    put(counter, "open")
    assert (counter.available, counter.read(stays)["state"]) == ("22.0000", "credited")


@pytest.mark.attack(46)
@pytest.mark.parametrize("state", STATES)
def test_what_was_begun_before_and_is_paid_after_it_is_credited(
    counter: Counter, coins: FakeCryptomus, state: str
) -> None:
    alice = live(counter, ALICE)
    deposit = alice.begun("10.00", COINS)
    put(alice, state)
    coins.pay(deposit["id"])
    assert answered(coins, 1) == [200]
    alice.work()
    assert (state_of(alice, deposit), figures(alice)) == ("credited", (10, 0, 0, 0))
    assert alice.begin("10.00", COINS).status_code in (401, 403)
    alice.shop.assert_books_are_true()


@pytest.mark.attack(46)
@pytest.mark.parametrize("state", STATES)
def test_a_refund_in_crypto_that_was_asked_for_before_it_leaves_once(
    counter: Counter, coins: FakeCryptomus, state: str
) -> None:
    alice = live(counter, ALICE)
    deposit = alice.begun("10.00", COINS)
    pay(alice, coins, deposit, "paid", "10")
    alice.ask_back(deposit)
    put(alice, state)
    for _ in range(3):
        alice.work()
        alice.shop.clock.advance(3600)
    coins.become(deposit["id"], "refund_paid")
    alice.shop.clock.advance(3600)
    alice.work()
    assert (state_of(alice, deposit), len(coins.refunds), figures(alice)) == ("refunded", 1, (0, 0, 0, 0))
    alice.shop.assert_books_are_true()


@pytest.mark.attack(46)
@pytest.mark.parametrize("table", ["accounts", "sides", "deposits"])
def test_nobody_takes_a_row_out_from_under_the_books(counter: Counter, table: str) -> None:
    counter.paid("10.00")
    put(counter, "closed")
    written = books(counter)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        counter.shop.run(f"delete from {table}")
    assert (books(counter), figures(counter)) == (written, (10, 0, 0, 0))
    counter.shop.assert_books_are_true()


@pytest.mark.attack(46)
def test_a_row_of_the_books_that_is_taken_out_all_the_same_is_told(counter: Counter) -> None:
    counter.paid("10.00")
    put(counter, "closed")
    assert counter.shop.tamper("delete from transfers where kind = 'deposit'") == 1
    with counter.shop.db.transaction() as tx:
        assert [proof.id for proof in prove(tx, counter.shop.clock.now()) if proof.broken]
