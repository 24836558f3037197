"""Whole stories: a customer's order, bought of another server, with the real core and a server in a process of its own."""

from __future__ import annotations

import threading

import pytest

from onceline.core.catalog import store as catalog
from onceline.core.catalog.store import Offer, OfferFilter
from onceline.core.money import MICROS
from onceline.core.suppliers import store as suppliers
from onceline.suppliers.intake import DirectIntake
from onceline.workers.sessions import Sessions
from tests.edge.door import eventually
from tests.shop import DRAIN_S, WINDOW_S, Shop
from tests.suppliers.handler_api.conftest import KEY, Hub, Upstream

PRICE = 650_000
"""Half a dollar and 30 per cent."""


def offers(hub: Hub) -> list[Offer]:
    with hub.shop.db.transaction() as tx:
        return catalog.offers(tx, OfferFilter("live"), after=("", "", ""), limit=50, now=hub.shop.clock.now())


def test_an_offer_appears_with_the_mark_up_and_the_count_of_the_server(hub: Hub) -> None:
    found = [(one.service, one.country, one.pool, one.amount, one.stock) for one in offers(hub)]

    assert found == [("telegram", "GB", "hub", PRICE, 3)]


def test_an_order_gets_a_number_a_code_and_is_paid_for(hub: Hub) -> None:
    order = hub.order()
    assert (hub.shop.order(order).state, hub.shop.balance(hub.customer).held) == ("placing", PRICE)

    hub.call()
    waiting = hub.shop.order(order)
    assert (waiting.state, waiting.e164) == ("waiting", "+447465000000")

    hub.upstream.sms("635468000", "48291", "Telegram code: 48291. Do not give it to anyone.")
    hub.listen()
    balance = hub.shop.balance(hub.customer)
    assert hub.codes(order) == ["48291"]
    assert (balance.held, balance.available) == (0, 100 * MICROS - PRICE)
    hub.shop.assert_books_are_true()


def test_a_finished_order_is_finished_over_there(hub: Hub) -> None:
    order = hub.bought()
    hub.upstream.sms("635468000", "48291")
    hub.listen()

    hub.shop.finish(hub.customer, order)
    hub.call()

    assert [one["state"] for one in hub.upstream.activations] == ["finished"]
    assert hub.states() == ["ended"]


def test_without_a_code_the_money_is_back_and_the_number_given_back_over_there(hub: Hub) -> None:
    hub.upstream.set(lasts_s=3600)
    order = hub.bought()

    hub.wait(WINDOW_S + DRAIN_S + 1)
    hub.call()

    assert hub.shop.order(order).state == "expired"
    assert hub.shop.balance(hub.customer).available == 100 * MICROS
    assert [one["state"] for one in hub.upstream.activations] == ["cancelled"]
    assert hub.upstream.balance == 100
    hub.shop.assert_books_are_true()


def test_a_cancel_that_is_too_early_over_there_is_tried_again(hub: Hub) -> None:
    order = hub.bought()
    hub.wait(121)
    hub.upstream.set(cancel_after_s=200)
    hub.shop.cancel(hub.customer, order)

    hub.call()
    assert [one["state"] for one in hub.upstream.activations] == ["waiting"]
    hub.wait(100)
    hub.call()

    assert [one["state"] for one in hub.upstream.activations] == ["cancelled"]
    assert hub.states() == ["ended"]


def test_a_code_that_comes_while_the_customer_cancels_is_fetched_and_paid_for_over_there(hub: Hub) -> None:
    order = hub.bought()
    hub.wait(121)
    hub.upstream.sms("635468000", "48291", "Telegram code 48291")
    hub.shop.cancel(hub.customer, order)

    hub.call()
    hub.settle()

    assert hub.codes(order) == ["48291"]  # late, so free
    assert hub.shop.balance(hub.customer).available == 100 * MICROS
    assert [one["state"] for one in hub.upstream.activations] == ["finished"]


def test_the_same_answer_is_one_message(hub: Hub) -> None:
    order = hub.bought()
    hub.upstream.sms("635468000", "48291")

    hub.listen()
    hub.listen()

    assert hub.codes(order) == ["48291"]


def test_an_equal_code_after_a_resend_is_a_new_message(hub: Hub) -> None:
    order = hub.bought()
    hub.upstream.sms("635468000", "48291")
    hub.listen()

    hub.shop.resend(hub.customer, order)
    hub.call()
    hub.upstream.sms("635468000", "48291")
    hub.listen()
    hub.listen()

    assert hub.codes(order) == ["48291", "48291"]


