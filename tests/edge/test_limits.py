"""How often a key may ask, and how an answer says so."""

from __future__ import annotations

import re
import time

import pytest

from onceline.edge import gate
from tests.edge.door import Client, Town, assert_problem


def left(header: str) -> int:
    found = re.fullmatch(r'"key";r=(\d+);t=(\d+)', header)
    assert found is not None, header
    return int(found[1])


def test_every_answer_says_what_is_left_of_the_rate(alice: Client) -> None:
    answers = [alice.get("/balance") for _ in range(3)]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"key";q=200;w=4'}
    assert left(answers[0].headers["ratelimit"]) == 199
    assert left(answers[2].headers["ratelimit"]) < left(answers[0].headers["ratelimit"])


def test_a_refusal_spends_and_says_what_is_left_too(alice: Client) -> None:
    assert "ratelimit" in alice.get("/orders/1").headers
    assert "ratelimit" in alice.place(service="coinbase").headers
    assert "ratelimit" not in alice.with_key("x").get("/balance").headers


def test_a_key_that_asks_too_often_is_told_when_to_come_back(town: Town, alice: Client) -> None:
    other = alice.scoped("balance:read")
    with town.another(requests_per_s=2, request_burst=3) as url:
        busy = alice.at(url)
        assert [busy.get("/balance").status_code for _ in range(3)] == [200] * 3
        answer = busy.get("/balance")
        body = assert_problem(answer, 429, "limit_exceeded", limit="requests", retry_after_s=1)
        assert body["retryable"] is True
        assert answer.headers["retry-after"] == "1"
        assert left(answer.headers["ratelimit"]) == 0
        assert other.at(url).get("/balance").status_code == 200
        time.sleep(0.6)
        assert busy.get("/balance").status_code == 200


def test_limits_can_be_off_for_load_tests(town: Town, alice: Client) -> None:
    with town.another(limits="off", requests_per_s=1, request_burst=1) as url:
        answers = [alice.at(url).get("/balance") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert "ratelimit" not in answers[0].headers


def test_too_many_placements_at_once_are_told_to_come_back(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "PLACEMENTS_WAITING", 0)
    assert_problem(alice.place(), 429, "limit_exceeded", limit="placements", retry_after_s=1)
    monkeypatch.undo()
    assert alice.place().status_code == 201


@pytest.mark.promise("P13")
def test_a_checked_key_is_asked_about_again_after_a_second(town: Town, alice: Client) -> None:
    """Also when the word of its end was lost."""
    assert alice.who is not None
    assert alice.get("/balance").status_code == 200
    town.shop.run(
        "update grants set revoked_at = %(now)s where side_id = %(side)s",
        now=town.shop.clock.now(),
        side=alice.who.side,
    )
    time.sleep(gate.KEY_MEMORY_S)
    assert_problem(alice.get("/balance"), 401, "revoked_key")
