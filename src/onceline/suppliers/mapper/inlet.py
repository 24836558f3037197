"""Who may push to a mapped supplier, and what it is answered.

Boxes sign nothing, so a secret is in the path: `/in/{supplier}/{token}`; those that can add HTTP Basic. Promised: tokens are
compared in constant time, and nothing of a request is read before. Without a token that is set nobody gets in.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from onceline.suppliers.base import (
    ANSWERS_WITHIN_S,
    Answer,
    Arrival,
    Configured,
    Finding,
    Heartbeat,
    NotAuthentic,
    Outcome,
    Request,
    Surroundings,
    Unreadable,
    plain_answer,
)
from onceline.suppliers.mapper.entry import entries
from onceline.suppliers.mapper.reading import arrival, is_report
from onceline.suppliers.mapper.settings import MapperSettings
from onceline.suppliers.signing import active, check_address, check_secrets, equals_any

SHORTEST_TOKEN = 20
"""Of letters and digits at random: more than 100 bits."""
TOKEN = "path_token"  # noqa: S105 - the name of a secret, not one
BASIC = "basic"


class MapperInlet:
    """Raises NotConfigured without a token."""

    answers_within_s = ANSWERS_WITHIN_S

    def __init__(self, configured: Configured) -> None:
        self._name = configured.name
        self._settings: MapperSettings = configured.settings
        self._tokens = active(configured, TOKEN)
        self._basics = configured.secrets.get(BASIC, ())

    def read(self, request: Request) -> Sequence[Arrival | Heartbeat]:
        """A message that cannot be read is told to staff and does not stop those beside it."""
        self._authenticate(request)
        found: list[Arrival | Heartbeat] = []
        fault: Unreadable | None = None
        for entry in entries(self._settings, request):
            if is_report(self._settings, entry):
                continue
            try:
                found.append(arrival(self._settings, entry))
            except Unreadable as unreadable:
                fault = unreadable
        if fault and not found:
            raise fault
        return [*found, Heartbeat(self._name, warning="unreadable-entry")] if fault else found

    def answer(self, outcome: Outcome) -> Answer:
        return (
            Answer(200, self._settings.answer.encode()) if outcome is Outcome.KEPT else plain_answer(outcome)
        )

    def _authenticate(self, request: Request) -> None:
        if not request.rest:
            raise NotAuthentic("missing")
        if not equals_any(request.rest, self._tokens):
            raise NotAuthentic("token")
        if self._basics:
            sent = request.headers.get("authorization", "")
            if not sent:
                raise NotAuthentic("missing")
            if not equals_any(_credentials(sent), self._basics):
                raise NotAuthentic("wrong")


def _credentials(header: str) -> str:
    """`user:password` of HTTP Basic (RFC 7617); "" when it is something else."""
    scheme, _, packed = header.partition(" ")
    try:
        found = base64.b64decode(packed.strip(), validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        return ""
    return found.decode("utf-8", "replace")


def check(configured: Configured, _: Surroundings) -> Sequence[Finding]:
    token = f"the end of the address that the box pushes to: {SHORTEST_TOKEN} or more letters and digits, at random"
    found = [check_secrets(configured, TOKEN, _is_token, token), check_address(configured)]
    if configured.secrets.get(BASIC):
        found.append(check_secrets(configured, BASIC, lambda pair: ":" in pair, "user:password"))
    return found


def _is_token(text: str) -> bool:
    return len(text) >= SHORTEST_TOKEN and text.isascii() and text.replace("-", "").replace("_", "").isalnum()
