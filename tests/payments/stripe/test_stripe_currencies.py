"""Amounts on their way to Stripe and back: exact in every currency, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.core.money import MICROS
from onceline.payments.base import Paid, ProcessorRefused
from onceline.payments.stripe.currencies import as_text, to_micros, to_minor
from onceline.payments.stripe.processor import Stripe
from tests.counterparts.stripe.process import FakeStripe
from tests.payments.stripe.dealing import opening, paid

EXACT = [
    (12_340_000, "USD", 1_234),
    (10_000, "EUR", 1),
    (500 * MICROS, "JPY", 500),
    (MICROS, "KRW", 1),
    (1_230_000, "BHD", 1_230),
    (10_000, "KWD", 10),
    (100 * MICROS, "ISK", 10_000),
    (7 * MICROS, "UGX", 700),
    (1_500_000, "HUF", 150),
    (1_500_000, "TWD", 150),
    (9_000_000_000 * MICROS, "USD", 900_000_000_000),
]
INEXACT = [
    (12_345_000, "USD"),
    (1, "USD"),
    (9_999, "EUR"),
    (1_500_000, "JPY"),
    (1_234_000, "BHD"),
    (1_000, "KWD"),
    (1_500_000, "ISK"),
    (1_010_000, "UGX"),
    (0, "USD"),
    (-5 * MICROS, "USD"),
]


@pytest.mark.parametrize(("micros", "currency", "minor"), EXACT)
def test_an_amount_is_the_same_in_minor_units(micros: int, currency: str, minor: int) -> None:
    assert to_minor(micros, currency) == minor
    assert to_micros(minor, currency) == micros


@pytest.mark.parametrize(("micros", "currency"), INEXACT)
def test_what_does_not_divide_is_refused(micros: int, currency: str) -> None:
    with pytest.raises(ProcessorRefused, match="exactly"):
        to_minor(micros, currency)


@pytest.mark.parametrize("currency", ["USDT", "usd", "", "XAU", "EURO", "١٢٣"])
def test_a_currency_that_is_in_no_table_is_refused(currency: str) -> None:
    with pytest.raises(ProcessorRefused, match="no currency"):
        to_minor(MICROS, currency)
    with pytest.raises(ProcessorRefused, match="no currency"):
        to_micros(100, currency)


@given(st.integers(-(10**15), 10**16), st.sampled_from(["USD", "JPY", "KWD", "ISK"]))
def test_no_amount_is_ever_rounded(micros: int, currency: str) -> None:
    try:
        minor = to_minor(micros, currency)
    except ProcessorRefused:
        smallest = {"USD": 10_000, "JPY": MICROS, "KWD": 10_000, "ISK": MICROS}[currency]
        assert micros <= 0 or micros % smallest != 0
    else:
        assert to_micros(minor, currency) == micros


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1_205, "USD", "12.05 USD"),
        (7, "EUR", "0.07 EUR"),
        (500, "JPY", "500 JPY"),
        (1_230, "KWD", "1.230 KWD"),
    ],
)
def test_an_amount_reads_as_people_write_it(minor: int, currency: str, text: str) -> None:
    assert as_text(minor, currency) == text


@pytest.mark.counterpart
@pytest.mark.parametrize(
    ("micros", "currency"), [(500 * MICROS, "JPY"), (1_230_000, "BHD"), (100 * MICROS, "ISK")]
)
def test_what_is_paid_in_any_currency_comes_back_as_it_was_asked(
    cards: Stripe, fake: FakeStripe, micros: int, currency: str
) -> None:
    payment = paid(cards, fake, opening(micros, currency))
    assert (payment.state, payment.value, payment.currency) == (Paid.PAID, micros, currency)


@pytest.mark.counterpart
def test_an_amount_that_does_not_divide_never_reaches_stripe(cards: Stripe, fake: FakeStripe) -> None:
    with pytest.raises(ProcessorRefused, match="exactly"):
        cards.open(opening(5_001_000))
    assert fake.asked("POST") == 0
