from __future__ import annotations

import pytest

from tests.core.vouchers.kiosk import Kiosk
from tests.shop import Shop


@pytest.fixture
def kiosk(shop: Shop) -> Kiosk:
    return Kiosk(shop)
