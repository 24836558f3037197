"""When no answer comes: each order buys at most once, and what it bought is found."""

from __future__ import annotations

import pytest

from onceline.core.money import MICROS
from onceline.core.orders.model import Order
from onceline.suppliers.base import Call, NoNumbers, OutcomeUnknown
from onceline.suppliers.handler_api.orders import HandlerApi
from onceline.suppliers.intake import DirectIntake
from tests.shop import DRAIN_S, WINDOW_S, Shop
from tests.suppliers.handler_api.conftest import Hub, Upstream


def resolved(hub: Hub, order: Order) -> Order:
    """The outbox is worked until it is empty, as time passes."""
    for pause in (1, 2, 5, 15, 60):
        hub.wait(pause)
        hub.call()
    return hub.shop.order(order)


@pytest.mark.parametrize("how", ["cut", "500", "html"])
@pytest.mark.parametrize("dialect", ["v1", "v2", "hero"])
@pytest.mark.attack(48)
def test_what_was_bought_without_an_answer_is_found_and_not_bought_again(
    hub: Hub, how: str, dialect: str
) -> None:
    hub.upstream.set(dialect=dialect)
    hub.upstream.fail("getNumber" if dialect == "v1" else "getNumberV2", how)

    order = hub.bought()
    assert (order.state, hub.states()) == ("placing", ["unknown"])
    hub.wait(2)
    hub.call()

    assert hub.shop.order(order).state == "waiting"
    assert len(hub.upstream.activations) == 1
    hub.shop.assert_books_are_true()


@pytest.mark.attack(48)
def test_a_server_that_answers_too_late_is_not_asked_twice(hub: Hub) -> None:
    hub.upstream.set(hang_s=16)
    hub.upstream.fail("getNumberV2", "hang")

    order = hub.bought()
    hub.wait(2)
    hub.call()

    assert hub.shop.order(order).state == "waiting"
    assert (len(hub.upstream.activations), hub.upstream.asked("getNumberV2")) == (1, 1)


def test_when_nothing_was_bought_for_certain_the_money_is_back(hub: Hub) -> None:
    hub.upstream.fail("getNumberV2", "cut_before")

    order = resolved(hub, hub.bought())

    assert order.state == "failed"
    assert hub.shop.balance(hub.customer).available == 100 * MICROS
    assert hub.upstream.activations == []


def test_nothing_is_certain_before_the_server_had_its_time(hub: Hub) -> None:
    hub.upstream.fail("getNumberV2", "cut_before")
    order = hub.bought()

    hub.wait(19)
    hub.call()
    assert hub.shop.order(order).state == "placing"
    hub.wait(6)
    hub.call()

    assert hub.shop.order(order).state == "failed"


def test_a_server_that_is_away_is_a_definite_no(shop: Shop, hub: Hub) -> None:
    hub.configured = type(hub.configured)(
        "hub", hub.configured.settings.model_copy(update={"url": "http://127.0.0.1:1/x"}), {"api_key": ("k",)}
    )
    hub.orders = HandlerApi(hub.configured, hub.around)

    order = hub.bought()

    assert order.state == "failed"
    assert hub.alerts() == {"unreachable"}


@pytest.mark.parametrize("what", ["finish", "cancel", "resend"])
def test_a_server_that_is_gone_is_told_no_more_once_the_purchase_is_over_there(hub: Hub, what: str) -> None:
    order = hub.bought()
    call = Call(f"ol-{order.id}", "telegram", "GB", None, order.e164, 650_000)
    settings = hub.configured.settings.model_copy(update={"url": "http://127.0.0.1:1/x"})
    tell = getattr(HandlerApi(type(hub.configured)("hub", settings, {"api_key": ("k",)}), hub.around), what)

    with pytest.raises(OutcomeUnknown):
        tell(call)
    assert hub.states() == ["bought"]
    hub.shop.clock.advance(1200)
    tell(call)

    assert hub.states() == ["ended"]


def test_a_server_that_sells_once_under_a_reference_is_asked_again_under_it(
    shop: Shop, intake: DirectIntake, upstream: Upstream
) -> None:
    hub = Hub(shop, intake, upstream, honours_order_id=True)
    hub.market.look()
    upstream.set(honours=True)
    upstream.fail("getNumberV2", "cut_before")

    order = hub.bought()
    hub.wait(2)
    hub.call()

    assert hub.shop.order(order).state == "waiting"
    assert [one["order"] for one in upstream.activations] == [f"ol-{order.id}"]


def test_a_refusal_of_the_second_question_is_no_answer_to_the_first(
    shop: Shop, intake: DirectIntake, upstream: Upstream
) -> None:
    hub = Hub(shop, intake, upstream, honours_order_id=True)
    hub.market.look()
    upstream.set(honours=True)
    upstream.fail("getNumberV2", "cut_before")
    order = hub.bought()

    upstream.set(balance=0)
    hub.wait(2)
    hub.call()

    assert hub.shop.order(order).state == "placing"


def test_a_call_that_is_repeated_gets_the_number_of_the_first(hub: Hub) -> None:
    call = Call("ol-1", "telegram", "GB", None, None, 650_000)

    assert hub.orders.acquire(call) == hub.orders.acquire(call)
    assert len(hub.upstream.activations) == 1


