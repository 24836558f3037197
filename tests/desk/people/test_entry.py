"""Sign-up, log-in, log-out, a forgotten password: and that nobody learns from them who is here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest import mock

import bcrypt
import pytest
from django.core.cache import cache
from django.db import connections
from django.test import Client
from django.utils import timezone

from onceline.core.access import sessions as access
from onceline.core.errors import KeyRefused
from onceline.desk.people import sessions
from onceline.desk.people.models import Person, Session
from tests.desk.people.conftest import Mailbox, proven_again, sign_up, text_of
from tests.desk.visitors import PASSWORD, Pages

NEW = "another long password"


def log_in(browser: Client, name: str, password: str = PASSWORD, **rest: Any) -> Any:
    return browser.post("/account/login/", {"login": name, "password": password}, **rest)


def is_in(browser: Client) -> bool:
    return bool(browser.get("/account/settings/").status_code == 200)


@contextmanager
def counted() -> Iterator[list[int]]:
    """How often bcrypt runs."""
    calls: list[int] = []
    real = bcrypt.hashpw

    def counting(password: bytes, salt: bytes) -> bytes:
        calls.append(1)
        return real(password, salt)

    with mock.patch("onceline.desk.people.passwords.bcrypt.hashpw", counting):
        yield calls


def comparable(answer: Any, *names: str) -> tuple[int, str, str]:
    """Status, place and body, without what is random and what was typed."""
    body = re.sub(r'(csrfmiddlewaretoken" value|nonce)="[^"]*"', "", text_of(answer))
    for name in names:
        body = body.replace(name, "…")
    return answer.status_code, answer.headers.get("Location", ""), body


# Sign-up -------------------------------------------------------------------------------------------------------------


def test_somebody_signs_up_proves_the_address_and_is_in(pages: Pages, mailbox: Mailbox) -> None:
    browser = pages.browser()
    assert sign_up(browser, "alice", "alice@example.com")["location"] == "/account/confirm-email/"
    assert "alice@example.com" in text_of(browser.get("/account/confirm-email/"))
    link = mailbox.link("alice@example.com")
    assert "Yes, it is mine" in text_of(browser.get(link))
    assert browser.post(link).status_code == 302
    assert is_in(browser)
    alice = Person.objects.get(username="alice")
    assert (alice.account[:4], alice.role, alice.email) == ("acc_", "owner", "alice@example.com")


def test_the_link_works_in_another_browser_and_after_a_long_delay(pages: Pages, mailbox: Mailbox) -> None:
    sign_up(pages.browser(), "alice", "alice@example.com")
    link, later = mailbox.link("alice@example.com"), timezone.now().timestamp() + 2.9 * 86400
    with mock.patch("django.core.signing.time.time", return_value=later):
        assert pages.browser().post(link).status_code == 302
    assert log_in(pages.browser(), "alice")["location"] == "/"


def test_an_old_link_says_so_and_a_new_one_is_a_click_away(pages: Pages, mailbox: Mailbox) -> None:
    sign_up(pages.browser(), "alice", "alice@example.com")
    link, later = mailbox.link("alice@example.com"), timezone.now().timestamp() + 3.1 * 86400
    with mock.patch("django.core.signing.time.time", return_value=later):
        for answer in (pages.browser().get(link), pages.browser().post(link)):
            assert "This link has ended" in text_of(answer)
    mailbox.empty()
    cache.clear()
    assert pages.browser().post("/account/confirm-email/", {"email": "alice@example.com"}).status_code == 302
    assert pages.browser().post(mailbox.link("alice@example.com")).status_code == 302


def test_a_link_of_somebody_else_logs_nobody_out(pages: Pages, mailbox: Mailbox) -> None:
    alice = pages.visitor()
    sign_up(pages.browser(), "bob", "bob@example.com")
    link = mailbox.link("bob@example.com")
    assert alice.get(link).status_code == 200
    alice.post(link)
    assert text_of(alice.get("/account/settings/")).count(alice.person.username) > 0
    assert log_in(pages.browser(), "bob")["location"] == "/"


def test_nobody_is_in_before_the_address_is_proven(pages: Pages, mailbox: Mailbox) -> None:
    sign_up(pages.browser(), "alice", "alice@example.com")
    browser = pages.browser()
    assert log_in(browser, "alice")["location"] == "/account/confirm-email/"
    assert not is_in(browser)
    assert Person.objects.get().account == ""


def test_a_taken_username_may_be_said_and_nothing_typed_is_lost(pages: Pages) -> None:
    pages.person("alice")
    page = text_of(sign_up(pages.browser(), "Alice", "new@example.com"))
    assert "Somebody else has this username" in page
    assert 'value="new@example.com"' in page


@pytest.mark.parametrize(
    ("name", "address", "password", "said"),
    [
        ("Al ice", "a@example.com", PASSWORD, "Use small letters"),
        ("al", "a@example.com", PASSWORD, "at least 3 characters"),
        ("alice", "alice", PASSWORD, "valid email address"),
        ("alice", '"ab"@example.com', PASSWORD, "name@example.com"),
        ("alice", "a@example.com", "short", "Use at least 15 characters"),
        ("alice", "a@example.com", "x" * 257, "Use at most 256 characters"),
        ("alice", "a@example.com", "passwordpassword", "easy to guess"),
        ("alice", "a@example.com", "abcdefghijklmnopq", "easy to guess"),
        ("alice-in-wonder", "a@example.com", "alice-in-wonderl", "too similar"),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(
    pages: Pages, name: str, address: str, password: str, said: str
) -> None:
    answer = sign_up(pages.browser(), name, address, password)
    assert answer.status_code == 200
    assert said in text_of(answer)
    assert not Person.objects.exists()


def test_a_taken_address_looks_like_a_free_one_and_costs_the_same(pages: Pages, mailbox: Mailbox) -> None:
    pages.person("alice")
    answers, costs = [], []
    for name, address in (("bob-one", "bob@example.com"), ("bob-two", "alice@example.com")):
        browser = pages.browser()
        with counted() as hashes:
            first = sign_up(browser, name, address)
        costs.append(len(hashes))
        answers.append((comparable(first), comparable(browser.get(first["location"]), address)))
    assert answers[0] == answers[1]
    assert costs == [1, 1]
    assert "reset" in mailbox.to("alice@example.com")[0].body
    assert not Person.objects.filter(username="bob-two").exists()


def test_sign_up_is_closed_where_people_are_invited(pages: Pages) -> None:
    with mock.patch.object(pages.house.settings, "sign_up", "invited"):
        assert "By invitation only" in text_of(pages.browser().get("/account/signup/"))
        assert "By invitation only" in text_of(sign_up(pages.browser(), "alice", "alice@example.com"))
    assert not Person.objects.exists()


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    def alone(n: int) -> Any:
        try:
            return act(n)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(alone, range(count)))


@pytest.mark.parametrize("same", ["username", "address"])
def test_of_two_sign_ups_at_once_one_makes_an_account(pages: Pages, mailbox: Mailbox, same: str) -> None:
    names = ["alice"] * 4 if same == "username" else [f"alice{n}" for n in range(4)]
    addresses = [f"a{n}@example.com" for n in range(4)] if same == "username" else ["a@example.com"] * 4
    answers = at_once(4, lambda n: sign_up(pages.browser(), names[n], addresses[n]).status_code)
    assert set(answers) <= {200, 302}
    assert answers.count(302) == (1 if same == "username" else 4)
    assert Person.objects.count() == 1


def test_who_proves_an_address_takes_it_from_who_only_claimed_it(pages: Pages, mailbox: Mailbox) -> None:
    sign_up(pages.browser(), "squatter", "new@example.com")
    alice = pages.visitor(pages.person("alice"))
    mailbox.empty()
    cache.clear()
    alice.post("/account/reauthenticate/", {"password": PASSWORD})
    alice.post("/account/email/", {"action_add": "1", "email": "new@example.com"})
    alice.post(mailbox.link("new@example.com"))
    assert [person.username for person in Person.objects.filter(email="new@example.com")] == ["alice"]


def test_a_mail_that_never_came_is_sent_again_whoever_asks_gets_the_same_answer(
    pages: Pages, mailbox: Mailbox
) -> None:
    pages.person("alice")
    sign_up(pages.browser(), "bob", "bob@example.com")
    mailbox.empty()
    cache.clear()
    answers = []
    for address in ("bob@example.com", "alice@example.com", "nobody@example.com"):
        browser = pages.browser()
        answer = browser.post("/account/confirm-email/", {"email": address})
        answers.append((comparable(answer), comparable(browser.get(answer["location"]), address)))
    assert answers[0] == answers[1] == answers[2]
    subjects = [letter.subject for letter in mailbox.all()]
    assert sorted(subjects) == [
        "No account with this address",
        "Prove your e-mail address",
        "You are here already",
    ]


def links(mailbox: Mailbox) -> list[str]:
    return [link for letter in mailbox.all() for link in re.findall(r"https?://\S+", letter.body)]


def test_links_in_mails_lead_to_the_public_address_whatever_the_request_called_it(
    pages: Pages, mailbox: Mailbox
) -> None:
    pages.house.settings.public_url = "https://onceline.example"
    alice = proven_again(pages.visitor(pages.person("alice")))
    elsewhere = {"HTTP_HOST": "localhost:9999"}
    alice.post("/account/settings/people/invite/", {"email": "b@example.com", "role": "buyer"}, **elsewhere)
    for address in ("alice@example.com", "new@example.com"):
        name = address.split("@")[0] + "2"
        fields = {"username": name, "email": address, "password1": PASSWORD}
        pages.browser().post("/account/signup/", fields, **elsewhere)
    for address in ("alice@example.com", "unknown@example.com"):
        pages.browser().post("/account/password/reset/", {"email": address}, **elsewhere)
    assert len(mailbox.all()) == len(links(mailbox)) == 5
    assert {link[:33] for link in links(mailbox)} == {"https://onceline.example/account/"}


def test_what_strangers_have_sent_keeps_no_news_from_its_reader(pages: Pages, mailbox: Mailbox) -> None:
    alice = proven_again(pages.visitor(pages.person("alice")))
    for n in range(7):
        cache.clear()
        sign_up(pages.browser(), f"stranger{n}", "alice@example.com")
    assert len(mailbox.to("alice@example.com")) == 5
    alice.post("/account/password/change/", {"oldpassword": PASSWORD, "password1": NEW})
    assert len(mailbox.to("alice@example.com")) == 6
    pages.browser().post("/account/password/reset/", {"email": "alice@example.com"})
    assert len(mailbox.to("alice@example.com")) == 7


# Log-in and log-out --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "ALICE", "alice@example.com", "Alice@Example.com"])
def test_somebody_logs_in_by_username_or_address(pages: Pages, name: str) -> None:
    pages.person("alice")
    browser = pages.browser()
    assert log_in(browser, name)["location"] == "/"
    assert is_in(browser)


def test_a_wrong_log_in_looks_the_same_and_costs_one_hash_whoever_it_was(pages: Pages) -> None:
    pages.person("alice")
    answers = []
    for name in ("alice", "alice@example.com", "nobody", "nobody@example.com"):
        with counted() as hashes:
            answer = log_in(pages.browser(), name, "wrong wrong wrong")
        answers.append((comparable(answer, f'value="{name}"'), len(hashes)))
    assert answers == [answers[0]] * 4
    assert answers[0][1] == 1
    assert "This does not fit" in answers[0][0][2]


def test_many_wrong_tries_are_stopped_and_the_owner_resets(pages: Pages, mailbox: Mailbox) -> None:
    pages.person("alice")
    for _ in range(20):
        log_in(pages.browser(), "alice", "wrong wrong wrong")
    assert "Too many tries" in text_of(log_in(pages.browser(), "alice"))
    assert log_in(pages.browser(), "alice@example.com")["location"] == "/"


def test_log_out_ends_session_and_grants_and_clears_the_browser(pages: Pages) -> None:
    alice = pages.visitor()
    grants = sessions.grants_of(alice.browser.session)  # type: ignore[arg-type]  # our own store
    assert grants is not None
    answer = alice.post("/account/logout/")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert answer.cookies["session"].value == ""
    assert not Session.objects.exists()
    with pages.shop.db.statement() as tx:
        for grant in grants:
            with pytest.raises(KeyRefused):
                access.session_of(tx, grant, pages.shop.clock.now())


def test_log_out_needs_a_post(pages: Pages) -> None:
    alice = pages.visitor()
    assert "Log out" in text_of(alice.get("/account/logout/"))
    assert is_in(alice.browser)


# A forgotten password ------------------------------------------------------------------------------------------------


def test_a_forgotten_password_is_chosen_anew_and_ends_every_session(pages: Pages, mailbox: Mailbox) -> None:
    alice = pages.visitor(pages.person("alice"))
    browser = pages.browser()
    browser.post("/account/password/reset/", {"email": "alice@example.com"})
    form = browser.get(mailbox.link("alice@example.com"))["location"]
    assert browser.post(form, {"password1": NEW})["location"] == "/account/password/reset/key/done/"
    assert not is_in(alice.browser)
    assert not Session.objects.filter(person=alice.person).exists()
    assert log_in(pages.browser(), "alice", NEW)["location"] == "/"
    assert "This does not fit" in text_of(log_in(pages.browser(), "alice"))


def test_a_reset_looks_the_same_whether_the_address_is_known_or_not(pages: Pages, mailbox: Mailbox) -> None:
    pages.person("alice")
    answers = []
    for address in ("alice@example.com", "nobody@example.com"):
        with counted() as hashes:
            answer = pages.browser().post("/account/password/reset/", {"email": address})
        answers.append((comparable(answer), len(hashes), len(mailbox.to(address))))
    assert answers[0] == answers[1]
    assert answers[0][1:] == (0, 1)


def test_a_used_or_old_reset_link_says_so(pages: Pages, mailbox: Mailbox) -> None:
    pages.person("alice")
    browser = pages.browser()
    browser.post("/account/password/reset/", {"email": "alice@example.com"})
    link = mailbox.link("alice@example.com")
    form = browser.get(link)["location"]
    browser.post(form, {"password1": NEW})
    for answer in (browser.get(link), browser.post(form, {"password1": NEW}), browser.get(f"{link[:-3]}x/")):
        assert "This link has ended" in text_of(answer)


def test_an_address_that_waits_to_be_proven_resets_nothing(pages: Pages, mailbox: Mailbox) -> None:
    """A mistyped new address is a stranger's."""
    alice = pages.visitor(pages.person("alice"))
    alice.post("/account/reauthenticate/", {"password": PASSWORD})
    alice.post("/account/email/", {"action_add": "1", "email": "stranger@example.com"})
    mailbox.empty()
    pages.browser().post("/account/password/reset/", {"email": "stranger@example.com"})
    assert [letter.subject for letter in mailbox.all()] == ["No account with this address"]


# Languages -----------------------------------------------------------------------------------------------------------


def test_the_browser_says_the_language_and_a_person_says_another(pages: Pages) -> None:
    browser = pages.browser(headers={"accept-language": "zh-CN"})
    assert '<html lang="zh-hans"' in text_of(browser.get("/account/login/"))
    alice = pages.visitor()
    Person.objects.update(language="zh-hans")
    assert '<html lang="zh-hans"' in text_of(
        alice.get("/account/settings/", headers={"accept-language": "en"})
    )
    Person.objects.update(language="en")
    answer = alice.get("/account/settings/", headers={"accept-language": "zh-CN"})
    assert '<html lang="en"' in text_of(answer)


def test_the_cookie_says_the_language_before_log_in(pages: Pages) -> None:
    browser = pages.browser(headers={"accept-language": "en"})
    browser.cookies["language"] = "zh-hans"
    assert '<html lang="zh-hans"' in text_of(browser.get("/account/signup/"))
