"""Many messages at once come out as one by one: T1 and T2 of a batch."""

from __future__ import annotations

import random
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from onceline.core.db import Database
from onceline.core.inbox.model import Inbound, Part
from onceline.core.orders.model import Order
from onceline.core.orders.settle import receive_each, settle_each
from tests.personas import ALICE, CHARLIE
from tests.shop import CANCEL_LOCK_S, Customer, Shop

CODE = "Your code is 482913"


def arrive(shop: Shop, *messages: Inbound) -> list[int]:
    """T1 of all in one statement."""
    with shop.db.statement() as tx:
        return [kept.id for kept in receive_each(tx, shop.context, messages)]


def settle_all(shop: Shop, messages: list[int]) -> None:
    with shop.db.transaction() as tx:
        settle_each(tx, shop.context, messages)


def sms(shop: Shop, number: str | None, text: str = CODE, sender: str = "Service", **rest: Any) -> Inbound:
    assert number is not None
    name = rest.pop("name", None) or secrets.token_hex(8)
    return Inbound("sandbox", name, number, sender, text, shop.clock.now(), **rest)


def outcome(shop: Shop, who: Customer, orders: list[Order]) -> list[Any]:
    """What the owner sees, without names and instants that no two orders share."""
    own = {"id", "number", "created_at", "expires_at", "closed_at", "cancel_available_at"}
    views = []
    for order in orders:
        seen = {name: value for name, value in shop.view(order).items() if name not in own}
        seen["messages"] = [message | {"id": None, "received_at": None} for message in seen["messages"]]
        views.append(seen)
    return [views, shop.events(who), shop.balance(who)]


def story(shop: Shop, together: bool) -> list[Any]:
    """Several orders, messages that are shown, withheld, repeated, late, counted, unowned, in parts."""
    alice = shop.customer(ALICE)
    orders = [shop.place(alice) for _ in range(6)]
    closed = orders[4]
    shop.pass_time(CANCEL_LOCK_S)
    shop.cancel(alice, closed)
    first, second, third = (order.e164 for order in orders[:3])
    reference = random.Random(7).randrange(200)
    messages = [
        sms(shop, first, "Telegram code: 48291", "Telegram"),
        sms(shop, second, "Hello, who is this?"),
        sms(shop, third, "PayPal: your code is 201991", "PayPal"),
        sms(shop, first, "Telegram code: 48292", "Telegram"),
        sms(shop, closed.e164, "Telegram code: 11111", "Telegram"),
        sms(shop, "+15550000000", "Nobody's 123456"),
        sms(shop, orders[3].e164, "Your code ", part=Part(reference, 1, 2)),
        sms(shop, orders[3].e164, "is 77123", part=Part(reference, 2, 2)),
    ]
    if together:
        settle_all(shop, arrive(shop, *messages))
    else:
        for message in messages:
            settle_all(shop, arrive(shop, message))
    return outcome(shop, alice, orders)


def test_a_batch_is_decided_as_its_messages_are_one_by_one(shop: Shop) -> None:
    one_by_one, together = story(shop, together=False), story(shop, together=True)
    assert together[0] == one_by_one[0]
    assert sorted(together[1]) == sorted(one_by_one[1])
    assert together[2] == one_by_one[2]
    first, second, third, parts, late, none = together[0]
    assert [message["code"] for message in first["messages"]] == ["48291", "48292"]
    assert [message["revision"] for message in first["messages"]] == [2, 3]
    assert (second["charged"], second["can_cancel"]) == (False, False)
    assert (third["withheld"], third["messages"]) == (1, [])
    assert parts["code"] == "77123"
    assert [message["late"] for message in late["messages"]] == [True]
    assert none["messages"] == []
    shop.assert_books_are_true()


def test_a_batch_for_two_sides_numbers_the_events_of_each(shop: Shop) -> None:
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    orders = [shop.place(who) for who in (alice, charlie, alice, charlie)]
    settle_all(shop, arrive(shop, *(sms(shop, order.e164) for order in reversed(orders))))
    for who in (alice, charlie):
        assert shop.events(who)[-4:] == ["order.message", "order.received"] * 2
    shop.assert_books_are_true()


def test_a_message_that_comes_twice_in_one_batch_is_kept_once(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    twice = [sms(shop, order.e164, name="the same"), sms(shop, order.e164, "Another 555666", name="the same")]
    with shop.db.statement() as tx:
        kept = receive_each(tx, shop.context, [*twice, sms(shop, order.e164, "Third 777888")])
    assert [one.is_new for one in kept] == [True, False, True]
    assert kept[0].id == kept[1].id != kept[2].id
    with shop.db.statement() as tx:
        again = receive_each(tx, shop.context, twice)
    assert [(one.id, one.is_new) for one in again] == [(kept[0].id, False)] * 2
    settle_all(shop, [one.id for one in kept])
    assert [message["text"] for message in shop.view(order)["messages"]] == [CODE, "Third 777888"]


def test_batches_over_the_same_numbers_in_any_order_never_wait_in_a_ring(shop: Shop, conninfo: str) -> None:
    sides = [shop.customer(f"owner {one}") for one in range(4)]
    shop.only("GB", 32)
    orders = [shop.place(who) for who in sides for _ in range(8)]
    settle_at_once(shop, conninfo, [orders] * 6)


def test_batches_for_the_same_sides_in_any_order_never_wait_in_a_ring(shop: Shop, conninfo: str) -> None:
    """Each has numbers of a country of its own, so that neither they nor their burnt bits come in between."""
    sides = [shop.customer(f"owner {one}") for one in range(16)]
    countries = ("GB", "US", "DE", "FR", "ES", "PL")
    settle_at_once(shop, conninfo, [[shop.place(who, country=one) for who in sides] for one in countries])


def settle_at_once(shop: Shop, conninfo: str, groups: list[list[Order]], rounds: int = 12) -> None:
    """A thread for each group: messages to its orders, settled together in an order of its own."""

    def work(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(rounds):
            chosen = dice.sample(groups[seed], 16)
            with crowd.statement() as tx:
                kept = receive_each(tx, shop.context, [sms(shop, order.e164) for order in chosen])
            messages = [one.id for one in kept]
            dice.shuffle(messages)
            with crowd.transaction() as tx:
                settle_each(tx, shop.context, messages)

    with Database(conninfo, size=len(groups), name="crowd") as crowd, ThreadPoolExecutor(len(groups)) as pool:
        for done in [pool.submit(work, seed) for seed in range(len(groups))]:
            done.result()
    assert shop.value("select deadlocks from pg_stat_database where datname = current_database()") == 0
    assert shop.value("select count(*) from messages") == len(groups) * rounds * 16
    shop.assert_books_are_true()
