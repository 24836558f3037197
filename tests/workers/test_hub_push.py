"""Hubs are sent what came to the numbers that they bought: until they have it, and nobody else's."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from onceline.core.errors import InvalidInput
from onceline.core.hubs import store as hubs
from onceline.core.orders.model import Order
from onceline.core.vault import account_key
from onceline.outbound import ConfiguredDoor
from onceline.workers.hub_push import HubPusher
from tests.edge.door import eventually
from tests.receiver import Answer, Receiver, receiving
from tests.shop import CANCEL_LOCK_S, PRICE, WINDOW_S, Customer, Shop, numbers

KEY = "the-key-that-the-hub-gave-us"
SUCCESS = b'{"status": "SUCCESS"}'


@dataclass
class Town:
    shop: Shop
    receiver: Receiver
    who: Customer
    pusher: HubPusher

    def look(self) -> None:
        """One round, to its end."""
        self.pusher.look(self.pusher.push)

    @property
    def pushed(self) -> list[dict[str, Any]]:
        return [one.json for one in self.receiver.received]

    @property
    def waiting(self) -> int:
        return int(self.shop.value("select count(*) from hub_pushes"))

    def ordered(self) -> Order:
        return self.shop.place(self.who, pool="own")


def become_hub(shop: Shop, who: Customer, url: str, key: str = KEY) -> None:
    with shop.db.transaction() as tx:
        hubs.add(
            tx, shop.context.vault, account=who.account, side=who.side, url=url, key=key, countries="names",
            now=shop.clock.now(),
        )  # fmt: skip


@pytest.fixture
def town(shop: Shop) -> Iterator[Town]:
    shop.pool("own", PRICE)
    shop.stock("GB", numbers(5), pool="own")
    who = shop.customer("hub")
    with receiving() as receiver:
        receiver.say(200, SUCCESS)
        become_hub(shop, who, receiver.url)
        yield Town(shop, receiver, who, HubPusher(shop.db, shop.context))


def test_a_hub_is_sent_the_message_of_its_order(town: Town, shop: Shop) -> None:
    order = town.ordered()
    shop.sms(order.e164, "Telegram code 48291", "Telegram")
    town.look()
    [sent] = town.pushed
    assert order.e164 is not None
    assert sent | {"smsId": 0} == {
        "action": "PUSH_SMS",
        "key": KEY,
        "smsId": 0,
        "phone": int(order.e164[1:]),
        "phoneFrom": "Telegram",
        "text": "Telegram code 48291",
    }
    assert 0 < sent["smsId"] < 2**62
    assert town.receiver.received[0].headers["user-agent"] == "Onceline"
    town.look()
    assert (len(town.pushed), town.waiting) == (1, 0)


def test_a_hub_that_answers_packed_is_understood(town: Town, shop: Shop) -> None:
    town.receiver.say(200, gzip.compress(SUCCESS), content_encoding="gzip")
    shop.sms(town.ordered().e164)
    town.look()
    assert town.waiting == 0


REFUSALS = {
    "error": Answer(200, {}, b'{"status": "ERROR", "error": "no"}'),
    "failed": Answer(503, {}, SUCCESS),
    "dropped": Answer(drop=True),
    "empty": Answer(200),
    "no json": Answer(200, {}, b"SUCCESS"),
    "number": Answer(200, {}, b'{"status": 1}'),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_the_hub_did_not_take_is_sent_again_under_the_same_id(town: Town, shop: Shop, name: str) -> None:
    town.receiver.answer = lambda _: REFUSALS[name]
    shop.sms(town.ordered().e164)
    town.look()
    town.look()
    assert len(town.pushed) == 1
    shop.pass_time(10)
    town.receiver.say(200, SUCCESS)
    town.look()
    first, second = town.pushed
    assert first == second
    assert town.waiting == 0


def test_an_hour_after_the_orders_end_a_message_is_given_up(town: Town, shop: Shop) -> None:
    town.receiver.say(200, b'{"status": "ERROR", "error": "no"}')
    order = town.ordered()
    shop.sms(order.e164)
    shop.finish(town.who, order)
    for _ in range(3):
        town.look()
        shop.pass_time(1801)
    town.look()
    assert (len(town.pushed), town.waiting) == (2, 0)


def test_a_hub_that_said_never_again_is_not_asked_again(town: Town, shop: Shop) -> None:
    town.receiver.say(200, b'{"status": "SERVICE_BAN"}')
    shop.sms(town.ordered().e164)
    town.look()
    assert town.waiting == 0


@pytest.mark.promise("A1")
def test_a_withheld_message_is_sent_to_nobody(town: Town, shop: Shop) -> None:
    order = town.ordered()
    shop.sms(order.e164, "PayPal: 482913 is your security code. Do not share it.", "PayPal")
    assert shop.view(order)["withheld"] == 1
    town.look()
    assert town.pushed == []


@pytest.mark.promise("P6")
def test_a_hub_is_sent_nothing_of_another_side(town: Town, shop: Shop) -> None:
    stranger = shop.customer("stranger")
    shop.sms(shop.place(stranger, pool="own").e164)
    for _ in range(4):  # so that its own stream is as long as the stranger's
        town.ordered()
    town.pusher.look(lambda hub, push: None)
    assert town.waiting == 0
    town.look()
    assert town.pushed == []


def test_every_message_is_sent_once_however_many_there_are(town: Town, shop: Shop) -> None:
    order = town.ordered()
    for code in range(10):
        shop.sms(order.e164, f"Telegram code 4829{code}")
    for _ in range(4):
        town.look()
    assert sorted(one["text"][-1] for one in town.pushed) == [str(code) for code in range(10)]
    assert len({one["smsId"] for one in town.pushed}) == 10


def test_two_workers_share_the_pushes_and_send_none_twice(town: Town, shop: Shop) -> None:
    order = town.ordered()
    stopping = threading.Event()
    pushers = [HubPusher(shop.db, shop.context) for _ in range(2)]
    threads = [threading.Thread(target=one.run, args=(stopping,)) for one in pushers]
    for thread in threads:
        thread.start()
    try:
        for code in range(20):
            shop.sms(order.e164, f"Telegram code 482{code:02d}")
            pushers[code % 2].wake()
        eventually(lambda: len(town.pushed) >= 20 and not town.waiting, 10)
    finally:
        stopping.set()
        for one in pushers:
            one.wake()
        for thread in threads:
            thread.join(10)
    assert sorted(one["text"][-2:] for one in town.pushed) == [f"{code:02d}" for code in range(20)]


def test_what_came_before_the_hub_was_one_is_not_sent(town: Town, shop: Shop) -> None:
    late = shop.customer("late")
    order = shop.place(late, pool="own")
    shop.sms(order.e164)
    become_hub(shop, late, town.receiver.url, "another key of sixteen")
    town.look()
    assert town.pushed == []
    shop.sms(order.e164, "Telegram code 11111")
    town.look()
    assert [one["text"] for one in town.pushed] == ["Telegram code 11111"]


def test_a_worker_that_dies_leaves_its_push_to_the_next(town: Town, shop: Shop) -> None:
    shop.sms(town.ordered().e164)
    HubPusher(shop.db, shop.context).look(lambda hub, push: None)
    town.look()
    assert town.pushed == []
    shop.pass_time(30)
    town.look()
    assert (len(town.pushed), town.waiting) == (1, 0)


def test_a_hub_that_hangs_holds_up_no_other(town: Town, shop: Shop) -> None:
    other = shop.customer("other")
    with receiving() as slow:
        slow.answer = lambda _: Answer(200, {}, SUCCESS, slow_s=60)
        become_hub(shop, other, slow.url, "another key of sixteen")
        order = shop.place(other, pool="own")
        for code in range(6):
            shop.sms(order.e164, f"Telegram code 4829{code}")
        stopping = threading.Event()
        thread = threading.Thread(target=town.pusher.run, args=(stopping,))
        thread.start()
        try:
            eventually(lambda: len(slow.received) == 4)
            shop.sms(town.ordered().e164)
            town.pusher.wake()
            eventually(lambda: len(town.pushed) == 1)
            assert len(slow.received) == 4
        finally:
            stopping.set()
            slow.over.set()
            town.pusher.wake()
            thread.join(10)
    assert not thread.is_alive()


def test_a_wake_up_of_the_side_sends_at_once(town: Town, shop: Shop) -> None:
    stopping = threading.Event()
    thread = threading.Thread(target=town.pusher.run, args=(stopping,))
    thread.start()
    try:
        order = town.ordered()
        eventually(lambda: shop.value("select cursor from hubs") == len(shop.events(town.who)))
        shop.sms(order.e164)
        town.pusher.hear(frozenset({f"side:{town.who.side}"}))
        eventually(lambda: len(town.pushed) == 1, 0.9)
    finally:
        stopping.set()
        town.pusher.wake()
        thread.join(10)
    assert not thread.is_alive()


@pytest.mark.promise("P10")
def test_the_hubs_key_is_unreadable_without_the_accounts_own(town: Town, shop: Shop) -> None:
    sealed = shop.value("select sealed from hubs")
    assert KEY.encode() not in bytes(sealed)
    shop.sms(town.ordered().e164)
    shop.context.vault.destroy(account_key(town.who.account))
    town.look()
    assert (town.pushed, town.waiting) == ([], 0)


def test_only_the_hubs_own_host_is_called(town: Town, shop: Shop) -> None:
    asked: list[list[str]] = []

    def door(hosts: Any) -> ConfiguredDoor:
        asked.append(list(hosts))
        return ConfiguredDoor(asked[-1])

    shop.sms(town.ordered().e164)
    pusher = HubPusher(shop.db, shop.context, door)
    pusher.look(pusher.push)
    assert asked == [[town.receiver.url.split("/")[2]]]


def test_a_removed_hub_is_sent_nothing_more(town: Town, shop: Shop) -> None:
    order = town.ordered()
    shop.sms(order.e164)
    HubPusher(shop.db, shop.context).look(lambda hub, push: None)
    with shop.db.transaction() as tx:
        hubs.remove(tx, town.who.side)
    shop.pass_time(WINDOW_S + CANCEL_LOCK_S)
    town.look()
    assert (town.pushed, town.waiting) == ([], 0)


@pytest.mark.parametrize("key", ["short", "x" * 257, "with a line\nin it, and long", "schlüssel-mit-umlaut"])
def test_a_key_that_is_none_is_refused(shop: Shop, key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        become_hub(shop, shop.customer("hub"), "https://hub.example/", key)
    assert "key" in refused.value.detail


def test_two_hubs_never_have_one_key(town: Town, shop: Shop) -> None:
    with pytest.raises(InvalidInput) as refused:
        become_hub(shop, shop.customer("second"), town.receiver.url)
    assert "key" in refused.value.detail


def test_a_hub_may_get_another_address_and_misses_nothing(town: Town, shop: Shop) -> None:
    order = town.ordered()
    shop.sms(order.e164)
    with receiving() as moved:
        moved.say(200, json.dumps({"status": "SUCCESS"}).encode())
        become_hub(shop, town.who, moved.url, "a new key of the same hub")
        town.look()
        assert [one.json["key"] for one in moved.received] == ["a new key of the same hub"]
    assert town.pushed == []
