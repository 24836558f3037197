"""What one account has at this Stripe in one mode: objects, balance, events, and answers kept under keys."""

from __future__ import annotations

import copy
import random
import string
import time
from dataclasses import dataclass
from typing import Any

from tests.counterparts.stripe.forms import Refusal

Object = dict[str, Any]
KEPT_S = 24 * 3600
"""How long an answer stays under its key."""
KNOBS: dict[str, Any] = {
    "refunds": {"status": "succeeded"},  # of those to come; with `pending_reason`
    "forbidden": [],  # paths that the key may not use
    "key_revoked": False,
    "headers": {},  # that come with every answer
    "body": {},  # fields that every answer has instead of its own
    "hang_s": 30.0,
    "slow_s": 0.5,
    # Deliveries: of each event so many more copies; held until `flush`, then backwards; so late; so many lost; so many signed
    # with another secret; stamped so much later; asked again so often, so many seconds apart.
    "copies": 0,
    "held": False,
    "late_s": 0.0,
    "lost": 0,
    "mis_signed": 0,
    "stamp_s": 0,
    "attempts": 4,
    "again_s": 0.2,
}


@dataclass
class Saved:
    """An answer under a key, and the path and the parameters that it was given to."""

    asked: tuple[str, str]
    at: float
    status: int
    body: Object


class Realm:
    def __init__(self, live: bool, shift: float = 0.0) -> None:
        self.live = live
        self.shift = shift
        self.objects: dict[str, Object] = {}
        """By id, the oldest first. Names that begin with an underscore are nobody else's."""
        self.saved: dict[str, Saved] = {}
        self.knobs = copy.deepcopy(KNOBS)
        self.faults: list[Object] = []
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        """Of the latest call."""
        self.endpoints: list[Object] = []
        self.outbox: list[Object] = []
        """Events that no delivery has taken yet."""
        self._random = random.Random(f"{live}")

    def now(self) -> int:
        return int(time.time() + self.shift)

    def add(self, prefix: str, kind: str, **fields: Any) -> Object:
        marks = "".join(self._random.choices(string.ascii_letters + string.digits, k=20))
        one = {
            "id": f"{prefix}_{len(self.objects):04d}{marks}",
            "object": kind,
            "created": self.now(),
            "livemode": self.live,
            **fields,
        }
        self.objects[one["id"]] = one
        return one

    def get(self, id: Any, kind: str) -> Object:
        found = self.objects.get(str(id))
        if not found or found["object"] != kind:
            raise Refusal(f"No such {kind}: '{id}'", "resource_missing", param="id", status=404)
        return found

    def all(self, kind: str, **fields: Any) -> list[Object]:
        """The newest first."""
        return [
            one
            for one in reversed(self.objects.values())
            if one["object"] == kind and all(one.get(name) == value for name, value in fields.items())
        ]

    def move(self, kind: str, category: str, source: Object, amount: int, fee: int = 0) -> Object:
        """A balance transaction."""
        moved = self.add(
            "txn", "balance_transaction", type=kind, reporting_category=category, source=source["id"], amount=amount, fee=fee,
            net=amount - fee, currency=source["currency"], exchange_rate=None, status="pending", description=None,
        )  # fmt: skip
        del moved["livemode"]
        return moved

    def emit(self, kind: str, about: Object) -> None:
        event = self.add(
            "evt", "event", type=kind, api_version="2026-10-28.endive", pending_webhooks=len(self.endpoints),
            request={"id": None, "idempotency_key": None}, data={"object": shown(about)},
        )  # fmt: skip
        self.outbox.append(event)

    def show(self, one: Object, expand: list[str]) -> Object:
        answer = shown(one)
        for path in expand:
            self._expand(answer, path.split("."))
        return answer

    def _expand(self, one: Object, path: list[str]) -> None:
        name, rest = path[0], path[1:]
        if name not in one:
            raise Refusal(f"This property cannot be expanded ({name}).", param="expand")
        if isinstance(one[name], str):
            one[name] = shown(self.objects[one[name]])
        found = one[name] if isinstance(one[name], list) else [one[name]]
        for below in found:
            if rest and below is not None:
                self._expand(below, rest)


def shown(one: Object) -> Object:
    return copy.deepcopy({name: value for name, value in one.items() if not name.startswith("_")})
