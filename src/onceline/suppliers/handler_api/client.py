"""Asks a handler_api server. One question, one answer: nothing is repeated here, and no answer is taken for a definite one.

The key travels in the query, as the protocol has it: no address that was called is ever logged.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from onceline.core.errors import OutboundRefused
from onceline.outbound import ConfiguredDoor, NotReached, OutboundFailed
from onceline.outbound_address import parse
from onceline.suppliers.base import Configured, Surroundings
from onceline.suppliers.handler_api.settings import HandlerApiSettings
from onceline.suppliers.handler_api.wire import UNKNOWN_ACTION, Nonsense, Said, read

MOST_BYTES = 256 * 1024
MOST_PRICES_BYTES = 8 * 1024 * 1024
"""The whole price list of a large server was 1.09 MB in 2026."""


class NoAnswer(Exception):
    """Nothing that counts as an answer came: nobody knows what was done. The text says why, in stable words."""


class NothingAsked(NoAnswer):
    """The server was not reached, so nothing was done."""


class Client:
    """Of one supplier; used by many threads. `settings` are the operator's."""

    def __init__(self, configured: Configured, around: Surroundings) -> None:
        self.name = configured.name
        self.settings: HandlerApiSettings = configured.settings
        host = parse(self.settings.url)
        self._door: ConfiguredDoor = around.door([f"{host.host}:{host.port}"])
        self._key = configured.secret("api_key")
        self._lacks: set[str] = set()
        self._lock = threading.Lock()

    def ask(self, action: str, arguments: Mapping[str, str] | None = None, *, most: int = MOST_BYTES) -> Said:
        """Raises NoAnswer, NothingAsked."""
        query = urlencode({"api_key": self._key, "action": action, **(arguments or {})})
        try:
            reply = self._door.request("GET", f"{self.settings.url}?{query}", most=most)
        except (NotReached, OutboundRefused) as refused:
            raise NothingAsked(getattr(refused, "reason", "refused")) from None
        except OutboundFailed as failed:
            raise NoAnswer(failed.reason) from None
        if reply.truncated:
            raise NoAnswer("too_large")
        try:
            return read(reply.status, reply.body)
        except Nonsense as nonsense:
            raise NoAnswer(str(nonsense)) from None

    def ask_first_known(self, actions: Sequence[str], arguments: Mapping[str, str]) -> Said:
        """The first of these actions that the server has; it is not asked twice for one that it lacks."""
        said = Said("BAD_ACTION")
        for action in actions:
            if action in self._lacks:
                continue
            said = self.ask(action, arguments)
            if said.word not in UNKNOWN_ACTION:
                return said
            with self._lock:
                self._lacks.add(action)
        return said
