"""The fake Cryptomus as tests speak of it: starts the process, and is the test's own door to it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.counterparts.starting import started

MERCHANT = "8b03432e-385b-4670-8d06-064591096795"
PAYMENT_KEY = "pay-key-of-the-fake"
PAYOUT_KEY = "payout-key-of-the-fake"
PAYER = "TDD97yguPESTpcrJMqU6h2ozZbibv4Vaqm"


@dataclass(frozen=True)
class FakeCryptomus:
    url: str

    def control(self, **wanted: Any) -> dict[str, Any]:
        body = json.dumps(wanted).encode()
        with urllib.request.urlopen(f"{self.url}/control", body, timeout=20) as reply:
            told: dict[str, Any] = json.load(reply)
        return told

    def forget(self) -> None:
        """As it began."""
        self.control(forget=True)

    def set(self, **knobs: Any) -> None:
        self.control(set=knobs)

    def fail(self, path: str, how: str, times: int = 1) -> None:
        """The next requests: `500`, `429`, `html`, `cut`, `hang` when the work is done; with `_before` it is not done."""
        self.control(faults=[{"path": path, "how": how, "times": times}])

    def pay(
        self, order: str, status: str = "paid", paid: str = "10.00", *, quiet: bool = False, **fields: Any
    ) -> None:
        """By USDT on Tron, 1.00 of it for 1.00 of the invoice's, unless `fields` say else; it tells unless `quiet`."""
        [invoice] = [one for one in self.invoices if one["order_id"] == order]
        usual = {
            "payment_amount": paid, "payer_amount": invoice["amount"], "payer_currency": "USDT", "network": "tron",
            "address": "TXhfYSWt2oKRrHAJVJeYRuit6ZzKuoEKXj", "from": PAYER, "txid": f"tx-{order}",
        }  # fmt: skip
        self.become(order, status, quiet=quiet, **{**usual, **fields})

    def become(self, order: str, status: str, *, quiet: bool = False, **fields: Any) -> None:
        change = {"of": {"order_id": order}, "fields": {"payment_status": status, **fields}, "quiet": quiet}
        self.control(change=[change])

    def lie(self, order: str, **lies: Any) -> None:
        """A callback that says what its own books do not."""
        self.control(tell=[{"of": {"order_id": order}, "lies": lies}])

    def release(self) -> None:
        """What was held goes out, the newest first."""
        self.control(release=True)

    @property
    def invoices(self) -> list[dict[str, Any]]:
        return list(self.control()["invoices"])

    @property
    def refunds(self) -> list[dict[str, Any]]:
        return list(self.control()["refunds"])

    @property
    def requests(self) -> list[dict[str, Any]]:
        return list(self.control()["requests"])

    def asked(self, path: str) -> int:
        return int(self.control()["asked"].get(path, 0))


@contextmanager
def running() -> Iterator[FakeCryptomus]:
    with started("tests.counterparts.cryptomus.app:app") as url:
        yield FakeCryptomus(url)
