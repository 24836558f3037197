"""What every command tells: exactly these events, and a snapshot plus its events is the next snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from onceline.core.orders import supply, view
from onceline.core.orders.model import Order
from onceline.core.outbox import store as outbox
from onceline.core.outbox.store import Ahead
from onceline.core.vault import account_key
from onceline.workers.extend import extend_round
from tests.personas import ALICE, CHARLIE
from tests.shop import CANCEL_LOCK_S, DRAIN_S, FOUR_HOURS, PRICE, WINDOW_S, Customer, Shop, numbers

Snapshot = dict[int, dict[str, Any]]
CODE, CHATTER = "Telegram code: 48291", "Welcome, we are glad that you are here"


def snapshot(shop: Shop, who: Customer) -> Snapshot:
    ids = [row.id for row in shop.rows("select id from orders where side_id = %(side)s", side=who.side)]
    with shop.db.transaction() as tx:
        return {one["id"]: one for one in view.order_views(tx, shop.context, ids)}


def stream(shop: Shop, who: Customer, after: int = 0) -> list[dict[str, Any]]:
    with shop.db.transaction() as tx:
        return view.event_views(tx, shop.context, outbox.page(tx, who.side, after, 100).rows)


def seq(shop: Shop, who: Customer) -> int:
    with shop.db.transaction() as tx:
        return outbox.horizon(tx, who.side).seq


def acquire(shop: Shop, number: str | None) -> None:
    with shop.db.transaction() as tx:
        [call] = supply.due_calls(tx, shop.context, "sandbox")
        if number:
            supply.acquired(tx, shop.context, call, number, "")
        else:
            supply.refused(tx, shop.context, call)


def with_code(shop: Shop, alice: Customer) -> Order:
    order = shop.place(alice)
    shop.sms(order.e164, CODE)
    return order


def asked(shop: Shop, alice: Customer) -> Order:
    shop.pool("asked", PRICE, asks=True, tells=True)
    return shop.place(alice, pool="asked")


def rental(shop: Shop, alice: Customer) -> Order:
    return shop.place(alice, kind="rental", duration_s=FOUR_HOURS)


def cancelled(shop: Shop, alice: Customer) -> Order:
    order = shop.place(alice)
    shop.pass_time(CANCEL_LOCK_S)
    return shop.cancel(alice, order)


def plain(shop: Shop, alice: Customer) -> Order:
    return shop.place(alice)


def going_on(shop: Shop, alice: Customer) -> Order:
    return shop.auto_extend(alice, rental(shop, alice))


def renewed(shop: Shop) -> None:
    shop.pass_time(FOUR_HOURS - 60)
    extend_round(shop.db, shop.context)


def ready(shop: Shop, alice: Customer) -> Order:
    order = shop.place(alice)
    shop.pass_time(CANCEL_LOCK_S)
    return order


COMMANDS: list[Any] = [
    pytest.param(plain, lambda s, a, o: s.place(a), ["order.placed"], id="place"),
    pytest.param(asked, lambda s, a, o: acquire(s, numbers(1)[0]), ["order.number"], id="number"),
    pytest.param(asked, lambda s, a, o: acquire(s, None), ["order.failed"], id="no number"),
    pytest.param(plain, lambda s, a, o: s.sms(o.e164, CODE), ["order.message", "order.received"], id="first code"),
    pytest.param(with_code, lambda s, a, o: s.sms(o.e164, CODE), ["order.message"], id="second code"),
    pytest.param(plain, lambda s, a, o: s.sms(o.e164, CHATTER), ["order.message"], id="no code"),
    pytest.param(rental, lambda s, a, o: s.sms(o.e164, CHATTER), ["order.message", "order.received"], id="rental message"),
    pytest.param(cancelled, lambda s, a, o: s.sms(o.e164, CODE), ["order.message"], id="late message"),
    pytest.param(plain, lambda s, a, o: s.sms(o.e164, "PayPal: Your security code is 482913", "PayPal"), ["order.withheld"], id="withheld"),
    pytest.param(ready, lambda s, a, o: s.cancel(a, o), ["order.cancelled"], id="cancel"),
    pytest.param(with_code, lambda s, a, o: s.resend(a, o), ["order.resend"], id="resend"),
    pytest.param(with_code, lambda s, a, o: s.finish(a, o), ["order.finished"], id="finish"),
    pytest.param(plain, lambda s, a, o: s.wait(WINDOW_S + DRAIN_S), ["order.expired"], id="expire"),
    pytest.param(with_code, lambda s, a, o: s.wait(WINDOW_S + DRAIN_S), ["order.finished"], id="end"),
    pytest.param(rental, lambda s, a, o: s.extend(a, o, FOUR_HOURS), ["order.extended"], id="extend"),
    pytest.param(rental, lambda s, a, o: s.auto_extend(a, o), ["order.auto_extend"], id="auto-extend"),
    pytest.param(going_on, lambda s, a, o: s.auto_extend(a, o, on=False), ["order.auto_extend"], id="no auto-extend"),
    pytest.param(going_on, lambda s, a, o: renewed(s), ["order.extended"], id="renewal"),
    pytest.param(going_on, lambda s, a, o: s.wait(FOUR_HOURS + DRAIN_S), ["order.expired"], id="end of an auto-extended one"),
]  # fmt: skip


@pytest.mark.promise("D7")
@pytest.mark.parametrize(("given", "command", "types"), COMMANDS)
def test_a_snapshot_and_its_events_are_the_next_snapshot(
    shop: Shop,
    given: Callable[[Shop, Customer], Order],
    command: Callable[[Shop, Customer, Order], object],
    types: list[str],
) -> None:
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    order = given(shop, alice)
    known, cursor, strange = snapshot(shop, alice), seq(shop, alice), seq(shop, charlie)
    command(shop, alice, order)
    told = stream(shop, alice, cursor)
    assert [one["event"]["type"] for one in told] == types
    assert [one["seq"] for one in told] == list(range(cursor + 1, cursor + 1 + len(types)))
    for one in told:
        known[one["event"]["order"]["id"]] = one["event"]["order"]
    assert known == snapshot(shop, alice)
    assert seq(shop, charlie) == strange
    shop.assert_books_are_true()


def test_an_event_of_a_message_carries_the_message(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    shop.sms(order.e164, CODE, sender="Telegram")
    message, received = (one["event"] for one in stream(shop, alice, after=2))
    assert message["message"] == shop.view(order)["messages"][0]
    assert (message["message"]["code"], message["order"]["code"]) == ("48291", "48291")
    assert received["message"] is None
    assert message["revision"] == received["revision"] == 2


def test_an_event_without_an_order_says_so(shop: Shop) -> None:
    [deposit] = stream(shop, shop.customer(ALICE))
    assert (deposit["event"]["type"], deposit["event"]["order"]) == ("deposit.credited", None)


def test_events_keep_no_content(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    shop.sms(order.e164, CODE)
    stored = str(shop.rows("select e::text as row from events e"))
    assert "48291" not in stored
    assert order.e164 is not None
    assert order.e164 not in stored


@pytest.mark.promise("P10")
def test_without_the_accounts_key_messages_are_erased_and_the_order_stays(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = with_code(shop, alice)
    shop.context.vault.destroy(account_key(alice.account))
    seen = shop.view(order)
    assert [(one["text"], one["sender"], one["code"]) for one in seen["messages"]] == [(None, None, None)]
    assert (seen["state"], seen["charged"]) == ("received", True)


def test_readers_that_wait_together_get_each_its_own(shop: Shop) -> None:
    """Beside those whose cursors cannot be served, though some of what followed is there."""
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    for who in (alice, charlie, alice):
        shop.sms(shop.place(who).e164)
    shop.run("delete from events where side_id = %(side)s and seq = 1", side=charlie.side)
    asked = [
        Ahead(alice.side, 0, 100),
        Ahead(charlie.side, 0, 100),
        Ahead(charlie.side, 10**6, 100),
        Ahead(charlie.side, 1, 2),
        Ahead(alice.side, 3, 1),
        Ahead(alice.side, 7, 5),
    ]
    with shop.db.statement() as tx:
        together = view.stretches(tx, shop.context, asked)
        alone = [view.stretches(tx, shop.context, [one])[0] for one in asked]
    assert together == alone
    assert [(one.whole, [event["seq"] for event in one.events]) for one in together] == [
        (True, [1, 2, 3, 4, 5, 6, 7]),
        (False, []),
        (False, []),
        (True, [2, 3]),
        (True, [4]),
        (True, []),
    ]
    owners = {event["event"]["order"]["id"] for event in together[3].events}
    assert owners == {shop.value("select id from orders where side_id = %(side)s", side=charlie.side)}
