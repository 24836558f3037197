"""Keys: made once and shown once, rotated with an overlap, revoked; by an owner who has just proven who they are."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from onceline.core.access import commands as access
from onceline.core.access.model import SCOPES
from onceline.core.db import Row
from onceline.core.errors import KeyExpired, KeyRevoked
from onceline.core.money import MICROS
from onceline.desk.dashboard import keys
from onceline.desk.dashboard.keys import SCOPE_SENTENCES
from tests.desk.dashboard.belongings import customer, form, key
from tests.desk.dashboard.looking import HOSTILE, assert_inert, proven, read
from tests.desk.visitors import PASSWORD, Pages, Visitor


@pytest.fixture
def alice(pages: Pages) -> Visitor:
    return proven(pages.visitor())


def wanted(**rest: Any) -> dict[str, Any]:
    usual = {"name": "the shop", "kind": "api", "scopes": ["orders:read"], "spend_cap": "", "expires": "0"}
    return form(**(usual | rest))


def made(pages: Pages, who: Visitor) -> list[Row]:
    with pages.shop.db.transaction() as tx:
        return access.keys(tx, who.side)


def secret_on(page: Any) -> str | None:
    keys = [
        one["data-copy"] for one in page.named("button") if (one.get("data-copy") or "").startswith("ol_")
    ]
    return keys[0] if keys else None


def test_a_key_is_made_and_shown_once(pages: Pages, alice: Visitor) -> None:
    asked = wanted(scopes=["orders:read", "orders:write"], spend_cap="25.50", expires="30")
    answer = alice.post("/test/keys/new/", asked)
    assert (answer.status_code, answer["location"]) == (302, "/test/keys/")
    page = read(first := alice.get("/test/keys/"))
    shown = secret_on(page)
    assert first["cache-control"] == "no-store"
    assert shown is not None
    assert "USD\u00a00.00 of USD\u00a025.50 spent" in page.text
    with pages.shop.db.transaction() as tx:
        grant = access.authenticate(tx, shown, pages.shop.clock.now())
    assert grant.scopes == {"orders:read", "orders:write"}
    assert grant.expires_at == pages.shop.clock.now() + timedelta(days=30)
    again = read(alice.get("/test/keys/"))
    assert secret_on(again) is None
    assert f"…{shown[-4:]}" in again.text


def test_a_form_that_is_sent_again_makes_no_second_key(pages: Pages, alice: Visitor) -> None:
    asked = wanted()
    for _ in range(2):
        assert alice.post("/test/keys/new/", asked).status_code == 302
    assert len(made(pages, alice)) == 1
    assert secret_on(read(alice.get("/test/keys/"))), (
        "the second answer must not hide what the first one made"
    )


def test_two_forms_at_the_same_instant_make_one_key(
    pages: Pages, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, make = wanted(), keys._make

    def slowly(*args: Any) -> Any:
        time.sleep(0.4)  # the other one comes meanwhile
        return make(*args)

    monkeypatch.setattr(keys, "_make", slowly)
    browsers = [pages.browser(), pages.browser()]
    for browser in browsers:
        browser.cookies = alice.browser.cookies

    def send(browser: Any) -> int:
        from django.db import connections  # noqa: PLC0415 - of this thread

        try:
            return int(browser.post("/test/keys/new/", asked).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(send, browsers)) == [302, 302]
    assert len(made(pages, alice)) == 1
    assert secret_on(read(alice.get("/test/keys/")))


def test_a_shown_key_does_not_wait_longer_than_minutes(pages: Pages, alice: Visitor) -> None:
    alice.post("/test/keys/new/", wanted())
    pages.shop.clock.advance(601)
    assert secret_on(read(alice.get("/test/keys/"))) is None


def test_who_has_not_just_proven_who_they_are_does_so_first_and_the_form_goes_on(pages: Pages) -> None:
    alice = pages.visitor()
    answer = alice.post("/test/keys/new/", wanted())
    assert answer["location"] == "/account/reauthenticate/?next=%2Ftest%2Fkeys%2Fnew%2F"
    assert made(pages, alice) == []
    answer = alice.post(answer["location"], {"password": PASSWORD, "next": "/test/keys/new/"})
    assert (answer.status_code, answer["location"]) == (302, "/test/keys/")
    assert len(made(pages, alice)) == 1
    assert secret_on(read(alice.get("/test/keys/")))


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "two\nlines"}, "A name is one line of visible characters."),
        ({"name": "x" * 81}, "at most 80 characters"),
        ({"kind": "master"}, "Select a valid choice."),
        ({"scopes": []}, "Tick at least one thing that the key may do."),
        ({"scopes": ["everything"]}, "Select a valid choice."),
        ({"kind": "protocol", "scopes": ["keys:manage"]}, "can do nothing of what is ticked"),
        ({"spend_cap": "0"}, "Write an amount above 0"),
        ({"spend_cap": "-1"}, "Write an amount above 0"),
        ({"spend_cap": "1,50"}, "Write an amount above 0"),
        ({"spend_cap": "1.1234567"}, "Write an amount above 0"),
        ({"expires": "soon"}, "Select a valid choice."),
    ],
)
def test_what_makes_no_sense_is_said_and_makes_no_key(
    pages: Pages, alice: Visitor, wrong: dict[str, Any], answer: str
) -> None:
    page = read(alice.post("/test/keys/new/", wanted(**wrong)))
    assert answer in page.text
    assert made(pages, alice) == []
    kept = {one.get("name"): one.get("value") for one in page.named("input")}
    assert kept["spend_cap"] == wrong.get("spend_cap")


def test_a_key_for_the_old_protocols_can_do_no_more_than_they_can(pages: Pages, alice: Visitor) -> None:
    alice.post("/test/keys/new/", wanted(kind="protocol", scopes=["orders:read", "keys:manage"]))
    (row,) = made(pages, alice)
    assert (row.kind, row.scopes) == ("protocol", ["orders:read"])


def test_the_limit_of_keys_says_so(pages: Pages, alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "KEYS_PER_SIDE", 1)
    key(pages, alice)
    page = read(alice.post("/test/keys/new/", wanted()))
    assert "as many as can be. Revoke one first." in page.text
    assert len(made(pages, alice)) == 1


def test_a_rotated_key_works_on_as_long_as_was_chosen(pages: Pages, alice: Visitor) -> None:
    old_id, old = key(pages, alice)
    sent = form(overlap="3600")
    for _ in range(2):
        assert alice.post(f"/test/keys/{old_id}/rotate/", sent).status_code == 302
    assert len(made(pages, alice)) == 2
    new = secret_on(read(alice.get("/test/keys/")))
    assert new not in (None, old)
    with pages.shop.db.transaction() as tx:
        assert access.authenticate(tx, old, pages.shop.clock.now())
    pages.shop.clock.advance(3601)
    with pages.shop.db.transaction() as tx, pytest.raises(KeyExpired):
        access.authenticate(tx, old, pages.shop.clock.now())


def test_an_overlap_that_is_not_offered_changes_nothing(pages: Pages, alice: Visitor) -> None:
    old_id, _ = key(pages, alice)
    alice.post(f"/test/keys/{old_id}/rotate/", form(overlap="99999999"))
    assert "Choose how long" in read(alice.get("/test/keys/")).text
    assert len(made(pages, alice)) == 1


def test_a_revoked_key_ends_at_once_and_stays_in_sight(pages: Pages, alice: Visitor) -> None:
    key_id, secret = key(pages, alice)
    for _ in range(2):
        assert alice.post(f"/test/keys/{key_id}/revoke/").status_code == 302
    with pages.shop.db.transaction() as tx, pytest.raises(KeyRevoked):
        access.authenticate(tx, secret, pages.shop.clock.now())
    assert "Keys that work no more" in read(alice.get("/test/keys/")).text


def test_the_spent_part_of_a_cap_is_a_meter(pages: Pages, alice: Visitor) -> None:
    key(pages, alice, spend_cap=10 * MICROS)
    pages.shop.run("update spend_caps set spent = %(spent)s", spent=MICROS * 5 // 2)
    (meter,) = read(alice.get("/test/keys/")).named("meter")
    assert (meter["max"], meter["value"]) == ("100", "25")


def test_every_right_of_a_key_has_its_sentence() -> None:
    assert list(SCOPE_SENTENCES) == list(SCOPES)


def test_a_viewer_sees_keys_and_cannot_touch_them(pages: Pages, alice: Visitor) -> None:
    key_id, _ = key(pages, alice)
    bob = proven(pages.visitor(account=alice.person.account, role="viewer"))
    page = read(bob.get("/test/keys/"))
    assert "shop" in page.text
    assert [one for one in page.named("form") if "/keys/" in (one.get("action") or "")] == []
    assert bob.post(f"/test/keys/{key_id}/revoke/").status_code == 403
    assert bob.get("/test/keys/new/").status_code == 403


def test_a_suspended_account_makes_no_key_and_revokes_its_own(pages: Pages, alice: Visitor) -> None:
    key_id, _ = key(pages, alice)
    pages.shop.run("update accounts set state = 'suspended' where id = %(id)s", id=alice.person.account)
    assert alice.post("/test/keys/new/", wanted()).status_code == 403
    assert alice.post(f"/test/keys/{key_id}/rotate/", form(overlap="0")).status_code == 403
    assert alice.post(f"/test/keys/{key_id}/revoke/").status_code == 302
    assert [row.revoked_at is None for row in made(pages, alice)] == [False]


def test_a_name_is_only_text(pages: Pages, alice: Visitor) -> None:
    name = HOSTILE[:80]
    key(pages, alice, name)
    key_id, _ = key(pages, alice, "<img src=x>\u202e")
    page = read(alice.get("/test/keys/"))
    assert_inert(page, name)
    assert_inert(page, "<img src=x>\u202e")
    alice.post(f"/test/keys/{key_id}/revoke/")
    assert_inert(read(alice.get("/test/keys/")), "<img src=x>\u202e")
    assert customer(alice).account == alice.person.account
