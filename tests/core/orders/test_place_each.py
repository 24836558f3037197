"""Orders placed by one statement, each by itself: what is refused undoes its own order, and nothing else."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from onceline.core.db import Database
from onceline.core.errors import (
    IdempotencyConflict,
    InsufficientBalance,
    InvalidInput,
    LimitExceeded,
    NotFound,
    OutOfStock,
    PriceTooLow,
    ProhibitedService,
    Refusal,
)
from onceline.core.inbox.model import Inbound
from onceline.core.money import MICROS
from onceline.core.orders.commands import Asking, OrderRequest, Placed, place_each
from onceline.core.orders.settle import receive, settle
from tests.personas import ALICE, BOB, CHARLIE
from tests.shop import CANCEL_LOCK_S, PRICE, Shop

TELEGRAM = OrderRequest("telegram", "GB")


def place(shop: Shop, asked: Sequence[Asking]) -> list[Placed | Refusal]:
    with shop.db.statement() as tx:
        return place_each(tx, shop.context, asked)


def placed(outcome: Placed | Refusal) -> Placed:
    assert isinstance(outcome, Placed), outcome
    return outcome


def test_orders_of_several_sides_are_placed_at_once(shop: Shop) -> None:
    buyers = [shop.customer(name) for name in (ALICE, BOB, CHARLIE)]
    outcomes = place(shop, [Asking(who.side, TELEGRAM, "key") for who in reversed(buyers)])
    assert [placed(one).made[0].side for one in outcomes] == [who.side for who in reversed(buyers)]
    assert len({placed(one).made[0].e164 for one in outcomes}) == 3
    assert [shop.balance(who).held for who in buyers] == [PRICE] * 3
    shop.assert_books_are_true()


def test_one_sides_orders_are_counted_one_after_the_other(shop: Shop) -> None:
    """The second of two is refused when the money is enough for one."""
    alice = shop.customer(ALICE, PRICE + 1)
    outcomes = place(shop, [Asking(alice.side, TELEGRAM, "one"), Asking(alice.side, TELEGRAM, "two")])
    assert placed(outcomes[0]).made[0].price == PRICE
    refused = outcomes[1]
    assert isinstance(refused, InsufficientBalance)
    assert refused.facts == {"missing": PRICE - 1}
    assert shop.balance(alice).available == 1
    shop.assert_books_are_true()


def test_every_refusal_stands_by_itself_between_orders_that_are_placed(shop: Shop) -> None:
    alice, poor = shop.customer(ALICE), shop.customer(BOB, PRICE - 1)
    shop.only("GB", 4)
    place(shop, [Asking(alice.side, TELEGRAM, "used")])
    wrong = [
        (Asking(alice.side, OrderRequest("telegram", "GB", max_price=1), "dear"), PriceTooLow),
        (Asking(alice.side, OrderRequest("paypal", "GB"), "bank"), ProhibitedService),
        (Asking(alice.side, OrderRequest("no-such-thing", "GB"), "gone"), NotFound),
        (Asking(alice.side, OrderRequest("telegram", "XX"), "nowhere"), NotFound),
        (Asking(alice.side, OrderRequest("telegram", "GB", pool="none"), "pool"), NotFound),
        (Asking(alice.side, OrderRequest("whatsapp", "GB"), "used"), IdempotencyConflict),
        (Asking(alice.side, OrderRequest("full", "GB"), "shape"), InvalidInput),
        (Asking(poor.side, TELEGRAM, "poor"), InsufficientBalance),
    ]
    asked = [
        Asking(alice.side, TELEGRAM, "first"),
        *(one for one, _ in wrong),
        Asking(alice.side, TELEGRAM, "last"),
    ]
    outcomes = place(shop, asked)
    assert [type(one) for one in outcomes[1:-1]] == [kind for _, kind in wrong]
    assert placed(outcomes[0]).made[0].e164 != placed(outcomes[-1]).made[0].e164
    assert shop.balance(alice).held == 3 * PRICE
    rest = place(
        shop, [Asking(alice.side, TELEGRAM, "the fourth"), Asking(alice.side, TELEGRAM, "one too many")]
    )
    assert [type(one) for one in rest] == [Placed, OutOfStock]
    shop.assert_books_are_true()


@pytest.mark.parametrize(
    "wanted", [OrderRequest("telegram", "GB", max_price=1), OrderRequest("telegram", "GB")]
)
def test_a_refused_order_leaves_its_number_and_its_key_to_the_next(shop: Shop, wanted: OrderRequest) -> None:
    poor, alice = shop.customer(BOB, PRICE - 1), shop.customer(ALICE)
    shop.only("GB", 1)
    assert isinstance(place(shop, [Asking(poor.side, wanted, "key")])[0], PriceTooLow | InsufficientBalance)
    assert placed(place(shop, [Asking(alice.side, TELEGRAM, "key")])[0]).made[0].e164
    rows = shop.rows("select side_id, key from idempotency")
    assert [(row.side_id, row.key) for row in rows] == [(alice.side, "key")]


def test_a_refused_order_leaves_its_number_to_who_had_it(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    earlier = shop.place(alice)
    shop.pass_time(CANCEL_LOCK_S)
    shop.cancel(alice, earlier)
    again = OrderRequest("telegram", "GB", number=earlier.e164, max_price=1)
    assert isinstance(place(shop, [Asking(alice.side, again, "key")])[0], PriceTooLow)
    shop.sms(earlier.e164)
    assert [one["late"] for one in shop.view(earlier)["messages"]] == [True]


def test_two_orders_never_share_a_number(shop: Shop) -> None:
    alice, bob = shop.customer(ALICE), shop.customer(BOB)
    shop.only("GB", 1)
    outcomes = place(shop, [Asking(alice.side, TELEGRAM, "one"), Asking(bob.side, TELEGRAM, "two")])
    assert [type(one) for one in outcomes] == [Placed, OutOfStock]


def test_a_limit_on_live_orders_counts_within_the_statement(shop: Shop) -> None:
    alice = shop.customer(ALICE, 1000 * MICROS)
    most = shop.context.terms.live_orders
    shop.only("GB", most + 1)
    outcomes = place(shop, [Asking(alice.side, TELEGRAM, f"key {n}") for n in range(most + 1)])
    assert [type(one) for one in outcomes] == [Placed] * most + [LimitExceeded]


def test_a_replay_among_new_orders_is_answered_with_the_old_one(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    first = placed(place(shop, [Asking(alice.side, TELEGRAM, "old")])[0])
    outcomes = place(shop, [Asking(alice.side, TELEGRAM, "new"), Asking(alice.side, TELEGRAM, "old")])
    assert placed(outcomes[1]) == Placed(first.made, replayed=True)
    assert not placed(outcomes[0]).replayed
    assert shop.balance(alice).held == 2 * PRICE


def test_the_events_of_one_side_are_numbered_without_a_gap(shop: Shop) -> None:
    alice, bob = shop.customer(ALICE, 0), shop.customer(BOB)
    shop.run("update sides set available = %(plenty)s", plenty=100 * MICROS)
    place(shop, [Asking(who.side, TELEGRAM, secrets.token_hex(4)) for who in (alice, bob, alice, bob, alice)])
    seqs = shop.rows("select seq from events where side_id = %(side)s order by seq", side=alice.side)
    assert [row.seq for row in seqs] == [1, 2, 3]
    assert shop.value("select seq from sides where id = %(side)s", side=alice.side) == 3


def test_statements_of_many_sides_against_each_other_and_against_messages_never_deadlock(
    shop: Shop, conninfo: str
) -> None:
    """Every statement asks for the same sides in another order, some with the same keys, while messages are settled."""
    buyers = [shop.customer(f"buyer {n}", 10**10) for n in range(6)]
    rounds = 40
    ends = time.monotonic() + 20
    numbers: list[str] = []

    def buy(seed: int) -> None:
        dice = random.Random(seed)
        for turn in range(rounds):
            asked = [Asking(who.side, TELEGRAM, f"{turn} of {dice.randrange(3)}") for who in buyers]
            dice.shuffle(asked)
            with crowd.statement() as tx:
                outcomes = place_each(tx, shop.context, asked)
            numbers.extend(str(one.made[0].e164) for one in outcomes if isinstance(one, Placed))
            assert time.monotonic() < ends

    def read(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(rounds):
            if not numbers:
                time.sleep(0.01)
                continue
            message = Inbound(
                "sandbox",
                secrets.token_hex(8),
                dice.choice(numbers),
                "Telegram",
                "Telegram code: 48291",
                shop.clock.now(),
            )
            with crowd.transaction() as tx:
                kept = receive(tx, shop.context, message)
            with crowd.transaction() as tx:
                settle(tx, shop.context, kept.id)

    with Database(conninfo, size=8, name="crowd") as crowd, ThreadPoolExecutor(7) as pool:
        for done in [
            *(pool.submit(buy, seed) for seed in range(4)),
            *(pool.submit(read, seed) for seed in range(3)),
        ]:
            done.result()
    assert shop.value("select deadlocks from pg_stat_database where datname = current_database()") == 0
    shop.assert_books_are_true()
