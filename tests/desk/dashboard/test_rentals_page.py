"""The rentals page: rent for a time, extend, let it extend itself, cancel in the first minutes."""

from __future__ import annotations

import pytest

from onceline.core.money import MICROS
from onceline.core.orders.model import Order
from tests.desk.dashboard.reading import Element, fields, read
from tests.desk.dashboard.test_order_cards import HTMX, buttons, card, customer, path
from tests.desk.visitors import Pages, Visitor
from tests.shop import FOUR_HOURS, ONE_DAY


def rented(pages: Pages, visitor: Visitor) -> Order:
    return pages.shop.place(customer(visitor), "full", kind="rental", duration_s=FOUR_HOURS)


def extension(visitor: Visitor, order: Order) -> Element:
    return read(visitor.get(path(order, "extend"))).one("form", id="extend")


def test_all_messages_are_for_rent_in_every_duration(pages: Pages) -> None:
    page = read(pages.visitor().get("/test/rentals/?country=GB"))
    assert [one.words for one in page.one(class_="segments").all("label")][:2] == ["4 hours", "24 hours"]
    assert page.one(class_="offer-price").text == "USD\u00a01.00"
    longer = read(pages.visitor().get(f"/test/rentals/?country=GB&duration={ONE_DAY}"))
    assert longer.one(class_="offer-price").text == "USD\u00a02.00"


def test_renting_shows_the_number_at_once(pages: Pages) -> None:
    alice = pages.visitor()
    form = read(alice.get("/test/rentals/?country=GB")).one("form", id="order-form")
    answer = alice.post("/test/orders/new", fields(form), follow=True)
    shown = read(answer).one("article")
    assert (shown["data-kind"], shown.one(class_="badge").words) == ("rental", "Rental")
    assert shown.one(class_="order-time").words.startswith("4:00:00 left")


def test_a_rental_can_be_extended_for_the_price_on_the_button(pages: Pages) -> None:
    alice = pages.visitor()
    order = rented(pages, alice)
    sent = fields(extension(alice, order), "24 hours more for USD 2.00")
    for _ in range(2):
        alice.post(path(order, "extend"), sent)
    after = pages.shop.order(order)
    assert (after.expires_at - order.expires_at).total_seconds() == ONE_DAY
    assert after.total == 3 * MICROS


def test_an_extension_never_costs_more_than_the_button_said(pages: Pages) -> None:
    alice = pages.visitor()
    order = rented(pages, alice)
    sent = fields(extension(alice, order), "24 hours more for USD 2.00")
    pages.shop.run(
        "update prices set amount = 10000000 where kind = 'rental' and duration_s = %(day)s", day=ONE_DAY
    )
    answer = alice.post(path(order, "extend"), sent)
    page = read(answer)
    assert (answer.status_code, "costs USD 10.00 now" in page.one(role="alert").words) == (409, True)
    assert pages.shop.order(order) == order
    alice.post(path(order, "extend"), fields(page.one("form", id="extend"), "24 hours more for USD 10.00"))
    assert pages.shop.order(order).total == 11 * MICROS


@pytest.mark.parametrize("choice", ["", "86400", "86400:", "86400:-1", "86400:2000000:1", "x:y", ":2000000"])
def test_a_choice_without_its_price_is_refused(pages: Pages, choice: str) -> None:
    alice = pages.visitor()
    order = rented(pages, alice)
    answer = alice.post(path(order, "extend"), fields(extension(alice, order)) | {"choice": choice})
    assert (answer.status_code, pages.shop.order(order)) == (409, order)


def test_a_duration_that_is_not_sold_is_refused(pages: Pages) -> None:
    alice = pages.visitor()
    order = rented(pages, alice)
    sent = fields(extension(alice, order))
    answer = alice.post(path(order, "extend"), sent | {"choice": "7:2000000"})
    assert (answer.status_code, "not offered" in read(answer).one(role="alert").words) == (409, True)


def test_an_activation_cannot_be_extended(pages: Pages) -> None:
    alice = pages.visitor()
    order = pages.shop.place(customer(alice), "telegram")
    assert alice.get(path(order, "extend")).status_code == 404


def test_a_rental_is_let_to_extend_itself_for_a_price_that_is_said_and_stopped(pages: Pages) -> None:
    alice = pages.visitor()
    order = rented(pages, alice)
    page = read(alice.get(path(order, "extend")))
    assert "4 hours more for USD 1.00 at most, each time shortly before it ends" in page.words
    alice.post(path(order, "auto-extend"), fields(page.one("form", class_="card")))
    assert pages.shop.view(order)["auto_extend"] is True
    assert "Extend automatically" not in read(alice.get(path(order, "extend"))).words
    assert "Stop extending automatically" in buttons(card(alice, order))
    answer = read(alice.post(path(order, "auto-extend"), {"on": "0"}, **HTMX))
    assert "Stop extending automatically" not in answer.words
    assert pages.shop.view(order)["auto_extend"] is False


@pytest.mark.parametrize("price", ["999999", "", "-1", "x", "1" * 16])
def test_extending_automatically_never_agrees_to_more_than_was_shown(pages: Pages, price: str) -> None:
    alice = pages.visitor()
    order = rented(pages, alice)
    answer = alice.post(path(order, "auto-extend"), {"on": "1", "price": price}, **HTMX)
    assert (answer.status_code >= 400, pages.shop.view(order)["auto_extend"]) == (True, False)
    assert read(answer).one(role="alert").words


def test_a_rental_can_be_cancelled_in_its_first_minutes_alone(pages: Pages) -> None:
    alice = pages.visitor()
    order, kept = rented(pages, alice), rented(pages, alice)
    pages.shop.pass_time(600)
    alice.post(path(order, "cancel"), {"sure": "1"})
    assert pages.shop.order(order).state == "cancelled"
    pages.shop.pass_time(600)
    assert "Cancel" not in buttons(card(alice, kept))
    answer = alice.post(path(kept, "cancel"), {"sure": "1"}, **HTMX)
    assert (answer.status_code, "that was until 12:20:00" in read(answer).words) == (409, True)


def test_the_list_of_rentals_holds_no_activations(pages: Pages) -> None:
    alice = pages.visitor()
    order = rented(pages, alice)
    pages.shop.place(customer(alice), "telegram")
    page = read(alice.get("/test/rentals/"))
    assert [one["data-order"] for one in page.all("article")] == [str(order.id)]
