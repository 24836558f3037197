"""What is stored about somebody is on one page and in two files (promise P7): column by column, or with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from allauth.mfa.models import Authenticator

from onceline.core.exports.account import SECTIONS
from onceline.core.exports.sections import Section
from onceline.core.notices import settings as notices
from onceline.desk.people import mydata
from onceline.desk.people.models import Favourite, Invitation, Session
from tests.desk.dashboard.belongings import attempt, customer, webhook
from tests.desk.people.conftest import proven_again, text_of
from tests.desk.visitors import Pages, Visitor
from tests.shop import numbers

SHOWN = {
    "people": {
        name: f"person.{name}"
        for name in (
            *("username", "email", "account", "role", "removed", "joined_on", "password_is_long"),
            *("language", "colour_mode", "time_zone", "sound", "confirms"),
        )
    },
    "account_emailaddress": {
        "email": "email_addresses.address", "verified": "email_addresses.proven", "primary": "email_addresses.in_use",
    },
    "mfa_authenticator": {
        "type": "second_factors.kind", "data": "second_factors.name", "created_at": "second_factors.added_on",
        "last_used_at": "second_factors.last_used_on",
    },
    "sessions": {
        "label": "browsers.label", "opened_on": "browsers.opened_on", "used_on": "browsers.last_used_on",
        "expire_date": "browsers.ends_at",
    },
    "invitations": {
        "account": "invitations.account", "email": "invitations.address", "role": "invitations.role",
        "made_at": "invitations.made_at",
    },
    "favourites": {"service": "favourites.service", "country": "favourites.country"},
}  # fmt: skip
"""Table and column to section and field of the person's file."""

OWNER = "whose it is: the whole file is one person's"
INSIDE = "a number inside the house, for nobody to use"
LEFT_OUT = {
    "people": {"id": INSIDE, "password": "a hash: worth nothing to its owner, something to a thief"},
    "account_emailaddress": {"id": INSIDE, "user_id": OWNER},
    "mfa_authenticator": {"id": INSIDE, "user_id": OWNER},
    "sessions": {
        "session_key": "a hash of what lets somebody in",
        "session_data": "what a page needs until the next one: the mode, when the password was asked for last",
        "person_id": OWNER,
        "test_grant": "the account's file has the sessions of both sides",
        "live_grant": "the account's file has the sessions of both sides",
    },
    "invitations": {"id": INSIDE, "key_hash": "a hash of what lets somebody in", "invited_by_id": OWNER},
    "favourites": {"id": INSIDE, "person_id": OWNER},
    "used_codes": {"person_id": OWNER, "step": "which half minute's code of an app was used last"},
    "account_emailconfirmation": dict.fromkeys(
        ("id", "created", "sent", "key", "email_address_id"), "stays empty: links are signed instead"
    ),
}  # fmt: skip
"""Table and column to the reason why no file has it."""
ABOUT_NOBODY = {
    "auth_group", "auth_group_permissions", "auth_permission", "django_content_type", "django_migrations",
}  # fmt: skip
"""Django's own, which the desk does not use for people."""


def entries(table: dict[str, dict[str, str]]) -> set[tuple[str, str]]:
    return {(name, column) for name, columns in table.items() for column in columns}


@pytest.fixture
def alice(pages: Pages) -> Visitor:
    """With something in every section."""
    visitor = pages.visitor(pages.person("alice"))
    now = pages.shop.clock.now()
    Session.objects.update(label="The laptop")
    Authenticator.objects.create(
        user=visitor.person, type="webauthn", data={"name": "The key", "credential": {"rawId": "kept inside"}}
    )
    Invitation.objects.create(
        account=visitor.person.account, email="bob@example.com", role="buyer", key_hash="h", made_at=now,
        invited_by=visitor.person,
    )  # fmt: skip
    Favourite.objects.create(person=visitor.person, service="telegram", country="ID")
    return visitor


@pytest.mark.promise("P7")
def test_every_column_about_a_person_is_shown_or_left_out_for_a_reason(pages: Pages) -> None:
    """A new table or column fails here until somebody decides."""
    rows = pages.shop.rows(
        "select table_name, column_name from information_schema.columns where table_schema = 'desk'"
    )
    real = {(row.table_name, row.column_name) for row in rows if row.table_name not in ABOUT_NOBODY}
    decided = entries(SHOWN) | entries(LEFT_OUT)
    assert len(real) > 40
    assert sorted(real - decided) == []
    assert sorted(decided - real) == []
    assert sorted(entries(SHOWN) & entries(LEFT_OUT)) == []


@pytest.mark.promise("P7")
def test_every_column_that_is_called_shown_is_in_the_file_and_on_the_page(alice: Visitor) -> None:
    file = json.loads(alice.get("/account/settings/data/person.json").content)
    fields = {path for columns in SHOWN.values() for path in columns.values()}
    assert [path for path in sorted(fields) if path.split(".")[1] not in file[path.split(".")[0]][0]] == []
    page = text_of(alice.get("/account/settings/data/"))
    assert [path for path in sorted(fields) if f"<code>{path.split('.')[1]}</code>" not in page] == []
    for value in ("alice@example.com", "The laptop", "The key", "bob@example.com", "telegram"):
        assert value in page
    assert file["second_factors"][0]["name"] == "The key"


