"""Vouchers over HTTP: a code becomes money, once; who guesses is told nothing and stopped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from onceline.core.vouchers.model import new_code
from tests.core.vouchers.kiosk import Kiosk
from tests.edge.door import Client, Town, assert_problem

NO_VOUCHER = "voucher that can be redeemed with this code"


@pytest.fixture
def kiosk(town: Town) -> Kiosk:
    return Kiosk(town.shop)


def test_a_voucher_is_redeemed_by_its_code(kiosk: Kiosk, alice: Client) -> None:
    (code,) = kiosk.codes(1, 10)
    answer = alice.post("/vouchers/redeem", {"code": code})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body.pop("deposit").startswith("dep_")
    assert body == {"amount": "10.0000", "currency": "USD", "mode": "test"}
    assert alice.json("/balance")["available"] == "110.0000"


def test_whoever_sends_it_again_is_told_that_they_have_it(
    kiosk: Kiosk, alice: Client, charlie: Client
) -> None:
    (code,) = kiosk.codes()
    deposit = alice.post("/vouchers/redeem", {"code": code}).json()["deposit"]
    again = alice.post("/vouchers/redeem", {"code": code.lower()})
    assert_problem(again, 409, "voucher_redeemed", deposit=deposit)
    assert_problem(charlie.post("/vouchers/redeem", {"code": code}), 404, "not_found", what=NO_VOUCHER)


def test_with_a_key_the_answer_is_the_same_byte_for_byte(kiosk: Kiosk, alice: Client) -> None:
    code, other = kiosk.codes(2)
    first = alice.post("/vouchers/redeem", {"code": code}, idempotency_key="once")
    again = alice.post("/vouchers/redeem", {"code": code}, idempotency_key="once")
    assert (again.status_code, again.content) == (201, first.content)
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    conflict = alice.post("/vouchers/redeem", {"code": other}, idempotency_key="once")
    assert_problem(conflict, 422, "idempotency_conflict")


def test_a_wrong_code_is_counted_though_it_is_refused(kiosk: Kiosk, alice: Client) -> None:
    for _ in range(5):
        answer = alice.post("/vouchers/redeem", {"code": new_code()})
        assert_problem(answer, 404, "not_found", what=NO_VOUCHER)
    answer = alice.post("/vouchers/redeem", {"code": kiosk.codes()[0]})
    assert_problem(answer, 429, "limit_exceeded", limit="voucher codes", retry_after_s=3600)
    assert answer.headers["retry-after"] == "3600"


def test_fifty_at_once_redeem_it_once(kiosk: Kiosk, alice: Client) -> None:
    (code,) = kiosk.codes()
    with ThreadPoolExecutor(10) as threads:
        answers = list(
            threads.map(lambda _: alice.post("/vouchers/redeem", {"code": code}).status_code, range(50))
        )
    assert sorted(answers) == [201] + [409] * 49
    assert alice.json("/balance")["available"] == "110.0000"


@pytest.mark.parametrize(
    "body", [{"code": "7K2M-9QWX"}, {"code": "\x00" * 20}, {"code": "x" * 65}, {"code": ""}, {"code": 5}, {}, {"code": None}]
)  # fmt: skip
def test_what_is_no_code_is_refused(alice: Client, body: object) -> None:
    assert_problem(alice.post("/vouchers/redeem", body), 422, "invalid_input")


def test_a_live_voucher_is_nothing_to_a_test_key(kiosk: Kiosk, alice: Client) -> None:
    (code,) = kiosk.codes(mode="live")
    assert_problem(alice.post("/vouchers/redeem", {"code": code}), 404, "not_found", what=NO_VOUCHER)
    assert alice.scoped(mode="live").post("/vouchers/redeem", {"code": code}).json()["mode"] == "live"
