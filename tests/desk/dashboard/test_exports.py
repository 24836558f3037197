"""Exports: asked for, watched, fetched, handed on as a link, deleted; bounded, and each role as far as it may."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onceline.core.errors import LinkRefused
from onceline.core.exports import commands, model
from onceline.core.exports.model import Export
from onceline.desk.dashboard.exports import KINDS
from tests.desk.dashboard.belongings import export, form, message
from tests.desk.dashboard.looking import proven, read
from tests.desk.visitors import PASSWORD, Pages, Visitor


@pytest.fixture
def alice(pages: Pages) -> Visitor:
    return proven(pages.visitor())


def asked(**rest: Any) -> dict[str, Any]:
    return form(**({"kind": "orders", "format": "csv", "since": "", "until": ""} | rest))


def rows(pages: Pages) -> list[Any]:
    return pages.shop.rows("select kind, format, from_at, until_at, state from exports order by serial")


def fetched(pages: Pages, link: str) -> bytes:
    """What the edge answers to a link."""
    context = pages.shop.context
    with pages.shop.db.transaction() as tx:
        found, grant = commands.follow(tx, context, link.rpartition("/")[2])
        pieces = [commands.piece(tx, context, found, n, grant) or b"" for n in range(found.pieces)]
    return b"".join(pieces)


def test_an_export_is_asked_for_once_however_often_the_form_is_sent(pages: Pages, alice: Visitor) -> None:
    sent = asked(kind="codes", format="json", since="2026-02-01", until="2026-02-28")
    for _ in range(2):
        assert alice.post("/test/exports/ask/", sent)["location"] == "/test/exports/"
    ((kind, format_, since, until, state),) = rows(pages)
    assert (kind, format_, state) == ("codes", "json", "queued")
    assert (since.isoformat(), until.isoformat()) == (
        "2026-02-01T00:00:00+00:00",
        "2026-03-01T00:00:00+00:00",
    )


def test_while_it_is_made_the_page_looks_again_by_itself_and_not_afterwards(
    pages: Pages, alice: Visitor
) -> None:
    made = export(pages, alice, made=False)
    answer = alice.get("/test/exports/")
    assert [one["hx-trigger"] for one in read(answer).named("tr") if "hx-get" in one] == ["every 2s"]
    assert b'http-equiv="refresh"' in answer.content
    export(pages, alice)
    answer = alice.get("/test/exports/")
    assert [one for one in read(answer).named("tr") if "hx-get" in one] == []
    assert b'http-equiv="refresh"' not in answer.content
    row = read(alice.get(f"/test/exports/{made.id}/row/"))
    assert "Ready" in row.text
    assert row.named("html") == []


def test_the_file_comes_by_a_link_of_a_minute_that_ends_with_the_session(
    pages: Pages, alice: Visitor
) -> None:
    order = message(pages, alice)
    made = export(pages, alice)
    answer = alice.get(f"/test/exports/{made.id}/file/")
    link = answer["location"]
    assert (answer.status_code, link.rpartition("/")[0]) == (302, "/api/v1/downloads")
    assert answer["cache-control"] == "no-store"
    assert [one["id"] for one in json.loads(fetched(pages, link))["rows"]] == [order.id]
    alice.post("/account/logout/")
    with pytest.raises(LinkRefused):
        fetched(pages, link)


def test_a_link_to_download_lives_no_longer_than_a_minute(pages: Pages, alice: Visitor) -> None:
    link = alice.get(f"/test/exports/{export(pages, alice).id}/file/")["location"]
    pages.shop.clock.advance(61)
    with pytest.raises(LinkRefused):
        fetched(pages, link)


def test_a_link_to_hand_on_is_shown_once_and_lives_as_long_as_chosen(pages: Pages, alice: Visitor) -> None:
    made = export(pages, alice)
    assert alice.post(f"/test/exports/{made.id}/link/", {"life": "3600"}).status_code == 302
    page = read(alice.get("/test/exports/"))
    (link,) = [one["data-copy"] or "" for one in page.named("button") if "data-copy" in one]
    assert link.startswith("http://localhost/api/v1/downloads/")
    assert "/downloads/" not in read(alice.get("/test/exports/")).text
    pages.shop.clock.advance(3599)
    assert fetched(pages, link)
    pages.shop.clock.advance(2)
    with pytest.raises(LinkRefused):
        fetched(pages, link)


def test_a_deleted_export_is_gone_with_its_links(pages: Pages, alice: Visitor) -> None:
    made = export(pages, alice)
    link = alice.get(f"/test/exports/{made.id}/file/")["location"]
    alice.post(f"/test/exports/{made.id}/delete/")
    assert "No exports yet" in read(alice.get("/test/exports/")).text
    with pytest.raises(LinkRefused):
        fetched(pages, link)


def test_a_file_that_is_not_made_yet_is_no_file(pages: Pages, alice: Visitor) -> None:
    made = export(pages, alice, made=False)
    answer = alice.get(f"/test/exports/{made.id}/file/")
    assert answer.status_code == 409
    assert "The file is not made yet." in read(answer, 409).text


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ({"kind": "secrets"}, "Select a valid choice."),
        ({"format": "xls"}, "Select a valid choice."),
        ({"since": "soon"}, "Enter a valid date."),
        ({"since": "2026-02-02", "until": "2026-02-01"}, "The last day lies before the first."),
        ({"kind": "account", "format": "csv"}, "The whole account comes as JSON"),
        ({"kind": "account", "format": "json", "since": "2026-02-02"}, "without dates"),
    ],
)
def test_what_makes_no_sense_is_said_and_makes_no_export(
    pages: Pages, alice: Visitor, wrong: dict[str, str], answer: str
) -> None:
    assert answer in read(alice.post("/test/exports/ask/", asked(**wrong))).text
    assert rows(pages) == []


def test_the_limits_say_which_they_are(pages: Pages, alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(model.LIVE_EXPORTS):
        export(pages, alice, made=False)
    assert "3 exports of this account are being made" in read(alice.post("/test/exports/ask/", asked())).text
    export_round = export  # one more call makes all of them
    monkeypatch.setattr(model, "LIVE_EXPORTS", 100)
    export_round(pages, alice)
    monkeypatch.setattr(model, "KEPT_EXPORTS", 4)
    assert "4 exports of this account are kept" in read(alice.post("/test/exports/ask/", asked())).text


def test_a_buyer_takes_tables_and_only_an_owner_the_whole_account(pages: Pages, alice: Visitor) -> None:
    whole = export(pages, alice, "account")
    bob = pages.visitor(account=alice.person.account, role="buyer")
    assert bob.post("/test/exports/ask/", asked()).status_code == 302
    assert (
        "Select a valid choice."
        in read(bob.post("/test/exports/ask/", asked(kind="account", format="json"))).text
    )
    proven(bob)
    assert bob.get(f"/test/exports/{whole.id}/file/").status_code == 403
    assert bob.post(f"/test/exports/{whole.id}/link/").status_code == 403
    assert bob.post(f"/test/exports/{whole.id}/delete/").status_code == 403
    assert alice.get(f"/test/exports/{whole.id}/file/").status_code == 302


def test_the_whole_account_is_asked_for_by_who_has_just_proven_who_they_are(pages: Pages) -> None:
    alice, whole = pages.visitor(), asked(kind="account", format="json")
    assert alice.post("/test/exports/ask/", asked()).status_code == 302
    answer = alice.post("/test/exports/ask/", whole)
    assert answer["location"] == "/account/reauthenticate/?next=%2Ftest%2Fexports%2Fask%2F"
    assert [row.kind for row in rows(pages)] == ["orders"]
    alice.post(answer["location"], {"password": PASSWORD, "next": "/test/exports/ask/"})
    assert [row.kind for row in rows(pages)] == ["orders", "account"]


def test_a_viewer_sees_exports_and_takes_none(pages: Pages, alice: Visitor) -> None:
    made = export(pages, alice)
    bob = pages.visitor(account=alice.person.account, role="viewer")
    page = read(bob.get("/test/exports/"))
    assert "Ready" in page.text
    assert [link for link in page.links() if "/file/" in link] == []
    assert bob.get(f"/test/exports/{made.id}/file/").status_code == 403


def test_pages_go_on_with_older_exports(
    pages: Pages, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onceline.desk.dashboard.exports.PAGE", 1)
    first: Export = export(pages, alice, "statement")
    export(pages, alice)
    (older,) = [link for link in read(alice.get("/test/exports/")).links() if "before=" in link]
    page = read(alice.get(f"/test/exports/{older}"))
    assert [one["id"] for one in page.named("tr") if "id" in one] == [first.id]


@pytest.mark.parametrize("cursor", ["x", "exp_", "exp_x%00", "1" * 99])
def test_a_cursor_that_makes_no_sense_is_the_first_page(pages: Pages, alice: Visitor, cursor: str) -> None:
    export(pages, alice)
    assert "Ready" in read(alice.get(f"/test/exports/?before={cursor}")).text


def test_every_kind_of_export_has_a_name() -> None:
    assert tuple(KINDS) == model.KINDS
