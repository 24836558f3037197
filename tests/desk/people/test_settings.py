"""A person's settings: name, address, looks, sessions, mails of the account."""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

import pytest
from django.core.cache import cache

from onceline.core.access import sessions as access
from onceline.core.errors import KeyRefused
from onceline.core.notices.model import OPTIONAL
from onceline.desk.people import notices, sessions
from onceline.desk.people.models import Person, Session
from tests.desk.people.conftest import Mailbox, proven_again, text_of
from tests.desk.people.test_entry import is_in, log_in
from tests.desk.visitors import PASSWORD, Pages, Visitor

PAGES = ("", "appearance/", "security/", "people/", "notices/test/", "notices/live/", "data/")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_the_settings_is_there(pages: Pages, page: str) -> None:
    answer = pages.visitor().get(f"/account/settings/{page}")
    assert answer.status_code == 200
    assert len(re.findall(r'class="tabs".*?aria-current="page"', text_of(answer), re.DOTALL)) == 1


@pytest.mark.parametrize("page", PAGES)
def test_nobody_else_sees_them(pages: Pages, page: str) -> None:
    answer = pages.browser().get(f"/account/settings/{page}")
    assert answer["location"].startswith("/account/login/?next=/account/settings/")


# Name and address ----------------------------------------------------------------------------------------------------


def test_a_username_is_changed_after_the_password_was_asked_for(pages: Pages) -> None:
    alice = pages.visitor(pages.person("alice"))
    assert alice.post("/account/settings/username/", {"username": "alicia"})["location"].startswith(
        "/account/reauthenticate/"
    )
    asked = alice.post("/account/reauthenticate/?next=/account/settings/username/", {"password": PASSWORD})
    assert asked["location"] == "/account/settings/", "what was typed before is not typed again"
    assert Person.objects.get().username == "alicia"
    assert log_in(pages.browser(), "alicia")["location"] == "/"


@pytest.mark.promise("P2")
def test_no_former_username_or_address_is_kept(pages: Pages, mailbox: Mailbox) -> None:
    browser = pages.browser()
    browser.post(
        "/account/signup/",
        {"username": "zaphod", "email": "zaphod@example.com", "password1": PASSWORD},
    )
    browser.post(mailbox.link("zaphod@example.com"))
    mailbox.empty()
    cache.clear()
    browser.post("/account/reauthenticate/", {"password": PASSWORD})
    browser.post("/account/settings/username/", {"username": "second"})
    browser.post("/account/email/", {"action_add": "1", "email": "second@example.com"})
    browser.post(mailbox.link("second@example.com"))
    assert Person.objects.get().email == "second@example.com"
    assert found_in_the_database(pages, "second@example.com") != []
    assert found_in_the_database(pages, "zaphod") == []
    (row,) = Session.objects.all()
    assert "zaphod" not in str(
        sessions.SessionStore(browser.cookies["session"].value).decode(row.session_data)
    )


def found_in_the_database(pages: Pages, text: str) -> list[str]:
    """Table and column of every value that holds the text, in any schema of ours."""
    found = []
    columns = pages.shop.rows(
        "select table_schema, table_name, column_name from information_schema.columns"
        " where table_schema in ('public', 'desk')"
    )
    for schema, table, column in columns:
        like = f'select count(*) as n from {schema}.{table} where "{column}"::text ilike %(text)s'
        if pages.shop.rows(like, text=f"%{text}%")[0].n:
            found.append(f"{table}.{column}")
    return found


def test_a_taken_username_is_refused_with_what_was_typed(pages: Pages) -> None:
    pages.person("bob")
    alice = proven_again(pages.visitor(pages.person("alice")))
    page = text_of(alice.post("/account/settings/username/", {"username": "bob"}))
    assert "Somebody else has this username" in page
    assert 'value="bob"' in page
    assert Person.objects.filter(username="alice").exists()


