"""Messages on their way in: kept once, sealed, put together, and shown only to whom they are for."""

from __future__ import annotations

import itertools
import secrets

import pytest

from onceline.core.errors import OutOfStock
from onceline.core.inbox import store as inbox
from onceline.core.inbox.model import LONGEST_TEXT, Part
from onceline.core.inbox.store import Kept
from onceline.core.orders.model import Order
from onceline.workers.sweep import sweep_round
from tests.personas import ALICE, BOB, CHARLIE
from tests.shop import COOLDOWN_S, DRAIN_S, FOUR_HOURS, GRACE_S, PRICE, WINDOW_S, Shop, numbers

CODE = "Your code is 482913"
HOSTILE = [
    "",
    "\x00",
    "\x1b[31mred\x1b[0m",
    "\u202e319284",
    "<script>alert(1)</script>",
    "\ud800 482913",
    "𝟒𝟖𝟐𝟗𝟏𝟑",
    "x" * 10_000,
]


def part(
    shop: Shop, number: str | None, index: int, text: str, total: int = 3, message_id: str | None = None
) -> Kept:
    return shop.sms(number, text, part=Part(7, index, total), message_id=message_id or secrets.token_hex(4))


def payload(shop: Shop, kept: Kept) -> bytes | None:
    found = shop.value("select payload from inbound where id = %(id)s", id=kept.id)
    return bytes(found) if found is not None else None


