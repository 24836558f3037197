"""Allocation gives every number that may be given, and none that may not, whatever state the stock is in."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass

import pytest

from onceline.core.errors import OutOfStock
from onceline.core.inventory import store as inventory
from onceline.core.orders import commands
from onceline.core.orders.commands import OrderRequest
from tests.personas import ALICE, CHARLIE
from tests.shop import PRICE, Shop, numbers

_STOCK = 40
_NETWORKS = ("23410", "23415")
_STATES = ("free", "free", "free", "free", "quarantined", "retired")


@dataclass(frozen=True)
class _Number:
    """What is so about a number, and with that whether it may be given for telegram in GB to Alice."""

    e164: str
    pool: str
    country: str
    network: str
    state: str
    rests: bool
    burnt_for: str | None

    def may_be_given(self, network: str | None) -> bool:
        foreign = self.pool != "sandbox" or self.country != "GB" or network not in (None, self.network)
        return not (foreign or self.state != "free" or self.rests or self.burnt_for == "telegram")


def _stock(shop: Shop, dice: random.Random, first: int) -> list[_Number]:
    """Numbers of random states, written down and put into the tables."""
    made = [
        _Number(
            e164=one,
            pool=dice.choice(("sandbox", "sandbox", "sandbox", "other")),
            country=dice.choice(("GB", "GB", "GB", "FR")),
            network=dice.choice(_NETWORKS),
            state=dice.choice(_STATES),
            rests=dice.random() < 0.2,
            burnt_for=dice.choice((None, None, None, "telegram", "whatsapp")),
        )
        for one in numbers(_STOCK, first)
    ]
    for one in made:
        shop.stock(one.country, [one.e164], pool=one.pool, network=one.network)
        shop.run(
            "update numbers set state = %(state)s, available_at = %(at)s + make_interval(secs => %(rest)s)"
            " where e164 = %(e164)s",
            state=one.state,
            at=shop.clock.now(),
            rest=3600 if one.rests else 0,
            e164=one.e164,
        )
        if one.burnt_for:
            number = shop.value("select id from numbers where e164 = %(e164)s", e164=one.e164)
            with shop.db.transaction() as tx:
                inventory.burn(tx, [(number, one.burnt_for)])
    return made


def _all_that_is_given(shop: Shop, side: int, network: str | None) -> list[str]:
    """By ordering until there is nothing left."""
    given: list[str] = []
    wanted = OrderRequest("telegram", "GB", pool="sandbox", network=network)
    while len(given) <= _STOCK:
        try:
            with shop.db.transaction() as tx:
                (order,) = commands.place(tx, shop.context, side, [wanted], secrets.token_hex(8)).made
        except OutOfStock:
            break
        given.append(str(order.e164))
    return given


@pytest.mark.promise("P6")
@pytest.mark.promise("A2")
def test_exactly_the_numbers_that_may_be_given_are_given_each_once(shop: Shop, soak: bool) -> None:
    """Never one that is burnt for the service, resting, leased, taken out, or of another pool, country or network."""
    alice, charlie = shop.customer(ALICE, 10**12), shop.customer(CHARLIE, 10**12)
    shop.pool("other", PRICE)
    for turn in range(300 if soak else 12):
        dice = random.Random(turn)
        for pool, country in (("sandbox", "GB"), ("sandbox", "FR"), ("other", "GB"), ("other", "FR")):
            shop.empty(country, pool)
        stock = _stock(shop, dice, first=turn * _STOCK)
        shop.clock.advance(1)
        anywhere = sum(one.may_be_given(None) for one in stock)
        leased = [shop.place(charlie, pool="sandbox").e164 for _ in range(min(3, anywhere))]
        network = dice.choice((None, *_NETWORKS))
        expected = {one.e164 for one in stock if one.may_be_given(network)} - set(leased)
        given = _all_that_is_given(shop, alice.side, network)
        assert sorted(given) == sorted(expected), f"turn {turn}"
        shop.outlive()
    shop.assert_books_are_true()
