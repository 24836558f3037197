"""Notifications: in the reader's words, marked one by one or all that was shown; what comes meanwhile stays unread."""

from __future__ import annotations

import string
from datetime import date, timedelta
from typing import Any

import pytest

from onceline.core.notices import commands as notices
from onceline.core.notices import texts
from onceline.core.notices.commands import Reader
from onceline.core.notices.model import KINDS
from onceline.desk import notice_texts
from tests.desk.dashboard.looking import HOSTILE, Page, assert_inert, read
from tests.desk.visitors import Pages, Visitor

_ISOLATES = "\u2068\u2069"


@pytest.fixture
def alice(pages: Pages) -> Visitor:
    return pages.visitor()


def told(
    pages: Pages, who: Visitor, kind: str = "key.revoked", mode: str | None = "test", **facts: Any
) -> None:
    with pages.shop.db.transaction() as tx:
        account, now = who.person.account, pages.shop.clock.now()
        notices.tell(tx, account=account, kind=kind, facts=facts, now=now, mode=mode)


def unread(pages: Pages, who: Visitor) -> int:
    with pages.shop.db.transaction() as tx:
        return notices.unread_count(tx, Reader(who.person.account, "test"))


def values(page: Page, name: str) -> list[str | None]:
    return [one["value"] for one in page.named("button") if one.get("name") == name]


def plain(text: str) -> str:
    return "".join(one for one in text if one not in _ISOLATES)


def test_a_notification_says_what_happened_and_leads_to_where_it_can_be_dealt_with(
    pages: Pages, alice: Visitor
) -> None:
    told(pages, alice, name="the shop", last4="abcd")
    told(pages, alice, "webhook.disabled", endpoint="we_aaaaaaaaaaaaaaaa")
    end, reason = "2026-03-02T08:00:00Z", "insufficient_balance"
    told(pages, alice, "rental.extension_failed", order=77, service="telegram", end=end, reason=reason)
    page = read(alice.get("/test/notifications/"))
    assert "The rental 77 for Telegram" in plain(page.text)
    assert "the balance is too low. It ends at 2 Mar 2026, 08:00;" in plain(page.text)
    assert "The key the shop (…abcd) was revoked." in plain(page.text)
    assert {"/test/keys/", "/test/webhooks/we_aaaaaaaaaaaaaaaa/", "/test/orders/77/"} <= set(page.links())


def test_nothing_to_read_says_what_will_stand_there(alice: Visitor) -> None:
    assert "No notifications yet" in read(alice.get("/test/notifications/")).text
    assert "All read" in read(alice.get("/test/notifications/?show=unread")).text


def test_one_is_marked_as_read(pages: Pages, alice: Visitor) -> None:
    told(pages, alice, name="first")
    told(pages, alice, name="second")
    newest, oldest = values(read(alice.get("/test/notifications/")), "id")
    for _ in range(2):
        alice.post("/test/notifications/read/", {"id": oldest})
    page = read(alice.get("/test/notifications/"))
    assert values(page, "id") == [newest]
    assert "second" in (only := read(alice.get("/test/notifications/?show=unread"))).text
    assert "first" not in only.text


@pytest.mark.promise("H3")
def test_all_that_was_shown_is_marked_and_what_came_meanwhile_is_not(pages: Pages, alice: Visitor) -> None:
    told(pages, alice, name="first")
    told(pages, alice, name="second")
    (newest,) = values(read(alice.get("/test/notifications/")), "up_to")
    told(pages, alice, name="meanwhile")
    alice.post("/test/notifications/read/", {"up_to": newest})
    assert unread(pages, alice) == 1
    assert "meanwhile" in read(alice.get("/test/notifications/?show=unread")).text


def test_the_top_bar_counts_what_is_unread(pages: Pages, alice: Visitor) -> None:
    told(pages, alice)
    (bell,) = [one for one in read(alice.get("/test/balance/")).named("a") if one.get("class") == "bell"]
    assert bell["aria-label"] == "Notifications, 1 unread"


@pytest.mark.parametrize("value", ["", "x", "-1", "9" * 40, "1; drop table"])
def test_a_mark_that_makes_no_sense_marks_nothing(pages: Pages, alice: Visitor, value: str) -> None:
    told(pages, alice)
    assert alice.post("/test/notifications/read/", {"id": value, "up_to": value}).status_code == 302
    assert unread(pages, alice) == 1


def test_nobody_marks_another_accounts_notifications(pages: Pages, alice: Visitor) -> None:
    told(pages, alice)
    charlie = pages.visitor()
    charlie.post("/test/notifications/read/", {"up_to": "2147483647"})
    assert "No notifications yet" in read(charlie.get("/test/notifications/")).text
    assert unread(pages, alice) == 1


def test_a_viewer_reads_and_hides_nothing_from_the_others(pages: Pages, alice: Visitor) -> None:
    told(pages, alice)
    bob = pages.visitor(account=alice.person.account, role="viewer")
    assert values(read(bob.get("/test/notifications/")), "up_to") == []
    assert bob.post("/test/notifications/read/", {"up_to": "2147483647"}).status_code == 403
    assert unread(pages, alice) == 1


def test_pages_go_on_with_older_ones(pages: Pages, alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onceline.desk.dashboard.notifications.PAGE", 1)
    told(pages, alice, name="first")
    told(pages, alice, name="second")
    (older,) = [link for link in read(alice.get("/test/notifications/")).links() if "before=" in link]
    assert "first" in read(alice.get(f"/test/notifications/{older}")).text
    assert "second" in read(alice.get("/test/notifications/?before=zzz")).text


def test_figures_and_instants_are_written_for_people(pages: Pages, alice: Visitor) -> None:
    told(pages, alice, "balance.low", available="1.2500", threshold="5.0000", currency="USD")
    when = pages.shop.clock.now() + timedelta(days=20)
    with pages.shop.db.transaction() as tx:
        notices.announce(
            tx,
            policy="Terms",
            version="3",
            effective_on=when.date(),
            significant=True,
            summary="Shorter.",
            now=pages.shop.clock.now(),
        )
        notices.tell_policy(tx, pages.shop.clock.now(), 10)
    text = plain(read(alice.get("/test/notifications/")).text)
    assert "USD\u00a01.25 can be spent, less than the USD\u00a05.00" in text
    assert "Terms changes on 21 Mar 2026" in text
    assert when.date() == date(2026, 3, 21)


def test_a_name_in_a_notification_is_only_text(pages: Pages, alice: Visitor) -> None:
    name = HOSTILE[:80]
    told(pages, alice, "key.rotated", name=name, last4="abcd", until="<b>never</b>")
    page = read(alice.get("/test/notifications/"))
    sentence = next(text for text in page.texts if "abcd" in text)
    assert name.translate({0x202E: "\ufffd", 0x2066: "\ufffd"}) in plain(sentence)
    assert "<b>never</b>" in plain(sentence)
    assert_inert(page, sentence)


def test_every_kind_that_core_tells_has_its_words_here_with_the_same_facts() -> None:
    kinds = {name for name, kind in KINDS.items() if kind.in_site}
    assert set(notice_texts.SENTENCES) == kinds
    for kind in kinds:
        ours = _Seen()
        assert all(str(sentence) % ours for sentence in notice_texts.SENTENCES[kind])
        theirs = {
            name for text in texts.TEXTS[kind] for _, name, _, _ in string.Formatter().parse(text) if name
        }
        assert ours.names == theirs - {"currency"}, kind


class _Seen(dict[str, str]):
    def __init__(self) -> None:
        self.names: set[str] = set()

    def __missing__(self, name: str) -> str:
        self.names.add(name)
        return name
