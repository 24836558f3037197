"""A Cryptomus in a process of its own, a place that it calls, and Onceline as its merchant."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from onceline.core.clock import ManualClock
from onceline.core.money import MICROS
from onceline.payments.base import Callback, Configured, Hint, Opened, Opening, Payment, SendBack, SentBack
from onceline.payments.cryptomus.processor import Cryptomus
from onceline.payments.cryptomus.settings import CryptomusSettings
from tests.counterparts.cryptomus.process import MERCHANT, PAYMENT_KEY, PAYOUT_KEY, FakeCryptomus
from tests.receiver import Receiver, receiving

TEN = 10 * MICROS


@dataclass
class Merchant:
    fake: FakeCryptomus
    receiver: Receiver
    clock: ManualClock
    processor: Cryptomus

    def configured(self, secrets: dict[str, str] | None = None, **settings: Any) -> Configured:
        fields = {"base_url": self.fake.url, "merchant_id": MERCHANT, **settings}
        keys = {"payment_key": PAYMENT_KEY, "payout_key": PAYOUT_KEY} if secrets is None else secrets
        return Configured("cryptomus", CryptomusSettings(**fields), keys, "USD", self.receiver.url)

    def set(self, secrets: dict[str, str] | None = None, **settings: Any) -> None:
        self.processor = Cryptomus(self.configured(secrets, **settings), clock=self.clock)

    def opening(self, id: str = "dep_1", amount: int = TEN, **rest: Any) -> Opening:
        usual = {
            "currency": "USD",
            "description": "Deposit",
            "return_url": "https://otp.example.com/balance",
            "expires_at": self.clock.now() + timedelta(hours=1),
            "is_first": True,
        }
        return Opening(id, amount, **{**usual, **rest})

    def open(self, id: str = "dep_1", amount: int = TEN) -> Opened:
        return self.processor.open(self.opening(id, amount))

    def payment(self, opened: Opened) -> Payment:
        found = self.processor.payment(opened.processor_id)
        assert found is not None
        return found

    def paid(self, status: str = "paid", paid: str = "10.00", id: str = "dep_1", **fields: Any) -> Payment:
        """A deposit of 10 that this became of, as it is read back."""
        opened = self.open(id)
        self.fake.pay(id, status, paid, quiet=True, **fields)
        return self.payment(opened)

    def refund(self, found: Payment, id: str = "ref_1", **changed: Any) -> SendBack:
        usual = {"payment_id": found.payment_id, "amount": found.value, "currency": found.currency}
        return SendBack(id, found.processor_id, **{**usual, **changed})

    def send_back(self, found: Payment, id: str = "ref_1", **changed: Any) -> SentBack:
        return self.processor.send_back(self.refund(found, id, **changed))

    def called(self, count: int = 1) -> list[Callback]:
        """What came so far, when it is as many as that."""
        deadline = time.monotonic() + 10
        while len(self.receiver.received) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.receiver.received) == count
        return [Callback(one.headers, one.body, self.clock.now()) for one in self.receiver.received]

    def hints(self, count: int = 1) -> list[Hint | None]:
        return [self.processor.hint(one) for one in self.called(count)]


@pytest.fixture
def merchant(fake_cryptomus: FakeCryptomus, clock: ManualClock) -> Iterator[Merchant]:
    fake_cryptomus.forget()
    with receiving() as receiver:
        made = Merchant(fake_cryptomus, receiver, clock, None)  # type: ignore[arg-type]  # set at once
        made.set()
        yield made
    fake_cryptomus.forget()
