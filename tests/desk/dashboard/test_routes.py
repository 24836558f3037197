"""Laws over every address of these pages: a stranger finds nothing, and each role does what it may and no more.

The addresses are read from the urls, so that a new one without an entry here fails.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import URLPattern, reverse

from onceline.desk.dashboard import urls
from onceline.desk.people.models import RANK, Role
from tests.desk.dashboard.belongings import attempt, export, form, key, webhook
from tests.desk.dashboard.looking import proven, read
from tests.desk.visitors import Pages, Visitor

PARTS = (
    "balance", "deposits", "developers", "exports", "history", "keys", "months", "notifications", "paying", "webhook", "webhooks"
)  # fmt: skip
ROUTES = {
    str(one.name): one
    for one in urls.urlpatterns
    if isinstance(one, URLPattern) and one.callback.__module__.rpartition(".")[2] in PARTS
}
READERS = {
    "history", "messages", "balance", "keys", "webhooks", "webhook", "delivery", "exports", "export_row",
    "notifications", "developers", "deposits", "deposit", "deposit_back", "month",
}  # fmt: skip
"""What everybody of an account may look at, and nothing is changed by."""
NEEDS = {
    "add_test_money": "buyer",
    "add_money": "buyer",
    "redeem_voucher": "buyer",
    "pay_test_deposit": "buyer",
    "ask_back": "owner",
    "create_key": "owner",
    "rotate_key": "owner",
    "revoke_key": "owner",
    "create_webhook": "owner",
    "edit_webhook": "owner",
    "switch_webhook": "owner",
    "delete_webhook": "owner",
    "add_secret": "owner",
    "reveal_secrets": "owner",
    "test_webhook": "owner",
    "replay_failed": "owner",
    "replay_delivery": "owner",
    "ask_export": "buyer",
    "fetch_export": "buyer",
    "link_export": "buyer",
    "delete_export": "buyer",
    "read_notifications": "buyer",
    "create_first_key": "owner",
}
GIVEN: dict[str, dict[str, str]] = {
    "rotate_key": {"overlap": "0"},
    "add_secret": {"overlap": "0", "kind": "v1"},
    "replay_failed": {"age": "3600"},
    "link_export": {"life": "600"},
    "switch_webhook": {"state": "disabled"},
    "pay_test_deposit": {"outcome": "paid"},
    "add_money": {"amount": "10", "method": "sandbox"},
}
WITH_IDS = sorted(
    name for name, one in ROUTES.items() if set(one.pattern.converters) and name != "deposit_back"
)
"""Where a payer comes back to leads a stranger to their own deposits: test_paying.py."""


def ids_of(pages: Pages, who: Visitor) -> dict[str, str]:
    """One of each thing, as the addresses name them."""
    hook = webhook(pages, who)
    attempt(pages, who, hook)
    return {
        "deposit": deposit_of(pages, who),
        "key": key(pages, who)[0],
        "webhook": hook.id,
        "event": hook.event,
        "export": export(pages, who).id,
    }


def deposit_of(pages: Pages, who: Visitor) -> str:
    """One that waits to be paid."""
    key, back = f"key-{who.side}", "https://otp.example.com/"
    return pages.house.till.begin(who.side, "sandbox", 10_000_000, key, back).deposit.id


def address(name: str, ids: dict[str, str], mode: str = "test") -> str:
    wanted = ROUTES[name].pattern.converters
    return reverse(name, kwargs={"mode": mode} | {one: ids[one] for one in wanted})


def everything(pages: Pages) -> list[Any]:
    statements = (
        "select id, revoked_at, expires_at from grants where kind = 'key' order by id",
        "select id, state, description from webhooks order by id",
        "select id, webhook_id, expires_at from webhook_secrets order by id",
        "select id, state, turn from deliveries order by id",
        "select id, state from exports order by id",
        "select id, available from sides order by id",
        "select id, state from deposits order by id",
        "select id, state from deposit_refunds order by id",
        "select id, state from sandbox_payments order by id",
    )
    return [pages.shop.rows(statement) for statement in statements]


def test_every_address_says_here_who_may_use_it() -> None:
    assert set(ROUTES) == READERS | set(NEEDS)


@pytest.mark.parametrize("name", WITH_IDS)
def test_another_accounts_things_are_not_there(pages: Pages, name: str) -> None:
    ids = ids_of(pages, pages.visitor())
    charlie = proven(pages.visitor())
    before = everything(pages)
    answers = [
        charlie.get(address(name, ids)).status_code,
        charlie.post(address(name, ids), form(**GIVEN.get(name, {}))).status_code,
    ]
    assert 404 in answers
    assert set(answers) <= {404, 405}
    assert everything(pages) == before


@pytest.mark.parametrize("name", WITH_IDS)
def test_the_things_of_one_mode_are_not_there_in_the_other(pages: Pages, name: str) -> None:
    alice = proven(pages.visitor())
    ids = ids_of(pages, alice)
    before = everything(pages)
    path = address(name, ids, "live")
    answers = {alice.get(path).status_code, alice.post(path, form(**GIVEN.get(name, {}))).status_code}
    assert 404 in answers
    assert answers <= {404, 405}
    assert everything(pages) == before


@pytest.mark.parametrize("role", [role.value for role in Role])
def test_each_role_does_what_it_may_and_no_more(pages: Pages, role: str) -> None:
    alice = pages.visitor()
    ids = ids_of(pages, alice)
    bob = proven(pages.visitor(account=alice.person.account, role=role))
    for name, needed in NEEDS.items():
        before = everything(pages)
        answer = bob.post(address(name, ids), form(**GIVEN.get(name, {})))
        may = RANK[Role(role)] >= RANK[Role(needed)]
        assert (answer.status_code == 403) != may, (name, role, answer.status_code)
        if not may:
            assert everything(pages) == before, name
    for name in READERS - {"webhook", "delivery", "export_row", "deposit_back"}:
        assert bob.get(address(name, ids)).status_code == 200, name


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_a_form_that_comes_after_a_log_out_leads_back_to_a_page(pages: Pages, name: str) -> None:
    ids = {"key": "key_x", "webhook": "we_x", "event": "evt_x", "export": "exp_x", "deposit": "dep_x"}
    nobody, log_in = pages.browser(), "/account/login/?next=/test/"
    assert nobody.post(address(name, ids))["location"] == log_in
    for answer in (
        nobody.post(address(name, ids), HTTP_HX_REQUEST="true"),
        nobody.get(address(name, ids), HTTP_HX_REQUEST="true"),
    ):
        assert (answer.status_code, answer["hx-redirect"], answer.content) == (204, log_in, b"")


@pytest.mark.parametrize("name", sorted(set(ROUTES) - READERS))
def test_an_address_that_only_takes_forms_says_so_on_a_page(pages: Pages, name: str) -> None:
    alice = proven(pages.visitor())
    answer = alice.get(address(name, ids_of(pages, alice)))
    if answer.status_code != 405:
        assert answer.status_code in (200, 302)
        return
    assert "POST" in answer["allow"]
    assert "This address takes a form" in read(answer, 405).text


def test_the_language_of_a_refused_form_leads_to_a_page(pages: Pages) -> None:
    alice = proven(pages.visitor())
    refused = read(alice.post("/test/exports/ask/", form(kind="nothing")))
    (following,) = [one["value"] for one in refused.named("input") if one.get("name") == "next"]
    assert following == "/test/"
    shown = read(alice.get("/test/exports/"))
    assert [one["value"] for one in shown.named("input") if one.get("name") == "next"] == ["/test/exports/"]


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_nobody_is_led_to_the_log_in(pages: Pages, name: str) -> None:
    ids = {"key": "key_x", "webhook": "we_x", "event": "evt_x", "export": "exp_x", "deposit": "dep_x"}
    for answer in (pages.browser().get(address(name, ids)), pages.browser().post(address(name, ids))):
        assert answer["location"].startswith("/account/login/?next=")


@pytest.mark.parametrize(
    "name",
    [
        "create_key",
        "rotate_key",
        "create_webhook",
        "edit_webhook",
        "add_secret",
        "reveal_secrets",
        "link_export",
        "ask_back",
    ],
)
def test_what_makes_or_shows_a_secret_asks_first_who_it_is(pages: Pages, name: str) -> None:
    alice = pages.visitor()
    ids = ids_of(pages, alice)
    before = everything(pages)
    answer = alice.post(address(name, ids), form(**GIVEN.get(name, {})))
    assert answer["location"].startswith("/account/reauthenticate/?next=")
    assert everything(pages) == before
