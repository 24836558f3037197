"""A supplier may name a number only after its first message came: the message finds its order all the same."""

from __future__ import annotations

import pytest

from onceline.core.inbox.model import Inbound
from onceline.core.orders import supply
from onceline.core.orders.model import Order
from onceline.core.orders.settle import receive
from onceline.core.retention.commands import destroy_and_prune
from onceline.workers.sweep import sweep_round
from tests.personas import ALICE
from tests.shop import PRICE, Shop, numbers

NUMBER = numbers(1)[0]


@pytest.fixture
def order(shop: Shop) -> Order:
    shop.pool("asked", PRICE, supplier="farm", asks=True, tells=True)
    return shop.place(shop.customer(ALICE), pool="asked")


def came(shop: Shop, supplier: str = "farm", name: str = "1") -> None:
    with shop.db.transaction() as tx:
        message = Inbound(supplier, name, NUMBER, "Telegram", "Telegram code: 48291", shop.clock.now())
        kept = receive(tx, shop.context, message)
    assert (kept.number, kept.is_leased) == (None, False)


def named(shop: Shop) -> None:
    """The supplier's answer arrives."""
    with shop.db.transaction() as tx:
        [call] = supply.due_calls(tx, shop.context, "farm")
        supply.acquired(tx, shop.context, call, NUMBER, "")
    sweep_round(shop.db, shop.context)


def test_a_message_that_was_faster_than_its_number_reaches_the_order(shop: Shop, order: Order) -> None:
    came(shop)
    named(shop)
    seen = shop.view(order)
    assert (seen["state"], seen["code"], seen["charged"]) == ("received", "48291", True)
    assert shop.value("select count(*) from inbound where e164 is not null") == 0
    shop.assert_books_are_true()


@pytest.mark.promise("P6")
def test_what_came_before_the_order_is_not_its_message(shop: Shop) -> None:
    came(shop)
    shop.clock.advance(1)
    shop.pool("asked", PRICE, supplier="farm", asks=True, tells=True)
    order = shop.place(shop.customer(ALICE), pool="asked")
    named(shop)
    assert shop.view(order)["messages"] == []


def test_another_suppliers_message_is_not_adopted(shop: Shop, order: Order) -> None:
    came(shop, supplier="rival")
    named(shop)
    assert shop.view(order)["messages"] == []


def test_a_number_that_is_not_ours_is_forgotten_with_its_text(shop: Shop, order: Order) -> None:
    came(shop)
    shop.clock.advance(49 * 3600)
    destroy_and_prune(shop.db, shop.context)
    assert shop.value("select count(*) from inbound where e164 is not null or payload is not null") == 0


@pytest.mark.promise("A4")
def test_where_a_bought_number_came_from_says_nothing_of_its_order(shop: Shop, order: Order) -> None:
    named(shop)
    assert shop.view(order)["number"] == NUMBER
    provenance = shop.rows(
        "select b.contract from numbers n join batches b on b.id = n.batch_id where n.e164 = %(e164)s",
        e164=NUMBER,
    )
    assert [row.contract for row in provenance] == ["asked of farm"]
