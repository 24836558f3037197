"""What an operator does for people from the command line."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth import authenticate

from onceline.core.errors import InvalidInput, NotFound
from onceline.desk.people import care
from onceline.desk.people.models import Session
from tests.desk.visitors import PASSWORD, Pages

NEW = "another long enough one"


def test_somebody_is_added_with_an_account_of_their_own(pages: Pages) -> None:
    added = care.add("Olga", "Olga@example.com", PASSWORD, account="", role="owner")
    assert (added.username, added.email, added.role, added.account[:4]) == (
        "olga",
        "olga@example.com",
        "owner",
        "acc_",
    )
    assert pages.browser().login(username="olga", password=PASSWORD)


def test_somebody_is_added_to_an_account(pages: Pages) -> None:
    alice = pages.person("alice")
    added = care.add("bob", "bob@example.com", PASSWORD, account=alice.account, role="viewer")
    assert (added.account, added.role) == (alice.account, "viewer")


@pytest.mark.parametrize(
    ("username", "email", "password", "role", "said"),
    [
        ("alice", "new@example.com", PASSWORD, "owner", "username: "),
        ("Not a name", "new@example.com", PASSWORD, "owner", "username: "),
        ("new", "no address", PASSWORD, "owner", "email: "),
        ("new", "alice@example.com", PASSWORD, "owner", "email: alice@example.com belongs to somebody"),
        ("new", "new@example.com", "too short", "owner", "password: Use at least 15"),
        ("new", "new@example.com", PASSWORD, "boss", "role: "),
    ],
)
def test_what_is_wrong_is_said(
    pages: Pages, username: str, email: str, password: str, role: str, said: str
) -> None:
    pages.person("alice")
    with pytest.raises(InvalidInput, match=said):
        care.add(username, email, password, account="", role=role)
    assert [one["username"] for one in care.listed(None, "", 10)] == ["alice"]


def test_an_account_that_is_not_there_takes_nobody(pages: Pages) -> None:
    with pytest.raises(NotFound):
        care.add("new", "new@example.com", PASSWORD, account="acc_nobody", role="owner")


def test_people_are_listed_by_name_and_account(pages: Pages) -> None:
    for name in ("carol", "alice", "bob"):
        person = pages.person(name)
    assert [one["username"] for one in care.listed(None, "", 2)] == ["alice", "bob"]
    assert [one["username"] for one in care.listed(None, "alice", 10)] == ["bob", "carol"]
    assert [one["username"] for one in care.listed(person.account, "", 10)] == ["bob"]


def test_a_new_password_lets_in_and_ends_what_was_open(pages: Pages) -> None:
    alice = pages.visitor(name="alice")
    care.set_password("alice", NEW)
    assert alice.get("/test/").status_code == 302
    assert authenticate(None, username="alice", password=NEW) == alice.person
    assert authenticate(None, username="alice", password=PASSWORD) is None


def test_lost_second_factors_go_with_what_was_open(pages: Pages) -> None:
    alice = pages.visitor(name="alice")
    Authenticator.objects.create(user=alice.person, type=Authenticator.Type.TOTP, data={"secret": ""})
    assert care.listed(None, "", 10)[0]["second_factor"]
    assert care.reset_second_factor("ALICE") == 1
    assert (Authenticator.objects.count(), Session.objects.filter(person=alice.person).count()) == (0, 0)


def test_nobody_is_not_found(pages: Pages) -> None:
    with pytest.raises(NotFound):
        care.reset_second_factor("nobody")
