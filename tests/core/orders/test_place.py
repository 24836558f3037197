"""Placing: one number, one hold, one event, or a refusal with the figure a client needs and nothing changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

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
from onceline.core.money import MICROS
from onceline.core.orders import store, view
from onceline.core.orders.commands import OrderRequest
from onceline.core.orders.store import Wanted
from tests.personas import ALICE, CHARLIE
from tests.shop import CANCEL_LOCK_S, COOLDOWN_S, FOUR_HOURS, PRICE, WINDOW_S, Customer, Shop, numbers

TELEGRAM = OrderRequest("telegram", "GB")


def created(shop: Shop, ids: list[int]) -> list[dict[str, Any]]:
    """As the placing answers, and every replay of it."""
    with shop.db.transaction() as tx:
        found = store.orders(tx, ids)
    return [view.created_view(shop.context, found[one]) for one in ids]


def untouched(shop: Shop, who: Customer) -> bool:
    """Nothing was held, placed or told."""
    return (
        shop.balance(who).held == 0
        and shop.value("select count(*) from orders where side_id = %(side)s", side=who.side) == 0
        and shop.events(who) == ["deposit.credited"]
    )


@pytest.mark.promise("D1")
def test_an_order_has_its_number_at_once(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice, client_reference="mine")
    seen, now = shop.view(order), shop.clock.now()
    assert (seen["state"], seen["number"], seen["service"], seen["country"]) == (
        "waiting",
        order.e164,
        "telegram",
        "GB",
    )
    assert seen["price"] == {"amount": "0.2500", "currency": "USD"}
    assert (order.created_at, order.expires_at) == (now, now + timedelta(seconds=WINDOW_S))
    assert order.cancel_from == now + timedelta(seconds=CANCEL_LOCK_S)
    assert (seen["client_reference"], seen["revision"], seen["code"], seen["messages"]) == (
        "mine",
        1,
        None,
        [],
    )
    assert (seen["can_cancel"], seen["can_resend"], seen["can_finish"], seen["charged"]) == (False,) * 4
    assert 0 < order.id < 2**31


@pytest.mark.promise("M1")
def test_the_price_is_held_and_not_taken(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=MICROS)
    shop.place(alice)
    assert (shop.balance(alice).available, shop.balance(alice).held) == (MICROS - PRICE, PRICE)
    assert shop.events(alice) == ["deposit.credited", "order.placed"]
    shop.assert_books_are_true()


def test_a_service_with_a_longer_window_waits_longer(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE), "instagram")
    assert order.expires_at - order.created_at == timedelta(seconds=3 * WINDOW_S)


@pytest.mark.parametrize(
    ("service", "country", "rest", "what"),
    [
        ("no-such-service", "GB", {}, "service"),
        ("telegram", "ZZ", {}, "country"),
        ("telegram", "GB", {"pool": "no-such-pool"}, "pool"),
    ],
)
def test_what_does_not_exist_is_not_found(
    shop: Shop, service: str, country: str, rest: dict[str, str], what: str
) -> None:
    alice = shop.customer(ALICE)
    with pytest.raises(NotFound) as refused:
        shop.place(alice, service, country, **rest)
    assert refused.value.facts["what"] == what
    assert untouched(shop, alice)


def test_a_pool_of_the_other_mode_does_not_exist(shop: Shop) -> None:
    shop.pool("real", PRICE, mode="live")
    with pytest.raises(NotFound):
        shop.place(shop.customer(ALICE), pool="real")
    with pytest.raises(NotFound):
        shop.place(shop.customer(CHARLIE, mode="live"), pool="sandbox")


def test_an_order_is_served_from_pools_of_its_own_mode(shop: Shop) -> None:
    """Also when one of the other mode is cheaper and has numbers."""
    shop.pool("real", PRICE - 1, mode="live")
    shop.stock("GB", numbers(2), pool="real")
    assert shop.place(shop.customer(ALICE)).pool == "sandbox"
    shop.run("update prices set amount = 1 where pool_id <> (select id from pools where slug = 'real')")
    assert shop.place(shop.customer(CHARLIE, mode="live")).pool == "real"


@pytest.mark.promise("M3")
def test_without_stock_nothing_is_held(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    shop.empty("GB")
    with pytest.raises(OutOfStock):
        shop.place(alice)
    assert untouched(shop, alice)


def test_a_service_without_a_price_is_out_of_stock(shop: Shop) -> None:
    with pytest.raises(OutOfStock):
        shop.place(shop.customer(ALICE), "test-no-numbers")


def test_a_balance_that_is_too_small_says_how_much_is_missing(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=PRICE - 1)
    with pytest.raises(InsufficientBalance) as refused:
        shop.place(alice)
    assert refused.value.facts == {"missing": 1}
    assert untouched(shop, alice)


def test_the_last_money_buys_an_order(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=PRICE)
    shop.place(alice)
    assert shop.balance(alice).available == 0


@pytest.mark.attack(38)
def test_a_price_above_the_clients_limit_names_the_one_that_works(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    with pytest.raises(PriceTooLow) as refused:
        shop.place(alice, max_price=PRICE - 1)
    assert refused.value.facts == {"lowest_price": PRICE}
    assert untouched(shop, alice)
    assert shop.place(alice, max_price=refused.value.facts["lowest_price"])


def test_the_cheapest_pool_that_has_a_number_serves(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    shop.only("GB", 1)
    for slug, price, first in (("dear", 2 * PRICE, 10), ("cheap", PRICE - 1, 20)):
        shop.pool(slug, price)
        shop.stock("GB", numbers(1, first), pool=slug)
    assert [(order.pool, order.price) for order in (shop.place(alice) for _ in range(3))] == [
        ("cheap", PRICE - 1),
        ("sandbox", PRICE),
        ("dear", 2 * PRICE),
    ]
    shop.assert_books_are_true()


def test_a_named_pool_serves_even_if_it_is_dearer(shop: Shop) -> None:
    shop.pool("dear", 2 * PRICE)
    shop.stock("GB", numbers(1), pool="dear")
    assert shop.place(shop.customer(ALICE), pool="dear").price == 2 * PRICE


def test_a_pool_that_was_switched_off_serves_nobody(shop: Shop) -> None:
    shop.run("update pools set enabled = false where slug = 'sandbox'")
    with pytest.raises(OutOfStock):
        shop.place(shop.customer(ALICE))


@pytest.mark.promise("A1")
def test_an_order_for_a_prohibited_service_is_refused(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    with pytest.raises(ProhibitedService) as refused:
        shop.place(alice, "paypal")
    assert refused.value.facts == {"service": "paypal"}
    assert untouched(shop, alice)


@pytest.mark.parametrize(
    "rest",
    [
        {"kind": "rental"},
        {"duration_s": FOUR_HOURS},
        {"kind": "rental", "duration_s": -1},
        {"kind": "activation", "service": "full"},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(shop: Shop, rest: dict[str, Any]) -> None:
    alice = shop.customer(ALICE)
    with pytest.raises(InvalidInput):
        shop.place(alice, **rest)
    assert untouched(shop, alice)


def test_a_rental_for_a_duration_that_nobody_sells_is_out_of_stock(shop: Shop) -> None:
    with pytest.raises(OutOfStock):
        shop.place(shop.customer(ALICE), kind="rental", duration_s=12345)


@pytest.mark.promise("A3")
def test_live_orders_are_limited_until_one_ends(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    shop.run("update sides set live_orders = 199 where id = %(side)s", side=alice.side)
    order = shop.place(alice)
    with pytest.raises(LimitExceeded) as refused:
        shop.place(alice)
    assert (refused.value.facts["limit"], refused.value.facts["retry_after_s"]) == ("live_orders", 60)
    assert "200 orders are live" in refused.value.detail
    shop.pass_time(CANCEL_LOCK_S)
    shop.cancel(alice, order)
    assert shop.place(alice)


def test_a_batch_is_placed_whole(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    placed = shop.place_all(alice, TELEGRAM, OrderRequest("whatsapp", "DE"))
    assert [(one["service"], one["country"]) for one in created(shop, placed.ids)] == [
        ("telegram", "GB"),
        ("whatsapp", "DE"),
    ]
    assert shop.balance(alice).held == 2 * PRICE
    shop.assert_books_are_true()


@pytest.mark.parametrize(
    ("last", "refusal"),
    [
        (OrderRequest("no-such-service", "GB"), NotFound),
        (OrderRequest("telegram", "GB", max_price=1), PriceTooLow),
        (OrderRequest("paypal", "GB"), ProhibitedService),
        (OrderRequest("telegram", "GB", duration_s=1), InvalidInput),
    ],
)
def test_a_batch_with_one_refusal_is_not_placed_at_all(
    shop: Shop, last: OrderRequest, refusal: type[Refusal]
) -> None:
    alice = shop.customer(ALICE)
    with pytest.raises(refusal):
        shop.place_all(alice, TELEGRAM, TELEGRAM, last, key="one")
    assert untouched(shop, alice)
    assert shop.place_all(alice, TELEGRAM, key="one").replayed is False


def test_a_batch_beyond_the_balance_is_not_placed_at_all(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=2 * PRICE)
    with pytest.raises(InsufficientBalance) as refused:
        shop.place_all(alice, TELEGRAM, TELEGRAM, TELEGRAM)
    assert refused.value.facts == {"missing": PRICE}
    assert untouched(shop, alice)


def test_the_same_key_and_request_place_once(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    first = shop.place_all(alice, TELEGRAM, TELEGRAM, key="one")
    again = shop.place_all(alice, TELEGRAM, TELEGRAM, key="one")
    assert (again.ids, again.replayed) == (first.ids, True)
    assert shop.balance(alice).held == 2 * PRICE


def test_a_replay_answers_as_the_placing_did_also_after_the_code_came(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    first = shop.place_all(alice, TELEGRAM, key="one")
    answer = created(shop, first.ids)
    order = shop.rows("select e164 from orders")[0]
    shop.sms(order.e164)
    shop.pass_time(600)
    assert created(shop, shop.place_all(alice, TELEGRAM, key="one").ids) == answer
    shop.outlive()
    assert created(shop, shop.place_all(alice, TELEGRAM, key="one").ids) == answer


def test_a_replay_of_a_rental_answers_as_the_placing_did_also_after_an_extension(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    rental = OrderRequest("telegram", "GB", kind="rental", duration_s=FOUR_HOURS)
    first = shop.place_all(alice, rental, key="one")
    answer = created(shop, first.ids)
    with shop.db.transaction() as tx:
        order = store.order(tx, first.ids[0])
    shop.extend(alice, order, FOUR_HOURS)
    assert created(shop, shop.place_all(alice, rental, key="one").ids) == answer


def test_a_replay_of_an_order_from_an_asked_supplier_answers_as_the_placing_did(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    asked = OrderRequest("test-success", "GB", pool="sandbox-asked")
    first = shop.place_all(alice, asked, key="one")
    answer = created(shop, first.ids)
    assert (answer[0]["state"], answer[0]["number"]) == ("placing", None)
    shop.run("update orders set state = 'waiting', number_id = 1, e164 = '+999', network = '1', revision = 2")
    assert created(shop, shop.place_all(alice, asked, key="one").ids) == answer


def test_the_same_key_for_another_request_is_a_conflict(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    shop.place_all(alice, TELEGRAM, key="one")
    with pytest.raises(IdempotencyConflict):
        shop.place_all(alice, OrderRequest("telegram", "GB", max_price=PRICE), key="one")
    assert shop.balance(alice).held == PRICE


def test_a_strangers_key_of_the_same_name_is_another_key(shop: Shop) -> None:
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    shop.place_all(alice, TELEGRAM, key="one")
    assert shop.place_all(charlie, TELEGRAM, key="one").replayed is False


def test_a_refusal_is_not_remembered_under_its_key(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=0)
    with pytest.raises(InsufficientBalance):
        shop.place_all(alice, TELEGRAM, key="one")
    with shop.db.transaction() as tx:
        tx.run("update sides set available = 1000000 where id = %(side)s", {"side": alice.side})
    assert shop.place_all(alice, TELEGRAM, key="one").replayed is False


def test_orders_without_a_key_are_each_a_new_one(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    assert shop.place_all(alice, TELEGRAM).ids != shop.place_all(alice, TELEGRAM).ids


def test_a_number_is_bought_again_for_one_more_code(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    shop.sms(order.e164, "Telegram code: 11111", sender="Telegram")
    shop.finish(alice, order)
    shop.pass_time(60)
    again = shop.place(alice, number=order.e164)
    shop.sms(order.e164, "Telegram code: 22222", sender="Telegram")
    assert (shop.view(again)["code"], shop.view(order)["code"]) == ("22222", "11111")
    assert shop.balance(alice).available == 100 * MICROS - 2 * PRICE
    shop.assert_books_are_true()


def test_orders_are_listed_newest_first_by_the_state_that_readers_see(shop: Shop) -> None:
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    placed = [shop.place(alice, client_reference=str(one)) for one in range(3)]
    shop.place(charlie)
    shop.sms(placed[1].e164)

    def listed(limit: int = 10, before: int | None = None, **wanted: Any) -> tuple[list[int], int | None]:
        with shop.db.transaction() as tx:
            page = store.listed(
                tx, alice.side, Wanted(shop.clock.now(), **wanted), before=before, limit=limit
            )
        return [row.id for row in page.rows], page.next

    ids = [order.id for order in placed]
    assert listed() == (ids[::-1], None)
    assert listed(2) == ([ids[2], ids[1]], ids[1])
    assert listed(2, before=ids[1]) == ([ids[0]], None)
    assert listed(states=["received"])[0] == [ids[1]]
    assert listed(client_reference="2")[0] == [ids[2]]
    assert listed(service="whatsapp")[0] == []
    shop.pass_time(WINDOW_S)  # no worker has come by
    assert listed(states=["waiting", "received"])[0] == []
    assert listed(states=["expired"])[0] == [ids[2], ids[0]]
    assert listed(states=["finished"])[0] == [ids[1]]


def test_a_strangers_order_is_not_found(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    charlie = shop.customer(CHARLIE)
    with shop.db.transaction() as tx, pytest.raises(NotFound):
        store.order(tx, order.id, charlie.side)


def test_an_order_placed_after_the_rest_gets_the_number_back_into_use(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    shop.only("GB", 1)
    shop.place(alice)
    shop.wait(WINDOW_S + 3)
    shop.pass_time(COOLDOWN_S)
    shop.place(alice, "whatsapp")
    shop.assert_books_are_true()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("number_id = (select min(number_id) from orders)", id="a number with two live orders"),
        pytest.param(
            "state = 'received', money = 'captured', captured_at = created_at", id="money without a valid message"
        ),
        pytest.param("state = 'expired'", id="closed and never ended"),
        pytest.param("closed_at = created_at", id="ended and not closed"),
        pytest.param("state = 'placing'", id="a number before the supplier named it"),
    ],
)  # fmt: skip
def test_the_tables_themselves_refuse_what_no_command_may_write(shop: Shop, damage: str) -> None:
    alice = shop.customer(ALICE)
    shop.place_all(alice, TELEGRAM, TELEGRAM)
    with pytest.raises(psycopg.IntegrityError):
        shop.run(f"update orders set {damage}")
    shop.assert_books_are_true()
