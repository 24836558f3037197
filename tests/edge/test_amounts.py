"""Whatever is written where the API takes an amount: what is none is refused, and nothing comes of it."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.core.money import MICROS
from tests.amounts import MANY, nowhere, outside
from tests.edge.door import Client, Town, assert_problem

LEAST, MOST = MICROS, 1000 * MICROS
"""Of the sandbox."""


def begun(town: Town) -> int:
    return int(town.shop.value("select count(*) from deposits where method = 'sandbox'"))


@pytest.mark.attack(35)
def test_a_deposit_of_no_amount_is_refused_with_the_bounds(town: Town, alice: Client) -> None:
    before = begun(town)

    @MANY
    @given(
        outside(LEAST, MOST) | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
    )
    def send(amount: str) -> None:
        try:
            is_one = LEAST <= float(amount) * MICROS <= MOST and amount.isascii()
        except ValueError:
            is_one = False
        if is_one and len(amount.partition(".")[2]) <= 2 and set(amount) <= set("0123456789."):
            return  # drawn by chance
        body = {"method": "sandbox", "amount": amount, "return_url": "https://shop.example/"}
        answer = alice.post("/deposits", body, secrets.token_hex(8))
        assert_problem(answer, 422, "invalid_input", field="amount", least="1.0000", most="1000.0000")
        assert "between 1.0000 and 1000.0000" in answer.json()["detail"]

    send()
    assert (begun(town), alice.json("/balance")["available"]) == (before, "100.0000")


@pytest.mark.attack(35)
def test_an_amount_that_is_no_text_is_refused_before_it_is_read(town: Town, alice: Client) -> None:
    before = begun(town)

    @MANY
    @given(st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none() | st.lists(st.just("10"), max_size=2))  # fmt: skip
    def send(amount: object) -> None:
        body = {"method": "sandbox", "amount": amount, "return_url": "https://shop.example/"}
        assert_problem(alice.post("/deposits", body, secrets.token_hex(8)), 422, "invalid_input")

    send()
    for text in ("NaN", "Infinity", "-Infinity", "1e400", str(2**53 + 1), str(-(2**63)), "9" * 5000):
        raw = b'{"method":"sandbox","amount":' + text.encode() + b"}"
        assert alice.raw("/deposits", raw).status_code in (400, 422)
    assert begun(town) == before


@pytest.mark.attack(35)
def test_a_spend_cap_of_no_amount_is_refused(alice: Client) -> None:
    @MANY
    @given(nowhere | st.sampled_from(("0", "0.00", "0.000000")))
    def send(amount: str) -> None:
        answer = alice.post("/keys", {"name": "capped", "spend_cap": amount})
        assert_problem(answer, 422, "invalid_input")

    send()
    assert len(alice.json("/keys")["keys"]) == 1


@pytest.mark.attack(35)
def test_a_notice_below_no_amount_is_refused(alice: Client) -> None:
    """0 is one: it means never."""
    kept = alice.json("/notices")

    @MANY
    @given(nowhere)
    def send(amount: str) -> None:
        answer = alice.send("PUT", "/notices", json={"codes": "off", "low_balance": amount})
        assert_problem(answer, 422, "invalid_input")

    send()
    assert alice.json("/notices") == kept


@pytest.mark.attack(35)
def test_a_highest_price_of_no_amount_is_refused(alice: Client) -> None:
    @MANY
    @given(nowhere)
    def send(amount: str) -> None:
        assert_problem(alice.place(max_price=amount), 422, "invalid_input")

    send()
    assert alice.json("/balance")["available"] == "100.0000"
