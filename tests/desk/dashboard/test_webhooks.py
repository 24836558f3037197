"""Webhooks: made, tried, watched, repaired and ended on the pages; secrets for owners alone, answers as nothing but text."""

from __future__ import annotations

from typing import Any

import pytest

from onceline.core.db import Row
from onceline.core.orders.renewal import FAILED as EXTENSION_FAILED
from onceline.core.webhooks import model, store
from onceline.desk.dashboard import webhook_words as words
from onceline.outbound import Reason
from tests.desk.dashboard.belongings import ADDRESS, Webhook, attempt, form, message, webhook
from tests.desk.dashboard.looking import HOSTILE, Page, assert_inert, proven, read
from tests.desk.visitors import PASSWORD, Pages, Visitor
from tests.test_tidy import ROOT


@pytest.fixture
def alice(pages: Pages) -> Visitor:
    return proven(pages.visitor())


@pytest.fixture
def hook(pages: Pages, alice: Visitor) -> Webhook:
    return webhook(pages, alice)


def wanted(**rest: Any) -> dict[str, Any]:
    usual = {"url": ADDRESS, "description": "the shop", "every": "on", "payload": "full", "concurrency": "4"}
    return form(**(usual | {"secret_kind": "v1"} | rest))


def made(pages: Pages, who: Visitor) -> list[Row]:
    with pages.shop.db.transaction() as tx:
        return store.endpoints(tx, who.side)


def copied(page: Page) -> list[str]:
    """What the page offers to copy."""
    return [one["data-copy"] or "" for one in page.named("button") if "data-copy" in one]


def deliveries(pages: Pages, hook: Webhook) -> list[Row]:
    return pages.shop.rows(
        "select event, type, state, turn from deliveries where webhook_id = %(id)s order by id", id=hook.id
    )


def test_a_webhook_is_made_once_and_its_secret_shown(pages: Pages, alice: Visitor) -> None:
    asked = wanted(every="", types=["order.message", "balance.low"], payload="thin")
    for _ in range(2):
        assert alice.post("/test/webhooks/new/", asked)["location"] == "/test/webhooks/"
    (row,) = made(pages, alice)
    assert (row.types, row.payload, row.description) == (["order.message", "balance.low"], "thin", "the shop")
    page = read(answer := alice.get(f"/test/webhooks/{row.id}/"))
    (secret,) = copied(page)
    assert secret.startswith("whsec_")
    assert answer["cache-control"] == "no-store"
    assert copied(read(alice.get(f"/test/webhooks/{row.id}/"))) == []


def test_a_list_without_webhooks_says_what_they_are_for(alice: Visitor) -> None:
    assert "No webhooks yet" in read(alice.get("/test/webhooks/")).text


def test_a_pair_of_keys_shows_its_public_half_at_any_time(pages: Pages, alice: Visitor) -> None:
    alice.post("/test/webhooks/new/", wanted(secret_kind="v1a"))
    (row,) = made(pages, alice)
    for _ in range(2):
        shown = copied(read(alice.get(f"/test/webhooks/{row.id}/")))
        assert {one[:5] for one in shown} == {"whpk_"}


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ({"url": ""}, "This field is required."),
        ({"url": "http://93.184.215.14/"}, "it is not a public https address"),
        ({"url": "https://127.0.0.1/"}, "it is not a public https address"),
        ({"url": "https://[::1]/"}, "it is not a public https address"),
        ({"url": "javascript:alert(1)"}, "it is not a public https address"),
        ({"description": "two\nlines"}, "Write one line of visible characters."),
        ({"every": ""}, "Tick at least one event"),
        ({"every": "", "types": ["order.bought"]}, "Select a valid choice."),
        ({"payload": "fat"}, "Select a valid choice."),
        ({"concurrency": "17"}, "less than or equal to 16"),
        ({"secret_kind": "v2"}, "Select a valid choice."),
    ],
)
def test_what_makes_no_sense_is_said_and_makes_no_webhook(
    pages: Pages, alice: Visitor, wrong: dict[str, Any], answer: str
) -> None:
    assert answer in read(alice.post("/test/webhooks/new/", wanted(**wrong))).text
    assert made(pages, alice) == []


def test_the_limit_of_webhooks_says_so(pages: Pages, alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "ENDPOINTS_PER_SIDE", 1)
    webhook(pages, alice)
    assert "as many as can be. Delete one first." in read(alice.post("/test/webhooks/new/", wanted())).text


def test_a_webhook_is_changed_and_keeps_types_that_have_no_words_here(pages: Pages, alice: Visitor) -> None:
    hook = webhook(pages, alice, types=["order.*"])
    path = f"/test/webhooks/{hook.id}/change/"
    shown = read(alice.get(path))
    assert "order.*" in [one.get("value") for one in shown.named("input") if "checked" in one]
    alice.post(path, wanted(every="", types=["order.*", "export.ready"], description="new"))
    (row,) = made(pages, alice)
    assert (row.types, row.description) == (["order.*", "export.ready"], "new")
    alice.post(path, wanted())
    assert made(pages, alice)[0].types is None


