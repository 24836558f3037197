"""The developers' page: the first key by one click, shown once inside examples that work as they stand."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from onceline.core.access import commands as access
from onceline.desk.dashboard.developers import FIRST_SCOPES
from onceline.desk.dashboard.examples import first_steps
from tests.desk.dashboard.belongings import form, key
from tests.desk.dashboard.looking import Page, read
from tests.desk.visitors import Pages, Visitor
from tests.edge.door import serving

KEY = re.compile(r"ol_test_[0-9A-Za-z]{27}_[0-9A-Za-z]{6}")


def examples(page: Page) -> list[str]:
    return [one["data-copy"] or "" for one in page.named("button") if "data-copy" in one]


def first_key(who: Visitor) -> Page:
    page = read(who.get("/test/developers/"))
    assert who.post("/test/developers/key/", form(page)).status_code == 302
    return read(who.get("/test/developers/"))


def test_one_click_puts_a_first_key_into_every_example_and_shows_it_once(pages: Pages) -> None:
    alice = pages.visitor()
    assert "Make my first test key" in read(alice.get("/test/developers/")).text
    shown = examples(first_key(alice))
    found = {KEY.findall(text)[0] for text in shown}
    assert len(shown) == 3
    assert len(found) == 1
    (secret,) = found
    with pages.shop.db.transaction() as tx:
        assert access.authenticate(tx, secret, pages.shop.clock.now()).scopes == set(FIRST_SCOPES)
    again = read(alice.get("/test/developers/"))
    assert [f"ol_test_…{secret[-4:]}" in text for text in examples(again)] == [True] * 3
    assert KEY.search(again.text) is None


def test_the_first_key_is_made_once_on_the_test_side_whatever_the_mode(pages: Pages) -> None:
    alice = pages.visitor()
    for mode in ("live", "test", "live"):
        alice.post(f"/{mode}/developers/key/", form())
    with pages.shop.db.transaction() as tx:
        live = access.side_of(tx, alice.person.account, "live")
        assert len(access.keys(tx, alice.side)) == 1
        assert access.keys(tx, live) == []


def test_who_has_a_test_key_is_asked_to_put_it_in(pages: Pages) -> None:
    alice = pages.visitor()
    _, secret = key(pages, alice)
    page = read(alice.get("/live/developers/"))
    assert f"ends in {secret[-4:]}" in page.text
    assert "Make my first test key" not in page.text


@pytest.mark.parametrize("role", ["buyer", "viewer"])
def test_who_is_no_owner_is_sent_to_one(pages: Pages, role: str) -> None:
    alice = pages.visitor()
    bob = pages.visitor(account=alice.person.account, role=role)
    assert "Ask the owner of this account" in read(bob.get("/test/developers/")).text
    assert bob.post("/test/developers/key/", form()).status_code == 403


def test_the_page_leads_to_the_rest(pages: Pages) -> None:
    links = read(pages.visitor().get("/test/developers/")).links()
    assert {"/api/v1/docs", "/test/keys/", "/test/webhooks/"} <= set(links)


def test_the_python_example_brings_a_code_from_a_real_edge(pages: Pages) -> None:
    alice = pages.visitor()
    secret = KEY.findall(examples(first_key(alice))[0])[0]
    with serving(pages.house.settings, pages.shop.db, pages.shop.context) as base:
        text = first_steps(base, secret)[1].text
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "number: +" in done.stdout
    assert "code: 48291" in done.stdout


def test_every_example_makes_the_same_three_calls() -> None:
    for example in first_steps("https://example.com", "ol_test_x"):
        for piece in (
            "https://example.com/api/v1",
            "ol_test_x",
            "/orders",
            "/test/messages",
            "telegram",
            "48291",
        ):
            assert piece in example.text, (example.language, piece)
        assert "wait" in example.text
        assert "Idempotency-Key" in example.text
