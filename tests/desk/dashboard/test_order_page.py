"""The order page: choose, order with Enter, see the number at once; refused, and nothing typed is lost."""

from __future__ import annotations

from typing import Any

from onceline.core.access import commands as access
from onceline.core.money import MICROS
from onceline.desk.people.models import Person, Role
from onceline.desk.people.signals import ensure_account
from tests.desk.dashboard.reading import Element, fields, read
from tests.desk.visitors import Pages, Visitor

HTMX = {"HTTP_HX_REQUEST": "true"}
OFFER = "telegram:GB:sandbox:250000"


def form_of(visitor: Visitor, query: str = "?service=telegram&country=GB") -> dict[str, str]:
    page = read(visitor.get(f"/test/{query}"))
    return fields(page.one("form", id="order-form"))


def order(visitor: Visitor, *, htmx: bool = False, **changed: str) -> Any:
    sent = form_of(visitor) | {"offer": OFFER} | changed
    return visitor.post("/test/orders/new", sent, **(HTMX if htmx else {}))


def cards(answer: Any) -> list[Element]:
    return [one for one in read(answer).all("article") if one["data-order"]]


def alert(answer: Any) -> str:
    return read(answer).one(role="alert").words


def test_the_page_shows_price_stock_and_when_it_was_counted(pages: Pages) -> None:
    page = read(pages.visitor().get("/test/?service=telegram&country=GB"))
    offer = page.one("li", class_="offer")
    assert "20 left" in offer.words
    assert "USD\u00a00.25" in offer.text
    assert "1 offer, as of 12:00:00" in page.words


def test_enter_orders_the_first_offer_and_the_page_shows_its_number(pages: Pages) -> None:
    alice = pages.visitor()
    answer = alice.post("/test/orders/new", form_of(alice), follow=True)
    [card] = cards(answer)
    assert card.one(class_="number").words.startswith("+44")
    assert card["data-state"] == "waiting"
    assert answer.redirect_chain[0][0].startswith("/test/?service=telegram&country=GB#order-")


def test_a_click_answers_htmx_with_the_card_a_fresh_key_and_the_balance(pages: Pages) -> None:
    alice = pages.visitor()
    before = form_of(alice)
    answer = alice.post("/test/orders/new", before | {"offer": OFFER}, **HTMX)
    page = read(answer)
    assert answer.status_code == 200
    assert len(cards(answer)) == 1
    assert page.one("input", id="order-key")["value"] != before["key"]
    assert page.one(id="available").text == "USD\u00a099.75"


def test_the_same_form_sent_twice_orders_once(pages: Pages) -> None:
    alice = pages.visitor()
    sent = form_of(alice) | {"offer": OFFER}
    first, second = (alice.post("/test/orders/new", sent, **HTMX) for _ in range(2))
    assert cards(first)[0]["data-order"] == cards(second)[0]["data-order"]
    assert pages.shop.value("select count(*) from orders") == 1


def test_a_form_that_was_used_for_something_else_says_so(pages: Pages) -> None:
    alice = pages.visitor()
    sent = form_of(alice) | {"offer": OFFER}
    alice.post("/test/orders/new", sent)
    answer = alice.post("/test/orders/new", sent | {"quantity": "3"})
    assert (answer.status_code, "sent before" in alert(answer)) == (409, True)


def test_three_at_once(pages: Pages) -> None:
    assert len(cards(order(pages.visitor(), htmx=True, quantity="3"))) == 3


def test_more_than_ten_at_once_are_refused_and_the_number_typed_is_kept(pages: Pages) -> None:
    answer = order(pages.visitor(), quantity="11", max_price="0.40")
    page = read(answer)
    assert answer.status_code == 422
    assert "Order 1 to 10 numbers at once." in alert(answer)
    assert page.one(id="quantity")["value"] == "11"
    assert page.one(id="max-price")["value"] == "0.40"


def test_a_price_that_is_none_is_refused_and_says_what_would_be_right(pages: Pages) -> None:
    answer = order(pages.visitor(), max_price="<b>cheap</b>")
    assert (answer.status_code, "such as 0.25" in alert(answer)) == (422, True)
    assert read(answer).one(id="max-price")["value"] == "<b>cheap</b>"


