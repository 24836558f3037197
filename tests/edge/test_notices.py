"""Notifications and mail settings over HTTP."""

from __future__ import annotations

import pytest

from tests.edge.door import Client, Town, assert_problem
from tests.mailbox import HERS, Notices


@pytest.fixture
def notices(town: Town) -> Notices:
    return Notices(town.shop)


def tell(notices: Notices, who: Client, kind: str = "export.ready", mode: str | None = None) -> None:
    assert who.who is not None
    notices.tell(who.who, kind, mode, export="exp_1")


@pytest.mark.promise("H3")
def test_notifications_are_read_up_to_what_was_seen(notices: Notices, alice: Client) -> None:
    tell(notices, alice)
    tell(notices, alice, "export.failed")
    seen = alice.json("/notifications")
    assert [one["kind"] for one in seen["notifications"]] == ["export.failed", "export.ready"]
    tell(notices, alice)
    answer = alice.post("/notifications/read", {"up_to": seen["notifications"][0]["id"]})
    assert answer.json() == {"unread": 1}
    assert len(alice.json("/notifications", unread="true")["notifications"]) == 1


def test_a_list_of_notifications_has_pages(notices: Notices, alice: Client) -> None:
    for _ in range(5):
        tell(notices, alice)
    pages = list(alice.pages("/notifications", "notifications", limit=2))
    assert [one["id"] for page in pages for one in page] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("body", [{}, {"up_to": None}, {"ids": []}, {"up_to": 1, "ids": [1]}])
def test_what_is_marked_has_to_be_said_in_one_way(alice: Client, body: object) -> None:
    assert_problem(alice.post("/notifications/read", body), 422, "invalid_input")


def test_an_address_is_set_confirmed_read_and_removed(notices: Notices, alice: Client) -> None:
    chosen = {"address": HERS, "codes": "without_code", "low_balance": "5", "muted": ["export.ready"]}
    answer = alice.send("PUT", "/notices", json=chosen)
    assert answer.status_code == 200, answer.text
    assert answer.json()["pending_address"] == HERS
    notices.post()
    assert alice.post("/notices/confirm", {"code": notices.code()}).json()["address"] == HERS
    found = alice.json("/notices")
    assert (found["codes"], found["low_balance"], found["muted"]) == (
        "without_code",
        "5.0000",
        ["export.ready"],
    )
    assert alice.send("DELETE", "/notices").status_code == 204
    assert alice.json("/notices")["address"] is None


def test_a_wrong_code_is_counted_though_it_is_refused(notices: Notices, alice: Client) -> None:
    alice.send("PUT", "/notices", json={"address": HERS})
    for _ in range(5):
        assert_problem(alice.post("/notices/confirm", {"code": "22222222"}), 422, "confirmation_refused")
    answer = alice.post("/notices/confirm", {"code": "22222222"})
    assert_problem(answer, 404, "not_found", what="address that waits for a code")


def test_a_sixth_confirmation_mail_of_a_day_is_refused(alice: Client) -> None:
    for _ in range(5):
        assert alice.send("PUT", "/notices", json={"address": HERS}).status_code == 200
    answer = alice.send("PUT", "/notices", json={"address": HERS})
    assert_problem(answer, 429, "limit_exceeded", limit="confirmation_mails", retry_after_s=3600)


def test_an_address_that_is_none_changes_nothing(alice: Client) -> None:
    wanted = {"address": "a@mail.example\r\nBcc: b@mail.example", "codes": "with_code"}
    assert_problem(alice.send("PUT", "/notices", json=wanted), 422, "invalid_input")
    assert alice.json("/notices")["codes"] == "off"


def test_a_stranger_sees_and_changes_nothing_of_it(notices: Notices, alice: Client, charlie: Client) -> None:
    alice.send("PUT", "/notices", json={"address": HERS})
    tell(notices, alice)
    charlie.post("/notifications/read", {"up_to": 1000})
    charlie.send("DELETE", "/notices")
    assert charlie.json("/notices")["pending_address"] is None
    assert charlie.json("/notifications")["notifications"] == []
    assert alice.json("/notices")["pending_address"] == HERS
    assert alice.json("/notifications")["unread"] == 2


def test_a_test_key_sees_nothing_of_the_live_side(notices: Notices, alice: Client) -> None:
    live = alice.scoped(mode="live")
    live.send("PUT", "/notices", json={"address": HERS, "codes": "with_code"})
    assert alice.json("/notices")["pending_address"] is None
    assert [one["kind"] for one in live.json("/notifications")["notifications"]] == ["mail.asked"]
    assert alice.json("/notifications")["notifications"] == []


@pytest.mark.promise("P13")
def test_the_owner_is_told_of_keys_that_come_and_go_but_never_a_key(alice: Client) -> None:
    made = alice.post("/keys", {"name": "shop"}).json()
    turned = alice.post(f"/keys/{made['id']}/rotate", {"overlap_s": 60}).json()
    alice.send("DELETE", f"/keys/{turned['id']}")
    alice.send("DELETE", f"/keys/{turned['id']}")  # nothing more to tell
    told = alice.json("/notifications")["notifications"]
    assert [one["kind"] for one in told] == ["key.revoked", "key.rotated", "key.created"]
    assert told[1]["facts"]["replaced_by"] == turned["id"]
    assert made["key"] not in str(told)
    assert turned["key"] not in str(told)
    events = [(one["event"]["type"], one["event"]["subject"]) for one in alice.json("/events")["events"]]
    assert events[-3:] == [
        ("key.created", made["id"]), ("key.rotated", made["id"]), ("key.revoked", turned["id"])
    ]  # fmt: skip