def test_the_page_has_every_section_of_the_account(alice: Visitor) -> None:
    page = text_of(alice.get("/account/settings/data/"))
    assert {section.name for section in SECTIONS} <= set(mydata.TITLES)
    for section in SECTIONS:
        assert f"<summary>{mydata.TITLES[section.name]} <span" in page


def test_no_secret_is_in_the_file_or_on_the_page(alice: Visitor) -> None:
    for path in ("/account/settings/data/person.json", "/account/settings/data/"):
        text = text_of(alice.get(path))
        assert "kept inside" not in text
        assert alice.person.password not in text
        assert Session.objects.get().session_key not in text


def test_the_account_is_asked_for_as_a_file(pages: Pages, alice: Visitor) -> None:
    assert proven_again(alice).post("/account/settings/data/live/export/").status_code == 302
    assert "The file is being made" in text_of(alice.get("/account/settings/data/"))
    (row,) = pages.shop.rows("select kind, format, state from exports")
    assert tuple(row) == ("account", "json", "queued")


def test_a_fourth_file_at_once_is_refused_with_a_sentence(alice: Visitor) -> None:
    proven_again(alice)
    for _ in range(4):
        alice.post("/account/settings/data/live/export/")
    assert "That is more than is allowed at once" in text_of(alice.get("/account/settings/data/"))


def test_a_viewer_reads_and_asks_for_no_file_of_the_account(pages: Pages, alice: Visitor) -> None:
    bob: Any = pages.visitor(pages.person("bob", account=alice.person.account, role="viewer"))
    assert bob.get("/account/settings/data/").status_code == 200
    assert bob.post("/account/settings/data/live/export/").status_code == 403
    assert "alice@example.com" not in text_of(bob.get("/account/settings/data/person.json"))


# Who sees what -------------------------------------------------------------------------------------------------------


@pytest.fixture
def furnished(pages: Pages, alice: Visitor) -> Visitor:
    """With a webhook that was called, and an address for notices."""
    attempt(pages, alice, webhook(pages, alice), body="what went out", answer="what came back")
    shop, owner = pages.shop, notices.Owner(alice.person.account, alice.side, "test")
    chosen = notices.Wanted("notices@example.com", "with_code", None, [])
    with shop.db.transaction() as tx:
        notices.change(tx, shop.context.vault, owner, chosen, shop.clock.now())
    return alice


@pytest.mark.parametrize("role", ["viewer", "buyer", "owner"])
def test_addresses_with_secrets_and_what_was_sent_there_are_for_owners(
    pages: Pages, furnished: Visitor, role: str
) -> None:
    person = pages.visitor(pages.person("carol", account=furnished.person.account, role=role))
    page = text_of(person.get("/account/settings/data/"))
    seen = {
        "token=secret" in page, "what went out" in page, "what came back" in page, "notices@example.com" in page,
        *(f"<summary>{mydata.TITLES[name]} <span" in page for name in mydata.OWNERS_ONLY),
    }  # fmt: skip
    assert seen == {role == "owner"}
    assert ("Only an owner of the account sees" in page) == (role != "owner")
    others = [one.name for one in SECTIONS if one.name not in mydata.OWNERS_ONLY]
    assert [name for name in others if f"<summary>{mydata.TITLES[name]} <span" not in page] == []


@pytest.mark.parametrize("role", ["viewer", "buyer", "owner"])
def test_the_accounts_file_is_for_owners(pages: Pages, furnished: Visitor, role: str) -> None:
    person = proven_again(pages.visitor(pages.person("carol", account=furnished.person.account, role=role)))
    page = text_of(person.get("/account/settings/data/"))
    assert ("/account/settings/data/live/export/" in page) == (role == "owner")
    answer = person.post("/account/settings/data/live/export/")
    assert answer.status_code == (302 if role == "owner" else 403)
    assert len(pages.shop.rows("select id from exports")) == (role == "owner")


def test_no_more_is_read_than_shown(pages: Pages, alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one row more, which says that there are more."""
    pages.shop.stock("GB", numbers(mydata.SHOWN_ROWS + 5))
    for _ in range(mydata.SHOWN_ROWS + 5):
        pages.shop.place(customer(alice))
    read: dict[str, int] = {}

    def counting(section: Section) -> Section:
        def reader(tx: Any, wanted: Any, at: Any) -> Any:
            step = section.read(tx, wanted, at)
            read[section.name] = read.get(section.name, 0) + len(step.rows)
            return step

        return section._replace(read=reader)

    monkeypatch.setattr(mydata, "SECTIONS", [counting(section) for section in SECTIONS])
    page = text_of(alice.get("/account/settings/data/"))
    assert (read["orders"], max(read.values())) == (mydata.SHOWN_ROWS + 1, mydata.SHOWN_ROWS + 1)
    assert f'<summary>Orders <span class="badge">{mydata.SHOWN_ROWS}+</span>' in page
