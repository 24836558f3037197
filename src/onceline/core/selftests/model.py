"""What a self-test says and how long it is waited for. Pure."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

PREFIX = "Onceline self-test "
"""Begins every one: seven-bit letters only, and with its token shorter than one SMS."""
WAIT = timedelta(minutes=10)
FAILURES_TOLERATED = 2
"""In a row; the next one is told to staff. Networks lose a message now and then."""
SHORTEST_S, LONGEST_S = 3600, 30 * 86400
POSTPONED = timedelta(minutes=5)
"""For a test whose numbers a customer has, or somebody is about to."""
_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Due:
    """One that is to be sent now. Its run is written down already, so that it is known when it arrives."""

    run: int
    test: int
    supplier: str
    number_from: str
    number_to: str
    token: str

    @property
    def text(self) -> str:
        return PREFIX + self.token


def new_token() -> str:
    return secrets.token_hex(16)


def token_of(text: str) -> str | None:
    """The token of a text that looks like one of ours; a network may have put something behind it."""
    if not text.startswith(PREFIX):
        return None
    found = _TOKEN.match(text, len(PREFIX))
    return found[0] if found else None
