"""What a key with a spend cap may spend: orders and extensions that are held or captured, and not a micro-unit more."""

from __future__ import annotations

import pytest

from onceline.core.errors import InsufficientBalance, PriceTooLow, SpendCapReached
from onceline.core.money import MICROS
from onceline.core.orders.commands import Asking, OrderRequest, Placed, place_each
from tests.personas import ALICE, CHARLIE
from tests.shop import CANCEL_LOCK_S, DRAIN_S, FOUR_HOURS, PRICE, WINDOW_S, Customer, Shop

TELEGRAM = OrderRequest("telegram", "GB")


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


def cap_for(shop: Shop, who: Customer, orders: float) -> int:
    cap = shop.capped_key(who, int(orders * PRICE)).cap
    assert cap is not None
    return cap


def spent(shop: Shop, cap: int) -> int:
    return int(shop.value("select spent from spend_caps where id = %(id)s", id=cap))


def test_orders_count_until_the_next_one_is_too_much(shop: Shop, alice: Customer) -> None:
    cap = cap_for(shop, alice, 2.5)
    for placed in (1, 2):
        shop.place(alice, cap=cap)
        assert spent(shop, cap) == placed * PRICE
    with pytest.raises(SpendCapReached) as refused:
        shop.place(alice, cap=cap)
    assert refused.value.facts == {"left": PRICE // 2}
    assert shop.balance(alice).held == 2 * PRICE
    shop.assert_books_are_true()


def test_a_cap_can_be_spent_to_the_last(shop: Shop, alice: Customer) -> None:
    cap = cap_for(shop, alice, 1)
    shop.place(alice, cap=cap)
    assert spent(shop, cap) == PRICE


def test_a_key_without_a_cap_is_neither_counted_nor_stopped(shop: Shop, alice: Customer) -> None:
    cap = cap_for(shop, alice, 1)
    shop.place(alice, cap=cap)
    assert shop.place(alice).state == "waiting"
    assert spent(shop, cap) == PRICE


def test_what_was_refused_is_neither_counted_nor_keeps_its_number(shop: Shop, alice: Customer) -> None:
    (number,) = shop.only("GB", 1)
    cap = cap_for(shop, alice, 0.5)
    with pytest.raises(SpendCapReached):
        shop.place(alice, cap=cap, key="again")
    assert spent(shop, cap) == 0
    assert shop.place(alice, key="again").e164 == number
    shop.assert_books_are_true()


@pytest.mark.parametrize(
    ("balance", "max_price", "refusal"),
    [(PRICE - 1, None, InsufficientBalance), (MICROS, PRICE - 1, PriceTooLow)],
)
def test_an_order_refused_for_another_reason_counts_nothing(
    shop: Shop, balance: int, max_price: int | None, refusal: type[Exception]
) -> None:
    charlie = shop.customer(CHARLIE, balance)
    cap = cap_for(shop, charlie, 5)
    with pytest.raises(refusal):
        shop.place(charlie, cap=cap, max_price=max_price)
    assert spent(shop, cap) == 0


def test_what_is_released_counts_no_more(shop: Shop, alice: Customer) -> None:
    """One is cancelled, one runs out; then there is room for two again."""
    cap = cap_for(shop, alice, 2)
    cancelled, _ = shop.place(alice, cap=cap), shop.place(alice, cap=cap)
    shop.pass_time(CANCEL_LOCK_S)
    shop.cancel(alice, cancelled)
    assert spent(shop, cap) == PRICE
    shop.wait(WINDOW_S + DRAIN_S)
    assert spent(shop, cap) == 0
    for _ in range(2):
        shop.place(alice, cap=cap)
    shop.assert_books_are_true()


def test_what_is_captured_counts_for_good(shop: Shop, alice: Customer) -> None:
    cap = cap_for(shop, alice, 1)
    order = shop.place(alice, cap=cap)
    shop.sms(order.e164)
    shop.finish(alice, order)
    shop.outlive()
    assert spent(shop, cap) == PRICE
    with pytest.raises(SpendCapReached):
        shop.place(alice, cap=cap)


def test_a_replay_counts_once(shop: Shop, alice: Customer) -> None:
    cap = cap_for(shop, alice, 1)
    first = shop.place(alice, cap=cap, key="mine")
    assert shop.place(alice, cap=cap, key="mine").id == first.id
    assert spent(shop, cap) == PRICE


def test_orders_of_one_statement_are_counted_one_after_the_other(shop: Shop, alice: Customer) -> None:
    cap, other = cap_for(shop, alice, 1), cap_for(shop, alice, 1)
    asked = [Asking(alice.side, TELEGRAM, f"key {one}", cap=cap) for one in range(2)]
    with shop.db.statement() as tx:
        outcomes = place_each(tx, shop.context, [*asked, Asking(alice.side, TELEGRAM, "other", cap=other)])
    assert [type(one) for one in outcomes] == [Placed, SpendCapReached, Placed]
    assert (spent(shop, cap), spent(shop, other)) == (PRICE, PRICE)
    shop.assert_books_are_true()


def test_a_cap_of_another_side_buys_nothing(shop: Shop, alice: Customer) -> None:
    cap = cap_for(shop, alice, 5)
    charlie = shop.customer(CHARLIE)
    with pytest.raises(SpendCapReached):
        shop.place(charlie, cap=cap)
    assert spent(shop, cap) == 0


# Extensions -------------------------------------------------------------------------------------------------------


def test_an_extension_counts_and_is_given_back_with_its_rental(shop: Shop, alice: Customer) -> None:
    cap = shop.capped_key(alice, 100 * MICROS).cap
    assert cap is not None
    rental = shop.place(alice, kind="rental", duration_s=FOUR_HOURS, cap=cap)
    longer = shop.extend(alice, rental, FOUR_HOURS, cap=cap)
    assert spent(shop, cap) == longer.total == 2 * rental.price
    shop.wait(2 * FOUR_HOURS + DRAIN_S)
    assert shop.order(rental).money == "released"
    assert spent(shop, cap) == 0
    shop.assert_books_are_true()


def test_an_extension_above_the_cap_is_refused_and_changes_nothing(shop: Shop, alice: Customer) -> None:
    plain = shop.place(alice, kind="rental", duration_s=FOUR_HOURS)
    cap = shop.capped_key(alice, plain.price - 1).cap
    assert cap is not None
    before = shop.balance(alice)
    with pytest.raises(SpendCapReached) as refused:
        shop.extend(alice, plain, FOUR_HOURS, key="mine", cap=cap)
    assert refused.value.facts == {"left": plain.price - 1}
    assert (shop.balance(alice), shop.order(plain), spent(shop, cap)) == (before, plain, 0)
    shop.extend(alice, plain, FOUR_HOURS, key="mine")
    shop.assert_books_are_true()


def test_an_extension_counts_against_who_extends_and_goes_back_there(shop: Shop, alice: Customer) -> None:
    placing, extending = (shop.capped_key(alice, 100 * MICROS).cap for _ in range(2))
    assert placing is not None
    assert extending is not None
    rental = shop.place(alice, kind="rental", duration_s=FOUR_HOURS, cap=placing)
    shop.extend(alice, rental, FOUR_HOURS, cap=extending)
    shop.extend(alice, rental, FOUR_HOURS)
    assert (spent(shop, placing), spent(shop, extending)) == (rental.price, rental.price)
    shop.wait(3 * FOUR_HOURS + DRAIN_S)
    assert (spent(shop, placing), spent(shop, extending)) == (0, 0)
    shop.assert_books_are_true()


def test_an_extension_of_what_is_captured_counts_for_good(shop: Shop, alice: Customer) -> None:
    cap = shop.capped_key(alice, 100 * MICROS).cap
    assert cap is not None
    rental = shop.place(alice, kind="rental", duration_s=FOUR_HOURS, cap=cap)
    shop.sms(rental.e164)
    shop.extend(alice, rental, FOUR_HOURS, cap=cap)
    shop.wait(2 * FOUR_HOURS + DRAIN_S)
    assert spent(shop, cap) == 2 * rental.price
    shop.assert_books_are_true()