def test_a_webhook_is_switched_off_and_on(pages: Pages, alice: Visitor, hook: Webhook) -> None:
    path = f"/test/webhooks/{hook.id}/"
    alice.post(f"{path}switch/", {"state": "disabled"})
    assert "Switched off by hand." in read(alice.get(path)).text
    alice.post(f"{path}switch/", {"state": "enabled"})
    assert "Working" in read(alice.get(path)).text
    assert [one.type for one in deliveries(pages, hook)] == ["webhook.test"]


def test_what_was_missed_while_it_was_off_is_sent_when_that_is_wanted(
    pages: Pages, alice: Visitor, hook: Webhook
) -> None:
    alice.post(f"/test/webhooks/{hook.id}/switch/", {"state": "disabled"})
    message(pages, alice)
    alice.post(f"/test/webhooks/{hook.id}/switch/", {"state": "enabled", "missed": "1"})
    assert {"order.placed", "order.message", "order.received"} <= {
        one.type for one in deliveries(pages, hook)
    }


def test_why_we_switched_it_off_and_that_it_fails_is_said(
    pages: Pages, alice: Visitor, hook: Webhook
) -> None:
    path = f"/test/webhooks/{hook.id}/"
    now = pages.shop.clock.now()
    pages.shop.run("update webhooks set failing_since = %(now)s, failed_attempts = 7", now=now)
    assert "Failing" in read(alice.get(path)).text
    pages.shop.run("update webhooks set open_until = %(now)s + interval '1 minute'", now=now)
    assert "it is left alone until" in read(alice.get(path)).text
    for reason, words_ in (("failures", "for five days nothing arrived"), ("gone", "answered 410")):
        pages.shop.run(
            "update webhooks set state = 'disabled', disabled_reason = %(reason)s, disabled_at = %(now)s",
            reason=reason,
            now=now,
        )
        assert words_ in read(alice.get(path)).text


def test_a_deleted_webhook_is_gone(pages: Pages, alice: Visitor, hook: Webhook) -> None:
    assert alice.post(f"/test/webhooks/{hook.id}/delete/")["location"] == "/test/webhooks/"
    assert made(pages, alice) == []
    assert alice.get(f"/test/webhooks/{hook.id}/").status_code == 404


def test_secrets_are_shown_to_an_owner_who_has_just_proven_who_they_are(
    pages: Pages, hook: Webhook, alice: Visitor
) -> None:
    path = f"/test/webhooks/{hook.id}/secrets/reveal/"
    assert copied(read(alice.post(path))) == [hook.secret]
    assert copied(read(alice.get(f"/test/webhooks/{hook.id}/"))) == []
    stale = pages.visitor(alice.person)
    answer = stale.post(path)
    assert answer["location"].startswith("/account/reauthenticate/")
    shown = stale.post(answer["location"], {"password": PASSWORD, "next": path})
    assert copied(read(shown)) == [hook.secret]


@pytest.mark.parametrize("role", ["buyer", "viewer"])
def test_nobody_but_an_owner_sees_a_secret_or_the_whole_address(
    pages: Pages, alice: Visitor, hook: Webhook, role: str
) -> None:
    attempt(pages, alice, hook)
    bob = proven(pages.visitor(account=alice.person.account, role=role))
    assert bob.post(f"/test/webhooks/{hook.id}/secrets/reveal/").status_code == 403
    for path in ("", f"{hook.id}/", f"{hook.id}/deliveries/{hook.event}/"):
        content = bob.get(f"/test/webhooks/{path}").content.decode()
        assert "token=secret" not in content
        assert "whsec_" not in content
    assert "93.184.215.14" in read(bob.get("/test/webhooks/")).text


def test_a_secret_is_added_once_and_the_old_one_signs_on_for_as_long_as_was_chosen(
    pages: Pages, alice: Visitor, hook: Webhook
) -> None:
    sent = form(kind="v1", overlap="3600")
    for _ in range(2):
        alice.post(f"/test/webhooks/{hook.id}/secrets/add/", sent)
    (shown,) = copied(read(alice.get(f"/test/webhooks/{hook.id}/")))
    assert shown not in ("", hook.secret)
    both = copied(read(alice.post(f"/test/webhooks/{hook.id}/secrets/reveal/")))
    assert both == [shown, hook.secret]
    pages.shop.clock.advance(3601)
    assert copied(read(alice.post(f"/test/webhooks/{hook.id}/secrets/reveal/"))) == [shown]


