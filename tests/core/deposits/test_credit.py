"""What comes in is credited once, by what the processor says when it is asked, and everything else is written down."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import pytest

from onceline.core.deposits.commands import Velocity
from onceline.core.deposits.model import Paid, Refunds
from onceline.core.errors import InvalidInput, LimitExceeded
from onceline.core.money import MICROS
from tests.core.deposits.till import CARD, COIN, Till


def test_a_payment_is_credited_when_the_processor_says_that_it_was_made(till: Till) -> None:
    begun = till.begin(10)
    assert (begun.state, till.dollars) == ("created", (0, 0, 0, 0))
    assert till.hear(begun).state == "credited"
    assert till.dollars == (10, 0, 0, 0)
    till.shop.assert_books_are_true()


@pytest.mark.promise("M7")
def test_what_is_stored_of_a_payment_is_what_the_promise_says(till: Till) -> None:
    found = till.hear(
        till.begin(10, COIN), payment_id="0xabc", origin="0xfrom", network="eth", asset="0.004 ETH"
    )
    stored = (found.payment_id, found.origin, found.network, found.asset, found.refunds)
    assert stored == ("0xabc", "0xfrom", "eth", "0.004 ETH", Refunds.ORIGIN)


@pytest.mark.promise("M10")
def test_fifty_words_at_once_are_one_credit(till: Till) -> None:
    begun = till.begin(10)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: till.hear(begun), range(50)))
    assert till.dollars == (10, 0, 0, 0)
    till.shop.assert_books_are_true()


@pytest.mark.parametrize("words", list(permutations([Paid.CONFIRMING, Paid.PAID, Paid.EXPIRED, Paid.OPEN])))
def test_words_in_any_order_are_one_credit(till: Till, words: tuple[Paid, ...]) -> None:
    """Also one that comes after the processor had given up."""
    begun = till.begin(10)
    for word in words:
        till.hear(begun, word)
    assert (till.look(begun).state, till.dollars) == ("credited", (10, 0, 0, 0))


def test_nothing_is_credited_before_it_is_final(till: Till) -> None:
    begun = till.begin(10)
    assert till.hear(begun, Paid.CONFIRMING).state == "confirming"
    assert till.hear(begun, Paid.FAILED).state == "failed"
    assert till.dollars == (0, 0, 0, 0)


def test_less_and_more_than_was_asked_for_is_credited_as_it_came(till: Till) -> None:
    till.hear(till.begin(10, COIN), Paid.UNDER, 7 * MICROS)
    till.hear(till.begin(10, COIN), Paid.OVER, 12 * MICROS)
    assert (till.dollars, till.exceptions()) == ((19, 0, 0, 0), [])


def test_far_more_is_credited_and_shown_to_staff(till: Till) -> None:
    till.hear(till.begin(10, COIN), Paid.OVER, 20 * MICROS)
    assert (till.dollars, till.exceptions()) == ((20, 0, 0, 0), ["far_too_much"])


def test_too_little_is_left_to_staff(till: Till) -> None:
    found = till.hear(till.begin(10, COIN), Paid.UNDER, MICROS // 2)
    assert (found.state, till.dollars, till.exceptions()) == ("review", (0, 0, 0, 0), ["too_little"])


@pytest.mark.parametrize("value", [9_990_000, 10_000_001, 0])
def test_an_exact_payment_of_another_amount_is_left_to_staff(till: Till, value: int) -> None:
    found = till.hear(till.begin(10), Paid.PAID, value)
    assert (found.state, till.dollars, till.exceptions()) == ("review", (0, 0, 0, 0), ["wrong_amount"])


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        ({"deposit": "dep_another"}, "foreign_payment"),
        ({"processor_id": "cs_another"}, "foreign_payment"),
        ({"is_live": True}, "wrong_mode"),
    ],
)
def test_a_payment_of_something_else_moves_nothing(till: Till, lie: dict[str, object], code: str) -> None:
    begun = till.begin(10)
    assert till.hear(begun, **lie).state == "created"  # type: ignore[arg-type]  # the words differ, that is the point
    assert (till.dollars, till.exceptions()) == ((0, 0, 0, 0), [code])
    assert till.hear(begun).state == "credited"


def test_money_that_comes_again_to_the_same_deposit_is_left_to_staff(till: Till) -> None:
    found = till.paid(10)
    till.hear(found, Paid.OVER, 20 * MICROS)
    assert (till.dollars, till.exceptions()) == ((10, 0, 0, 0), ["came_again"])


def test_fee_and_bonus_are_what_they_were_when_the_deposit_was_begun(till: Till) -> None:
    found = till.hear(till.begin(10, CARD._replace(fee=300_000, fee_ppm=29_000, bonus_ppm=50_000)))
    assert (found.fee, found.bonus, till.dollars[0]) == (590_000, 500_000, 10.5)
    till.shop.assert_books_are_true()


def test_less_than_was_asked_for_earns_no_bonus(till: Till) -> None:
    till.hear(till.begin(10, COIN._replace(bonus_ppm=50_000)), Paid.UNDER, 9 * MICROS)
    assert till.dollars[0] == 9


@pytest.mark.parametrize("dollars", [4, 501, 0, -5])
def test_an_amount_out_of_bounds_is_refused_with_them(till: Till, dollars: int) -> None:
    with pytest.raises(InvalidInput, match=r"between 5\.0000 and 500\.0000"):
        till.begin(dollars)


@pytest.mark.promise("A3")
def test_an_account_begins_so_many_deposits_a_day_and_no_more(till: Till) -> None:
    slow = Velocity(begun=2, credited=10**12)
    for _ in range(2):
        till.begin(10, velocity=slow)
    with pytest.raises(LimitExceeded):
        till.begin(10, velocity=slow)
    till.shop.wait(86_401)
    assert till.begin(10, velocity=slow).state == "created"


@pytest.mark.promise("A3")
def test_an_account_pays_in_so_much_a_day_and_no_more(till: Till) -> None:
    slow = Velocity(begun=100, credited=15 * MICROS)
    till.hear(till.begin(10, velocity=slow))
    with pytest.raises(LimitExceeded):
        till.begin(6, velocity=slow)
    assert till.begin(5, velocity=slow).state == "created"


def test_one_payment_is_credited_to_one_deposit(till: Till) -> None:
    first, second = till.paid(10), till.begin(10)
    assert till.hear(second, payment_id=first.payment_id).state == "review"
    assert (till.dollars[0], till.exceptions()) == (10, ["payment_of_another"])


@pytest.mark.parametrize(("coin", "fee"), [(MICROS // 100, 600_000), (MICROS, 1 * MICROS)])
def test_a_fee_is_rounded_up_to_a_coin(coin: int, fee: int) -> None:
    terms = CARD._replace(fee=300_001, fee_ppm=29_000, coin=coin)
    assert terms.fee_of(10 * MICROS) == fee


def test_one_transaction_of_a_chain_may_pay_two_deposits(till: Till) -> None:
    """As an exchange does that pays out to many at once; each deposit had an address of its own."""
    for found in (till.begin(10, COIN), till.begin(7, COIN)):
        till.hear(found, payment_id="0xabc")
    assert (till.dollars, till.exceptions()) == ((17, 0, 0, 0), [])
    till.shop.assert_books_are_true()


def test_staff_credit_what_came_of_a_deposit_under_review(till: Till) -> None:
    found = till.hear(till.begin(10, COIN), Paid.UNDER, MICROS // 2)
    credited = till.credit_by_hand(found, Paid.UNDER, MICROS // 2)
    assert (credited.state, credited.credited, till.dollars[0]) == ("credited", MICROS // 2, 0.5)
    with pytest.raises(InvalidInput, match="is credited"):
        till.credit_by_hand(found, Paid.UNDER, MICROS // 2)
    assert till.dollars[0] == 0.5
    till.shop.assert_books_are_true()


@pytest.mark.parametrize(
    "said",
    [
        {"state": Paid.FROZEN, "value": 10 * MICROS},
        {"state": Paid.CONFIRMING, "value": 0},
        {"state": Paid.PAID, "value": 0},
        {"state": Paid.PAID, "deposit": "dep_another"},
        {"state": Paid.PAID, "is_live": True},
    ],
)
def test_staff_credit_nothing_that_did_not_come(till: Till, said: dict[str, object]) -> None:
    found = till.hear(till.begin(10), Paid.FROZEN, 0)
    with pytest.raises(InvalidInput, match="says of no money"):
        till.credit_by_hand(found, **said)  # type: ignore[arg-type]  # the words differ, that is the point
    assert (till.look(found).state, till.dollars[0]) == ("review", 0)


def test_staff_credit_a_payment_to_one_deposit_only(till: Till) -> None:
    first, second = till.paid(10), till.begin(10)
    till.hear(second, payment_id=first.payment_id)
    with pytest.raises(InvalidInput, match="says of no money"):
        till.credit_by_hand(second, payment_id=first.payment_id)
    assert till.dollars[0] == 10
