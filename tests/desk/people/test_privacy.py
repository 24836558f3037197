"""No address of a client and no browser's name is in a table, sealed or not; a stolen table lets nobody in (promise P1)."""

from __future__ import annotations

import re
from datetime import timedelta
from unittest import mock

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.test import Client

from onceline.desk.people import factors, sessions
from onceline.desk.people.models import Person, Session
from onceline.desk.people.signals import forget_unproven
from tests.desk.people.conftest import Mailbox, proven_again, sign_up, text_of
from tests.desk.people.test_entry import is_in, log_in
from tests.desk.visitors import PASSWORD, Pages

ADDRESS = "203.0.113.77"
BROWSER = "Planted/7.7 (Browser)"
FORMS = (
    ADDRESS,
    ADDRESS.encode().hex(),
    "cb00714d",
    "203.0.113",
    BROWSER,
    BROWSER.encode().hex(),
    "Planted/7.7",
)
"""As text, as the hex of a text, as four bytes, cut to its network."""
NAMES = re.compile(r"(^|_)(ip|ips|inet|addr|client|agent|host|remote|geo|device|fingerprint)(_|$)")


def stranger(pages: Pages) -> Client:
    return pages.browser(
        REMOTE_ADDR=ADDRESS, headers={"user-agent": BROWSER, "x-forwarded-for": ADDRESS, "x-real-ip": ADDRESS}
    )


def columns(pages: Pages) -> list[tuple[str, str, str, str]]:
    return [
        tuple(row)
        for row in pages.shop.rows(
            "select table_schema, table_name, column_name, data_type from information_schema.columns"
            " where table_schema in ('public', 'desk') order by 1, 2, 3"
        )
    ]  # type: ignore[misc]  # models have it


def holding(pages: Pages) -> list[str]:
    """Every column of every table that holds one of the forms."""
    found = []
    for schema, table, column, _ in columns(pages):
        wanted = f'select count(*) as n from {schema}.{table} where "{column}"::text ilike any (%(forms)s)'
        if pages.shop.rows(wanted, forms=[f"%{form}%" for form in FORMS])[0].n:
            found.append(f"{schema}.{table}.{column}")
    return found


@pytest.mark.promise("P1")
def test_no_column_of_the_desk_could_hold_an_address(pages: Pages) -> None:
    ours = [one for one in columns(pages) if one[0] == "desk"]
    assert len(ours) > 40
    assert [one for one in ours if one[3] in ("inet", "cidr", "macaddr") or NAMES.search(one[2])] == []


@pytest.mark.promise("P1")
def test_no_table_knows_where_somebody_came_from(pages: Pages, mailbox: Mailbox) -> None:
    browser = stranger(pages)
    sign_up(browser, "alice", "alice@example.com")
    browser.post(mailbox.link("alice@example.com"))
    for _ in range(3):
        log_in(stranger(pages), "alice", "wrong wrong wrong")
    other = stranger(pages)
    assert log_in(other, "alice")["location"] == "/"
    other.post("/account/settings/username/", {"username": "alicia"})
    cache.clear()
    mailbox.empty()
    stranger(pages).post("/account/password/reset/", {"email": "alice@example.com"})
    assert [BROWSER in letter.body or ADDRESS in letter.body for letter in mailbox.all()] == [False]
    assert holding(pages) == []
    assert opened_sessions(pages, browser, other).count("REQUEST_METHOD") == 1, (
        "a request does wait for a password"
    )
    assert not any(form in opened_sessions(pages, browser, other) for form in FORMS)


def test_the_search_finds_what_is_planted(pages: Pages) -> None:
    """Were it blind, the tests above would say nothing."""
    alice = pages.visitor()
    Session.objects.update(label=f"at {ADDRESS}")
    Person.objects.update(language="203.0.113")
    pages.shop.run("update accounts set name = %(name)s", name=BROWSER)
    assert holding(pages) == ["desk.people.language", "desk.sessions.label", "public.accounts.name"]
    session = alice.browser.session
    session["planted"] = ADDRESS
    session.save()
    assert ADDRESS in opened_sessions(pages, alice.browser)


