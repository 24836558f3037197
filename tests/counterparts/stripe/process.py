"""The fake Stripe as tests speak of it: starts the process, and is the test's own door to it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.counterparts.starting import started

TEST, LIVE = "sk_test_onceline", "sk_live_onceline"
SECRET = "whsec_onceline"
Object = dict[str, Any]


@dataclass(frozen=True)
class FakeStripe:
    """`key`: the mode that is spoken of. The verbs are control.py's."""

    port: int
    key: str = TEST

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def tell(self, verb: str, **told: Any) -> Any:
        body = json.dumps({"key": self.key, **told}).encode()
        request = urllib.request.Request(f"{self.url}/control/{verb}", body)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def set(self, **knobs: Any) -> None:
        self.tell("knobs", set=knobs)

    def fail(self, asked: str, how: str, times: int = 1) -> None:
        """`asked` such as `POST refunds`: the next of them."""
        self.tell("fault", asked=asked, how=how, times=times)

    def lie(self, id: str, **fields: Any) -> None:
        self.tell("set", id=id, fields=fields)

    def pay(self, session: str, card: str = "ok", **rest: Any) -> Object:
        paid: Object = self.tell("pay", session=session, card=card, **rest)
        return paid

    def events(self, kind: str = "") -> list[Object]:
        found: list[Object] = self.tell("events", kind=kind)
        return found

    def signed(self, event: str, *secrets: str, at: int | None = None) -> tuple[dict[str, str], bytes]:
        """The headers, their names in lower case, and the body of a delivery."""
        when = {} if at is None else {"at": at}
        found = self.tell("sign", event=event, secrets=secrets or (SECRET,), **when)
        return {name.lower(): value for name, value in found["headers"].items()}, found["body"].encode()

    def asked(self, start: str) -> int:
        return sum(one.startswith(start) for one in self.tell("asked"))

    def now(self) -> int:
        return int(self.tell("advance", seconds=0))


@contextmanager
def running() -> Iterator[FakeStripe]:
    with started("tests.counterparts.stripe.app:app") as url:
        yield FakeStripe(int(url.rpartition(":")[2]))
