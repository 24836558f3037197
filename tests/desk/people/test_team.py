"""An account's people: invited, joined, promoted, removed; never without an owner."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from onceline.desk.people import team
from onceline.desk.people.models import Invitation, Person, Role
from onceline.desk.people.team import Refused
from tests.desk.people.conftest import Mailbox, proven_again, sign_up, text_of
from tests.desk.people.test_entry import at_once, is_in, log_in
from tests.desk.visitors import PASSWORD, Pages, Visitor

BOB = "bob@example.com"


@pytest.fixture
def alice(pages: Pages) -> Visitor:
    """An owner, with the step-up behind her."""
    return proven_again(pages.visitor(pages.person("alice")))


def invite(alice: Visitor, address: str = BOB, role: str = "buyer") -> Any:
    return alice.post("/account/settings/people/invite/", {"email": address, "role": role})


def mate(pages: Pages, alice: Visitor, name: str, role: str) -> Visitor:
    return proven_again(pages.visitor(pages.person(name, account=alice.person.account, role=role)))


# Inviting and joining ------------------------------------------------------------------------------------------------


def test_somebody_new_is_invited_and_joins(pages: Pages, alice: Visitor, mailbox: Mailbox) -> None:
    invite(alice)
    link, browser = mailbox.link(BOB), pages.browser()
    page = text_of(browser.get(link))
    assert "alice invites you to their account. Your role: Buyer." in page
    assert browser.post(link, {"username": "bob", "password": PASSWORD})["location"] == "/"
    assert is_in(browser)
    bob = Person.objects.get(username="bob")
    assert (bob.account, bob.role, bob.email) == (alice.person.account, "buyer", BOB)
    assert not Invitation.objects.exists()
    assert "This invitation has ended" in text_of(pages.browser().get(link))


def test_joining_is_possible_where_sign_up_is_closed(pages: Pages, alice: Visitor, mailbox: Mailbox) -> None:
    invite(alice)
    pages.house.settings.sign_up = "invited"
    assert (
        pages.browser().post(mailbox.link(BOB), {"username": "bob", "password": PASSWORD})["location"] == "/"
    )


def test_the_mail_carries_nothing_but_a_name_and_the_link(alice: Visitor, mailbox: Mailbox) -> None:
    invite(alice)
    (letter,) = mailbox.to(BOB)
    assert letter.subject == "You are invited to an account"
    assert letter.body.startswith("alice invites you to join their account at Onceline")
    assert letter.body.count("http") == 1


def test_the_key_of_a_link_is_in_no_table(pages: Pages, alice: Visitor, mailbox: Mailbox) -> None:
    invite(alice)
    key = mailbox.link(BOB).split("/")[-2]
    assert len(key) >= 43
    assert pages.shop.rows("select 1 as n from desk.invitations where key_hash = %(key)s", key=key) == []


def test_an_invitation_sent_again_has_another_link_and_the_old_one_ends(
    pages: Pages, alice: Visitor, mailbox: Mailbox
) -> None:
    invite(alice)
    old = mailbox.link(BOB)
    mailbox.empty()
    invite(alice, role="viewer")
    assert pages.browser().get(old).status_code == 404
    assert pages.browser().get(mailbox.link(BOB)).status_code == 200
    assert [one.role for one in Invitation.objects.all()] == ["viewer"]


def test_an_invitation_ends_after_a_week_or_when_it_is_withdrawn(
    pages: Pages, alice: Visitor, mailbox: Mailbox
) -> None:
    invite(alice)
    link = mailbox.link(BOB)
    pages.shop.clock.advance(timedelta(days=7, seconds=1).total_seconds())
    assert pages.browser().get(link).status_code == 404
    mailbox.empty()
    alice = proven_again(pages.visitor(alice.person))
    invite(alice)
    alice.post(f"/account/settings/people/invitations/{Invitation.objects.get().pk}/withdraw/")
    assert (
        pages.browser().post(mailbox.link(BOB), {"username": "bob", "password": PASSWORD}).status_code == 404
    )


def test_what_is_wrong_in_the_form_of_joining_is_said(pages: Pages, alice: Visitor, mailbox: Mailbox) -> None:
    invite(alice)
    link = mailbox.link(BOB)
    assert "Somebody else has" in text_of(
        pages.browser().post(link, {"username": "alice", "password": PASSWORD})
    )
    assert "at least 15" in text_of(pages.browser().post(link, {"username": "bob", "password": "short"}))
    assert pages.browser().get(link).status_code == 200


def test_of_two_who_follow_a_link_at_once_one_joins(pages: Pages, alice: Visitor, mailbox: Mailbox) -> None:
    invite(alice)
    link = mailbox.link(BOB)
    answers = at_once(
        3, lambda n: pages.browser().post(link, {"username": f"bob{n}", "password": PASSWORD}).status_code
    )
    assert answers.count(302) == 1
    assert set(answers) <= {200, 302, 404}
    assert Person.objects.filter(email=BOB).count() == 1


def test_who_is_here_already_logs_in_and_joins_from_an_empty_account(
    pages: Pages, alice: Visitor, mailbox: Mailbox
) -> None:
    bob = pages.person("bob")
    invite(alice)
    link, browser = mailbox.link(BOB), pages.browser()
    assert "Log in, then join." in text_of(browser.get(link))
    former = bob.account
    log_in(browser, "bob")
    assert browser.post(link)["location"].startswith("/account/reauthenticate/"), (
        "a browser left alone joins nothing"
    )
    browser.post("/account/reauthenticate/", {"password": PASSWORD})
    assert browser.post(link)["location"] == "/"
    bob.refresh_from_db()
    assert (bob.account, bob.role) == (alice.person.account, "buyer")
    assert browser.get("/test/").status_code == 200, "the session's grants are the new account's"
    (row,) = pages.shop.rows("select state from accounts where id = %(account)s", account=former)
    assert row.state == "closed"


def test_who_has_money_of_their_own_does_not_join(pages: Pages, alice: Visitor, mailbox: Mailbox) -> None:
    bob = pages.person("bob")
    pages.deposit(bob, 1, "live")
    invite(alice)
    answer = proven_again(pages.visitor(bob)).post(mailbox.link(BOB))
    assert answer.status_code == 409
    assert "Your own account has orders or a balance" in text_of(answer)


@pytest.mark.parametrize(("count", "of"), [(20, "people"), (20, "invitations")])
def test_an_account_is_bounded(pages: Pages, alice: Visitor, count: int, of: str) -> None:
    for n in range(count - (of == "people")):
        if of == "people":
            pages.person(f"mate{n}", account=alice.person.account, role="viewer")
        else:
            assert invite(alice, f"mate{n}@example.com").status_code == 302
    answer = invite(alice, "last@example.com")
    assert answer.status_code == 400
    assert "at most 20" in text_of(answer).lower()
    assert 'value="last@example.com"' in text_of(answer)


def test_of_many_who_join_at_once_no_more_than_fit_do(pages: Pages, alice: Visitor, mailbox: Mailbox) -> None:
    for n in range(18):
        pages.person(f"mate{n}", account=alice.person.account, role="viewer")
    for n in range(3):
        invite(alice, f"new{n}@example.com")
    links = [mailbox.link(f"new{n}@example.com") for n in range(3)]
    at_once(3, lambda n: pages.browser().post(links[n], {"username": f"new{n}", "password": PASSWORD}))
    assert Person.objects.filter(account=alice.person.account).count() == team.MOST_PEOPLE


def test_an_account_sends_twenty_invitations_a_day_however_often_it_withdraws_them(
    pages: Pages, alice: Visitor, mailbox: Mailbox
) -> None:
    for n in range(20):
        assert invite(alice, f"mate{n}@example.com").status_code == 302
    alice.post(f"/account/settings/people/invitations/{Invitation.objects.first().pk}/withdraw/")  # type: ignore[union-attr]  # there is one
    answer = invite(alice, "last@example.com")
    assert answer.status_code == 400
    assert "at most 20 invitations a day" in text_of(answer)
    assert mailbox.to("last@example.com") == []


def test_a_username_in_a_mail_is_no_link(pages: Pages, mailbox: Mailbox) -> None:
    invite(proven_again(pages.visitor(pages.person("win.example.com"))))
    (letter,) = mailbox.to(BOB)
    assert letter.body.startswith("win . example . com invites you")
    sign_up(pages.browser(), "www.example.org", "dave@example.com")
    (letter,) = mailbox.to("dave@example.com")
    assert "for www . example . org." in letter.body


@pytest.mark.promise("P2")
def test_an_invitation_that_is_over_is_forgotten(pages: Pages, alice: Visitor) -> None:
    invite(alice)
    pages.shop.clock.advance(timedelta(days=7).total_seconds() - 1)
    pages.visitor(alice.person)
    assert Invitation.objects.exists()
    pages.shop.clock.advance(1)
    pages.visitor(alice.person)
    assert not Invitation.objects.exists()


# Roles and removal ---------------------------------------------------------------------------------------------------


def test_an_owner_changes_roles(pages: Pages, alice: Visitor) -> None:
    bob = mate(pages, alice, "bob", Role.VIEWER)
    alice.post(f"/account/settings/people/{bob.person.pk}/role/", {"role": "owner"})
    assert Person.objects.get(username="bob").role == "owner"


def test_a_removed_person_is_out_at_once_and_is_told_at_log_in(pages: Pages, alice: Visitor) -> None:
    bob = mate(pages, alice, "bob", Role.BUYER)
    assert "Remove bob from the account?" in text_of(
        alice.get(f"/account/settings/people/{bob.person.pk}/remove/")
    )
    alice.post(f"/account/settings/people/{bob.person.pk}/remove/")
    assert not is_in(bob.browser)
    assert bob.get("/test/").status_code == 302
    browser = pages.browser()
    assert log_in(browser, "bob")["location"] == "/account/inactive/"
    assert "You belong to no account" in text_of(browser.get("/account/inactive/"))
    assert not is_in(browser)


def test_a_removed_person_comes_back_by_an_invitation(pages: Pages, alice: Visitor, mailbox: Mailbox) -> None:
    bob = mate(pages, alice, "bob", Role.BUYER)
    alice.post(f"/account/settings/people/{bob.person.pk}/remove/")
    invite(alice, role="viewer")
    browser = pages.browser()
    assert "You have been here before, as bob" in text_of(browser.get(mailbox.link(BOB)))
    browser.post(mailbox.link(BOB))
    assert not is_in(browser)
    assert log_in(browser, "bob")["location"] == "/"


def test_the_last_owner_stays_an_owner_and_does_not_leave(pages: Pages, alice: Visitor) -> None:
    mate(pages, alice, "bob", Role.BUYER)
    alice.post(f"/account/settings/people/{alice.person.pk}/role/", {"role": "viewer"})
    assert "An account needs an owner" in text_of(alice.get("/account/settings/people/"))
    alice.post("/account/settings/people/leave/")
    alice.person.refresh_from_db()
    assert (alice.person.role, alice.person.removed) == ("owner", False)


def test_of_two_owners_who_leave_at_once_one_stays(pages: Pages, alice: Visitor) -> None:
    bob = mate(pages, alice, "bob", Role.OWNER)
    at_once(2, lambda n: (alice, bob)[n].post("/account/settings/people/leave/").status_code)
    assert Person.objects.filter(account=alice.person.account, role="owner").count() == 1


def test_who_leaves_is_out(pages: Pages, alice: Visitor) -> None:
    bob = mate(pages, alice, "bob", Role.VIEWER)
    assert bob.post("/account/settings/people/leave/")["location"] == "/account/inactive/"
    assert not is_in(bob.browser)
    assert Person.objects.get(username="bob").removed


@pytest.mark.parametrize("role", [Role.BUYER, Role.VIEWER])
def test_only_owners_manage_people(pages: Pages, alice: Visitor, role: Role) -> None:
    bob = mate(pages, alice, "bob", role)
    pk = alice.person.pk
    for path in ("invite/", f"{pk}/role/", f"{pk}/remove/", "invitations/1/withdraw/"):
        assert (
            bob.post(
                f"/account/settings/people/{path}", {"email": "x@example.com", "role": "owner"}
            ).status_code
            == 403
        )
    assert "alice" in text_of(bob.get("/account/settings/people/"))
    assert not Invitation.objects.exists()


def test_nobody_touches_people_of_another_account(pages: Pages, alice: Visitor) -> None:
    carol = pages.person("carol")
    alice.post(f"/account/settings/people/{carol.pk}/role/", {"role": "viewer"})
    alice.post(f"/account/settings/people/{carol.pk}/remove/")
    carol.refresh_from_db()
    assert (carol.role, carol.removed) == ("owner", False)
    assert "carol" not in text_of(alice.get("/account/settings/people/"))
    with pytest.raises(Refused):
        team.remove(alice.person.account, alice.person.pk, carol.pk)


def test_who_only_signed_up_with_an_invited_address_gives_way(
    pages: Pages, alice: Visitor, mailbox: Mailbox
) -> None:
    sign_up(pages.browser(), "squatter", BOB)
    mailbox.empty()
    invite(alice)
    pages.browser().post(mailbox.link(BOB), {"username": "bob", "password": PASSWORD})
    assert [person.username for person in Person.objects.filter(email=BOB)] == ["bob"]