def test_a_new_address_counts_once_it_is_proven(pages: Pages, mailbox: Mailbox) -> None:
    alice = proven_again(pages.visitor(pages.person("alice")))
    alice.post("/account/email/", {"action_add": "1", "email": "new@example.com"})
    assert Person.objects.get().email == "alice@example.com"
    assert "A new address waits to be proven" in text_of(alice.get("/account/email/"))
    alice.post(mailbox.link("new@example.com"))
    assert Person.objects.get().email == "new@example.com"
    assert [letter.subject for letter in mailbox.to("alice@example.com")] == [
        "Your e-mail address was changed"
    ]


def test_an_address_of_somebody_else_is_refused_only_to_who_proves_it(pages: Pages, mailbox: Mailbox) -> None:
    pages.person("bob")
    alice = proven_again(pages.visitor(pages.person("alice")))
    free = alice.post("/account/email/", {"action_add": "1", "email": "free@example.com"})
    taken = alice.post("/account/email/", {"action_add": "1", "email": "bob@example.com"})
    assert (free.status_code, free["location"]) == (taken.status_code, taken["location"])
    assert "This address is taken" in text_of(alice.get(mailbox.link("bob@example.com")))
    alice.post(mailbox.link("bob@example.com"))
    assert Person.objects.get(username="alice").email == "alice@example.com"


# Looks ---------------------------------------------------------------------------------------------------------------


def look(**changed: str) -> dict[str, str]:
    return {"language": "", "colour_mode": "system", "time_zone": "UTC", "confirms": "on", **changed}


def test_appearance_is_saved_and_seen(pages: Pages) -> None:
    alice = pages.visitor()
    wanted = look(language="zh-hans", colour_mode="dark", time_zone="Asia/Shanghai", sound="on")
    assert alice.post("/account/settings/appearance/", wanted).status_code == 302
    page = text_of(alice.get("/account/settings/appearance/"))
    assert '<html lang="zh-hans" dir="ltr" data-mode="dark"' in page
    assert '<option value="Asia/Shanghai"></option>' in page
    person = Person.objects.get()
    assert (person.time_zone, person.sound, person.confirms) == ("Asia/Shanghai", True, True)


def test_a_time_zone_that_is_none_is_refused(pages: Pages) -> None:
    for zone in ("Mars/Base", "../../etc/passwd", ""):
        page = text_of(pages.visitor().post("/account/settings/appearance/", look(time_zone=zone)))
        assert 'class="error"' in page


# Sessions ------------------------------------------------------------------------------------------------------------


def another(pages: Pages, person: Person) -> Visitor:
    return pages.visitor(person)


def test_own_sessions_are_named_and_ended_one_by_one(pages: Pages) -> None:
    alice = pages.visitor()
    phone = another(pages, alice.person)
    name = sessions.hashed(phone.browser.cookies["session"].value)
    alice.post("/account/settings/security/sessions/rename/", {"session": name, "label": "The phone"})
    phone.get("/account/settings/")
    page = text_of(alice.get("/account/settings/security/"))
    assert 'value="The phone"' in page
    assert page.count("This one") == 1
    alice.post("/account/settings/security/sessions/end/", {"session": name})
    assert not is_in(phone.browser)
    assert is_in(alice.browser)


def test_a_label_outlives_a_change_of_password(pages: Pages) -> None:
    alice = proven_again(pages.visitor())
    name = sessions.hashed(alice.browser.cookies["session"].value)
    alice.post("/account/settings/security/sessions/rename/", {"session": name, "label": "Here"})
    alice.post("/account/password/change/", {"oldpassword": PASSWORD, "password1": "another long password"})
    assert [one.label for one in Session.objects.filter(person=alice.person)] == ["Here"]


@pytest.mark.parametrize("way", ["end others", "password"])
def test_all_others_end_with_their_grants(pages: Pages, way: str) -> None:
    alice = pages.visitor()
    others = [another(pages, alice.person) for _ in range(3)]
    grants = [grant for one in others for grant in sessions.grants_of(one.browser.session) or ()]  # type: ignore[arg-type]  # our own store
    if way == "password":
        alice.post(
            "/account/password/change/", {"oldpassword": PASSWORD, "password1": "another long password"}
        )
    else:
        alice.post("/account/settings/security/sessions/end-others/")
    assert [is_in(one.browser) for one in (alice, *others)] == [True, False, False, False]
    assert Session.objects.filter(person=alice.person).count() == 1
    with pages.shop.db.statement() as tx:
        for grant in grants:
            with pytest.raises(KeyRefused):
                access.session_of(tx, grant, pages.shop.clock.now())
    assert len(grants) == 6


