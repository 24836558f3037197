"""What an operator may set, and what is refused before anything is asked of Stripe."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from onceline.payments.base import Processor, ProcessorRefused
from onceline.payments.stripe.settings import StripeSettings
from tests.payments.stripe.dealing import processor


def test_without_a_word_it_is_stripe_itself_in_our_currency_with_authentication() -> None:
    settings = StripeSettings()
    assert (settings.url, settings.adaptive_pricing, settings.first_deposit_3ds) == (
        "https://api.stripe.com",
        False,
        True,
    )


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://proxy.example.com/", "https://proxy.example.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_the_address_may_be_another(url: str, kept: str) -> None:
    assert StripeSettings(url=url).url == kept


@pytest.mark.parametrize(
    "url",
    ["", "api.stripe.com", "ftp://api.stripe.com", "http://api.stripe.com", "http://10.0.0.1", "https://api.stripe.com/v1",
     "https://key@api.stripe.com", "https://api.stripe.com?x=1"],
)  # fmt: skip
def test_an_address_that_would_give_the_key_away_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        StripeSettings(url=url)


def test_a_name_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValidationError):
        StripeSettings.model_validate({"currency": "USD"})


@pytest.mark.parametrize(
    "key", ["", "pk_live_abc", "sk_abc", "whsec_abc", "sk_test_", "sk_test_a b", " sk_test_a"]
)
def test_what_is_no_secret_key_is_refused_and_not_told(key: str) -> None:
    with pytest.raises(ProcessorRefused, match="api_key") as refused:
        processor("https://api.stripe.com", key)
    assert not key or key not in str(refused.value)


@pytest.mark.parametrize("key", ["sk_test_a", "rk_test_a", "sk_live_a", "rk_live_a"])
def test_a_secret_or_restricted_key_is_a_processor(key: str) -> None:
    cards: Processor = processor("https://api.stripe.com", key)
    assert cards.dispute("") is None
