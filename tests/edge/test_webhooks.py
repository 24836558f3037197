"""/api/v1/webhooks as customers meet it; what is sent is sent by a deliverer beside the town."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from onceline.core.webhooks import model
from onceline.core.webhooks.signing import Secret, headers_of
from tests.edge.door import Client, Town, assert_problem, eventually
from tests.endpoints import delivering, happen
from tests.personas import ALICE
from tests.receiver import Receiver, receiving

PUBLIC = "https://93.184.215.14/hook?token=t"
"""A literal address, so that nothing has to be looked up; nothing is sent there."""
NOBODY = "we_aaaaaaaaaaaaaaaa"


@pytest.fixture(scope="module")
def lab(town: Town) -> Iterator[Town]:
    """A server that lets webhooks reach this machine, with a deliverer."""
    with town.another(webhook_loopback=True) as url, delivering(town.shop.db, town.shop.context):
        yield dataclasses.replace(town, url=url)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def ann(lab: Town) -> Client:
    return lab.customer(ALICE)


def made(client: Client, url: str = PUBLIC, **wanted: Any) -> dict[str, Any]:
    answer = client.post("/webhooks", {"url": url, **wanted})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def patch(client: Client, webhook: str, **changes: Any) -> Any:
    return client.send("PATCH", f"/webhooks/{webhook}", json=changes)


def test_an_endpoint_is_made_and_its_secret_shown_once(alice: Client) -> None:
    answer = made(alice, types=["order.*"], description="the shop")
    webhook, secret = answer["webhook"], answer["secret"]
    assert (webhook["url"], webhook["types"], webhook["payload"], webhook["concurrency"]) == (
        PUBLIC,
        ["order.*"],
        "full",
        4,
    )
    assert (webhook["state"], webhook["disabled_reason"]) == ("enabled", None)
    assert webhook["health"] == {
        "failing_since": None,
        "failed_attempts": 0,
        "last_success_at": None,
        "last_attempt_at": None,
        "paused_until": None,
        "pending": 0,
    }
    assert secret["secret"].startswith("whsec_")
    assert alice.json(f"/webhooks/{webhook['id']}") == webhook
    assert alice.json("/webhooks") == {"webhooks": [webhook]}
    (listed,) = alice.json(f"/webhooks/{webhook['id']}/secrets")["secrets"]
    assert listed == {name: value for name, value in secret.items() if name != "secret"}


def test_of_an_ed25519_pair_only_the_public_half_is_ever_shown(alice: Client) -> None:
    answer = made(alice, secret_kind="v1a")
    assert answer["secret"]["secret"] is None
    assert answer["secret"]["public_key"].startswith("whpk_")
    (listed,) = alice.json(f"/webhooks/{answer['webhook']['id']}/secrets")["secrets"]
    assert listed["public_key"] == answer["secret"]["public_key"]


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.215.14/", "https://127.0.0.1/", "https://localhost/", "https://10.0.0.1/", "https://[::1]/",
        "https://169.254.169.254/latest", "https://93.184.215.14:22/", "https://user:pw@93.184.215.14/", "ftp://x/",
        "https://2130706433/", "nonsense", "https://93.184.215.14/\r\nHost: x",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(alice: Client, url: str) -> None:
    assert_problem(alice.post("/webhooks", {"url": url}), 422, "address_refused")
    webhook = made(alice)["webhook"]
    assert_problem(patch(alice, webhook["id"], url=url), 422, "address_refused")
    assert alice.json(f"/webhooks/{webhook['id']}")["url"] == PUBLIC


@pytest.mark.parametrize(
    "wanted",
    [
        {"url": ""}, {"url": "https://x/" + "a" * 2000}, {"url": 7}, {"types": []}, {"types": ["*"]}, {"types": ["order"]},
        {"types": "order.*"}, {"payload": "fat"}, {"concurrency": 0}, {"concurrency": 17}, {"concurrency": "4"},
        {"description": "a\nb"}, {"description": "a" * 201}, {"secret_kind": "v2"}, {"secret": "mine"},
        {"types": ["order.a"] * 51},
    ],
)  # fmt: skip
def test_an_endpoint_that_makes_no_sense_is_not_made(alice: Client, wanted: dict[str, Any]) -> None:
    assert_problem(alice.post("/webhooks", {"url": PUBLIC, **wanted}), 422, "invalid_input")
    assert alice.json("/webhooks")["webhooks"] == []


def test_a_side_has_at_most_twenty(alice: Client) -> None:
    for _ in range(model.ENDPOINTS_PER_SIDE):
        made(alice)
    answer = alice.post("/webhooks", {"url": PUBLIC})
    assert_problem(answer, 429, "limit_exceeded", limit="webhooks", retry_after_s=3600)


def test_the_sides_of_an_account_have_endpoints_of_their_own(alice: Client) -> None:
    webhook = made(alice)["webhook"]
    live = alice.scoped(mode="live")
    assert live.json("/webhooks") == {"webhooks": []}
    assert_problem(live.get(f"/webhooks/{webhook['id']}"), 404, "not_found", what="webhook")


def test_what_is_left_out_of_a_change_stays_and_null_means_every_type(alice: Client) -> None:
    webhook = made(alice, types=["order.*"], concurrency=2)["webhook"]
    changed = patch(alice, webhook["id"], description="new", types=None).json()
    assert changed == webhook | {"description": "new", "types": None}
    assert patch(alice, webhook["id"]).json() == changed
    assert_problem(patch(alice, webhook["id"], payload=None), 422, "invalid_input")


def test_an_endpoint_is_switched_off_and_on(alice: Client) -> None:
    webhook = made(alice)["webhook"]
    off = patch(alice, webhook["id"], state="disabled").json()
    assert (off["state"], off["disabled_reason"]) == ("disabled", "customer")
    assert off["disabled_at"] is not None
    assert patch(alice, webhook["id"], state="enabled").json() == webhook
    assert_problem(patch(alice, webhook["id"], state="deleted"), 422, "invalid_input")


def test_a_deleted_endpoint_is_gone(alice: Client) -> None:
    webhook = made(alice)["webhook"]
    assert alice.delete(f"/webhooks/{webhook['id']}").status_code == 204
    assert_problem(alice.get(f"/webhooks/{webhook['id']}"), 404, "not_found", what="webhook")
    assert_problem(alice.delete(f"/webhooks/{webhook['id']}"), 404, "not_found", what="webhook")
    assert alice.json("/webhooks") == {"webhooks": []}


def test_a_secret_is_rotated_with_an_overlap_or_at_once(town: Town, alice: Client) -> None:
    webhook = made(alice)["webhook"]["id"]
    new = alice.post(f"/webhooks/{webhook}/secrets", {"kind": "v1a", "overlap_s": 3600})
    assert new.status_code == 201
    listed = alice.json(f"/webhooks/{webhook}/secrets")["secrets"]
    assert [one["kind"] for one in listed] == ["v1a", "v1"]
    assert (listed[0]["expires_at"], listed[1]["expires_at"] is not None) == (None, True)
    last = alice.post(f"/webhooks/{webhook}/secrets", {"overlap_s": 0}).json()
    assert [one["id"] for one in alice.json(f"/webhooks/{webhook}/secrets")["secrets"]] == [last["id"]]
    for overlap in (-1, 7 * 86400 + 1):
        assert_problem(
            alice.post(f"/webhooks/{webhook}/secrets", {"overlap_s": overlap}), 422, "invalid_input"
        )


# What was sent.


def test_a_test_delivery_can_be_followed_to_its_answer(lab: Town, ann: Client, receiver: Receiver) -> None:
    receiver.say(202, b"<script>alert(1)</script>", content_type="text/html")
    webhook = made(ann, receiver.url)["webhook"]["id"]
    answer = ann.post(f"/webhooks/{webhook}/test")
    assert answer.status_code == 202
    event = answer.json()["event"]
    eventually(lambda: receiver.received)
    eventually(
        lambda: ann.json(f"/webhooks/{webhook}/deliveries/{event}")["delivery"]["state"] == "delivered"
    )
    found = ann.get(f"/webhooks/{webhook}/deliveries/{event}")
    delivery, (attempt,) = found.json()["delivery"], found.json()["attempts"]
    assert (delivery["id"], delivery["type"], delivery["by_hand"], delivery["seq"]) == (
        event,
        "webhook.test",
        True,
        None,
    )
    assert (attempt["number"], attempt["status"], attempt["outcome"]) == (1, 202, "delivered")
    assert attempt["answer"]["text"] == "<script>alert(1)</script>"
    assert attempt["request"]["body"].encode() == receiver.received[0].body
    assert found.headers["content-type"] == "application/json"
    assert found.headers["x-content-type-options"] == "nosniff"


def test_deliveries_are_listed_by_page_state_and_type(lab: Town, ann: Client, receiver: Receiver) -> None:
    webhook = made(ann, receiver.url)["webhook"]["id"]
    order = ann.order()
    ann.sms(order)
    eventually(lambda: len(receiver.received) == 3)
    pages = [page for page in ann.pages(f"/webhooks/{webhook}/deliveries", "deliveries", limit=1) if page]
    assert [row["type"] for (row,) in pages] == ["order.received", "order.message", "order.placed"]
    assert {row["order"] for (row,) in pages} == {order["id"]}
    eventually(lambda: len(ann.json(f"/webhooks/{webhook}/deliveries", state="delivered")["deliveries"]) == 3)
    assert ann.json(f"/webhooks/{webhook}/deliveries", state="failed")["deliveries"] == []
    (one,) = ann.json(f"/webhooks/{webhook}/deliveries", type="order.message")["deliveries"]
    by_seq = ann.json(f"/webhooks/{webhook}/deliveries/{one['seq']}")
    assert by_seq == ann.json(f"/webhooks/{webhook}/deliveries/{one['id']}")
    assert one["id"] in [event["id"] for event in ann.json("/events")["events"]]


@pytest.mark.parametrize("cursor", ["x", "WyJkbHZfIl0", "WzFd", "a" * 300])
def test_a_foreign_cursor_is_refused(alice: Client, cursor: str) -> None:
    webhook = made(alice)["webhook"]["id"]
    answer = alice.get(f"/webhooks/{webhook}/deliveries", cursor=cursor)
    assert_problem(answer, 422, "invalid_input")


def test_what_failed_is_replayed_under_its_own_id_with_the_secret_of_now(
    lab: Town, ann: Client, receiver: Receiver
) -> None:
    receiver.say(410)
    webhook = made(ann, receiver.url)["webhook"]["id"]
    assert ann.who is not None
    happen(lab.shop, ann.who)
    eventually(lambda: ann.json(f"/webhooks/{webhook}")["state"] == "disabled")
    assert ann.json(f"/webhooks/{webhook}")["disabled_reason"] == "gone"
    shown = ann.post(f"/webhooks/{webhook}/secrets", {"overlap_s": 0}).json()["secret"]
    receiver.say(204)
    (failed,) = ann.json(f"/webhooks/{webhook}/deliveries", state="failed")["deliveries"]
    answer = ann.post(f"/webhooks/{webhook}/deliveries/{failed['seq']}/replay")
    assert (answer.status_code, answer.json()) == (202, {"event": failed["id"]})
    eventually(lambda: len(receiver.received) == 2)
    first, again = receiver.received
    assert first.id == again.id == failed["id"]
    secret = Secret("v1", base64.b64decode(shown.removeprefix("whsec_")))
    signed = headers_of(again.id, int(again.headers["webhook-timestamp"]), again.body, [secret])
    assert again.headers["webhook-signature"] == signed["webhook-signature"]
    assert ann.json(f"/webhooks/{webhook}")["state"] == "disabled"


def test_a_range_and_what_failed_are_replayed_and_counted(lab: Town, ann: Client, receiver: Receiver) -> None:
    assert ann.who is not None
    happen(lab.shop, ann.who, 4)
    webhook = made(ann, receiver.url)["webhook"]["id"]
    answer = ann.post(f"/webhooks/{webhook}/replay", {"after_seq": 2, "until_seq": 4})
    assert (answer.status_code, answer.json()) == (202, {"sent": 2, "until_seq": 4})
    eventually(lambda: sorted(receiver.seqs) == [3, 4])
    asked = {"failed_only": True, "since": "2026-01-01T00:00:00Z"}
    answer = ann.post(f"/webhooks/{webhook}/replay", asked)
    assert (answer.status_code, answer.json()) == (202, {"sent": 0, "until_seq": None})


@pytest.mark.parametrize(
    "asked",
    [
        {}, {"after_seq": 1}, {"until_seq": 1}, {"after_seq": 3, "until_seq": 3}, {"failed_only": True},
        {"since": "2026-01-01T00:00:00Z"}, {"after_seq": 1, "until_seq": 2, "failed_only": True},
        {"after_seq": 1, "until_seq": 2, "since": "2026-01-01T00:00:00Z"}, {"after_seq": -1, "until_seq": 2},
        {"failed_only": True, "since": "2026-01-01T00:00:00"}, {"failed_only": True, "since": "2026-13-01T00:00:00Z"},
        {"failed_only": True, "since": "yesterday"}, {"failed_only": True, "since": 7},
    ],
)  # fmt: skip
def test_a_replay_that_makes_no_sense_is_refused(alice: Client, asked: dict[str, Any]) -> None:
    webhook = made(alice)["webhook"]["id"]
    assert_problem(alice.post(f"/webhooks/{webhook}/replay", asked), 422, "invalid_input")


def test_a_stranger_finds_neither_endpoint_nor_delivery(alice: Client, charlie: Client) -> None:
    webhook, theirs = made(alice)["webhook"]["id"], made(charlie)["webhook"]["id"]
    event = alice.post(f"/webhooks/{webhook}/test").json()["event"]
    assert alice.json(f"/webhooks/{webhook}/deliveries/{event}")["delivery"]["state"] is not None
    for path in (f"/webhooks/{webhook}/deliveries/{event}", f"/webhooks/{webhook}/deliveries"):
        assert_problem(charlie.get(path), 404, "not_found", what="webhook")
    answer = charlie.get(f"/webhooks/{theirs}/deliveries/{event}")
    assert_problem(answer, 404, "not_found", what="delivery")
    answer = charlie.post(f"/webhooks/{theirs}/deliveries/{event}/replay")
    assert_problem(answer, 404, "not_found", what="delivery")


@pytest.mark.parametrize("event", ["evt_", "evt_" + "g" * 20, "x", "-1", "1" * 19])
def test_a_delivery_is_named_by_event_or_seq(alice: Client, event: str) -> None:
    webhook = made(alice)["webhook"]["id"]
    assert_problem(alice.get(f"/webhooks/{webhook}/deliveries/{event}"), 422, "invalid_input")


def test_an_unknown_delivery_is_not_found(alice: Client) -> None:
    webhook = made(alice)["webhook"]["id"]
    answer = alice.get(f"/webhooks/{webhook}/deliveries/999999999999999999")
    assert_problem(answer, 404, "not_found", what="delivery")
    assert_problem(alice.get(f"/webhooks/{NOBODY}"), 404, "not_found", what="webhook")
