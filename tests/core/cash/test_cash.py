"""Cash counts by the word of two persons, once, and what was written stays written."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from onceline.core.cash import commands
from onceline.core.cash.commands import Receipt
from onceline.core.deposits import refunds, store
from onceline.core.deposits.model import Deposit
from onceline.core.errors import DepositNotRefundable, InvalidInput, LimitExceeded, NotFound, OncelineError
from onceline.core.money import MICROS
from onceline.core.proofs.checks import prove
from tests.core.deposits.till import Till
from tests.personas import ALICE
from tests.shop import Customer, Shop

LIMIT = 100 * MICROS
CENT = MICROS // 100


@dataclass(frozen=True, slots=True)
class Counter:
    """Where Alice pays; Ann and Ben are there."""

    shop: Shop
    who: Customer

    def record(self, dollars: int = 10, document: str = "A-1", staff: str = "Ann", **rest: int) -> str:
        with self.shop.db.transaction() as tx:
            receipt = Receipt(self.who.side, rest.get("micros", dollars * MICROS), document)
            return commands.record(tx, receipt, staff, LIMIT, self.shop.clock.now())

    def approve(self, deposit: str, staff: str = "Ben") -> Deposit:
        with self.shop.db.transaction() as tx:
            return commands.approve(tx, deposit, staff, LIMIT, self.shop.clock.now())

    def decline(self, deposit: str, staff: str = "Ben") -> Deposit:
        with self.shop.db.transaction() as tx:
            return commands.decline(tx, deposit, staff, self.shop.clock.now())

    def look(self, deposit: str) -> Deposit:
        with self.shop.db.transaction() as tx:
            return store.deposit(tx, deposit)

    @property
    def dollars(self) -> float:
        return self.shop.balance(self.who).available / MICROS


@pytest.fixture
def counter(shop: Shop) -> Counter:
    return Counter(shop, shop.customer(ALICE, balance=0))


def outcome(action: Callable[[], Any]) -> str:
    try:
        action()
    except OncelineError as refused:
        return type(refused).__name__
    return "done"


def test_cash_waits_for_a_second_person_and_then_counts(counter: Counter) -> None:
    deposit = counter.record(10)
    assert (counter.look(deposit).state, counter.dollars) == ("review", 0)
    found = counter.approve(deposit)
    assert (found.state, found.method, found.credited, counter.dollars) == (
        "credited",
        "cash",
        10 * MICROS,
        10,
    )
    assert counter.shop.events(counter.who) == ["deposit.credited"]
    counter.shop.assert_books_are_true()


@pytest.mark.parametrize("staff", ["Ann", "ann", " ANN "])
def test_nobody_approves_what_they_recorded(counter: Counter, staff: str) -> None:
    deposit = counter.record()
    with pytest.raises(InvalidInput, match="another person"):
        counter.approve(deposit, staff)
    assert (counter.look(deposit).state, counter.dollars) == ("review", 0)


def test_it_is_credited_once_however_many_approve_at_once(counter: Counter) -> None:
    deposit = counter.record()
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(
            pool.map(lambda one: outcome(lambda: counter.approve(deposit, f"staff {one}")), range(16))
        )
    assert (sorted(outcomes), counter.dollars) == (["InvalidInput"] * 15 + ["done"], 10)
    counter.shop.assert_books_are_true()


def test_what_was_declined_never_counts(counter: Counter) -> None:
    deposit = counter.record()
    assert counter.decline(deposit).state == "failed"
    for late in (counter.approve, counter.decline):
        with pytest.raises(InvalidInput, match="failed"):
            late(deposit)
    assert counter.dollars == 0
    counter.shop.assert_books_are_true()


def test_what_was_approved_is_not_declined(counter: Counter) -> None:
    deposit = counter.record()
    counter.approve(deposit)
    with pytest.raises(InvalidInput, match="credited"):
        counter.decline(deposit)
    assert counter.dollars == 10


def test_a_yes_and_a_no_at_once_are_one_of_them(counter: Counter) -> None:
    for turn in range(10):
        deposit = counter.record(1, document=str(turn))
        with ThreadPoolExecutor(2) as pool:
            yes = pool.submit(outcome, lambda deposit=deposit: counter.approve(deposit))
            no = pool.submit(outcome, lambda deposit=deposit: counter.decline(deposit))
            assert sorted([yes.result(), no.result()]) == ["InvalidInput", "done"]
    counter.shop.assert_books_are_true()


def test_a_document_is_recorded_once(counter: Counter) -> None:
    counter.record(document="A-1")
    with pytest.raises(InvalidInput, match="recorded already"):
        counter.record(document=" a-1 ", staff="Ben")
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(
            pool.map(lambda one: outcome(lambda: counter.record(1, "A-2", f"staff {one}")), range(16))
        )
    assert sorted(outcomes) == ["InvalidInput"] * 15 + ["done"]
    assert counter.shop.value("select count(*) from deposits") == 2


@pytest.mark.parametrize("micros", [0, -CENT, 1, CENT + 1, LIMIT + CENT, 2**63])
@pytest.mark.attack(35)
def test_an_amount_that_no_coins_make_is_refused_with_the_bounds(counter: Counter, micros: int) -> None:
    with pytest.raises(InvalidInput, match=r"between 0\.0100 and 100\.0000"):
        counter.record(micros=micros)


@pytest.mark.parametrize("document", ["", "  ", "x" * 65, "a\x00"])
def test_there_is_no_cash_without_a_document(counter: Counter, document: str) -> None:
    with pytest.raises(InvalidInput, match="document"):
        counter.record(document=document)


def test_a_member_of_staff_records_so_much_a_day(counter: Counter) -> None:
    counter.record(60, "1")
    with pytest.raises(LimitExceeded) as refused:
        counter.record(41, "2", " ann")
    assert refused.value.facts["limit"] == "cash a day"
    counter.record(40, "3")
    counter.record(100, "4", "Ben")
    counter.shop.pass_time(86_401)
    counter.record(100, "5")
    assert counter.shop.value("select count(*) from cash_receipts") == 4


def test_what_was_declined_leaves_room(counter: Counter) -> None:
    counter.decline(counter.record(100, "1"))
    assert counter.look(counter.record(100, "2")).state == "review"


def test_recorded_at_once_it_is_no_more_than_the_limit(counter: Counter) -> None:
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda one: outcome(lambda: counter.record(30, str(one))), range(16)))
    assert sorted(outcomes) == ["LimitExceeded"] * 13 + ["done"] * 3


def test_a_member_of_staff_approves_so_much_a_day(counter: Counter) -> None:
    first, second = counter.record(60, "1", "Ann"), counter.record(60, "2", "Cleo")
    counter.approve(first)
    with pytest.raises(LimitExceeded):
        counter.approve(second)
    assert counter.approve(second, "Dora").state == "credited"


def test_a_debt_is_paid_first(counter: Counter) -> None:
    till = Till(counter.shop, counter.who)
    found = till.paid(10)
    for _ in range(4):
        counter.shop.sms(counter.shop.place(counter.who).e164)
    till.dispute(found)
    assert till.dollars == (0, 0, 10, 1)
    counter.approve(counter.record(5))
    assert till.dollars == (4, 0, 10, 0)
    counter.shop.assert_books_are_true()


def test_cash_never_goes_back_through_the_house(counter: Counter) -> None:
    deposit = counter.record()
    counter.approve(deposit)
    with counter.shop.db.transaction() as tx, pytest.raises(DepositNotRefundable) as refused:
        refunds.ask(tx, deposit, "olga", counter.shop.clock.now(), side=None, approvals=0)
    assert refused.value.facts["reason"] == "method"


def test_another_deposit_is_no_cash(counter: Counter) -> None:
    begun = Till(counter.shop, counter.who).begin(10)
    with pytest.raises(NotFound):
        counter.approve(begun.id)
    with pytest.raises(NotFound):
        counter.approve("dep_aaaaaaaaaaaaaaaa")
    assert counter.dollars == 0


@pytest.mark.parametrize("table", ["cash_receipts", "cash_decisions"])
@pytest.mark.parametrize(
    "change", ["delete from {}", "update {} set deposit_id = deposit_id", "truncate {} cascade"]
)
def test_what_was_written_stays_written(counter: Counter, table: str, change: str) -> None:
    counter.approve(counter.record())
    with pytest.raises(psycopg.errors.RaiseException, match="never changed"):
        counter.shop.run(change.format(table))
    assert counter.shop.value(f"select count(*) from {table}") == 1


def test_receipts_are_listed_newest_first(counter: Counter) -> None:
    written = []
    for one in range(3):
        written.append(counter.record(1, str(one)))
        counter.shop.clock.advance(1)
    counter.approve(written[0])
    with counter.shop.db.transaction() as tx:
        first = commands.receipts(tx, before=None, limit=2)
        second = commands.receipts(tx, before=str(first.next), limit=2)
    assert [row.id for row in [*first.rows, *second.rows]] == written[::-1]
    (oldest,) = second.rows
    assert (oldest.document, oldest.recorded_by, oldest.decided_by, oldest.state) == (
        "0",
        "ann",
        "ben",
        "credited",
    )


@pytest.mark.parametrize("approved_by", [None, "recorded_by"])
def test_the_books_tell_cash_that_counts_by_one_word(counter: Counter, approved_by: str | None) -> None:
    counter.record()
    if approved_by:
        counter.shop.run(
            f"insert into cash_decisions select deposit_id, 'approved', {approved_by}, recorded_at from cash_receipts"
        )
    assert "i10_cash" not in broken(counter.shop)
    counter.shop.run(
        "update deposits set state = 'credited', credited = amount, place = 1, credited_at = created_at"
    )
    assert "i10_cash" in broken(counter.shop)


def broken(shop: Shop) -> set[str]:
    with shop.db.transaction() as tx:
        return {proof.id for proof in prove(tx, shop.clock.now()) if proof.broken}
