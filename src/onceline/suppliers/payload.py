"""What suppliers' requests carry: forms and JSON, read within bounds, whatever a stranger wrote into them.

Promises: raises nothing but Unreadable, and says nothing of what it read. Never decides whether a request is authentic.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from onceline.suppliers.base import Unreadable

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
