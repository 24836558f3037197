"""A purchase whose answer did not come in time, and which is delivered later: held until it is known, delivered once."""

from __future__ import annotations

import pytest

from onceline.core.money import MICROS
from tests.shop import DRAIN_S, WINDOW_S
from tests.suppliers.handler_api.conftest import Hub


@pytest.mark.attack(48)
def test_a_purchase_that_timed_out_is_held_until_it_is_known_and_delivered_once(hub: Hub) -> None:
    """The answer hangs until we have hung up; the list of what is active over there cannot be read for a while either."""
    hub.upstream.set(hang_s=16, says={"getActiveActivations": "ERROR_SQL"})
    hub.upstream.fail("getNumberV2", "hang")
    order = hub.bought()
    for pause in (2, 5, 15, 60):
        hub.wait(pause)
        hub.call()
        assert (hub.shop.order(order).state, hub.states()) == ("placing", ["unknown"])
        assert hub.shop.balance(hub.customer).held == order.price
    hub.upstream.set(says={})
    hub.wait(300)
    hub.call()
    assert hub.shop.order(order).state == "waiting"

    hub.upstream.sms(hub.upstream.live[0]["id"], "482913", "Your code is 482913")
    hub.listen()
    hub.listen()

    assert hub.codes(order) == ["482913"]
    assert (len(hub.upstream.activations), hub.upstream.asked("getNumberV2")) == (1, 1)
    balance = hub.shop.balance(hub.customer)
    assert (balance.available, balance.held) == (100 * MICROS - order.price, 0)
    hub.shop.assert_books_are_true()


@pytest.mark.attack(48)
def test_what_is_delivered_after_the_orders_own_end_goes_back_and_costs_nothing(hub: Hub) -> None:
    """A customer's money is held for the window that was promised and no longer: then it is ours to settle over there."""
    hub.upstream.set(hang_s=16, lasts_s=7200, says={"getActiveActivations": "ERROR_SQL"})
    hub.upstream.fail("getNumberV2", "hang")
    order = hub.bought()
    hub.wait(WINDOW_S - 1)
    hub.call()
    assert hub.shop.balance(hub.customer).held == order.price
    hub.wait(1 + DRAIN_S)
    assert hub.shop.order(order).state == "expired"
    assert hub.shop.balance(hub.customer).available == 100 * MICROS

    hub.upstream.set(says={})
    for pause in (1, 60, 300, 300):
        hub.wait(pause)
        hub.call()

    assert (hub.upstream.live, len(hub.upstream.activations)) == ([], 1)
    assert hub.codes(order) == []
    assert hub.shop.balance(hub.customer).available == 100 * MICROS
    hub.shop.assert_books_are_true()
