"""The journal is written once: the database itself refuses everything else, whoever asks."""

from __future__ import annotations

import psycopg
import pytest

from tests.personas import ALICE
from tests.shop import Shop


@pytest.mark.attack(39)
@pytest.mark.parametrize(
    "damage",
    [
        "update transfers set amount = amount + 1",
        "update transfers set made_at = made_at where false",
        "delete from transfers",
        "truncate transfers",
    ],
)
def test_the_database_itself_refuses_to_change_a_transfer(shop: Shop, damage: str) -> None:
    shop.place(shop.customer(ALICE))
    before = shop.rows("select * from transfers order by id")
    with pytest.raises(psycopg.errors.RaiseException, match="transfers is written once and never changed"):
        shop.run(damage)
    assert shop.rows("select * from transfers order by id") == before
