"""A message as it lies in the spool and goes over the wire. Pure.

Its id is made from what it is and when its device says that it came, so the same one handed over twice is one, and an equal
one of another time is another.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import Any

MOST_TEXT = 10_000
"""Characters; the platform cuts there too."""
MOST_FIELD = 64
E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    reference: int
    index: int
    total: int


@dataclass(frozen=True, slots=True)
class Message:
    """`to` is "" while nobody has said which number the device has. `said_at` is the device's own stamp, verbatim."""

    id: str
    to: str
    sender: str
    text: str
    said_at: str = ""
    device: str = ""
    part: Part | None = None

    def packed(self) -> bytes:
        """The object of the wire, as ASCII: whatever a stranger wrote survives as escapes."""
        found: dict[str, Any] = {"id": self.id, "to": self.to, "from": self.sender, "text": self.text}
        if self.said_at:
            found["received_at"] = self.said_at
        if self.device:
            found["device"] = self.device
        if self.part:
            part = self.part
            found["part"] = {"reference": part.reference, "index": part.index, "total": part.total}
        return json.dumps(found).encode()

    def for_number(self, number: str) -> Message:
        return replace(self, to=number)


def unpack(data: bytes) -> Message:
    """What `packed` gave. Raises ValueError."""
    found = json.loads(data)
    try:
        part = Part(**found["part"]) if "part" in found else None
        return Message(
            str(found["id"]),
            str(found["to"]),
            str(found["from"]),
            str(found["text"]),
            str(found.get("received_at", "")),
            str(found.get("device", "")),
            part,
        )
    except (KeyError, TypeError) as fault:
        raise ValueError("no message of ours") from fault


def received(
    *, device: str, to: str, sender: str, text: str, said_at: str, part: Part | None = None
) -> Message:
    """A message of a device, named after itself; what is too long is cut as the platform would."""
    device, said_at = _plain(device), _plain(said_at)[:40]
    whole = [device or to, sender, text, said_at, part and [part.reference, part.index, part.total]]
    name = hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:32]
    return Message(name, to, sender[:MOST_FIELD], text[:MOST_TEXT], said_at, device, part)


def _plain(words: str) -> str:
    return "".join(sign if " " <= sign <= "~" else "?" for sign in words)[:MOST_FIELD]
