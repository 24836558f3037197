"""What has served is destroyed when it was promised, and not before."""

from __future__ import annotations

import pytest

from onceline.core.db import Row
from onceline.core.orders.commands import OrderRequest
from onceline.core.retention.commands import destroy_and_prune
from onceline.core.vault import account_key
from tests.personas import ALICE
from tests.shop import GRACE_S, WINDOW_S, Customer, Shop

HOUR, DAY = 3600, 86400
BANK = ("PayPal: Your security code is 482913", "PayPal")


def prune_after(shop: Shop, seconds: float) -> dict[str, int]:
    shop.pass_time(seconds)
    return destroy_and_prune(shop.db, shop.context)


def inbound(shop: Shop) -> Row:
    return shop.rows("select state, payload from inbound")[0]


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


def test_there_is_nothing_to_do_on_a_fresh_installation(shop: Shop) -> None:
    assert set(prune_after(shop, 0).values()) == {0}


@pytest.mark.promise("A1")
def test_a_withheld_text_is_destroyed_after_a_day(shop: Shop, alice: Customer) -> None:
    shop.sms(shop.place(alice).e164, *BANK)
    assert prune_after(shop, 24 * HOUR)["withheld"] == 0
    assert inbound(shop).payload is not None
    assert prune_after(shop, 1)["withheld"] == 1
    assert (inbound(shop).state, inbound(shop).payload) == ("withheld", None)


def test_a_message_of_an_unknown_number_is_destroyed_after_two_days(shop: Shop) -> None:
    shop.sms("+447999999999")
    assert prune_after(shop, 48 * HOUR)["unowned"] == 0
    assert prune_after(shop, 1)["unowned"] == 1
    assert inbound(shop).payload is None


def test_a_message_that_was_set_aside_is_destroyed_after_two_days(shop: Shop, alice: Customer) -> None:
    kept = shop.keep(shop.place(alice).e164, "text")
    shop.run("update inbound set state = 'unreadable' where id = %(id)s", id=kept.id)
    assert prune_after(shop, 48 * HOUR + 1)["unreadable"] == 1


def test_a_days_intake_key_is_destroyed_two_days_after_the_day(shop: Shop) -> None:
    """It is noon of the first of March when the message comes."""
    shop.keep("+447999999999", "text")
    assert shop.context.vault.intake_keys() == ["intake/2026-03-01"]
    assert prune_after(shop, 12 * HOUR + 48 * HOUR - 1)["intake_keys"] == 0
    assert prune_after(shop, 1)["intake_keys"] == 1
    assert shop.context.vault.intake_keys() == []


def test_rows_of_the_inbox_go_after_thirty_days_and_messages_stay(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice)
    shop.sms(order.e164)
    assert prune_after(shop, 30 * DAY)["inbound"] == 0
    assert prune_after(shop, 1)["inbound"] == 1
    assert shop.view(order)["code"] == "482913"


def test_events_go_after_thirty_days(shop: Shop, alice: Customer) -> None:
    assert prune_after(shop, 30 * DAY)["events"] == 0
    assert prune_after(shop, 1)["events"] == 1
    assert shop.events(alice) == []
    shop.assert_books_are_true()


def test_an_idempotency_key_is_forgotten_after_seven_days(shop: Shop, alice: Customer) -> None:
    request = OrderRequest("telegram", "GB")
    first = shop.place_all(alice, request, key="one")
    assert prune_after(shop, 7 * DAY)["idempotency"] == 0
    again = shop.place_all(alice, request, key="one")
    assert (again.ids, again.replayed) == (first.ids, True)
    assert prune_after(shop, 1)["idempotency"] == 1
    assert shop.place_all(alice, request, key="one").replayed is False


@pytest.mark.promise("A4")
def test_the_link_from_number_to_order_goes_after_thirty_days_and_its_owner_still_sees_it(
    shop: Shop, alice: Customer
) -> None:
    order = shop.place(alice)
    shop.wait(WINDOW_S + 3)
    assert prune_after(shop, 30 * DAY)["numbers"] == 0
    assert prune_after(shop, 1)["numbers"] == 1
    row = shop.rows("select number_id, e164, e164_sealed from orders")[0]
    assert shop.rows("select from numbers where holder is not null") == []
    assert (row.number_id, row.e164) == (None, None)
    assert order.e164 is not None
    assert order.e164.encode() not in bytes(row.e164_sealed)
    assert shop.view(order)["number"] == order.e164
    shop.assert_books_are_true()


@pytest.mark.promise("A4")
def test_a_sealed_number_is_gone_with_the_accounts_key(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice)
    shop.wait(WINDOW_S + 3)
    shop.context.vault.destroy(account_key(alice.account))
    assert prune_after(shop, 30 * DAY + 1)["numbers"] == 1
    assert shop.view(order)["number"] is None


def test_a_live_order_keeps_its_number_however_old_it_is(shop: Shop, alice: Customer) -> None:
    rental = shop.place(alice, kind="rental", duration_s=30 * DAY)
    assert prune_after(shop, 31 * DAY)["numbers"] == 0
    assert shop.order(rental).e164 == rental.e164


def test_pruning_twice_changes_nothing_more(shop: Shop, alice: Customer) -> None:
    shop.sms(shop.place(alice).e164, *BANK)
    shop.wait(WINDOW_S + GRACE_S)
    assert sum(prune_after(shop, 40 * DAY).values()) > 3
    assert set(destroy_and_prune(shop.db, shop.context).values()) == {0}
