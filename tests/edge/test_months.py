"""The statement of a month over HTTP."""

from __future__ import annotations

import pytest

from tests.edge.door import Client, Town, assert_problem


def test_a_month_opens_moves_and_closes(town: Town, alice: Client) -> None:
    found = alice.json("/statement/months/2026-03")
    assert (found["month"], found["mode"], found["currency"], found["is_over"]) == (
        "2026-03", "test", "USD", False,
    )  # fmt: skip
    assert (found["since"], found["until"]) == ("2026-03-01T00:00:00.000000Z", "2026-04-01T00:00:00.000000Z")
    assert set(found["opening"].values()) == {"0.0000"}
    assert found["sums"] == [
        {"kind": "deposit", "debit": "sandbox", "credit": "available", "transfers": 1, "amount": "100.0000"}
    ]
    balance = alice.json("/balance")
    assert found["closing"] == {name: balance[name] for name in found["closing"]}


def test_a_month_is_of_ones_own_side(alice: Client, charlie: Client) -> None:
    alice.post("/orders", {"service": "telegram", "country": "GB"}, idempotency_key="one")
    kinds = [one["kind"] for one in charlie.json("/statement/months/2026-03")["sums"]]
    assert kinds == ["deposit"]
    assert [one["kind"] for one in alice.json("/statement/months/2026-03")["sums"]] == ["deposit", "hold"]


@pytest.mark.parametrize(
    "month", ["2026-13", "2026-3", "march", "0000-01", "9999-12", "2026-04", "２０２６-03"]
)
def test_what_is_no_month_is_refused(alice: Client, month: str) -> None:
    assert_problem(alice.get(f"/statement/months/{month}"), 422, "invalid_input")
