"""A BTCPay Server in a process of its own, a place that it calls, and Onceline as one of its stores."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from onceline.core.clock import ManualClock
from onceline.core.money import MICROS
from onceline.payments.base import Callback, Configured, Hint, Opening, Payment
from onceline.payments.btcpay.processor import BTCPay
from onceline.payments.btcpay.settings import BTCPaySettings
from tests.counterparts.btcpay.process import API_KEY, SECRET, STORE, FakeBTCPay
from tests.receiver import Receiver, receiving

TEN = 10 * MICROS


@dataclass
class Store:
    fake: FakeBTCPay
    receiver: Receiver
    clock: ManualClock
    processor: BTCPay

    def configured(self, secrets: dict[str, str] | None = None, **settings: Any) -> Configured:
        fields = {"url": self.fake.url, "store_id": STORE, **settings}
        keys = {"api_key": API_KEY, "webhook_secret": SECRET} if secrets is None else secrets
        return Configured("btcpay", BTCPaySettings(**fields), keys, "USD", self.receiver.url)

    def set(self, secrets: dict[str, str] | None = None, **settings: Any) -> None:
        self.processor = BTCPay(self.configured(secrets, **settings), clock=self.clock)

    def opening(self, id: str = "dep_1", amount: int = TEN, **rest: Any) -> Opening:
        usual = {
            "currency": "USD",
            "description": "Deposit",
            "return_url": "https://otp.example.com/balance",
            "expires_at": self.clock.now() + timedelta(hours=1),
            "is_first": True,
        }
        return Opening(id, amount, **{**usual, **rest})

    def open(self, id: str = "dep_1", amount: int = TEN) -> str:
        """The invoice's id."""
        return self.processor.open(self.opening(id, amount)).processor_id

    def payment(self, invoice: str) -> Payment:
        found = self.processor.payment(invoice)
        assert found is not None
        return found

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
def store(fake_btcpay: FakeBTCPay, clock: ManualClock) -> Iterator[Store]:
    """Its server calls nobody until a test says where."""
    fake_btcpay.forget()
    fake_btcpay.set(now=int(clock.now().timestamp()))
    with receiving() as receiver:
        made = Store(fake_btcpay, receiver, clock, None)  # type: ignore[arg-type]  # set at once
        made.set()
        yield made
    fake_btcpay.forget()
