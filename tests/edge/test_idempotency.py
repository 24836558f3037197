"""The same request sent again: after a lost answer, by an impatient client, by fifty of its threads at once."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.edge.door import Client, Town, assert_problem

BODY = {"service": "telegram", "country": "GB"}


@pytest.mark.parametrize(("path", "body"), [("/orders", BODY), ("/orders/batch", {"orders": [BODY]})])
def test_an_order_without_a_key_is_refused(alice: Client, path: str, body: object) -> None:
    assert_problem(alice.post(path, body), 400, "idempotency_key_required")
    assert alice.json("/orders")["orders"] == []


@pytest.mark.parametrize("key", ["k" * 256, "with space", "tab\there"])
def test_a_key_that_is_no_key_is_refused(alice: Client, key: str) -> None:
    assert_problem(alice.place(idempotency_key=key), 422, "invalid_input")


@pytest.mark.attack(3)
def test_a_repeated_order_is_the_same_order_byte_for_byte(alice: Client) -> None:
    first = alice.place(idempotency_key="once")
    alice.sms(first.json())
    again = alice.place(idempotency_key="once")
    assert (again.status_code, again.content) == (201, first.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len(alice.json("/orders")["orders"]) == 1


@pytest.mark.attack(3)
def test_fifty_at_once_with_one_key_place_one_order(alice: Client) -> None:
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: alice.place(idempotency_key="storm"), range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert alice.json("/balance")["held"] == "0.2500"


@pytest.mark.attack(4)
@pytest.mark.parametrize(
    "other",
    [
        {"country": "FR"},
        {"service": "whatsapp"},
        {"max_price": "0.2500"},
        {"max_price": "0.0001"},
        {"kind": "rental", "duration": 14400},
        {"client_reference": "another"},
    ],
)
def test_a_key_with_another_body_is_a_conflict_and_moves_nothing(
    alice: Client, other: dict[str, object]
) -> None:
    first = alice.order(idempotency_key="once")
    before = alice.json("/balance"), alice.shop.value("select count(*) from transfers")
    assert_problem(alice.place(idempotency_key="once", **other), 422, "idempotency_conflict")
    assert [order["id"] for order in alice.json("/orders")["orders"]] == [first["id"]]
    assert (alice.json("/balance"), alice.shop.value("select count(*) from transfers")) == before


@pytest.mark.attack(4)
def test_a_key_that_ordered_two_does_not_order_one_or_two_others(alice: Client) -> None:
    wanted = [BODY, BODY | {"country": "FR"}]
    alice.post("/orders/batch", {"orders": wanted}, "once")
    before = alice.json("/balance")
    for others in ([BODY], [BODY, BODY], wanted[::-1]):
        answer = alice.post("/orders/batch", {"orders": others}, "once")
        assert_problem(answer, 422, "idempotency_conflict")
    assert_problem(alice.place(idempotency_key="once"), 422, "idempotency_conflict")
    assert alice.json("/balance") == before


def test_two_accounts_may_use_the_same_key(alice: Client, charlie: Client) -> None:
    assert alice.order(idempotency_key="shared")["id"] != charlie.order(idempotency_key="shared")["id"]


def test_a_refused_order_leaves_its_key_unused(town: Town) -> None:
    poor = town.customer("poor", balance=0)
    assert_problem(poor.place(idempotency_key="again"), 402, "insufficient_balance", missing="0.2500")
    assert_problem(
        poor.place(idempotency_key="again", country="FR"), 402, "insufficient_balance", missing="0.2500"
    )


# Batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_places_all_in_their_order(alice: Client) -> None:
    wanted = [BODY | {"country": country} for country in ("GB", "FR", "DE")]
    answer = alice.post("/orders/batch", {"orders": wanted}, "batch")
    assert answer.status_code == 201
    assert [order["country"] for order in answer.json()["orders"]] == ["GB", "FR", "DE"]
    assert alice.json("/balance")["held"] == "0.7500"
    again = alice.post("/orders/batch", {"orders": wanted}, "batch")
    assert (again.content, again.headers["idempotent-replayed"]) == (answer.content, "true")


@pytest.mark.parametrize(
    ("last", "status", "code"),
    [
        ({"service": "test-no-numbers"}, 409, "out_of_stock"),
        ({"service": "coinbase"}, 403, "prohibited_service"),
        ({"service": "no-such"}, 404, "not_found"),
        ({"max_price": "0.1"}, 409, "price_too_low"),
    ],
)
def test_a_batch_with_one_bad_order_places_none(
    alice: Client, last: dict[str, str], status: int, code: str
) -> None:
    answer = alice.post("/orders/batch", {"orders": [BODY, BODY | last]}, "all-or-none")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert alice.json("/orders")["orders"] == []
    assert alice.json("/balance")["available"] == "100.0000"


def test_a_batch_that_the_balance_covers_in_part_places_none(town: Town) -> None:
    poor = town.customer("poor", balance=600_000)
    answer = poor.post("/orders/batch", {"orders": [BODY] * 3}, "three")
    assert_problem(answer, 402, "insufficient_balance", missing="0.1500")
    assert poor.json("/balance")["held"] == "0.0000"


@pytest.mark.parametrize("count", [0, 51])
def test_a_batch_has_one_to_fifty_orders(alice: Client, count: int) -> None:
    assert_problem(alice.post("/orders/batch", {"orders": [BODY] * count}, "size"), 422, "invalid_input")


def test_many_batches_at_once_share_no_number(alice: Client) -> None:
    names = itertools.count()

    def batch(_: int) -> list[str]:
        answer = alice.post("/orders/batch", {"orders": [BODY] * 5}, f"b{next(names)}")
        assert answer.status_code == 201, answer.text
        return [order["number"] for order in answer.json()["orders"]]

    with ThreadPoolExecutor(8) as threads:
        numbers = [number for batch in threads.map(batch, range(8)) for number in batch]
    assert len(set(numbers)) == 40