def test_a_call_that_another_worker_is_making_is_left_to_it(hub: Hub) -> None:
    call = Call("ol-1", "telegram", "GB", None, None, 650_000)
    hub.orders._begin(call)
    hub.upstream.control(plant=[{"id": "77", "phone": "447465099999", "service": "tg", "country": "16"}])

    with pytest.raises(OutcomeUnknown):  # it may be about to note what it bought
        hub.orders.acquire(call)
    hub.wait(21)  # it died

    assert hub.orders.acquire(call).number == "+447465099999"


def test_a_worker_that_wakes_after_the_answer_was_no_has_its_number_given_back(hub: Hub) -> None:
    call = Call("ol-1", "telegram", "GB", None, None, 650_000)
    begun = hub.orders._begin(call)
    hub.wait(21)
    with pytest.raises(NoNumbers):
        hub.orders.acquire(call)

    with pytest.raises(OutcomeUnknown):  # the first worker asks only now
        hub.orders._buy(call, begun.purchase, hub.orders._wanted(call))
    with pytest.raises(NoNumbers):
        hub.orders.acquire(call)
    hub.wait(120)
    hub.listen()

    assert hub.upstream.live == []


def test_an_activation_that_another_order_has_is_not_shared(hub: Hub) -> None:
    first = hub.bought()
    hub.upstream.fail("getNumberV2", "duplicate")

    second = resolved(hub, hub.bought())

    assert (hub.shop.order(first).state, second.state) == ("waiting", "failed")


def test_an_older_activation_of_somebody_else_is_not_taken_for_ours(hub: Hub) -> None:
    old = hub.shop.clock.now().timestamp() - 400
    for dialect in ("v2", "hero"):
        hub.upstream.set(dialect=dialect)
        hub.upstream.control(
            plant=[{"id": "77", "phone": "447465099999", "service": "tg", "country": "16", "begun": old}]
        )
        hub.upstream.fail("getNumberV2", "cut_before")
        hub.market.look()
        assert resolved(hub, hub.bought()).state == "failed"


@pytest.mark.parametrize("other", [{"service": "wa"}, {"country": "36"}])
def test_an_activation_of_another_service_or_country_is_not_taken_for_ours(
    hub: Hub, other: dict[str, str]
) -> None:
    one = {"id": "77", "phone": "447465099999", "service": "tg", "country": "16"}
    hub.upstream.control(plant=[one | other])
    hub.upstream.fail("getNumberV2", "cut_before")

    assert resolved(hub, hub.bought()).state == "failed"


def test_more_strange_activations_than_doubts_are_nobodys_until_staff_look(hub: Hub) -> None:
    one = {"phone": "447465099999", "service": "tg", "country": "16"}
    hub.upstream.control(plant=[one | {"id": "77"}, one | {"id": "78"}])
    hub.upstream.fail("getNumberV2", "cut_before")

    order = resolved(hub, hub.bought())

    assert (order.state, hub.states()) == ("placing", ["unknown"])
    assert hub.alerts() == {"ambiguous_purchase"}
    hub.wait(WINDOW_S + DRAIN_S)
    assert hub.shop.balance(hub.customer).available == 100 * MICROS


def test_two_purchases_in_doubt_share_out_what_was_bought(hub: Hub) -> None:
    hub.upstream.fail("getNumberV2", "cut", times=2)
    orders = [hub.order(), hub.order()]

    hub.call()
    for pause in (2, 3, 6):
        hub.wait(pause)
        hub.call()

    assert [hub.shop.order(order).state for order in orders] == ["waiting", "waiting"]
    assert len({hub.shop.order(order).e164 for order in orders}) == 2
    assert len(hub.upstream.activations) == 2


def test_a_list_of_many_pages_is_read_to_its_end(hub: Hub) -> None:
    one = {"phone": "447465099999", "service": "wa", "country": "16"}
    hub.upstream.control(plant=[one | {"id": str(number)} for number in range(250)])
    hub.upstream.fail("getNumberV2", "cut")

    order = resolved(hub, hub.bought())

    assert order.state == "waiting"


@pytest.mark.attack(48)
def test_a_storm_with_faults_buys_at_most_once_for_each_order(hub: Hub) -> None:
    """50 orders; three in ten requests fail, before or after the server did its work."""
    hub.upstream.set(
        prices={"16": {"tg": {"cost": 0.5, "count": 60}}}, balance=1000, cancel_after_s=0, lasts_s=7200
    )
    hub.market.look()
    orders = [hub.order() for _ in range(50)]
    hub.upstream.set(chance=0.3)

    pauses = [1, 1, 2, 2, 5, 5, 15, 20, 60, 60, 300]
    for pause in pauses:
        while hub.call():
            pass
        assert len(hub.upstream.live) <= len(orders)
        hub.wait(pause)
    states = [hub.shop.order(order).state for order in orders]
    live = {one["phone"] for one in hub.upstream.live}
    waiting = {hub.shop.order(order).e164 for order in orders if hub.shop.order(order).state == "waiting"}

    assert set(states) <= {"waiting", "failed"}
    assert waiting == {f"+{phone}" for phone in live}
    assert len(hub.upstream.activations) <= len(orders)
    hub.shop.assert_books_are_true()

    hub.wait(WINDOW_S + DRAIN_S + 1)
    for pause in pauses:
        while hub.call():
            pass
        hub.wait(pause)
    assert hub.upstream.live == []
    assert hub.shop.balance(hub.customer).available == 100 * MICROS
    hub.shop.assert_books_are_true()
