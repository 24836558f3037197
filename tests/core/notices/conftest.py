"""Alice, a stranger, and the workers of notices."""

from __future__ import annotations

import pytest

from tests.mailbox import Notices
from tests.personas import ALICE, CHARLIE
from tests.shop import Customer, Shop


@pytest.fixture
def notices(shop: Shop) -> Notices:
    return Notices(shop)


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


@pytest.fixture
def charlie(shop: Shop) -> Customer:
    return shop.customer(CHARLIE)