def opened_sessions(pages: Pages, *browsers: Client) -> str:
    """What the rows hold, for who has both cookie and key."""
    texts = []
    for browser in browsers:
        key = browser.cookies["session"].value
        row = Session.objects.get(session_key=sessions.hashed(key))
        texts.append(str(sessions.SessionStore(key).decode(row.session_data)))
    return " ".join(texts)


# A stolen table ------------------------------------------------------------------------------------------------------


def test_the_value_of_the_cookie_is_nowhere_in_the_database(pages: Pages) -> None:
    alice = pages.visitor()
    key = alice.browser.cookies["session"].value
    with mock.patch(f"{__name__}.FORMS", (key, key.encode().hex())):
        assert holding(pages) == []
        Session.objects.update(label=key)
        assert holding(pages) == ["desk.sessions.label"]


def test_a_row_that_was_copied_to_another_key_does_not_open(pages: Pages) -> None:
    alice, thief = pages.visitor(), pages.browser()
    row = Session.objects.get()
    thief.cookies["session"] = "x" * 32
    Session(
        session_key=sessions.hashed("x" * 32),
        session_data=row.session_data,
        expire_date=row.expire_date,
        person=alice.person,
    ).save(force_insert=True)
    assert not is_in(thief)
    assert is_in(alice.browser)


def test_the_hash_in_the_table_is_no_cookie(pages: Pages) -> None:
    pages.visitor()
    thief = pages.browser()
    thief.cookies["session"] = Session.objects.get().session_key
    assert not is_in(thief)


def test_a_session_ends_by_itself(pages: Pages) -> None:
    alice = pages.visitor()
    pages.shop.clock.advance(timedelta(days=15).total_seconds())
    assert not is_in(alice.browser)


# What is kept of people ----------------------------------------------------------------------------------------------


@pytest.mark.promise("P2")
def test_who_never_proved_an_address_is_forgotten_after_a_week(pages: Pages) -> None:
    sign_up(pages.browser(), "alice", "alice@example.com")
    pages.person("bob")
    pages.shop.clock.advance(timedelta(days=7).total_seconds())
    forget_unproven()
    assert Person.objects.count() == 2
    pages.shop.clock.advance(timedelta(days=1).total_seconds())
    forget_unproven()
    assert [person.username for person in Person.objects.all()] == ["bob"]


def test_a_name_from_outside_is_text_on_every_page(pages: Pages) -> None:
    alice = proven_again(pages.visitor())
    evil = '<script>alert(1)</script>\u202e"><img src=x>'
    Session.objects.filter(person=alice.person).update(label=evil)
    Authenticator.objects.create(
        user=alice.person, type="webauthn", data={"name": evil, "credential": {"id": "x"}}
    )
    for page in ("security/", "data/"):
        text = text_of(alice.get(f"/account/settings/{page}"))
        assert "&lt;script&gt;" in text
        assert "<script>alert" not in text
        assert "\u202e" not in text


def test_pages_carry_a_strict_policy_and_stay_in_no_cache(pages: Pages) -> None:
    answer = pages.browser().get("/account/login/")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "no-store" in answer.headers["Cache-Control"]
    scripts = re.findall(r"<script[^>]*>", text_of(answer))
    assert len(scripts) == 2
    assert all("nonce=" in script for script in scripts)
    assert "style=" not in text_of(answer)


def test_a_code_drawn_as_squares_reads_as_it_was_written() -> None:
    drawn = factors.qr_path("otpauth://totp/alice?secret=ABC")
    assert drawn["size"] > 20
    assert re.fullmatch(r"(M\d+ \d+h1v1h-1z)+", drawn["path"])


def test_browsers_without_cookies_are_told(pages: Pages) -> None:
    browser = Client(SERVER_NAME="localhost", enforce_csrf_checks=True)
    answer = browser.post("/account/login/", {"login": "alice", "password": PASSWORD})
    assert answer.status_code == 403
    assert "your browser keeps no cookies" in text_of(answer)
