"""The sandbox supplier: the scripted services behave as they are named, and the same call means the same thing."""

from __future__ import annotations

import pytest

from onceline.core.errors import OutOfStock
from onceline.core.inbox.store import Kept
from onceline.core.orders.model import Order
from onceline.suppliers.base import Call
from onceline.suppliers.sandbox import supplier
from onceline.suppliers.sandbox.inlet import Sending, send_due, send_each
from onceline.suppliers.sandbox.supplier import SCRIPT_S, Sandbox
from onceline.workers.sandbox import sandbox_round
from onceline.workers.supply import supply_round
from tests.personas import ALICE
from tests.shop import CANCEL_LOCK_S, Customer, Shop


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


def tell(shop: Shop) -> None:
    supply_round(shop.db, shop.context, supplier.NAME, Sandbox(shop.db, shop.clock))


def codes_after(shop: Shop, order: Order, seconds: float) -> list[str]:
    shop.pass_time(seconds)
    sandbox_round(shop.db, shop.context)
    return [message["code"] for message in shop.view(order)["messages"]]


def test_a_code_comes_after_a_second(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice, "test-success")
    tell(shop)
    assert codes_after(shop, order, 0.9) == []
    [code] = codes_after(shop, order, 0.1)
    assert (len(code), code.isdigit(), shop.view(order)["state"]) == (6, True, "received")
    assert codes_after(shop, order, 600) == [code]
    shop.assert_books_are_true()


def test_a_delayed_code_comes_after_ten_seconds(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice, "test-delayed")
    tell(shop)
    assert codes_after(shop, order, 9.9) == []
    assert len(codes_after(shop, order, 0.1)) == 1


def test_two_codes_come_one_after_the_other(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice, "test-two-codes")
    tell(shop)
    assert len(codes_after(shop, order, 1)) == 1
    assert len(codes_after(shop, order, 2)) == 2


def test_nothing_ever_comes_for_the_timeout_service_and_it_can_be_cancelled(
    shop: Shop, alice: Customer
) -> None:
    order = shop.place(alice, "test-timeout")
    tell(shop)
    assert codes_after(shop, order, CANCEL_LOCK_S) == []
    shop.cancel(alice, order)
    tell(shop)
    assert shop.balance(alice).held == 0


def test_the_service_without_numbers_is_never_in_stock(shop: Shop, alice: Customer) -> None:
    with pytest.raises(OutOfStock):
        shop.place(alice, "test-no-numbers")


def test_a_resend_brings_one_more_code(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice, "test-success")
    tell(shop)
    [first] = codes_after(shop, order, 1)
    shop.resend(alice, order)
    tell(shop)
    assert codes_after(shop, order, 1)[0] == first
    assert (len(shop.view(order)["messages"]), shop.view(order)["state"]) == (2, "received")
    assert codes_after(shop, order, 60)[1:] == [shop.view(order)["code"]]


def test_the_supplier_that_is_asked_first_names_a_number_and_sends_its_code(
    shop: Shop, alice: Customer
) -> None:
    order = shop.place(alice, "test-success", pool="sandbox-asked")
    assert shop.view(order)["state"] == "placing"
    tell(shop)
    assert shop.view(order)["state"] == "waiting"
    assert len(codes_after(shop, order, 1)) == 1
    shop.assert_books_are_true()


def test_the_same_reference_is_answered_with_the_same_number(shop: Shop) -> None:
    sandbox = Sandbox(shop.db, shop.clock)

    def named(reference: str) -> str:
        return sandbox.acquire(Call(reference, "test-timeout", "GB", None, None)).number

    assert named("ol-1") == named("ol-1") != named("ol-2")


def test_a_number_that_we_chose_is_acknowledged(shop: Shop) -> None:
    sandbox = Sandbox(shop.db, shop.clock)
    assert (
        sandbox.acquire(Call("ol-1", "test-timeout", "GB", None, "+447700900123")).number == "+447700900123"
    )


def test_an_ordinary_service_has_no_script(shop: Shop) -> None:
    Sandbox(shop.db, shop.clock).acquire(Call("ol-1", "telegram", "GB", None, "+447700900123"))
    Sandbox(shop.db, shop.clock).resend(Call("ol-1", "telegram", "GB", None, "+447700900123"))
    assert shop.value("select count(*) from sandbox_messages") == 0
    assert "telegram" not in SCRIPT_S


def test_a_scripted_number_serves_the_same_customer_again(shop: Shop, alice: Customer) -> None:
    """Test services belong to nobody: nothing is burnt, and nobody runs out of test numbers."""
    taken = set()
    for _ in range(45):
        order = shop.place(alice, "test-success")
        tell(shop)
        codes_after(shop, order, 1)
        shop.finish(alice, order)
        shop.pass_time(1800)
        taken.add(order.e164)
    assert len(taken) <= 40
    assert shop.value("select count(*) from burns") == 0


def test_what_is_due_is_sent_exactly_once(shop: Shop, alice: Customer) -> None:
    shop.place(alice, "test-success")
    tell(shop)
    shop.pass_time(1)
    with shop.db.transaction() as tx:
        assert len(send_due(tx, shop.context, 10)) == 1
    with shop.db.transaction() as tx:
        assert send_due(tx, shop.context, 10) == []


def test_a_call_that_comes_twice_sends_its_script_once(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice, "test-success")
    call = Call(f"ol-{order.id}", "test-success", "GB", None, order.e164)
    sandbox = Sandbox(shop.db, shop.clock)
    sandbox.acquire(call)
    sandbox.acquire(call)
    assert len(codes_after(shop, order, 1)) == 1
    sandbox.acquire(call)
    assert len(codes_after(shop, order, 1)) == 1


def test_a_test_message_with_the_same_id_is_one_message(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice)
    assert order.e164 is not None
    wanted = Sending(order.side, order.e164, "Test", "hello", "same")
    with shop.db.transaction() as tx:
        one, two = (send_each(tx, shop.context, [wanted])[0] for _ in range(2))
    assert isinstance(one, Kept)
    assert isinstance(two, Kept)
    assert (one.id, one.is_new, two.is_new) == (two.id, True, False)
