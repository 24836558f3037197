"""What the script asks for: the live list, tickets, figures; cheap, and unchanged while nothing changed."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from onceline.core.access import commands as access
from onceline.core.db import Transaction
from tests.desk.dashboard.reading import read
from tests.desk.dashboard.test_order_cards import HTMX, customer, placed
from tests.desk.visitors import Pages
from tests.shop import FOUR_HOURS


def test_the_list_is_a_part_for_the_script_and_a_page_for_a_browser(pages: Pages) -> None:
    alice = pages.visitor()
    placed(pages, alice)
    assert len(read(alice.get("/test/orders/live")).all("html")) == 1
    part = read(alice.get("/test/orders/live", **HTMX))
    assert (part.all("html"), len(part.all("article"))) == ([], 1)


def test_an_unchanged_list_is_not_sent_again(pages: Pages) -> None:
    alice = pages.visitor()
    order = placed(pages, alice)
    tag = alice.get("/test/orders/live", **HTMX)["etag"]
    again: dict[str, Any] = HTMX | {"HTTP_IF_NONE_MATCH": tag}
    assert alice.get("/test/orders/live", **again).status_code == 304
    pages.shop.sms(order.e164)
    assert alice.get("/test/orders/live", **again).status_code == 200


def test_what_has_just_ended_stays_for_a_while(pages: Pages) -> None:
    alice = pages.visitor()
    placed(pages, alice)
    pages.shop.wait(1203)
    assert [one["data-state"] for one in read(alice.get("/test/orders/live")).all("article")] == ["expired"]
    pages.shop.pass_time(601)
    assert read(alice.get("/test/orders/live")).all("article") == []


def test_a_rental_that_began_long_ago_stays_for_a_while_after_its_end(pages: Pages) -> None:
    alice = pages.visitor()
    rented = pages.shop.place(customer(alice), "full", kind="rental", duration_s=FOUR_HOURS)
    pages.shop.wait(FOUR_HOURS + 60)
    for path in ("/test/orders/live", "/test/orders/live?kind=rental"):
        (card,) = read(alice.get(path)).all("article")
        assert (card["data-order"], card["data-state"]) == (str(rented.id), "expired"), path
    pages.shop.pass_time(601)
    assert read(alice.get("/test/orders/live")).all("article") == []


def test_an_order_that_is_over_says_so_before_any_worker_came_by(pages: Pages) -> None:
    alice = pages.visitor()
    placed(pages, alice)
    pages.shop.pass_time(1200)
    assert [one["data-state"] for one in read(alice.get("/test/orders/live")).all("article")] == ["expired"]


def test_fifty_orders_take_no_more_statements_than_one(pages: Pages, monkeypatch: Any) -> None:
    alice = pages.visitor()
    asked: list[str] = []
    plain = Transaction.ask

    def counting(self: Transaction, statement: str, params: Any = None) -> Any:
        asked.append(statement)
        return plain(self, statement, params)

    monkeypatch.setattr(Transaction, "ask", counting)

    def statements() -> int:
        asked.clear()
        with CaptureQueriesContext(connection) as ours:
            assert alice.get("/test/orders/live", **HTMX).status_code == 200
        return len(asked) + len(ours)

    pages.shop.sms(placed(pages, alice).e164)
    one = statements()
    for _ in range(19):
        pages.shop.sms(placed(pages, alice).e164)
    for country in ("FR", "DE"):
        for _ in range(15):
            placed(pages, alice, country=country)
    many = statements()
    assert len(read(alice.get("/test/orders/live")).all("article")) == 50
    assert many <= one + 1 <= 16


def test_more_than_a_page_of_live_orders_has_a_next_page(pages: Pages) -> None:
    alice = pages.visitor()
    ids = [placed(pages, alice, country=country).id for country in ("FR", "DE", "GB") for _ in range(18)]
    first = read(alice.get("/test/orders/live"))
    older = read(alice.get(first.one("nav", class_="pager").one("a")["href"]))
    shown = [int(one["data-order"]) for page in (first, older) for one in page.all("article")]
    assert shown == ids[::-1]


def test_a_ticket_opens_this_sessions_side_once(pages: Pages) -> None:
    alice = pages.visitor()
    ticket = alice.post("/test/ticket").json()["ticket"]
    with pages.shop.db.transaction() as tx:
        grant = access.redeem_tickets(tx, [ticket], pages.shop.clock.now())[0]
    assert grant.side == alice.side  # type: ignore[union-attr]  # refused is no grant


def test_a_ticket_is_not_had_from_another_site(pages: Pages) -> None:
    strict = pages.browser(enforce_csrf_checks=True)
    strict.force_login(pages.person())
    assert strict.post("/test/ticket").status_code == 403


def test_the_figures_are_those_of_the_page(pages: Pages) -> None:
    alice = pages.visitor()
    pages.shop.place(customer(alice), "telegram")
    figures = alice.get("/test/figures").json()
    assert (figures["available"], figures["held"]) == ("USD\u00a099.75", "USD\u00a00.25")
    assert figures["bell"].startswith("Notifications, ")