def test_another_code_without_a_resend_is_a_new_message(hub: Hub) -> None:
    order = hub.bought()
    hub.upstream.sms("635468000", "48291")
    hub.listen()
    hub.upstream.sms("635468000", "77777")
    hub.listen()

    assert hub.codes(order) == ["48291", "77777"]


@pytest.mark.parametrize("dialect", ["v1", "v2", "hero"])
def test_every_dialect_tells_the_same_story(hub: Hub, dialect: str) -> None:
    hub.upstream.set(dialect=dialect)
    order = hub.bought()
    text = "4-829:1" if dialect == "v1" else "Your code is 4-829:1"

    hub.upstream.sms("635468000", "4-829:1", text)
    hub.listen()
    hub.upstream.sms("635468000", "551144", "Your code is 551144")
    hub.listen()
    hub.shop.finish(hub.customer, order)
    hub.call()

    assert next(message["text"] for message in hub.shop.view(order)["messages"]) == text
    assert hub.codes(order)[-1] == "551144"
    assert [one["state"] for one in hub.upstream.activations] == ["finished"]


def test_a_message_that_was_noted_but_not_kept_is_kept_after_all(hub: Hub) -> None:
    order = hub.bought()
    hub.upstream.sms("635468000", "48291", "Telegram code 48291")
    keep, hub.intake.keep = hub.intake.keep, None  # type: ignore[method-assign,assignment]  # the worker dies here
    hub.listen()
    hub.intake.keep = keep  # type: ignore[method-assign]  # and is started again
    hub.upstream.sms("635468000", "77777", "Telegram code 77777")
    hub.listen()
    hub.listen()

    assert hub.codes(order) == ["48291", "77777"]


def test_a_code_of_the_last_second_over_there_is_fetched(hub: Hub) -> None:
    hub.upstream.set(lasts_s=600)
    order = hub.bought()
    hub.wait(590)
    hub.upstream.sms("635468000", "48291")

    hub.listen()

    assert hub.codes(order) == ["48291"]
    assert hub.states() == ["ended"]


def test_a_server_that_does_not_answer_ends_nothing_before_its_time(hub: Hub) -> None:
    hub.upstream.set(lasts_s=600)
    hub.bought()
    hub.wait(590)
    hub.upstream.fail("getStatus", "500", times=9)

    hub.listen()
    assert hub.states() == ["bought"]
    assert hub.alerts() == {"unreachable"}
    hub.wait(60)
    hub.listen()

    assert hub.states() == ["ended"]


def test_stock_that_is_gone_over_there_is_out_of_stock_here(hub: Hub) -> None:
    for _ in range(3):
        hub.bought()
    hub.market.look()

    assert offers(hub) == []


def test_a_server_that_falls_silent_has_nothing_after_a_minute(hub: Hub) -> None:
    hub.upstream.set(raw="<html>down for maintenance</html>")
    hub.wait(59)
    hub.market.look()
    assert len(offers(hub)) == 1
    hub.wait(2)
    hub.market.look()

    assert offers(hub) == []
    assert "market" in hub.alerts()


def test_an_empty_account_over_there_is_an_alert_and_no_number(hub: Hub) -> None:
    hub.upstream.set(balance=0.1)

    order = hub.bought()

    assert order.state == "failed"
    assert hub.shop.balance(hub.customer).available == 100 * MICROS
    assert hub.alerts() == {"refused"}


def test_under_a_worker_an_order_is_filled_and_its_code_fetched(
    shop: Shop, intake: DirectIntake, upstream: Upstream
) -> None:
    hub = Hub(shop, intake, upstream)
    settings = {"url": upstream.url, "pool": "hub", "markup_percent": "30"}
    with shop.db.transaction() as tx:
        suppliers.change(tx, "hub", settings)
        suppliers.add_secret(tx, shop.context.vault, "hub", "api_key", KEY, shop.clock.now())
    worker, stopping = Sessions(hub.around, None), threading.Event()
    thread = threading.Thread(target=worker.run, args=(stopping,))
    thread.start()
    try:
        eventually(lambda: offers(hub) != [])
        order = hub.order()
        eventually(lambda: shop.order(order).state == "waiting")
        upstream.sms("635468000", "48291", "Telegram code 48291")
        shop.clock.advance(16)
        eventually(lambda: hub.codes(order) == ["48291"])
    finally:
        stopping.set()
        worker.wake()
        thread.join(timeout=20)

    assert not thread.is_alive()
    assert shop.value("select count(*) from supplier_sessions where until > now()") == 0
