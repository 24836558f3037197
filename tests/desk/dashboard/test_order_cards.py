"""An order's card and page: buttons as core allows them, every message in it inert, and nobody else's to see."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.urls import reverse

from onceline.core.access import commands as access
from onceline.core.orders.model import Order
from onceline.desk.dashboard import urls
from onceline.desk.people.models import Role
from tests.desk.dashboard.reading import Element, read
from tests.desk.visitors import Pages, Visitor
from tests.shop import Customer, numbers

HTMX = {"HTTP_HX_REQUEST": "true"}
HOSTILE = [
    "<script>alert('482913')</script> Your code is 482913",
    "\"><img src=x onerror=alert(1)> 'quoted' & <b>bold</b> code 482913",
    "{{ csrf_token }} {% debug %} Your code is 482913",
    "code 482913 " + "x" * 9_988,
    "Код: 482913. Никому\nне сообщайте его",
]


def customer(visitor: Visitor) -> Customer:
    return Customer(visitor.person.username, visitor.person.account, visitor.side, "")


def placed(pages: Pages, visitor: Visitor, service: str = "other", **rest: Any) -> Order:
    return pages.shop.place(customer(visitor), service, **rest)


def path(order: Order, verb: str = "") -> str:
    return f"/test/orders/{order.id}/{verb}"


def card(visitor: Visitor, order: Order) -> Element:
    return read(visitor.get(path(order, "card"))).one("article")


def buttons(card: Element) -> list[str]:
    return [one.words for one in card.one(class_="order-actions").all() if one.tag in ("button", "a")]


def test_a_waiting_order_shows_its_number_its_end_and_from_when_it_can_be_cancelled(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    shown = card(alice, order)
    assert shown.one(class_="number").words.replace(" ", "").replace("-", "") == order.e164
    assert shown.one(class_="order-time").words.startswith("20:00 left until 12:20:00")
    assert buttons(shown) == ["Cancel from 12:02:00"]


def test_a_code_stands_large_with_a_button_that_copies_it(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    pages.shop.sms(order.e164, "Your code is 482913")
    shown = card(alice, order)
    assert shown.one(class_="code").words == "482913"
    assert "482913" in [one["data-copy"] for one in shown.all("button")]
    assert buttons(shown) == ["Finish", "Ask for another code"]


def test_cancelling_too_early_says_from_when(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    answer = alice.post(path(order, "cancel"), {"sure": "1"}, **HTMX)
    assert answer.status_code == 409
    assert "You can from 12:02:00 on." in read(answer).one(role="alert").words


def test_cancelling_asks_first_on_a_page_of_its_own(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    pages.shop.pass_time(120)
    question = alice.post(path(order, "cancel"))
    assert "Cancel this order?" in read(question).words
    assert pages.shop.order(order).state == "waiting"
    answer = alice.post(path(order, "cancel"), {"sure": "1"}, follow=True)
    assert pages.shop.order(order).state == "cancelled"
    assert "Nothing was charged." in read(answer).words


def test_who_wants_no_questions_is_asked_none(pages: Pages) -> None:
    alice = pages.visitor()
    alice.person.confirms = False
    alice.person.save()
    order = placed(pages, alice)
    pages.shop.pass_time(120)
    alice.post(path(order, "cancel"))
    assert pages.shop.order(order).state == "cancelled"


def test_asking_for_another_code_hides_the_old_one_until_it_comes(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    pages.shop.sms(order.e164, "Your code is 482913")
    answer = read(alice.post(path(order, "resend"), **HTMX))
    assert "Waiting for another message" in answer.words
    pages.shop.sms(order.e164, "Your code is 482913")
    shown = card(alice, order)
    assert (shown.one(class_="code").words, shown["data-codes"]) == ("482913", "2")


def test_finishing_ends_the_order(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    pages.shop.sms(order.e164)
    alice.post(path(order, "finish"), {"sure": "1"})
    assert pages.shop.order(order).state == "finished"


def test_a_message_after_the_end_is_flagged_as_late(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    pages.shop.wait(1203)
    pages.shop.sms(order.e164, "Your code is 482913")
    states = [one["data-state"] for one in card(alice, order).all(class_="chip")]
    assert states == ["expired", "late", "late"]


def test_a_withheld_message_is_counted_and_explained(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice, "telegram")
    pages.shop.sms(order.e164, "WhatsApp code 123-456", sender="WhatsApp")
    assert "1 message came that is not shown" in card(alice, order).words


def test_an_ended_order_can_be_ordered_again_with_the_same_number(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice, "telegram")
    pages.shop.sms(order.e164, "Telegram code 12345", sender="Telegram")
    pages.shop.finish(customer(alice), order)
    assert buttons(card(alice, order)) == ["Order again", "Same number again"]
    form = card(alice, order).one(class_="order-actions").all("form")[1]
    sent = {one["name"]: one["value"] for one in [*form.all("input"), *form.all("button")]}
    alice.post("/test/orders/new", sent)
    again = pages.shop.value("select e164 from orders where id <> %(id)s", id=order.id)
    assert again == order.e164


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_message_is_only_text_on_card_list_and_page(pages: Pages, text: str) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    pages.shop.sms(order.e164, text, sender='<img src=x>"')
    for address in (path(order, "card"), path(order), "/test/orders/live", "/test/"):
        page = read(alice.get(address))
        shown = [one for one in page.all("p", class_="outside") if "482913" in one.text]
        assert {one.text for one in shown} == {text}
        assert {one["dir"] for one in page.all(class_="outside")} == {"auto"}
        assert '<img src=x>"' in [one.text for one in page.all("bdi", class_="outside")]
        assert page.all("img") == page.all("b") == []
        assert page.one("article")["data-code"] in ("", "482913")


def test_marks_that_turn_the_direction_and_controls_are_taken_out(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    pages.shop.sms(order.e164, "code 482913 \u202egnp.exe\u2066 \x07\x1b[31m", sender="\u202eSomebody")
    page = read(alice.get(path(order)))
    assert {one.text for one in page.all("p", class_="outside")} == {"code 482913 gnp.exe [31m"}
    assert {one.text for one in page.all("bdi", class_="outside")} == {"Somebody"}


def test_every_message_is_on_the_orders_page_in_pages(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    for number in range(23):
        pages.shop.sms(order.e164, f"hello {number}")
    first = read(alice.get(path(order)))
    following = first.one("nav", class_="pager").one("a")["href"]
    second = read(alice.get(path(order) + following.partition("#")[0]))
    texts = [
        one.text for page in (first, second) for one in page.one(id="messages").all("p", class_="outside")
    ]
    assert texts == [f"hello {number}" for number in range(23)]


def test_a_viewer_sees_the_card_without_buttons_and_may_change_nothing(pages: Pages) -> None:
    owner = pages.visitor()
    viewer = pages.visitor(pages.person(account=owner.person.account, role=Role.VIEWER))
    order = placed(pages, owner)
    assert buttons(card(viewer, order)) == []
    for verb in ("cancel", "finish", "resend", "extend", "auto-extend", "sms"):
        assert viewer.post(path(order, verb)).status_code == 403


def test_an_order_of_another_account_is_nowhere(pages: Pages) -> None:
    """Every address with an order's id, also those that are added later."""
    alice, stranger = pages.visitor(), pages.visitor()
    order = placed(pages, alice)
    names = [one.name for one in urls.urlpatterns if "order_id" in str(one.pattern)]
    assert len(names) >= 8
    for name, mode in itertools.product(names, ("test", "live")):
        address = reverse(name, args=[mode, order.id])
        answers = [
            stranger.get(address).status_code,
            stranger.post(address, {"sure": "1", "text": "x"}).status_code,
        ]
        assert set(answers) <= {404, 405}, name
        assert 404 in answers


