"""What happens while something else happens: nobody keeps a right that they lost in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import bcrypt
import pytest

from onceline.core.access import sessions as access
from onceline.core.errors import KeyRefused
from onceline.desk.people import sessions, team
from onceline.desk.people.models import Invitation, Person, Role, Session
from onceline.desk.people.team import Refused
from tests.desk.people.conftest import Mailbox, proven_again, text_of
from tests.desk.people.test_entry import at_once, is_in, log_in
from tests.desk.people.test_team import BOB, alice, invite, mate
from tests.desk.visitors import PASSWORD, Pages, Visitor

__all__ = ["alice"]  # a fixture


def during_the_hash(act: Callable[[], Any]) -> AbstractContextManager[Any]:
    """What another browser does while a password is hashed: the person is loaded, and logged in only afterwards."""
    real, waiting = bcrypt.hashpw, [act]

    def slow(password: bytes, salt: bytes) -> bytes:
        if waiting:
            do = waiting.pop()
            at_once(1, lambda _: do())
        return real(password, salt)

    return mock.patch("onceline.desk.people.passwords.bcrypt.hashpw", slow)


def grants_account(pages: Pages, browser: Any) -> str:
    grants = sessions.grants_of(browser.session)
    assert grants is not None
    with pages.shop.db.statement() as tx:
        return access.session_of(tx, grants.test, pages.shop.clock.now())[0].account


# Log-in --------------------------------------------------------------------------------------------------------------


def test_who_moves_to_another_account_during_a_log_in_is_logged_in_to_that_one(
    pages: Pages, alice: Visitor, mailbox: Mailbox
) -> None:
    """A viewer of one account, an owner of the other: both browsers act as an owner of the other alone."""
    carol = pages.person("carol")
    bob = mate(pages, Visitor(carol, pages.browser(), 0), "bob", Role.VIEWER)
    invite(alice, role="owner")
    late, link = pages.browser(), mailbox.link(BOB)
    with during_the_hash(lambda: bob.post(link)):
        log_in(late, "bob")
    assert Person.objects.get(username="bob").account == alice.person.account
    assert grants_account(pages, late) == alice.person.account
    assert late.get("/test/").status_code == 200


def test_a_session_of_a_former_account_ends(pages: Pages, alice: Visitor) -> None:
    """However it came to be: the role is that of the account which the person belongs to."""
    bob = pages.visitor()
    Person.objects.filter(pk=bob.person.pk).update(account=alice.person.account, role="owner")
    assert bob.get("/test/")["location"].startswith("/account/login/")
    assert not is_in(bob.browser)


def test_who_is_removed_during_a_log_in_is_not_logged_in(pages: Pages, alice: Visitor) -> None:
    bob = mate(pages, alice, "bob", Role.BUYER)
    late = pages.browser()
    with during_the_hash(lambda: team.remove(alice.person.account, alice.person.pk, bob.person.pk)):
        assert log_in(late, "bob")["location"] == "/account/inactive/"
    assert "_auth_user_id" not in late.session
    assert sessions.grants_of(late.session) is None


def test_who_joins_two_accounts_at_once_joins_one(pages: Pages, alice: Visitor, mailbox: Mailbox) -> None:
    bob, carol = pages.person("bob"), proven_again(pages.visitor(pages.person("carol")))
    invite(alice)
    first = mailbox.link(BOB).split("/")[-2]
    mailbox.empty()
    invite(carol)
    second = mailbox.link(BOB).split("/")[-2]
    team.join_as(first, Person.objects.get(pk=bob.pk), None)
    with pytest.raises(Refused):
        team.join_as(second, bob, None)
    assert Person.objects.get(pk=bob.pk).account == alice.person.account


# Roles ---------------------------------------------------------------------------------------------------------------


def test_of_two_owners_who_demote_each_other_at_once_one_does(pages: Pages, alice: Visitor) -> None:
    """A third owner is there, so that it is not the rule about the last one that stops the second."""
    bob = mate(pages, alice, "bob", Role.OWNER)
    mate(pages, alice, "carol", Role.OWNER)
    both, choose = threading.Barrier(2), team.choose_role

    def together(*args: Any) -> None:
        both.wait(20)  # both views have seen an owner by now
        choose(*args)

    def demote(n: int) -> Any:
        who, whom = ((alice, bob), (bob, alice))[n]
        return who.post(f"/account/settings/people/{whom.person.pk}/role/", {"role": "viewer"})

    with mock.patch("onceline.desk.people.team.choose_role", together):
        at_once(2, demote)
    found = Person.objects.filter(username__in=["alice", "bob"]).values_list("role", flat=True)
    assert sorted(found) == ["owner", "viewer"]


@pytest.mark.parametrize("what", ["choose_role", "remove", "withdraw", "invite"])
def test_who_is_no_owner_any_more_does_nothing(pages: Pages, alice: Visitor, what: str) -> None:
    """The view let them in a moment ago."""
    bob = mate(pages, alice, "bob", Role.OWNER)
    invite(alice, "dave@example.com")
    (waiting,) = Invitation.objects.all()
    Person.objects.filter(pk=bob.person.pk).update(role="viewer")
    account, actor, pk = alice.person.account, bob.person.pk, alice.person.pk
    acts: dict[str, Callable[[], None]] = {
        "choose_role": lambda: team.choose_role(account, actor, pk, "viewer"),
        "remove": lambda: team.remove(account, actor, pk),
        "withdraw": lambda: team.withdraw(account, actor, waiting.pk),
        "invite": lambda: team.invite(mock.Mock(), bob.person, "eve@example.com", "owner"),
    }
    with pytest.raises(Refused):
        acts[what]()
    alice.person.refresh_from_db()
    assert (alice.person.role, list(Invitation.objects.all())) == ("owner", [waiting])


def test_invitations_of_who_is_an_owner_no_more_end(pages: Pages, alice: Visitor, mailbox: Mailbox) -> None:
    bob = mate(pages, alice, "bob", Role.OWNER)
    invite(bob, "dave@example.com", "owner")
    alice.post(f"/account/settings/people/{bob.person.pk}/role/", {"role": "viewer"})
    assert not Invitation.objects.exists()
    assert pages.browser().get(mailbox.link("dave@example.com")).status_code == 404


def test_an_invitation_lets_in_only_while_its_inviter_is_an_owner(
    pages: Pages, alice: Visitor, mailbox: Mailbox
) -> None:
    bob = mate(pages, alice, "bob", Role.OWNER)
    invite(bob, "dave@example.com", "owner")
    link = mailbox.link("dave@example.com")
    Person.objects.filter(pk=bob.person.pk).update(role="viewer")
    assert pages.browser().get(link).status_code == 404
    with pytest.raises(Refused):
        team.join_as_new(link.split("/")[-2], "dave", PASSWORD)
    assert not Person.objects.filter(username="dave").exists()


def test_an_owner_is_who_was_invited_and_nobody_who_got_the_link(
    pages: Pages, alice: Visitor, mailbox: Mailbox
) -> None:
    invite(alice, role="owner")
    mallory = proven_again(pages.visitor(pages.person("mallory")))
    answer = mallory.post(mailbox.link(BOB))
    assert answer.status_code == 409
    assert "Only the person with the invited e-mail address" in text_of(answer)
    assert Person.objects.get(username="mallory").account == mallory.person.account


# Ends of sessions ----------------------------------------------------------------------------------------------------


def over(pages: Pages, grant: int) -> bool:
    try:
        with pages.shop.db.statement() as tx:
            access.session_of(tx, grant, pages.shop.clock.now())
    except KeyRefused:
        return True
    return False


def test_what_hangs_on_an_expired_session_ends_at_the_next_log_in(pages: Pages) -> None:
    grants = sessions.grants_of(pages.visitor().browser.session)  # type: ignore[arg-type]  # our own store
    pages.shop.clock.advance(15 * 86400)
    assert grants is not None
    assert not over(pages, grants.live)
    pages.visitor()
    assert over(pages, grants.test)
    assert over(pages, grants.live)
    assert Session.objects.count() == 1


def test_a_session_whose_grant_is_over_ends_on_every_page_within_a_day(pages: Pages) -> None:
    bob = pages.visitor()
    grants = sessions.grants_of(bob.browser.session)  # type: ignore[arg-type]  # our own store
    assert grants is not None
    sessions.end([*grants])
    pages.shop.clock.advance(86400)
    assert not is_in(bob.browser)


def test_a_session_that_is_used_daily_ends_after_ninety_days(pages: Pages) -> None:
    bob = pages.visitor()
    for _ in range(9):
        pages.shop.clock.advance(10 * 86400 - 1)
        assert is_in(bob.browser)
    pages.shop.clock.advance(86400)
    assert not is_in(bob.browser)
