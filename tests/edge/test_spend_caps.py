"""Keys with a spend cap at the door: what they show, what they refuse, and that no other key leads around it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.edge.door import Client, assert_problem

PRICE, CAP = "0.2500", "0.6000"


def make(asking: Client, **wanted: Any) -> Client:
    """A client with a new key that `asking` made."""
    answer = asking.post("/keys", {"name": "capped"} | wanted)
    assert answer.status_code == 201, answer.text
    return asking.with_key(answer.json()["key"])


def shown(client: Client) -> list[tuple[str | None, str | None]]:
    """Cap and spent of every key of the side, newest first."""
    return [(key["spend_cap"], key["spent"]) for key in client.json("/keys")["keys"]]


@pytest.fixture
def capped(alice: Client) -> Client:
    """A key of Alice's that may spend what two orders cost, and a little more."""
    return make(alice, spend_cap=CAP)


def test_a_key_shows_its_cap_and_what_is_spent_of_it(alice: Client, capped: Client) -> None:
    assert shown(alice) == [(CAP, "0.0000"), (None, None)]
    capped.order()
    alice.order()
    assert shown(alice) == [(CAP, PRICE), (None, None)]


def test_an_order_above_the_cap_is_refused_and_says_what_is_left(alice: Client, capped: Client) -> None:
    capped.order()
    capped.order()
    assert_problem(capped.place(), 402, "spend_cap_reached", left="0.1000")
    assert alice.place().status_code == 201


def test_a_batch_above_the_cap_places_none(alice: Client, capped: Client) -> None:
    body = {"orders": [{"service": "telegram", "country": "GB"}] * 3}
    assert_problem(capped.post("/orders/batch", body, "batch"), 402, "spend_cap_reached", left="0.1000")
    assert shown(alice)[0] == (CAP, "0.0000")


def test_an_extension_above_the_cap_is_refused(alice: Client, capped: Client) -> None:
    rental = alice.order(kind="rental", duration=4 * 3600)
    answer = capped.post(f"/orders/{rental['id']}/extend", {"duration": 4 * 3600}, "extend")
    assert_problem(answer, 402, "spend_cap_reached", left=CAP)


@pytest.mark.parametrize("amount", ["0", "0.0000", "-1", "1e3", "abc", "0.0000001", "99999999999"])
def test_a_cap_that_is_no_amount_is_refused(alice: Client, amount: str) -> None:
    assert_problem(alice.post("/keys", {"name": "capped", "spend_cap": amount}), 422, "invalid_input")
    assert len(shown(alice)) == 1


def test_a_rotated_key_shares_what_is_left_with_its_successor(alice: Client, capped: Client) -> None:
    capped.order()
    key = alice.json("/keys")["keys"][0]["id"]
    successor = capped.with_key(capped.post(f"/keys/{key}/rotate", {"overlap_s": 60}).json()["key"])
    successor.order()
    for one in (capped, successor):
        assert_problem(one.place(), 402, "spend_cap_reached", left="0.1000")
    assert shown(alice)[:2] == [(CAP, "0.5000")] * 2


def test_a_key_with_a_cap_makes_keys_that_share_it(alice: Client, capped: Client) -> None:
    other = make(capped)
    other.order()
    capped.order()
    assert_problem(other.place(), 402, "spend_cap_reached", left="0.1000")
    assert_problem(capped.post("/keys", {"name": "free", "spend_cap": "100"}), 422, "invalid_input")


def test_a_key_with_a_cap_cannot_take_over_one_without(alice: Client, capped: Client) -> None:
    free = alice.json("/keys")["keys"][1]["id"]
    assert_problem(capped.post(f"/keys/{free}/rotate", {"overlap_s": 60}), 422, "invalid_input")
    other = make(alice, spend_cap="100")
    assert other.place().status_code == 201
    another = alice.json("/keys")["keys"][0]["id"]
    assert_problem(capped.post(f"/keys/{another}/rotate", {"overlap_s": 60}), 422, "invalid_input")
