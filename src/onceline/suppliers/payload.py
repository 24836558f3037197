"""What suppliers' requests carry: forms and JSON, read within bounds, whatever a stranger wrote into them.

Promises: raises nothing but Unreadable, and says nothing of what it read. Never decides whether a request is authentic.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from onceline.suppliers.base import Arrival, Heartbeat, Unreadable

MOST_FIELDS = 200
LONGEST_NAME = 128
"""Of what a supplier calls a message, and of a number."""

Fields = Mapping[str, Sequence[str]]
"""Each name with all of its values, in the order of their coming."""


def read_form(raw: bytes | str) -> Fields:
    """A query or a form; octets that are no UTF-8 are read as U+FFFD. Raises Unreadable."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="replace")
    except ValueError:
        raise Unreadable(f"a form has at most {MOST_FIELDS} fields") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def read_json(body: bytes, *, numbers_as_text: bool = False) -> Mapping[str, Any]:
    """An object; `numbers_as_text` keeps numbers as they were written. Raises Unreadable."""
    kept = {"parse_int": str, "parse_float": str, "parse_constant": str} if numbers_as_text else {}
    try:
        found = json.loads(body.decode("utf-8"), **kept)  # type: ignore[arg-type]  # the hooks are all of one kind
    except (ValueError, RecursionError):
        raise Unreadable("the body is no JSON") from None
    if not isinstance(found, dict):
        raise Unreadable("the body is no JSON object")
    return found


def only(fields: Fields, name: str, default: str | None = None) -> str:
    """The value of a field that came once: of two, nobody could say which was meant. Raises Unreadable."""
    values = fields.get(name, ())
    if len(values) == 1:
        return values[0]
    if values:
        raise Unreadable(f"{name} came more than once")
    if default is None:
        raise Unreadable(f"{name} is missing")
    return default


def named(value: object, what: str) -> str:
    """An id or a number: short, printable, not empty, so that it can be looked up. Raises Unreadable."""
    if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable():
        return value
    raise Unreadable(f"{what} is missing, or is not 1 to {LONGEST_NAME} printable characters")


def is_json(headers: Mapping[str, str]) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


WAITED_LEAST_S = 900.0
"""What is shorter may be the fault of the sender's clock. A number rests longer than this between two customers."""


def dated(found: Sequence[Arrival | Heartbeat], received_at: datetime) -> list[Arrival | Heartbeat]:
    """Of devices that keep messages while they are offline and stamp them in ISO 8601: for how long each waited.

    It is for whoever had the number then (promise P6). A stamp that cannot be read, or has no zone, says nothing.
    """
    return [
        replace(one, waited_s=_waited_s(one.said_at, received_at)) if isinstance(one, Arrival) else one
        for one in found
    ]


def _waited_s(stamp: str, received_at: datetime) -> float:
    try:
        waited = (received_at - datetime.fromisoformat(stamp[:40])).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return waited if waited >= WAITED_LEAST_S else 0.0
