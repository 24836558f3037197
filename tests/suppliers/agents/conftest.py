"""A hub with an agent that answers as a test wants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from onceline.core.suppliers import store
from onceline.suppliers.base import Surroundings
from onceline.suppliers.intake import DirectIntake
from tests.personas import ALICE
from tests.receiver import receiving
from tests.shop import PRICE, Shop
from tests.suppliers.agents.farm import KEY, NAME, POOL, Farm, House


@pytest.fixture
def farm() -> Iterator[Farm]:
    with receiving() as receiver:
        yield Farm(receiver)


@pytest.fixture
def house(shop: Shop, farm: Farm, intake: DirectIntake) -> House:
    with shop.db.transaction() as tx:
        vault, now = shop.context.vault, shop.clock.now()
        told = {"url": farm.receiver.url, "pool": POOL}
        store.add(tx, vault, NAME, "agent-protocol", told, now)
        store.add_secret(tx, vault, NAME, "key", KEY, now)
    shop.pool(POOL, PRICE, mode="live", supplier=NAME, asks=True, tells=True)
    return House(shop, farm, Surroundings(shop.db, shop.context, intake), shop.customer(ALICE, mode="live"))
