"""The stream of a side's events, read by polling."""

from __future__ import annotations

import time

import pytest

from tests.edge.door import Client, Town, assert_problem
from tests.edge.test_reading import in_background


def types(found: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    return [one["event"]["type"] for one in found["events"]]


def test_events_tell_the_story_of_an_order_in_order(alice: Client) -> None:
    order = alice.sms(alice.order())
    alice.post(f"/orders/{order['id']}/finish")
    found = alice.json("/events")
    assert types(found) == [
        "deposit.credited", "order.placed", "order.message", "order.received", "order.finished",
    ]  # fmt: skip
    assert [one["seq"] for one in found["events"]] == [1, 2, 3, 4, 5]
    assert (found["seq"], found["more"]) == (5, False)
    assert [one["event"]["revision"] for one in found["events"]] == [None, 1, 2, 2, 3]


def test_an_event_carries_its_order_and_its_message(alice: Client) -> None:
    order = alice.sms(alice.order())
    event = alice.json("/events", after=2)["events"][0]["event"]
    assert event["order"] == alice.read(order)
    assert event["message"] == order["messages"][0]


def test_reading_goes_on_after_a_seq(alice: Client) -> None:
    for _ in range(3):
        alice.order()
    first = alice.json("/events", limit=2)
    assert ([one["seq"] for one in first["events"]], first["more"]) == ([1, 2], True)
    rest = alice.json("/events", after=2, limit=2)
    assert ([one["seq"] for one in rest["events"]], rest["more"]) == ([3, 4], False)
    assert alice.json("/events", after=4)["events"] == []


def test_a_wait_answers_at_the_next_event(alice: Client) -> None:
    answer = in_background(lambda: alice.get("/events", after=1, wait=10))
    time.sleep(0.2)
    alice.order()
    found, seconds = answer()
    assert types(found.json()) == ["order.placed"]
    assert seconds < 2


def test_a_wait_does_not_wait_for_what_is_there(alice: Client) -> None:
    started = time.monotonic()
    assert types(alice.json("/events", wait=10)) == ["deposit.credited"]
    assert time.monotonic() - started < 1


def test_a_wait_without_news_ends_empty(alice: Client, charlie: Client) -> None:
    answer = in_background(lambda: alice.get("/events", after=1, wait=1))
    charlie.order()
    found, seconds = answer()
    assert (found.json()["events"], found.json()["seq"]) == ([], 1)
    assert 0.9 < seconds < 2


def test_a_wait_ends_with_its_key(town: Town, alice: Client) -> None:
    assert alice.who is not None
    answer = in_background(lambda: alice.get("/events", after=1, wait=10))
    time.sleep(0.2)
    town.end_grants(alice)  # in another process: no wake-up, and no event that would end the wait
    found, seconds = answer()
    assert_problem(found, 401, "revoked_key")
    assert seconds < 1.5


def test_the_right_epoch_goes_on_and_another_starts_over(alice: Client) -> None:
    epoch = alice.json("/events")["epoch"]
    assert alice.json("/events", after=1, epoch=epoch)["epoch"] == epoch
    body = assert_problem(alice.get("/events", after=1, epoch="older"), 410, "resync", epoch=epoch, seq=1)
    assert body["retryable"] is False


def test_a_seq_that_never_was_starts_over(alice: Client) -> None:
    epoch = alice.json("/events")["epoch"]
    assert_problem(alice.get("/events", after=2), 410, "resync", epoch=epoch, seq=1)


def test_a_cursor_before_what_is_kept_starts_over_and_one_inside_goes_on(town: Town, alice: Client) -> None:
    for _ in range(3):
        alice.order()
    assert alice.who is not None
    town.shop.run("delete from events where side_id = %(side)s and seq <= 2", side=alice.who.side)
    epoch = alice.json("/events", after=4)["epoch"]
    assert_problem(alice.get("/events", after=1), 410, "resync", epoch=epoch, seq=4)
    assert [one["seq"] for one in alice.json("/events", after=2)["events"]] == [3, 4]


def test_when_nothing_is_kept_only_the_newest_seq_goes_on(town: Town, alice: Client) -> None:
    assert alice.who is not None
    town.shop.run("delete from events where side_id = %(side)s", side=alice.who.side)
    assert alice.json("/events", after=1)["events"] == []
    assert alice.get("/events", after=0).status_code == 410


@pytest.mark.parametrize(
    "wanted",
    [{"after": -1}, {"after": 2**63}, {"limit": 0}, {"limit": 501}, {"wait": 61}, {"wait": -1}, {"epoch": "x" * 33}],
)  # fmt: skip
def test_parameters_have_bounds(alice: Client, wanted: dict[str, object]) -> None:
    assert_problem(alice.get("/events", **wanted), 422, "invalid_input")