def test_a_message_is_kept_once_however_often_it_is_delivered(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    first = shop.sms(order.e164, CODE, message_id="m1")
    again = shop.sms(order.e164, CODE, message_id="m1")
    assert (first.is_new, again.is_new, again.id) == (True, False, first.id)
    assert len(shop.view(order)["messages"]) == 1
    shop.assert_books_are_true()


def test_the_same_text_under_another_id_is_another_message(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    shop.sms(order.e164, CODE, message_id="m1")
    shop.sms(order.e164, CODE, message_id="m2")
    assert [one["code"] for one in shop.view(order)["messages"]] == ["482913"] * 2


@pytest.mark.promise("P10")
def test_no_text_or_code_can_be_read_in_the_tables(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    stored = payload(shop, shop.keep(order.e164, CODE))
    assert stored is not None
    assert b"482913" not in stored
    shop.sms(order.e164, CODE)
    sealed = bytes(shop.value("select sealed from messages"))
    assert b"482913" not in sealed
    assert b"Your code" not in sealed


def test_a_matched_message_leaves_nothing_in_the_inbox(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    kept = shop.sms(order.e164, CODE)
    assert (shop.inbound_state(kept), payload(shop, kept)) == ("shown", None)


def test_parts_are_joined_in_whatever_order_they_come(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    for arrival in itertools.permutations((1, 2, 3)):
        join_in_order(shop, shop.place(alice), arrival)


def join_in_order(shop: Shop, order: Order, arrival: tuple[int, ...]) -> None:
    texts = {1: "Your code ", 2: "is 482", 3: "913, thank you"}
    for index in arrival[:2]:
        part(shop, order.e164, index, texts[index])
    assert shop.view(order)["messages"] == []
    part(shop, order.e164, arrival[2], texts[arrival[2]])
    seen = shop.view(order)
    assert [one["text"] for one in seen["messages"]] == ["Your code is 482913, thank you"]
    assert seen["code"] == "482913"


def test_a_part_that_comes_twice_is_one_part(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    part(shop, order.e164, 1, "Your code ", total=2, message_id="p1")
    part(shop, order.e164, 1, "Your code ", total=2, message_id="p1")
    part(shop, order.e164, 1, "Your code ", total=2, message_id="p1-again")
    assert shop.view(order)["messages"] == []
    part(shop, order.e164, 2, "is 482913", total=2)
    assert [one["text"] for one in shop.view(order)["messages"]] == ["Your code is 482913"]


def test_parts_of_two_senders_are_not_mixed(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    shop.sms(order.e164, "Your code ", sender="One", part=Part(7, 1, 2))
    shop.sms(order.e164, "is 482913", sender="Two", part=Part(7, 2, 2))
    assert shop.view(order)["messages"] == []


def test_a_part_that_never_comes_is_shown_as_a_gap_after_the_wait(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    part(shop, order.e164, 2, "was asked for by somebody.")
    shop.pass_time(inbox.PART_WAIT_S)
    sweep_round(shop.db, shop.context)
    assert shop.view(order)["messages"] == []
    shop.pass_time(1)
    sweep_round(shop.db, shop.context)
    [shown] = shop.view(order)["messages"]
    assert (shown["text"], shown["incomplete"]) == ("[…]was asked for by somebody.[…]", True)


def test_parts_that_nobody_can_read_stop_nobody(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    broken = part(shop, order.e164, 1, "Your code ")
    shop.run("update inbound set payload = '\\x00'::bytea where id = %(id)s", id=broken.id)
    waiting = shop.keep(order.e164, CODE)
    shop.pass_time(inbox.PART_WAIT_S + 1)
    sweep_round(shop.db, shop.context)
    assert (shop.inbound_state(broken), shop.inbound_state(waiting)) == ("unreadable", "shown")


def test_a_message_to_a_number_that_is_not_ours_is_kept_sealed(shop: Shop) -> None:
    kept = shop.sms("+447999999999", CODE)
    stored = payload(shop, kept)
    assert (shop.inbound_state(kept), kept.number) == ("unowned", None)
    assert stored is not None
    assert b"482913" not in stored


def test_a_message_to_a_number_that_nobody_ever_had_is_only_counted(shop: Shop) -> None:
    shop.stock("GB", numbers(1))
    kept = shop.sms(numbers(1)[0], CODE)
    assert (shop.inbound_state(kept), payload(shop, kept)) == ("counted", None)


@pytest.mark.promise("A1")
def test_a_prohibited_senders_message_is_withheld_and_counted(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    kept = shop.sms(order.e164, "PayPal: Your security code is 482913", sender="PayPal")
    seen = shop.view(order)
    assert (shop.inbound_state(kept), seen["withheld"], seen["messages"], seen["state"]) == (
        "withheld",
        1,
        [],
        "waiting",
    )
    assert shop.balance(alice).held == PRICE
    assert "order.withheld" in shop.events(alice)
    shop.assert_books_are_true()


@pytest.mark.promise("A1")
def test_a_rental_of_all_messages_shows_other_services_but_no_prohibited_one(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE), "full", kind="rental", duration_s=FOUR_HOURS)
    shop.sms(order.e164, "Your WhatsApp code: 123-456", sender="WhatsApp")
    shop.sms(order.e164, "PayPal: Your security code is 482913", sender="PayPal")
    seen = shop.view(order)
    assert ([one["sender"] for one in seen["messages"]], seen["withheld"]) == (["WhatsApp"], 1)


@pytest.mark.promise("P6")
def test_another_catalogue_services_message_is_withheld(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE), "telegram")
    shop.sms(order.e164, "Your WhatsApp code: 123-456", sender="WhatsApp")
    assert (shop.view(order)["withheld"], shop.view(order)["code"]) == (1, None)


def test_the_service_other_shows_what_is_of_no_catalogue_service(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE), "other")
    shop.sms(order.e164, "Your WhatsApp code: 123-456", sender="WhatsApp")
    shop.sms(order.e164, CODE, sender="Nobody Knows")
    seen = shop.view(order)
    assert (seen["code"], seen["withheld"], len(seen["messages"])) == ("482913", 1, 1)


def test_counting_withheld_messages_never_breaks_the_order(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    shop.run("update orders set withheld = 32767 where id = %(id)s", id=order.id)
    shop.sms(order.e164, "PayPal: Your security code is 482913", sender="PayPal")
    assert shop.view(order)["withheld"] == 32767


@pytest.mark.promise("P6")
def test_a_former_lessees_message_never_reaches_the_next_one(shop: Shop) -> None:
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    shop.only("GB", 1)
    former = shop.place(alice)
    shop.pass_time(1201)
    stuck = shop.keep(former.e164, CODE)  # reached us in the former lessee's grace, nobody looked at it
    shop.run("update inbound set state = 'counted' where id = %(id)s", id=stuck.id)
    shop.wait(2 + COOLDOWN_S)
    shop.pass_time(COOLDOWN_S)
    current = shop.place(charlie, "whatsapp")
    shop.run("update inbound set state = 'stored' where id = %(id)s", id=stuck.id)
    shop.settle(stuck.id)
    assert shop.view(current)["messages"] == []
    assert [one["late"] for one in shop.view(former)["messages"]] == [True]
    shop.assert_books_are_true()


def test_a_late_message_is_shown_flagged_and_free_within_the_grace(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    shop.wait(1203)
    shop.pass_time(GRACE_S)
    shop.sms(order.e164, CODE)
    seen = shop.view(order)
    assert (seen["state"], seen["charged"], seen["code"]) == ("expired", False, "482913")
    assert [one["late"] for one in seen["messages"]] == [True]
    assert shop.balance(alice).available == 100_000_000
    shop.assert_books_are_true()


def test_a_message_past_the_grace_is_only_counted(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    shop.wait(1203)
    shop.pass_time(GRACE_S + 1)
    kept = shop.sms(order.e164, CODE)
    assert (shop.inbound_state(kept), payload(shop, kept), shop.view(order)["messages"]) == (
        "counted",
        None,
        [],
    )


def test_a_message_from_before_the_order_is_not_its_owners(shop: Shop) -> None:
    fresh = shop.only("GB", 1)
    early = shop.keep(fresh[0], CODE)
    shop.pass_time(0.001)
    order = shop.place(shop.customer(ALICE))
    shop.settle(early.id)
    assert (shop.inbound_state(early), shop.view(order)["messages"]) == ("counted", [])


def test_hostile_text_loses_nothing_and_breaks_nothing(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    for text in HOSTILE:
        shop.sms(order.e164, text, sender=text)
    assert [one["text"] for one in shop.view(order)["messages"]] == HOSTILE
    shop.assert_books_are_true()


def test_what_no_service_writes_is_cut(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    shop.sms(order.e164, "x" * 50_000, sender="s" * 500)
    message = shop.view(order)["messages"][0]
    assert (len(message["text"]), len(message["sender"])) == (LONGEST_TEXT, 64)


def test_every_intake_key_is_of_the_day_of_the_message(shop: Shop) -> None:
    kept = shop.keep("+447999999999", CODE)
    found = shop.value("select intake_key from inbound where id = %(id)s", id=kept.id)
    assert found == f"intake/{shop.clock.now():%Y-%m-%d}"


def test_a_message_without_its_intake_key_is_unreadable_and_stops_nobody(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    lost = shop.keep(order.e164, CODE)
    for key in shop.context.vault.intake_keys():
        shop.context.vault.destroy(key)
    shop.settle(lost.id)
    shop.sms(order.e164, CODE)
    assert (shop.inbound_state(lost), shop.view(order)["code"]) == ("unreadable", "482913")


@pytest.mark.promise("P6")
def test_a_message_to_a_resting_number_burns_it_for_its_service_all_the_same(shop: Shop) -> None:
    alice, bob = shop.customer(ALICE), shop.customer(BOB)
    shop.empty("GB")
    shop.stock("GB", numbers(1))
    order = shop.place(alice, "whatsapp")
    shop.wait(WINDOW_S + DRAIN_S + 1)
    shop.clock.advance(GRACE_S + 1)
    kept = shop.sms(order.e164, "Your Telegram code is 48291", sender="Telegram")
    assert shop.inbound_state(kept) == "counted"
    shop.clock.advance(COOLDOWN_S)
    with pytest.raises(OutOfStock):
        shop.place(bob, "telegram")
    assert shop.place(bob, "discord").e164 == order.e164
