"""PUSH_SMS: an agent hands over what came to a number, and repeats it every ten seconds until it hears SUCCESS.

It may come before the number is known to be ours, in the instant between the agent's answer and our commit: the inbox keeps
it by its number until then.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Sequence

from onceline.core.errors import InvalidInput
from onceline.core.inbox.model import LONGEST_TEXT
from onceline.core.phone import parse_e164
from onceline.suppliers.agents import wire
from onceline.suppliers.agents.wire import NotUnderstood
from onceline.suppliers.base import (
    ANSWERS_WITHIN_S,
    Answer,
    Arrival,
    Configured,
    NotAuthentic,
    Outcome,
    Request,
    Unreadable,
)

MOST_PLAIN = 256 * 1024
_LONGEST_SENDER = 256
_WORDS = {
    Outcome.UNREADABLE: "not understood: send {action, key, smsId, phone, phoneFrom, text}, smsId and phone as numbers",
    Outcome.UNSIGNED: "key is missing",
    Outcome.NOT_AUTHENTIC: "key is wrong",
    Outcome.AWAY: "not stored, send it again",
}


class AgentInlet:
    answers_within_s = ANSWERS_WITHIN_S

    def __init__(self, configured: Configured) -> None:
        self._keys = configured.secrets.get("key", ())

    def read(self, request: Request) -> Sequence[Arrival]:
        try:
            body = wire.unpacked(request.body, request.headers.get("content-encoding", ""), MOST_PLAIN)
            said = wire.read_object(body)
        except NotUnderstood as fault:
            raise Unreadable(str(fault)) from None
        self._verify(said.get("key"))
        try:
            return [_arrival(said)]
        except (NotUnderstood, InvalidInput) as fault:
            raise Unreadable(str(fault)) from None

    def answer(self, outcome: Outcome) -> Answer:
        """As the protocol has it, HTTP 200 for what is wrong with a message, and a status of its own."""
        status = 200 if outcome in (Outcome.KEPT, Outcome.UNREADABLE) else outcome.value
        said = (
            {"status": wire.ERROR, "error": _WORDS[outcome]}
            if outcome in _WORDS
            else {"status": wire.SUCCESS}
        )
        return Answer(status, json.dumps(said).encode(), "application/json")

    def _verify(self, key: object) -> None:
        """Every active key is looked at, each in constant time."""
        if not isinstance(key, str) or not key:
            raise NotAuthentic("missing")
        given = key.encode("utf-8", "surrogatepass")
        matches = [secrets.compare_digest(given, known.encode()) for known in self._keys]
        if not any(matches):
            raise NotAuthentic("wrong")


def _arrival(said: dict[str, object]) -> Arrival:
    """Raises NotUnderstood, InvalidInput (a number that is none; its text is not repeated)."""
    if said.get("action") != "PUSH_SMS":
        raise NotUnderstood("action must be PUSH_SMS")
    digits = str(wire.ulong(said, "phone"))
    try:
        number = parse_e164(f"+{digits}")
    except InvalidInput:
        raise NotUnderstood("phone must be a number with its country code") from None
    return Arrival(
        _name(wire.ulong(said, "smsId"), digits),
        number,
        wire.text(said, "phoneFrom", _LONGEST_SENDER),
        wire.text(said, "text", MOST_PLAIN)[:LONGEST_TEXT],
    )


def _name(sms: int, digits: str) -> str:
    """An agent that was set up anew counts its messages from one again: a little of the number keeps them apart."""
    return f"{sms}.{zlib.crc32(digits.encode()) & 0xFFFF:04x}"
