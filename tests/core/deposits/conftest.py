from __future__ import annotations

import pytest

from tests.core.deposits.till import Till
from tests.personas import ALICE
from tests.shop import Shop


@pytest.fixture
def till(shop: Shop) -> Till:
    """Alice's, who has nothing."""
    return Till(shop, shop.customer(ALICE, balance=0))
