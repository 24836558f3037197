"""A worker that is killed between the hold and what the supplier sold: no hold is lost, no number bought twice or for nobody."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from onceline.config import Settings
from onceline.core.money import MICROS
from onceline.core.orders.model import Order
from tests.shop import DRAIN_S, WINDOW_S
from tests.suppliers.handler_api import doomed
from tests.suppliers.handler_api.conftest import Hub
from tests.suppliers.handler_api.doomed import ASKING, LEASED, NOTED

_SPAWN = multiprocessing.get_context("spawn")
_PAUSES = (1, 2, 5, 15, 60, 60)


@contextmanager
def killed_at(point: str, hub: Hub, settings: Settings) -> Iterator[None]:
    """kill -9 once it stands there."""
    ours, theirs = _SPAWN.Pipe()
    given = (point, hub.shop.db.conninfo, settings.data_dir, hub.upstream.url, hub.shop.clock.now(), theirs)
    process = _SPAWN.Process(target=doomed.work, args=given)
    process.start()
    try:
        if point == ASKING:
            _await_the_question(hub)
        else:
            assert ours.poll(60), "it must come to its point"
        yield
    finally:
        process.kill()
        process.join()


def _await_the_question(hub: Hub) -> None:
    deadline = time.monotonic() + 60
    while hub.upstream.asked("getNumberV2") == 0:
        assert time.monotonic() < deadline, "it must ask"
        time.sleep(0.05)


def resolved(hub: Hub, order: Order) -> Order:
    """Another worker comes, and time passes."""
    for pause in _PAUSES:
        hub.wait(pause)
        hub.call()
    return hub.shop.order(order)


@pytest.fixture
def slow(hub: Hub) -> Hub:
    """Over there a question that hangs is answered by nobody while the test lasts."""
    hub.upstream.set(hang_s=300, lasts_s=7200)
    return hub


@pytest.mark.attack(7)
@pytest.mark.parametrize(("point", "fault"), [(LEASED, ""), (ASKING, "hang"), (NOTED, "")])
def test_an_order_whose_worker_was_killed_gets_the_number_once(
    slow: Hub, settings: Settings, point: str, fault: str
) -> None:
    """Before the question, after the sale whose answer nobody read, after the answer was written down."""
    if fault:
        slow.upstream.fail("getNumberV2", fault)
    order = slow.order()
    with killed_at(point, slow, settings):
        assert slow.shop.order(order).state == "placing"
    assert slow.shop.balance(slow.customer).held == order.price
    slow.shop.assert_books_are_true()

    found = resolved(slow, order)

    assert (found.state, len(slow.upstream.activations)) == ("waiting", 1)
    assert slow.upstream.asked("getNumberV2") == 1
    assert found.e164 == f"+{slow.upstream.live[0]['phone']}"
    assert slow.shop.balance(slow.customer).held == order.price
    slow.shop.assert_books_are_true()


@pytest.mark.attack(7)
def test_a_question_that_died_before_it_sold_gives_the_money_back(slow: Hub, settings: Settings) -> None:
    slow.upstream.fail("getNumberV2", "hang_before")
    order = slow.order()
    with killed_at(ASKING, slow, settings):
        pass

    assert resolved(slow, order).state == "failed"
    assert (slow.upstream.activations, slow.upstream.asked("getNumberV2")) == ([], 1)
    assert slow.shop.balance(slow.customer).available == 100 * MICROS
    slow.shop.assert_books_are_true()


@pytest.mark.attack(7)
@pytest.mark.parametrize(("point", "fault"), [(ASKING, "hang"), (NOTED, "")])
def test_what_a_killed_worker_bought_is_given_back_when_the_order_is_over(
    slow: Hub, settings: Settings, point: str, fault: str
) -> None:
    """Nobody else comes before the order's end: its money goes back then, and the number goes back as soon as it is found."""
    if fault:
        slow.upstream.fail("getNumberV2", fault)
    order = slow.order()
    with killed_at(point, slow, settings):
        pass
    slow.wait(WINDOW_S + DRAIN_S + 1)
    assert slow.shop.order(order).state == "expired"
    assert slow.shop.balance(slow.customer).available == 100 * MICROS
    assert len(slow.upstream.live) == 1

    resolved(slow, order)

    assert (slow.upstream.live, len(slow.upstream.activations)) == ([], 1)
    assert slow.shop.balance(slow.customer).available == 100 * MICROS
    slow.shop.assert_books_are_true()