def test_secrets_that_sign_at_once_have_a_limit_that_says_so(
    pages: Pages, alice: Visitor, hook: Webhook
) -> None:
    for _ in range(model.MOST_SECRETS):
        alice.post(f"/test/webhooks/{hook.id}/secrets/add/", form(kind="v1", overlap="86400"))
    assert "5 secrets sign at once already" in read(alice.get(f"/test/webhooks/{hook.id}/")).text
    alice.post(f"/test/webhooks/{hook.id}/secrets/add/", form(kind="v1", overlap="0"))
    assert pages.shop.value("select count(*) from webhook_secrets") == 1


def test_a_test_is_sent_once_and_leads_to_what_comes_of_it(
    pages: Pages, alice: Visitor, hook: Webhook
) -> None:
    sent = form()
    answer = alice.post(f"/test/webhooks/{hook.id}/test/", sent)
    page = read(alice.get(answer["location"]))
    assert "Not tried yet" in page.text
    assert [one["hx-trigger"] for one in page.named("div") if "hx-get" in one] == ["every 2s"]
    alice.post(f"/test/webhooks/{hook.id}/test/", sent)
    assert len(deliveries(pages, hook)) == 2  # the one that it was made with, and this one


def test_tests_that_wait_have_a_limit_that_says_so(
    pages: Pages, alice: Visitor, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "MOST_TESTS", 1)
    alice.post(f"/test/webhooks/{hook.id}/test/", form())
    assert "1 tests of this webhook wait already" in read(alice.get(f"/test/webhooks/{hook.id}/")).text


def test_the_log_shows_what_was_sent_and_what_was_answered(
    pages: Pages, alice: Visitor, hook: Webhook
) -> None:
    attempt(pages, alice, hook, body='{"type": "webhook.test"}', answer="no such user", header="slow down")
    path = f"/test/webhooks/{hook.id}/"
    assert f"{path}deliveries/{hook.event}/" in read(alice.get(f"{path}?state=failed")).links()
    assert f"{path}deliveries/{hook.event}/" not in read(alice.get(f"{path}?state=delivered")).links()
    page = read(alice.get(f"{path}deliveries/{hook.event}/?attempt=999"))
    assert "Your server did not accept it 500" in page.text
    assert {"no such user", '{"type": "webhook.test"}', "slow down"} <= {text.strip() for text in page.texts}
    assert [one for one in page.named("div") if "hx-get" in one] == []


def test_what_failed_is_sent_again(pages: Pages, alice: Visitor, hook: Webhook) -> None:
    attempt(pages, alice, hook)
    path = f"/test/webhooks/{hook.id}/"
    assert alice.post(f"{path}replay/", form(age="3600")).status_code == 302
    assert "1 delivery is sent again." in read(alice.get(path)).text
    assert [one.state for one in deliveries(pages, hook)] == ["pending"]
    attempt_again(pages)
    alice.post(f"{path}deliveries/{hook.event}/replay/", form())
    assert [one.state for one in deliveries(pages, hook)] == ["pending"]
    alice.post(f"{path}replay/", form(age="everything"))
    assert "Choose how far back." in read(alice.get(path)).text


def attempt_again(pages: Pages) -> None:
    pages.shop.run("update deliveries set state = 'failed', next_at = null")


def test_what_others_wrote_is_inert_on_every_page_of_a_webhook(pages: Pages, alice: Visitor) -> None:
    note = HOSTILE[:200]
    hook = webhook(pages, alice, note)
    attempt(pages, alice, hook, body=HOSTILE, answer=HOSTILE, header=HOSTILE)
    assert_inert(read(alice.get("/test/webhooks/")), note)
    assert_inert(read(alice.get(f"/test/webhooks/{hook.id}/")), note)
    page = read(alice.get(f"/test/webhooks/{hook.id}/deliveries/{hook.event}/"))
    assert_inert(page, HOSTILE)
    assert len([text for text in page.texts if text.strip().endswith("AAAA")]) == 3


def test_pages_of_the_log_go_on(
    pages: Pages, alice: Visitor, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onceline.desk.dashboard.webhook.PAGE", 1)
    alice.post(f"/test/webhooks/{hook.id}/test/", form())
    path = f"/test/webhooks/{hook.id}/"
    (older,) = [link for link in read(alice.get(path)).links() if "before=" in link]
    assert f"{path}deliveries/{hook.event}/" in read(alice.get(path + older)).links()
    assert f"{path}deliveries/{hook.event}/" not in read(alice.get(f"{path}?before=dlv_x")).links()


def test_every_event_that_is_documented_can_be_chosen() -> None:
    lines = (ROOT / "docs/reference/events.md").read_text().splitlines()
    documented = {line.split("`")[1] for line in lines if line.startswith("| `")}
    assert set(words.EVENTS) == {name for name in documented if "." in name} - {model.TEST}
    assert EXTENSION_FAILED not in words.EVENTS or EXTENSION_FAILED in documented


def test_every_outcome_and_state_has_its_words() -> None:
    assert set(words.OUTCOMES) == {"delivered", "status", *model.OURS, *Reason.__args__}
    assert set(words.REASONS) == set(model.Reason.__args__)
