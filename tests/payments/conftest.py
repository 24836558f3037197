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
from tests.counterparts.btcpay.process import API_KEY, SECRET, STORE, FakeBTCPay
from tests.counterparts.btcpay.process import running as running_btcpay
from tests.counterparts.cryptomus.process import MERCHANT, PAYMENT_KEY, FakeCryptomus
from tests.counterparts.cryptomus.process import running as running_cryptomus
from tests.counterparts.stripe.process import FakeStripe, running
from tests.edge.door import serving
from tests.payments.counter import Counter
from tests.payments.crypto import CHAIN, COINS, configure
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


@pytest.fixture(scope="session")
def fake_cryptomus() -> Iterator[FakeCryptomus]:
    with running_cryptomus() as fake:
        yield fake


@pytest.fixture(scope="session")
def fake_btcpay() -> Iterator[FakeBTCPay]:
    with running_btcpay() as fake:
        yield fake


@pytest.fixture
def coins(fake_cryptomus: FakeCryptomus, counter: Counter) -> Iterator[FakeCryptomus]:
    """A Cryptomus of our own with nothing in it, which calls our door once for each change."""
    fake_cryptomus.forget()
    fake_cryptomus.set(calls=f"{counter.url}/pay/{COINS}", tries=1)
    settings = {"base_url": fake_cryptomus.url, "merchant_id": MERCHANT}
    configure(counter, COINS, "cryptomus", settings, {"payment_key": PAYMENT_KEY})
    yield fake_cryptomus
    fake_cryptomus.forget()


@pytest.fixture
def chain(fake_btcpay: FakeBTCPay, counter: Counter) -> Iterator[FakeBTCPay]:
    """A BTCPay Server of our own with nothing in it, which calls our door once for each change."""
    fake_btcpay.forget()
    fake_btcpay.set(webhook=f"{counter.url}/pay/{CHAIN}", tries=1)
    settings = {"url": fake_btcpay.url, "store_id": STORE}
    configure(counter, CHAIN, "btcpay", settings, {"api_key": API_KEY, "webhook_secret": SECRET})
    yield fake_btcpay
    fake_btcpay.forget()
