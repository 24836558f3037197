"""A long message whose code is in the part that came is shown at once, charged once, and made whole when the rest comes."""

from __future__ import annotations

import pytest

from onceline.core.inbox import store as inbox
from onceline.core.inbox.model import Encoded, Part
from onceline.core.orders.model import Order
from onceline.workers.sweep import sweep_round
from tests.personas import ALICE
from tests.shop import PRICE, Customer, Shop

FIRST, REST = "Telegram code: 48291. Do not give it ", "to anyone."


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


@pytest.fixture
def order(shop: Shop, alice: Customer) -> Order:
    return shop.place(alice)


def part(shop: Shop, order: Order, index: int, text: str | Encoded, total: int = 2) -> None:
    shop.sms(order.e164, text, sender="Telegram", part=Part(7, index, total))  # type: ignore[arg-type]  # octets too


def told(shop: Shop, order: Order) -> list[tuple[str, bool]]:
    return [(one["text"], one["incomplete"]) for one in shop.view(order)["messages"]]


def test_a_code_in_the_part_that_came_is_shown_at_once_and_the_rest_makes_it_whole(
    shop: Shop, alice: Customer, order: Order
) -> None:
    before = len(shop.events(alice))
    part(shop, order, 1, FIRST)
    seen = shop.view(order)
    assert (seen["state"], seen["code"], seen["charged"], seen["revision"]) == ("received", "48291", True, 2)
    assert told(shop, order) == [(FIRST + "[…]", True)]
    part(shop, order, 2, REST)
    assert told(shop, order) == [(FIRST + REST, False)]
    assert shop.view(order)["revision"] == 3
    assert shop.events(alice)[before:] == ["order.message", "order.received", "order.message_completed"]
    assert shop.balance(alice).available == 100_000_000 - PRICE
    shop.assert_books_are_true()


def test_it_is_shown_early_whichever_part_came(shop: Shop, order: Order) -> None:
    part(shop, order, 2, "go. Your code is 482913, thanks.", total=3)
    assert told(shop, order) == [("[…]go. Your code is 482913, thanks.[…]", True)]
    part(shop, order, 3, " Bye", total=3)
    part(shop, order, 1, "Here you ", total=3)
    assert told(shop, order) == [("Here you go. Your code is 482913, thanks. Bye", False)]


@pytest.mark.parametrize(("index", "text"), [(1, "Your code is 4829"), (2, "2913 is your code.")])
def test_a_code_that_may_go_on_in_the_other_part_waits_for_it(
    shop: Shop, order: Order, index: int, text: str
) -> None:
    part(shop, order, index, text)
    assert told(shop, order) == []
    assert shop.view(order)["charged"] is False


def test_what_never_comes_leaves_what_was_shown(shop: Shop, alice: Customer, order: Order) -> None:
    part(shop, order, 1, FIRST)
    shop.pass_time(inbox.PART_WAIT_S + 1)
    sweep_round(shop.db, shop.context)
    assert told(shop, order) == [(FIRST + "[…]", True)]
    assert shop.value("select count(*) from inbound where state in ('part', 'stored')") == 0
    assert shop.events(alice).count("order.message") == 1
    shop.assert_books_are_true()


def test_the_rest_of_a_message_completes_it_after_the_order_was_finished(
    shop: Shop, alice: Customer, order: Order
) -> None:
    part(shop, order, 1, FIRST)
    shop.finish(alice, order)
    part(shop, order, 2, REST)
    [message] = shop.view(order)["messages"]
    assert (message["text"], message["late"], shop.view(order)["charged"]) == (FIRST + REST, False, True)
    shop.assert_books_are_true()


def test_a_part_that_comes_after_the_end_waits_for_the_others(shop: Shop, order: Order) -> None:
    """Nobody is in a hurry any more, and it would have to be shown as late and then again as whole."""
    shop.wait(1203)
    part(shop, order, 1, FIRST)
    assert told(shop, order) == []
    part(shop, order, 2, REST)
    [message] = shop.view(order)["messages"]
    assert (message["text"], message["late"]) == (FIRST + REST, True)
    shop.assert_books_are_true()


@pytest.mark.promise("A1")
def test_a_part_of_a_prohibited_senders_message_is_not_shown_early(shop: Shop, order: Order) -> None:
    shop.sms(order.e164, "PayPal: your code is 482913. Do not", sender="PayPal", part=Part(7, 1, 2))
    assert told(shop, order) == []


def test_a_character_that_the_cut_divides_is_whole_again(shop: Shop, order: Order) -> None:
    octets = "Telegram code: 48291 😀 ok".encode("utf-16-be")
    cut = octets.index("😀".encode("utf-16-be")) + 2
    part(shop, order, 2, Encoded(octets[cut:], "ucs2"))
    part(shop, order, 1, Encoded(octets[:cut], "ucs2"))
    assert told(shop, order) == [("Telegram code: 48291 😀 ok", False)]


def test_a_whole_message_in_octets_is_decoded(shop: Shop, order: Order) -> None:
    shop.sms(order.e164, Encoded("код 48291".encode("utf-16-be"), "ucs2"))  # type: ignore[arg-type]  # octets too
    assert told(shop, order) == [("код 48291", False)]


def test_another_message_under_the_same_reference_takes_no_part_away(shop: Shop, order: Order) -> None:
    part(shop, order, 1, "Hello from us, this is ")
    part(shop, order, 1, "Something else, it is ")
    part(shop, order, 2, "all.")
    assert told(shop, order) == [("Hello from us, this is all.", False)]
    shop.pass_time(inbox.PART_WAIT_S + 1)
    sweep_round(shop.db, shop.context)
    assert ("Something else, it is […]", True) in told(shop, order)


def test_parts_that_wait_unjoined_count_when_the_order_ends(
    shop: Shop, alice: Customer, order: Order
) -> None:
    """What reached us in time counts, though nobody had put it together yet."""
    for index, text in ((1, "Your code is "), (2, "482913")):
        shop.keep(order.e164, text, sender="Telegram", part=Part(9, index, 2))
    shop.wait(1203)
    seen = shop.view(order)
    assert (seen["state"], seen["charged"], seen["code"]) == ("finished", True, "482913")
    shop.assert_books_are_true()
