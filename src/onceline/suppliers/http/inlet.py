"""Signed JSON that is posted to us: whose it is by its signature, and what it says by `reading`.

Promised: nothing is parsed before the signature of the raw bytes held; nothing but NotAuthentic and Unreadable is raised,
whatever comes. Never: an answer that tells more than its status.
"""

from __future__ import annotations

from collections.abc import Sequence

from onceline.suppliers.base import (
    ANSWERS_WITHIN_S,
    Answer,
    Arrival,
    Configured,
    Finding,
    Heartbeat,
    KindSettings,
    NotConfigured,
    Outcome,
    Request,
    Surroundings,
    Unreadable,
    plain_answer,
)
from onceline.suppliers.http.reading import read_body
from onceline.suppliers.http.signature import verify
from onceline.suppliers.signing import active, check_address, check_secrets

SIGNING_KEY = "signing_key"
SHORTEST_KEY = 20


class HttpSettings(KindSettings):
    """There is nothing to set but its keys."""


class SignedInlet:
    """Raises NotConfigured when there is no key, or one that could be guessed."""

    answers_within_s = ANSWERS_WITHIN_S

    def __init__(self, configured: Configured) -> None:
        keys = active(configured, SIGNING_KEY)
        if not all(map(_is_long, keys)):
            raise NotConfigured(
                f"a {SIGNING_KEY} of supplier {configured.name} has fewer than {SHORTEST_KEY} characters"
            )
        self._keys = tuple(key.encode("utf-8", "surrogatepass") for key in keys)

    def read(self, request: Request) -> Sequence[Arrival | Heartbeat]:
        verify(request.headers, request.body, self._keys, request.received_at)
        if request.method != "POST":
            raise Unreadable("Messages are posted here.")
        return read_body(request.body)

    def answer(self, outcome: Outcome) -> Answer:
        return plain_answer(outcome)


def check(configured: Configured, _: Surroundings) -> Sequence[Finding]:
    right = f"at least {SHORTEST_KEY} characters, such as `openssl rand -hex 32` gives, and the same on both sides"
    return [check_address(configured), check_secrets(configured, SIGNING_KEY, _is_long, right)]


def _is_long(key: str) -> bool:
    return len(key) >= SHORTEST_KEY
