"""Second factors: a code works once whatever process sees it, recovery codes once, a short password keeps the last one."""

from __future__ import annotations

import json
import re
from typing import Any
from unittest import mock

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as codes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.cache import cache
from django.test import Client

from onceline.desk.people.models import Person, UsedCode
from tests.desk.people.conftest import Mailbox, proven_again, text_of
from tests.desk.people.test_entry import at_once, is_in, log_in
from tests.desk.visitors import PASSWORD, Pages, Visitor

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
STEP = 57_000_000
SHORT = "blue*fish7"


@pytest.fixture(autouse=True)
def still() -> Any:
    """The app's clock: steps STEP - 1 to STEP + 1 are accepted."""
    with mock.patch.object(codes.time, "time", return_value=STEP * 30 + 10):
        yield


def code_at(step: int, secret: str = SECRET) -> str:
    return codes.format_hotp_value(codes.hotp_value(secret, step))


@pytest.fixture
def alice(pages: Pages) -> Person:
    """With an app."""
    person = pages.person("alice")
    with mock.patch("allauth.core.context.request", None):
        TOTP.activate(person, SECRET)
    return person


def at_second_step(pages: Pages) -> Client:
    browser = pages.browser()
    assert log_in(browser, "alice")["location"] == "/account/2fa/authenticate/"
    return browser


def answer_with(browser: Client, code: str) -> Any:
    return browser.post("/account/2fa/authenticate/", {"code": code})


# An app --------------------------------------------------------------------------------------------------------------


def test_an_app_is_set_up_with_a_drawing_or_a_key_and_codes_are_given(pages: Pages, mailbox: Mailbox) -> None:
    alice = proven_again(pages.visitor(pages.person("alice")))
    page = text_of(alice.get("/account/2fa/totp/activate/"))
    assert '<path d="M4 4h1v1h-1z' in page
    assert "data:" not in page
    (secret,) = re.findall(r'data-copy="([A-Z2-7]{32})"', page)
    answer = alice.post("/account/2fa/totp/activate/", {"code": code_at(STEP, secret)})
    assert answer["location"] == "/account/2fa/recovery-codes/"
    shown = text_of(alice.get("/account/2fa/recovery-codes/"))
    assert len(re.findall(r"<li>\d{8}</li>", shown)) == 10
    assert text_of(alice.get("/account/2fa/recovery-codes/download/")).count("\n") >= 11
    assert [letter.subject for letter in mailbox.all()] == ["An authenticator app was added"]
    assert UsedCode.objects.get().step == STEP, "the code that set it up logs nobody in"


def test_the_secret_is_sealed(alice: Person, pages: Pages) -> None:
    (row,) = pages.shop.rows("select data from desk.mfa_authenticator")
    assert SECRET not in json.dumps(row.data)
    assert SECRET.encode().hex() not in json.dumps(row.data)


def test_a_code_of_the_app_is_asked_for_and_lets_in(alice: Person, pages: Pages) -> None:
    browser = at_second_step(pages)
    assert not is_in(browser)
    assert answer_with(browser, code_at(STEP))["location"] == "/"
    assert is_in(browser)


def test_a_wrong_code_says_so(alice: Person, pages: Pages) -> None:
    browser = at_second_step(pages)
    wrong = "000000" if code_at(STEP) != "000000" else "000001"
    assert "This code is wrong or too old" in text_of(answer_with(browser, wrong))
    assert not is_in(browser)


def test_a_code_works_once_also_in_another_process(alice: Person, pages: Pages) -> None:
    answer_with(at_second_step(pages), code_at(STEP))
    cache.clear()
    browser = at_second_step(pages)
    assert "This code was used before" in text_of(answer_with(browser, code_at(STEP)))
    assert not is_in(browser)
    assert answer_with(browser, code_at(STEP + 1))["location"] == "/"


def test_an_older_code_than_the_newest_that_was_used_opens_nothing(alice: Person, pages: Pages) -> None:
    answer_with(at_second_step(pages), code_at(STEP))
    cache.clear()
    assert "This code was used before" in text_of(answer_with(at_second_step(pages), code_at(STEP - 1)))


def test_of_two_uses_at_once_one_lets_in(alice: Person, pages: Pages) -> None:
    """Each with a memory of its own, as two processes have."""
    browsers = [at_second_step(pages) for _ in range(4)]
    with mock.patch.object(TOTP, "_mark_code_used", return_value=True):
        answers = at_once(4, lambda n: answer_with(browsers[n], code_at(STEP)).status_code)
    assert sorted(answers) == [200, 200, 200, 302]


def test_guessing_codes_is_stopped_and_a_replay_does_not_start_the_count_anew(
    alice: Person, pages: Pages
) -> None:
    answer_with(at_second_step(pages), code_at(STEP))
    browser = at_second_step(pages)
    with mock.patch.object(TOTP, "_mark_code_used", return_value=True):  # as another process would
        for n in range(20):
            answer_with(browser, code_at(STEP) if n % 5 == 0 else code_at(STEP + 100 + n))
    assert "Too many tries" in text_of(answer_with(browser, code_at(STEP + 1)))


