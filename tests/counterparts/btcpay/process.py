"""The fake BTCPay Server as tests speak of it: starts the process, and is the test's own door to it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.counterparts.starting import started

STORE = "9CiNzKoANXxmk5ayZngSXrHTiVvvgCrwrpFQd4m2K776"
API_KEY = "greenfield-key"
SECRET = "webhook-secret"


@dataclass(frozen=True)
class FakeBTCPay:
    """A bitcoin is worth 50,000 of the invoice's currency."""

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

    def fail(self, what: str, how: str, times: int = 1) -> None:
        """`what` such as `GET invoice`, `POST invoices`: the next of them, when the work is done; with `_before` it is not."""
        self.control(faults=[{"what": what, "how": how, "times": times}])

    def pay(self, invoice: str, value: str = "0.0002", **given: Any) -> None:
        """Settled at once, unless `status` says Processing; 0.0002 is 10."""
        self.control(of=invoice, do="pay", **{"with": {"value": value, **given}})

    def confirm(self, invoice: str, status: str = "Settled") -> None:
        """What was Processing becomes Settled, or Invalid when it was replaced."""
        self.control(of=invoice, do="confirm", **{"with": {"status": status}})

    def expire(self, invoice: str) -> None:
        self.control(of=invoice, do="become", **{"with": {"status": "Expired"}})

    def invalidate(self, invoice: str) -> None:
        """What came was not confirmed in time."""
        self.control(of=invoice, do="become", **{"with": {"status": "Invalid"}})

    def mark(self, invoice: str, status: str = "Settled") -> None:
        """By a person."""
        self.control(of=invoice, do="mark", **{"with": {"status": status}})

    def alter(self, invoice: str, **fields: Any) -> None:
        self.control(of=invoice, do="alter", **{"with": fields})

    def lie(self, invoice: str, type: str, **fields: Any) -> None:
        """A callback that says what its own books do not."""
        self.control(of=invoice, do="lie", **{"with": {"type": type, **fields}})

    def release(self) -> None:
        """What was held goes out, the newest first."""
        self.control(release=True)

    @property
    def invoices(self) -> list[dict[str, Any]]:
        return list(self.control()["invoices"])

    @property
    def requests(self) -> list[dict[str, Any]]:
        return list(self.control()["requests"])

    def asked(self, what: str) -> int:
        return int(self.control()["asked"].get(what, 0))


@contextmanager
def running() -> Iterator[FakeBTCPay]:
    with started("tests.counterparts.btcpay.app:app") as url:
        yield FakeBTCPay(url)
