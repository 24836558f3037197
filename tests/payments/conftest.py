"""A counter: an edge that serves, a customer with nothing, and the worker's till. The clock stands where the machine's stood
at the start, because counterparts have one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from onceline.config import Settings
from onceline.core.clock import ManualClock
from onceline.core.db import Database
from onceline.core.orders.context import Context
from onceline.payments.till import Till
from onceline.wiring import open_context
from tests.counterparts.stripe.process import FakeStripe, running
from tests.edge.door import serving
from tests.payments.counter import Counter
from tests.personas import ALICE
from tests.shop import Shop

PUBLIC = "https://otp.example.com"


@pytest.fixture
def todays_context(db: Database, settings: Settings) -> Context:
    return open_context(db, settings, ManualClock(datetime.now(UTC)))


@pytest.fixture
def counter(db: Database, todays_context: Context, settings: Settings) -> Iterator[Counter]:
    public = settings.model_copy(update={"public_url": PUBLIC})
    clock = todays_context.clock
    assert isinstance(clock, ManualClock)
    shop = Shop(db, todays_context, clock)
    with serving(public, db, todays_context) as url, httpx.Client(timeout=40) as http:
        till = Till(db, todays_context, PUBLIC, public.deposit_limits)
        yield Counter(shop, till, url, http, shop.customer(ALICE, balance=0))


@pytest.fixture(scope="session")
def stripe_process() -> Iterator[FakeStripe]:
    with running() as fake:
        yield fake


@pytest.fixture
def cards(stripe_process: FakeStripe, counter: Counter) -> FakeStripe:
    """A Stripe of our own with nothing in it, configured as the processor `cards` of the test side."""
    stripe_process.tell("reset")
    counter.stripe(stripe_process)
    return stripe_process