def test_a_recovery_code_works_once(alice: Person, pages: Pages) -> None:
    (code, *_) = RecoveryCodes.activate(alice).get_unused_codes()
    assert answer_with(at_second_step(pages), code)["location"] == "/"
    assert "This code is wrong or too old" in text_of(answer_with(at_second_step(pages), code))


def test_when_somebody_logged_in_is_kept_as_a_day(alice: Person, pages: Pages) -> None:
    answer_with(at_second_step(pages), code_at(STEP))
    app = Authenticator.objects.get()
    assert [(at.hour, at.minute, at.second) for at in (app.last_used_at, app.created_at)] == [(0, 0, 0)] * 2


# Taking them away ----------------------------------------------------------------------------------------------------


def short(pages: Pages, person: Person) -> Visitor:
    """With a password that stands on the app."""
    alice = proven_again(pages.visitor(person))
    answer = alice.post("/account/password/change/", {"oldpassword": PASSWORD, "password1": SHORT})
    assert answer["location"] == "/account/settings/security/"
    return alice


def test_a_shorter_password_is_possible_with_a_second_factor(alice: Person, pages: Pages) -> None:
    short(pages, alice)
    alice.refresh_from_db()
    assert not alice.password_is_long


def test_the_last_second_factor_stays_while_the_password_is_short(alice: Person, pages: Pages) -> None:
    visitor = short(pages, alice)
    for answer in (
        visitor.get("/account/2fa/totp/deactivate/"),
        visitor.post("/account/2fa/totp/deactivate/"),
    ):
        assert "Choose a password of at least 15 characters first" in text_of(answer)
    assert Authenticator.objects.filter(type="totp").exists()


def test_the_app_goes_while_the_password_is_long(alice: Person, pages: Pages) -> None:
    visitor = proven_again(pages.visitor(alice))
    assert visitor.post("/account/2fa/totp/deactivate/").status_code == 302
    assert not Authenticator.objects.exists()


def test_the_last_passkey_stays_too(alice: Person, pages: Pages) -> None:
    visitor = short(pages, alice)
    key = Authenticator.objects.create(user=alice, type="webauthn", data={"name": "Phone", "credential": {}})
    Authenticator.objects.filter(type="totp").delete()
    answer = visitor.post(f"/account/2fa/passkeys/{key.pk}/remove/")
    assert "Choose a password of at least 15 characters first" in text_of(answer)
    assert Authenticator.objects.filter(pk=key.pk).exists()


def test_of_two_removals_at_once_one_is_refused(alice: Person, pages: Pages) -> None:
    visitor = short(pages, alice)
    key = Authenticator.objects.create(user=alice, type="webauthn", data={"name": "Phone", "credential": {}})
    other = pages.visitor(Person.objects.get())
    other.post("/account/reauthenticate/", {"password": SHORT})
    paths = ["/account/2fa/totp/deactivate/", f"/account/2fa/passkeys/{key.pk}/remove/"]
    at_once(2, lambda n: (visitor, other)[n].post(paths[n]).status_code)
    assert Authenticator.objects.filter(user=alice).count() == 1


def test_a_change_of_factors_asks_who_it_is_first(alice: Person, pages: Pages) -> None:
    visitor = pages.visitor(alice)
    for path in ("totp/deactivate/", "recovery-codes/generate/", "passkeys/add/"):
        assert visitor.get(f"/account/2fa/{path}")["location"].startswith("/account/reauthenticate/?next=")


# Passkeys ------------------------------------------------------------------------------------------------------------


def test_a_passkey_is_asked_for_with_options_in_the_page(pages: Pages) -> None:
    visitor = proven_again(pages.visitor())
    page = text_of(visitor.get("/account/2fa/passkeys/add/"))
    (text,) = re.findall(r'<script id="passkey-options" type="application/json">(.*?)</script>', page)
    options = json.loads(text)["publicKey"]
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["user"]["name"] == visitor.person.username
    assert "desk/passkeys.js" in page


def test_logging_in_by_passkey_begins_with_options(pages: Pages) -> None:
    answer = pages.browser().get("/account/2fa/passkeys/login/", headers={"accept": "application/json"})
    assert json.loads(answer.content)["request_options"]["publicKey"]["userVerification"] == "required"


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[]",
        "7",
        "null",
        '"x"',
        "{}",
        '{"response": 7}',
        "{",
        '{"id": "x"}',
        "9" * 19_000,
        "[" * 19_000,
        "9" * 30_000,
    ],
)
def test_what_no_authenticator_would_say_is_refused_and_breaks_nothing(pages: Pages, answer: str) -> None:
    browser = pages.browser()
    browser.get("/account/2fa/passkeys/login/", headers={"accept": "application/json"})
    said = browser.post("/account/2fa/passkeys/login/", {"credential": answer})
    assert said["location"] == "/account/login/"
    visitor = proven_again(pages.visitor())
    visitor.get("/account/2fa/passkeys/add/")
    said = visitor.post("/account/2fa/passkeys/add/", {"credential": answer, "passwordless": "on"})
    assert said.status_code == 200
    assert not Authenticator.objects.exists()