def test_nobody_ends_or_names_a_session_of_somebody_else(pages: Pages) -> None:
    alice, bob = pages.visitor(), pages.visitor()
    name = sessions.hashed(bob.browser.cookies["session"].value)
    alice.post("/account/settings/security/sessions/end/", {"session": name})
    alice.post("/account/settings/security/sessions/rename/", {"session": name, "label": "mine"})
    assert is_in(bob.browser)
    assert not Session.objects.filter(label="mine").exists()


@pytest.mark.parametrize("name", ["", "\0", "a\0", "x" * 40, "0" * 41, "é"])
@pytest.mark.parametrize("what", ["end", "rename"])
def test_what_is_no_name_of_a_session_ends_and_names_none(pages: Pages, what: str, name: str) -> None:
    alice = pages.visitor()
    answer = alice.post(f"/account/settings/security/sessions/{what}/", {"session": name, "label": "mine"})
    assert answer["location"] == "/account/settings/security/"
    assert "This session has ended already" in text_of(alice.get("/account/settings/security/"))


# Mails ---------------------------------------------------------------------------------------------------------------


def choices(**changed: Any) -> dict[str, Any]:
    return {"address": "", "codes": "off", "low_balance": "", "wanted": list(OPTIONAL), **changed}


def test_every_kind_that_can_be_switched_off_has_a_name() -> None:
    assert set(notices._KINDS) == set(OPTIONAL)


def test_mails_go_to_an_address_once_its_code_came_back(pages: Pages) -> None:
    alice = proven_again(pages.visitor())
    wanted = choices(
        address="notices@example.com", codes="with_code", low_balance="5", wanted=["balance.low"]
    )
    with mock.patch("onceline.core.notices.settings.secrets.choice", return_value="A"):
        alice.post("/account/settings/notices/test/", wanted)
    assert "Confirm the address" in text_of(alice.get("/account/settings/notices/test/"))
    assert "wrong or too old" in text_of(
        alice.post("/account/settings/notices/test/confirm/", {"code": "BBBBBBBB"})
    )
    alice.post("/account/settings/notices/test/confirm/", {"code": "aaaaaaaa"})
    page = text_of(alice.get("/account/settings/notices/test/"))
    assert 'value="notices@example.com"' in page
    assert 'value="5.0000"' in page
    assert page.count("checked") == 2
    assert "notices@example.com" not in text_of(alice.get("/account/settings/notices/live/"))
    alice.post("/account/settings/notices/test/forget/")
    assert "notices@example.com" not in text_of(alice.get("/account/settings/notices/test/"))


@pytest.mark.parametrize(
    ("name", "typed"), [("address", "nobody"), ("low_balance", "five"), ("low_balance", "-1")]
)
def test_a_setting_of_mails_that_makes_no_sense_is_refused(pages: Pages, name: str, typed: str) -> None:
    alice = proven_again(pages.visitor())
    page = text_of(alice.post("/account/settings/notices/test/", choices(**{name: typed})))
    assert 'class="error"' in page
    assert f'value="{typed}"' in page


@pytest.mark.parametrize("path", ["", "confirm/"])
def test_where_mails_go_is_changed_by_who_has_just_proven_who_they_are(pages: Pages, path: str) -> None:
    alice, page = pages.visitor(), "/account/settings/notices/test/"
    assert alice.get(page).status_code == 200
    answer = alice.post(page + path, choices(address="notices@example.com", code="AAAAAAAA"))
    assert answer["location"].startswith("/account/reauthenticate/?next=")
    assert pages.shop.rows("select 1 from notice_settings") == []


def test_only_an_owner_says_where_mails_go(pages: Pages) -> None:
    owner = pages.person("owner")
    buyer = pages.visitor(pages.person("buyer", account=owner.account, role="buyer"))
    assert buyer.get("/account/settings/notices/test/").status_code == 403
    assert buyer.post("/account/settings/notices/test/", choices()).status_code == 403