def test_a_price_that_rose_is_refused_with_an_offer_to_order_at_the_new_one(pages: Pages) -> None:
    alice = pages.visitor()
    sent = form_of(alice) | {"offer": "telegram:GB:sandbox:200000"}
    refused = alice.post("/test/orders/new", sent)
    assert refused.status_code == 409
    assert "The lowest that works now is USD 0.25" in alert(refused).replace("\u00a0", " ")
    form = read(refused).one("form", id="order-form")
    again = fields(form, "Order at USD 0.25")
    assert again["agreed"] == OFFER
    assert len(cards(alice.post("/test/orders/new", again, **HTMX))) == 1


def test_nobody_pays_more_than_the_button_said(pages: Pages) -> None:
    alice = pages.visitor()
    sent = form_of(alice) | {"offer": OFFER}
    pages.shop.run("update prices set amount = 300000 where kind = 'activation'")
    answer = alice.post("/test/orders/new", sent, **HTMX)
    assert answer.status_code == 409
    assert answer["HX-Retarget"] == "#order-answer"
    assert "USD 0.30" in alert(answer).replace("\u00a0", " ")


def test_too_little_money_says_how_much_is_missing_and_where_the_balance_is(pages: Pages) -> None:
    poor = pages.visitor(balance=MICROS // 10)
    pages.shop.run("update sides set available = 100000 where id = %(side)s", side=poor.side)
    answer = order(poor)
    page = read(answer)
    assert "USD 0.15 short" in alert(answer).replace("\u00a0", " ")
    assert any(one["href"] == "/test/balance/" for one in page.one(role="alert").all("a"))


def test_an_empty_stock_is_refused_and_what_was_chosen_stays(pages: Pages) -> None:
    alice = pages.visitor()
    sent = form_of(alice) | {"offer": OFFER, "quantity": "2"}
    pages.shop.empty("GB")
    answer = alice.post("/test/orders/new", sent)
    page = read(answer)
    assert (answer.status_code, "No number is free" in alert(answer)) == (409, True)
    assert page.one(id="country")["value"] == "GB"
    assert page.one(id="quantity")["value"] == "2"
    assert page.one(id="q")["value"] == "Telegram"


def test_a_prohibited_service_is_refused_whatever_the_form_says(pages: Pages) -> None:
    slug = pages.shop.value("select slug from services where prohibited limit 1")
    answer = order(pages.visitor(), offer=f"{slug}:GB:sandbox:250000")
    assert (answer.status_code, "not offered here" in alert(answer)) == (403, True)


def test_too_many_live_orders_are_refused(pages: Pages) -> None:
    alice = pages.visitor()
    pages.shop.run("update sides set live_orders = 200 where id = %(side)s", side=alice.side)
    answer = order(alice)
    assert (answer.status_code, "more than is allowed" in alert(answer)) == (429, True)


def test_a_form_without_its_key_is_too_old(pages: Pages) -> None:
    answer = order(pages.visitor(), key="")
    assert (answer.status_code, "Reload it" in alert(answer)) == (422, True)


def test_who_is_suspended_sees_everything_but_cannot_order(pages: Pages) -> None:
    alice = pages.visitor()
    with pages.shop.db.transaction() as tx:
        access.set_account_state(tx, alice.person.account, "suspended")
    page = read(alice.get("/test/?service=telegram&country=GB"))
    assert "This account is suspended." in page.words
    answer = order(alice)
    assert (answer.status_code, "suspended" in alert(answer)) == (403, True)
    assert pages.shop.value("select count(*) from orders") == 0


def test_a_viewer_sees_no_button_and_may_not_order(pages: Pages) -> None:
    owner = pages.visitor()
    viewer = pages.visitor(pages.person(account=owner.person.account, role=Role.VIEWER))
    page = read(viewer.get("/test/?service=telegram&country=GB"))
    assert page.all("button", name="offer") == []
    assert viewer.post("/test/orders/new", form_of(owner) | {"offer": OFFER}).status_code == 403


def test_typing_finds_services_by_their_beginning_first(pages: Pages) -> None:
    answer = pages.visitor().get("/test/services?q=teleg", **HTMX)
    names = [one["data-name"] for one in read(answer).all("li", role="option")]
    assert names[0] == "Telegram"
    assert len(names) <= 8


def test_without_script_what_was_typed_leads_to_the_offers(pages: Pages) -> None:
    page = read(pages.visitor().get("/test/?q=telegram&country=united+king"))
    assert [one.words for one in page.all(class_="offer-name")] == ["United Kingdom Telegram · Sandbox"]


def test_what_nobody_calls_a_service_is_said_with_what_was_typed(pages: Pages) -> None:
    page = read(pages.visitor().get("/test/", data={"q": '"><script>alert(1)</script>'}))
    assert "No service is called so" in page.words
    assert page.one(id="q")["value"] == '"><script>alert(1)</script>'
    assert all(one["src"] for one in page.all("script"))


def test_the_offers_are_a_part_for_htmx_and_a_page_for_a_browser(pages: Pages) -> None:
    alice = pages.visitor()
    part = alice.get("/test/offers?service=telegram", **HTMX)
    assert read(part).all("html") == []
    assert part["HX-Replace-Url"] == "/test/?service=telegram"
    assert alice.get("/test/offers?service=telegram")["location"] == "/test/?service=telegram"


def test_offers_come_in_pages_that_leave_none_out(pages: Pages) -> None:
    alice = pages.visitor()
    seen: list[str] = []
    address = "/test/?service=telegram&country=an"
    for _ in range(10):
        page = read(alice.get(address))
        seen += [one.words for one in page.all(class_="offer-name")]
        following = page.all("a", rel="next")
        if not following:
            break
        address = following[0]["href"]
    assert len(seen) == len(set(seen)) > 40


def test_the_biggest_stock_comes_first_if_wanted(pages: Pages) -> None:
    pages.shop.stock("FR", ["+999000000001"])
    page = read(pages.visitor().get("/test/?service=telegram&sort=stock"))
    assert page.all(class_="offer-name")[0].words.startswith("France")


def test_a_page_of_a_list_that_is_none_is_refused(pages: Pages) -> None:
    assert pages.visitor().get("/test/?service=telegram&after=nonsense").status_code == 409


def test_a_star_brings_a_service_to_the_top(pages: Pages) -> None:
    alice = pages.visitor()
    alice.post("/test/favourites", {"favourite": "telegram"})
    page = read(alice.get("/test/"))
    assert [one.words for one in page.one(id="choice").all("h3")][:1] == ["Favourites"]
    alice.post("/test/favourites", {"favourite": "telegram"})
    assert "Favourites" not in read(alice.get("/test/")).words


def test_what_was_ordered_lately_is_offered_again(pages: Pages) -> None:
    alice = pages.visitor()
    order(alice)
    assert "Recent" in [one.words for one in read(alice.get("/test/")).all("h3")]


def test_the_first_code_is_three_clicks_away(pages: Pages) -> None:
    new = pages.visitor()
    steps = read(new.get("/test/")).one(id="steps")
    placed = new.post("/test/orders/new", fields(steps.one("form"), "Order a test number"), follow=True)
    card = cards(placed)[0]
    [sending] = [one for one in card.all("form") if one["action"].endswith("/sms")]
    answer = new.post(sending["action"], fields(sending), follow=True)
    code = read(answer).all(class_="code")[0].words
    assert code in fields(sending)["text"]
    steps = read(new.get("/test/")).one(id="steps")
    assert len(steps.all("li", class_="step")) == len(
        [one for one in steps.all("li") if "data-done" in one.attributes]
    )


def test_test_services_are_explained_on_the_test_side_and_unknown_on_the_live_one(pages: Pages) -> None:
    alice = pages.visitor()
    assert "One code after ten seconds." in read(alice.get("/test/")).words
    assert "Test: delayed" not in read(alice.get("/live/")).words
    assert read(alice.get("/live/?service=test-success")).all(class_="offer") == []


def test_a_new_account_begins_with_test_money(pages: Pages) -> None:
    fresh = Person(username="fresh", email="fresh@example.com", joined_on=pages.shop.clock.now().date())
    fresh.save()
    ensure_account(fresh)
    assert pages.visitor(fresh).get("/test/figures").json()["available"] == "USD\u00a0100.00"
    assert pages.shop.value("select count(*) from events where type = 'deposit.credited'") == 1
    pages.shop.assert_books_are_true()
