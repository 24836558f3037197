"""Whose message it is, by the order of commits; and what is said of it beside its text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onceline.core.inbox.recognise import recognise
from tests.personas import ALICE, CHARLIE
from tests.shop import CANCEL_LOCK_S, COOLDOWN_S, DRAIN_S, GRACE_S, WINDOW_S, Shop

HOUR = 3600


@pytest.mark.promise("P6")
def test_a_clock_that_was_set_back_hands_no_code_to_the_former_lessee(shop: Shop) -> None:
    """By the stamps alone the former one's grace would cover it again."""
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    (number,) = shop.only("GB", 1)
    former = shop.place(alice)
    shop.wait(CANCEL_LOCK_S)
    shop.cancel(alice, former)
    shop.wait(COOLDOWN_S)
    present = shop.place(charlie)
    shop.clock.advance(-COOLDOWN_S)
    shop.sms(number)
    assert shop.view(former)["messages"] == []
    assert shop.view(present)["code"] == "482913"
    shop.assert_books_are_true()


@pytest.mark.promise("P6")
def test_a_message_kept_before_the_number_was_sold_is_not_the_buyers_whatever_the_clock_says(
    shop: Shop,
) -> None:
    (number,) = shop.only("GB", 1)
    kept = shop.keep(number, "Your code is 482913")
    shop.clock.advance(-HOUR)
    shop.run("update numbers set available_at = %(now)s", now=shop.clock.now())
    order = shop.place(shop.customer(ALICE))
    shop.clock.advance(2 * HOUR)
    shop.settle(kept.id)
    assert shop.view(order)["messages"] == []
    assert shop.inbound_state(kept) == "counted"


def test_a_message_that_comes_before_its_order_by_the_clock_is_still_its_own(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    shop.clock.advance(-60)
    shop.sms(order.e164)
    assert shop.view(order)["charged"]
    shop.assert_books_are_true()


@pytest.mark.promise("P6")
def test_a_closed_order_listens_on_no_longer_than_its_number_rests(shop: Shop) -> None:
    """Where an operator lets numbers rest for less than the grace."""
    rest = GRACE_S // 2
    shop.context = replace(shop.context, terms=replace(shop.context.terms, cooldown_s=rest))
    order = shop.place(shop.customer(ALICE))
    shop.wait(WINDOW_S + DRAIN_S)
    shop.pass_time(rest)
    shop.sms(order.e164, "Your code is 11111")
    shop.pass_time(1)
    past = shop.sms(order.e164, "Your code is 22222")
    assert [one["code"] for one in shop.view(order)["messages"]] == ["11111"]
    assert shop.inbound_state(past) == "counted"


def test_a_message_says_which_service_it_seems_to_come_from_and_why(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    shop.sms(order.e164, "Telegram code: 48291", "Telegram")
    shop.sms(order.e164, "no idea what this is", "+447700900000")
    known, unknown = shop.view(order)["messages"]
    seen = recognise("Telegram", "Telegram code: 48291", shop.context.book)
    assert seen is not None
    assert (known["service"], known["confidence"], known["evidence"]) == (
        "telegram",
        seen.confidence,
        seen.evidence,
    )
    assert (unknown["service"], unknown["confidence"], unknown["evidence"]) == (None, None, None)


@pytest.mark.parametrize(("country", "withheld"), [("AE", 1), ("GB", 0)])
def test_a_sender_means_what_it_means_in_the_numbers_country(shop: Shop, country: str, withheld: int) -> None:
    """FAB is a bank in the Emirates and nobody in Britain."""
    order = shop.place(shop.customer(ALICE), country=country)
    shop.sms(order.e164, "482913", "FAB")
    assert shop.view(order)["withheld"] == withheld
