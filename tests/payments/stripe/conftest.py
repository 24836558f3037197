"""Deposits by Stripe: our side, driven against a Stripe of our own in a process of its own (tests/counterparts/stripe).

What needs no knob of that process runs against Stripe's own test mode too, by one command, with a secret key of that mode:

    ONCELINE_STRIPE_TEST_KEY=sk_test_… pytest tests/payments/stripe -m 'not counterpart'

The marker `counterpart` selects what only the process of our own can play: a payer at the page, faults, lies, signed events.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import stripe

from onceline.payments.stripe.processor import Stripe
from tests.counterparts.stripe.process import TEST, FakeStripe, running
from tests.payments.stripe.dealing import Anywhere, processor, speaking

REAL_KEY = os.environ.get("ONCELINE_STRIPE_TEST_KEY", "")
REAL_URL = "https://api.stripe.com"


def pytest_configure(config: pytest.Config) -> None:
    if REAL_KEY and "_test_" not in REAL_KEY:
        raise pytest.UsageError(
            "ONCELINE_STRIPE_TEST_KEY must be a key of the test mode: this suite moves money."
        )
    config.addinivalue_line(
        "markers", "counterpart: needs the Stripe of our own, and cannot run against the real one"
    )


@pytest.fixture(scope="session")
def process() -> Iterator[FakeStripe]:
    with running() as fake:
        yield fake


@pytest.fixture
def fake(process: FakeStripe) -> FakeStripe:
    """The account's test mode, with nothing in it."""
    process.tell("reset")
    return process


@pytest.fixture
def cards(fake: FakeStripe) -> Stripe:
    """Our side of it."""
    return processor(fake.url, TEST)


@pytest.fixture
def anywhere(request: pytest.FixtureRequest) -> Iterator[Anywhere]:
    key, url = (REAL_KEY, REAL_URL) if REAL_KEY else (TEST, request.getfixturevalue("fake").url)
    with speaking(url, key) as sdk:
        yield Anywhere(processor(url, key), sdk)


@pytest.fixture
def sdk(fake: FakeStripe) -> Iterator[stripe.StripeClient]:
    with speaking(fake.url, TEST) as client:
        yield client