def test_the_other_side_of_the_own_account_has_no_such_order_either(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    assert alice.get(f"/live/orders/{order.id}/").status_code == 404


def test_a_number_that_no_order_can_have_is_no_address(pages: Pages) -> None:
    alice = pages.visitor()
    assert alice.get(f"/test/orders/{2**31}/").status_code == 404
    assert alice.get(f"/test/orders/live?before={2**31}").status_code == 200


def test_a_test_message_makes_its_code_appear(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice, "telegram")
    answer = alice.post(path(order, "sms"), {"sender": "Telegram", "text": "Code 48291"}, **HTMX)
    assert read(answer).one(class_="code").words == "48291"


def test_the_same_test_message_sent_twice_comes_once(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    sent = {"sender": "Me", "text": "Code 48291", "key": "desk-" + "0" * 32}
    for _ in range(2):
        alice.post(path(order, "sms"), sent, **HTMX)
    assert len(pages.shop.view(order)["messages"]) == 1


def test_an_empty_test_message_is_refused(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    answer = alice.post(path(order, "sms"), {"text": "  "}, **HTMX)
    assert (answer.status_code, "Write a message first." in read(answer).words) == (422, True)


def test_nobody_sends_messages_to_live_numbers(pages: Pages) -> None:
    alice = pages.visitor()
    pages.shop.pool("real", 250_000, mode="live")
    pages.shop.stock("GB", numbers(1), pool="real")
    pages.deposit(alice.person, 1_000_000, "live")
    with pages.shop.db.transaction() as tx:
        side = access.side_of(tx, alice.person.account, "live")
    order = pages.shop.place(Customer("", alice.person.account, side, ""))
    answer = alice.post(f"/live/orders/{order.id}/sms", {"text": "Code 48291"})
    assert (answer.status_code, pages.shop.view(order)["messages"]) == (404, [])
