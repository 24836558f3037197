"""History: orders and messages, found again by what people remember of them; nobody else's, and nothing that acts."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from onceline.core.orders import history as core
from tests.desk.dashboard.belongings import customer, message, order
from tests.desk.dashboard.looking import HOSTILE, Page, assert_inert, read
from tests.desk.visitors import Pages, Visitor


@pytest.fixture
def alice(pages: Pages) -> Visitor:
    return pages.visitor()


def listed(who: Visitor, **wanted: object) -> list[int]:
    """The orders on the page, by the links to them."""
    page = read(who.get(f"/test/history/?{urlencode(wanted)}"))
    return [int(link.split("/")[3]) for link in page.links() if link.startswith("/test/orders/")]


def found(who: Visitor, **wanted: object) -> Page:
    return read(who.get(f"/test/history/messages/?{urlencode(wanted)}"))


def test_an_order_is_listed_with_its_service_and_can_be_ordered_again(pages: Pages, alice: Visitor) -> None:
    made = order(pages, alice)
    page = read(alice.get("/test/history/"))
    assert f"/test/orders/{made.id}/" in page.links()
    assert "/test/?service=telegram&country=GB" in page.links()
    assert "Telegram" in page.text
    assert "United Kingdom" in page.text


def test_an_empty_history_says_what_will_stand_there(alice: Visitor) -> None:
    assert "No orders yet" in read(alice.get("/test/history/")).text
    assert "No messages yet" in read(alice.get("/test/history/messages/")).text


def test_orders_are_found_by_each_filter(pages: Pages, alice: Visitor) -> None:
    first = order(pages, alice, client_reference="cart-1")
    second = order(pages, alice, service="whatsapp", country="DE")
    pages.shop.sms(second.e164, "WhatsApp code 123-456", "WhatsApp")
    assert listed(alice) == [second.id, first.id]
    assert listed(alice, service="Telegram") == [first.id]
    assert listed(alice, country="DE") == [second.id]
    assert listed(alice, state="waiting") == [first.id]
    assert listed(alice, state="live") == [second.id, first.id]
    assert listed(alice, state="closed") == []
    assert listed(alice, kind="rental") == []
    assert listed(alice, reference="cart-1") == [first.id]
    assert listed(alice, number=(first.e164 or "")[-7:]) == [first.id]
    assert listed(alice, order=second.id) == [second.id]


def test_days_are_those_of_the_readers_time_zone(pages: Pages, alice: Visitor) -> None:
    alice.person.time_zone = "Pacific/Auckland"
    alice.person.save()
    pages.shop.clock.advance(5 * 3600)
    made = order(pages, alice)  # 17:00 UTC, which is the next day there
    day = made.created_at.date()
    assert listed(alice, since=day.isoformat(), until=day.isoformat()) == []
    following = (day + timedelta(days=1)).isoformat()
    assert listed(alice, since=following, until=following) == [made.id]


def test_messages_are_found_by_sender_and_text_whatever_the_case(pages: Pages, alice: Visitor) -> None:
    message(pages, alice, "Telegram code: 48291", "Telegram")
    message(pages, alice, "WhatsApp code 123-456", "WhatsApp", service="whatsapp")
    assert "48291" in found(alice, sender="TELE").text
    assert "123-456" not in found(alice, sender="TELE").text
    assert "123-456" in found(alice, text="app code").text
    page = found(alice, text="nowhere")
    assert "No message fits" in page.text
    assert "2 messages were searched; those are all." in page.text


def test_a_search_that_stops_says_that_older_messages_were_not_searched(
    pages: Pages, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "SEARCHED", 1)
    message(pages, alice)
    message(pages, alice, "WhatsApp code 123-456", "WhatsApp", service="whatsapp")
    assert "Older ones were not." in found(alice, text="Telegram").text


def test_pages_go_on_with_older_orders(pages: Pages, alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onceline.desk.dashboard.history.PAGE", 2)
    made = [order(pages, alice).id for _ in range(3)]
    page = read(alice.get("/test/history/?kind=activation"))
    (older,) = [link for link in page.links() if "before=" in link]
    assert "kind=activation" in older
    last = read(alice.get(f"/test/history/{older}"))
    assert f"/test/orders/{made[0]}/" in last.links()
    assert f"/test/orders/{made[1]}/" not in last.links()


@pytest.mark.parametrize("cursor", ["x", "-1", "0", "9" * 30, "1' or 1=1", "\x00", "１２"])
@pytest.mark.parametrize("path", ["history/", "history/messages/"])
def test_a_cursor_that_makes_no_sense_is_the_first_page(
    pages: Pages, alice: Visitor, path: str, cursor: str
) -> None:
    message(pages, alice)
    page = read(alice.get(f"/test/{path}?{urlencode({'before': cursor})}"))
    assert "Telegram" in page.text


def test_a_strangers_order_is_no_cursor(pages: Pages, alice: Visitor) -> None:
    made = order(pages, alice)
    assert listed(alice, before=order(pages, pages.visitor()).id) == [made.id]


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ({"number": "abc"}, "Write the whole number, or its last digits."),
        ({"since": "yesterday"}, "Enter a valid date."),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "The last day lies before the first."),
        ({"until": "9999-12-31"}, "less than or equal to"),
        ({"order": "x"}, "Enter a whole number."),
        ({"service": "nosuchservice"}, "No service has this name."),
        ({"service": "a"}, "Several services have it in their name"),
        ({"state": "sold"}, "Select a valid choice."),
        ({"reference": "a b"}, "no spaces"),
    ],
)
def test_a_filter_that_makes_no_sense_says_so_and_keeps_what_was_typed(
    pages: Pages, alice: Visitor, wanted: dict[str, str], answer: str
) -> None:
    order(pages, alice)
    page = read(alice.get(f"/test/history/?{urlencode(wanted)}"))
    assert answer in page.text
    assert "Nothing was searched" in page.text
    assert [one for one in page.named("a") if "/test/orders/" in (one.get("href") or "")] == []


def test_what_a_stranger_wrote_is_inert_in_the_history(pages: Pages, alice: Visitor) -> None:
    sender = "<script>alert(1)</script>\u202eevil"
    message(pages, alice, HOSTILE, sender, service="other")
    page = found(alice)
    assert_inert(page, HOSTILE)
    assert_inert(page, sender)
    assert_inert(found(alice, text="<script>alert(1)"), HOSTILE)


def test_nobody_sees_another_accounts_history(pages: Pages, alice: Visitor) -> None:
    made = message(pages, alice)
    charlie = pages.visitor()
    assert listed(charlie) == []
    assert listed(charlie, order=made.id) == []
    assert "48291" not in found(charlie).text
    assert customer(charlie).side != customer(alice).side
