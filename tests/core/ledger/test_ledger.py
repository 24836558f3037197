"""Double entry: what is held ends once, figures never go below zero, and the books say the same as the balance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import psycopg
import pytest

from onceline.core.db import Row, Transaction
from onceline.core.errors import InsufficientBalance
from onceline.core.ledger import store as ledger
from onceline.core.ledger.model import Balance, Move, Movement
from onceline.core.money import MICROS
from tests.personas import ALICE, CHARLIE
from tests.shop import FOUR_HOURS, PRICE, Customer, Shop


def in_books(shop: Shop, work: Callable[[Transaction], object]) -> None:
    with shop.db.transaction() as tx:
        work(tx)


def release(tx: Transaction, holds: Sequence[int], now: datetime) -> None:
    """As `capture`, the other way."""
    tx.run(
        "insert into transfers (mode, kind, wallet, debit, credit, amount, pending_id, made_at)"
        " select mode, 'release', wallet, 'held', 'available', amount, id, %(now)s from transfers where id = any(%(holds)s)",
        {"holds": list(holds), "now": now},
    )


def hold(shop: Shop, who: Customer, amount: int) -> int:
    with shop.db.transaction() as tx:
        side = ledger.advance(tx, who.side, Movement(hold=amount))
        return ledger.hold(tx, side, amount, shop.clock.now())


def statement(
    shop: Shop, who: Customer, before: int | None = None, limit: int = 50
) -> tuple[list[Row], int | None]:
    with shop.db.transaction() as tx:
        return ledger.statement(tx, who.side, before=before, limit=limit)


def test_a_deposit_is_available_at_once(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=5 * MICROS)
    assert shop.balance(alice) == Balance(5 * MICROS, 0, "USD", "test")
    shop.assert_books_are_true()


@pytest.mark.promise("M2")
def test_the_balance_never_expires(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=MICROS)
    shop.wait(10 * 365 * 86400)
    assert shop.balance(alice).available == MICROS


def test_a_hold_moves_money_aside(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=MICROS)
    hold(shop, alice, PRICE)
    assert (shop.balance(alice).available, shop.balance(alice).held) == (MICROS - PRICE, PRICE)


def test_a_hold_beyond_the_balance_says_how_much_is_missing(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=MICROS)
    with pytest.raises(InsufficientBalance) as refused:
        hold(shop, alice, MICROS + 1)
    assert refused.value.facts == {"missing": 1}
    assert shop.balance(alice).held == 0


def test_a_captured_hold_is_spent(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=MICROS)
    one = hold(shop, alice, PRICE)
    with shop.db.transaction() as tx:
        ledger.advance(tx, alice.side, Movement(capture=PRICE))
        ledger.capture(tx, [one], shop.clock.now())
    assert shop.balance(alice) == Balance(MICROS - PRICE, 0, "USD", "test")
    shop.assert_books_are_true(but=frozenset({"i13_lots"}))  # there is no order that it was spent on


def test_a_released_hold_is_back(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=MICROS)
    one = hold(shop, alice, PRICE)
    with shop.db.transaction() as tx:
        ledger.advance(tx, alice.side, Movement(release=PRICE))
        release(tx, [one], shop.clock.now())
    assert shop.balance(alice) == Balance(MICROS, 0, "USD", "test")
    shop.assert_books_are_true()


@pytest.mark.parametrize("first", [ledger.capture, release])
@pytest.mark.attack(2)
def test_a_hold_ends_once(shop: Shop, first: Callable[..., None]) -> None:
    alice = shop.customer(ALICE, balance=MICROS)
    one = hold(shop, alice, PRICE)
    in_books(shop, lambda tx: first(tx, [one], shop.clock.now()))
    for second in (ledger.capture, release):
        with pytest.raises(psycopg.errors.UniqueViolation, match="transfers_one_end_per_hold"):
            in_books(shop, partial(second, holds=[one], now=shop.clock.now()))


def test_no_figure_of_a_side_goes_below_zero(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=MICROS)
    for figure in ("available", "held", "live_orders"):
        with pytest.raises(psycopg.errors.CheckViolation):
            shop.run(f"update sides set {figure} = -1 where id = %(side)s", side=alice.side)


@pytest.mark.parametrize("amount", [0, -1])
def test_nothing_and_less_is_no_transfer(shop: Shop, amount: int) -> None:
    alice = shop.customer(ALICE, balance=MICROS)
    with pytest.raises(psycopg.errors.CheckViolation):
        in_books(
            shop,
            lambda tx: ledger.post_house(tx, "test", Move("fee", "cash", "fees", amount), shop.clock.now()),
        )
    assert shop.balance(alice).available == MICROS


def test_a_transfer_moves_between_two_accounts(shop: Shop) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        shop.run(
            "insert into transfers (mode, kind, debit, credit, amount, made_at)"
            " values ('test', 'deposit', 'cash', 'cash', 1, now())"
        )


def test_the_statement_tells_every_transfer_newest_first_with_its_order(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    shop.sms(order.e164)
    rows, cursor = statement(shop, alice)
    assert cursor is None
    assert [(row.kind, row.debit, row.credit, row.amount, row.order_id) for row in rows] == [
        ("capture", "held", "revenue", PRICE, order.id),
        ("hold", "available", "held", PRICE, order.id),
        ("deposit", "sandbox", "available", 100 * MICROS, None),
    ]


def test_the_statement_names_the_order_of_an_extension(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice, kind="rental", duration_s=FOUR_HOURS)
    shop.extend(alice, order, FOUR_HOURS)
    rows, _ = statement(shop, alice)
    assert [(row.kind, row.order_id) for row in rows] == [
        ("hold", order.id),
        ("hold", order.id),
        ("deposit", None),
    ]


def test_the_statement_comes_in_pages_that_miss_nothing(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    for _ in range(4):
        shop.place(alice)
    seen: list[int] = []
    cursor: int | None = None
    for _ in range(3):
        rows, cursor = statement(shop, alice, cursor, limit=2)
        seen += [row.id for row in rows]
    assert cursor is None
    assert len(seen) == 5
    assert seen == sorted(set(seen), reverse=True)


def test_a_stranger_sees_an_empty_statement(shop: Shop) -> None:
    shop.place(shop.customer(ALICE))
    charlie = shop.customer(CHARLIE, balance=0)
    assert statement(shop, charlie) == ([], None)


def test_ledger_rows_name_nobody(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    row = shop.rows("select t.* from transfers t")[0]
    assert row.wallet not in (alice.side, None)
    assert alice.account not in map(str, row)
