"""The main job on the core: a code and its price, or no code and the money back."""

from __future__ import annotations

import pytest

from tests.personas import ALICE
from tests.shop import PRICE, Shop


@pytest.mark.promise("M1")
def test_the_first_code_captures_the_price(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    assert shop.balance(alice).held == PRICE

    shop.sms(order.e164, "Telegram code: 48291", sender="Telegram")

    seen = shop.view(order)
    assert (seen["state"], seen["code"], seen["charged"]) == ("received", "48291", True)
    assert shop.balance(alice).held == 0
    shop.assert_books_are_true()


@pytest.mark.promise("M1")
def test_no_code_brings_the_money_back(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    before = shop.balance(alice)
    order = shop.place(alice)

    shop.wait(1203)

    assert shop.view(order)["state"] == "expired"
    assert shop.balance(alice) == before
    shop.assert_books_are_true()
