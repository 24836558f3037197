"""Every kind of processor that an operator can configure: the one place that knows their folders.

A processor's own code is imported when one of its kind is made: an SDK may take longer to import than a command to run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from onceline.core.clock import Clock
from onceline.core.db import Database
from onceline.payments.base import Configured, Processor, Refunds
from onceline.payments.btcpay.settings import SECRETS as BTCPAY_SECRETS
from onceline.payments.btcpay.settings import BTCPaySettings
from onceline.payments.cryptomus.settings import SECRETS as CRYPTOMUS_SECRETS
from onceline.payments.cryptomus.settings import CryptomusSettings
from onceline.payments.sandbox.processor import Sandbox
from onceline.payments.sandbox.settings import SandboxSettings
from onceline.payments.stripe.settings import SECRETS as STRIPE_SECRETS
from onceline.payments.stripe.settings import StripeSettings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a processor may use beside its own configuration."""

    db: Database
    clock: Clock


@dataclass(frozen=True, slots=True)
class Kind:
    """A folder of `payments`. `secrets` maps each secret's name to what it is; `make` raises ProcessorRefused."""

    name: str
    settings: type[BaseModel]
    modes: tuple[str, ...]
    refunds: Refunds
    make: Callable[[Configured, Surroundings], Processor]
    secrets: Mapping[str, str] = field(default_factory=dict)
    calls: bool = True
    """Whether it calls `/pay/{name}`."""


def _stripe(configured: Configured, _: Surroundings) -> Processor:
    from onceline.payments.stripe.processor import Stripe  # noqa: PLC0415 - brings Stripe's whole SDK

    return Stripe(configured)


def _cryptomus(configured: Configured, around: Surroundings) -> Processor:
    from onceline.payments.cryptomus.processor import Cryptomus  # noqa: PLC0415 - as the others

    return Cryptomus(configured, clock=around.clock)


def _btcpay(configured: Configured, around: Surroundings) -> Processor:
    from onceline.payments.btcpay.processor import BTCPay  # noqa: PLC0415 - as the others

    return BTCPay(configured, clock=around.clock)


def _sandbox(configured: Configured, around: Surroundings) -> Processor:
    return Sandbox(configured, around.db, around.clock)


_ALL = (
    Kind("sandbox", SandboxSettings, ("test",), Refunds.SOURCE, _sandbox, calls=False),
    Kind("stripe", StripeSettings, ("test", "live"), Refunds.SOURCE, _stripe, STRIPE_SECRETS),
    Kind("cryptomus", CryptomusSettings, ("live",), Refunds.ORIGIN, _cryptomus, CRYPTOMUS_SECRETS),
    Kind("btcpay", BTCPaySettings, ("live",), Refunds.NEVER, _btcpay, BTCPAY_SECRETS),
)
KINDS = {kind.name: kind for kind in _ALL}
