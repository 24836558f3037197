"""From the bytes of a request to its messages' fields as text. Pure.

Promised: bounded by the size of the request, and whatever a stranger wrote into a message, nothing but Unreadable is raised.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from onceline.suppliers.base import Request, Unreadable
from onceline.suppliers.mapper.settings import MapperSettings, steps

MOST_FIELDS = 200
MOST_MESSAGES = 1000


class Entry(Protocol):
    """One message of a request."""

    def text(self, name: str, charset: str) -> str | None:
        """What a field holds; None when it is not there, or holds no single value. `charset` is Python's name of one."""


def entries(settings: MapperSettings, request: Request) -> Sequence[Entry]:
    """Raises Unreadable."""
    return [_form(request)] if settings.format == "form" else _from_json(settings.list, request.body)


# Forms -----------------------------------------------------------------------------------------------------------------


class _Form:
    """Fields stay bytes until somebody knows which charset they are in."""

    def __init__(self, fields: Mapping[bytes, bytes]) -> None:
        self._fields = fields

    def text(self, name: str, charset: str) -> str | None:
        found = self._fields.get(name.encode("utf-8", "replace"))
        return None if found is None else found.decode(charset, "replace")


def _form(request: Request) -> Entry:
    """Of the query and of the body; of two fields with one name the first counts."""
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise Unreadable("a multipart body; send the fields as application/x-www-form-urlencoded")
    sources = (request.query.encode("latin-1", "replace"), request.body.strip())
    pairs = [pair for source in sources for pair in source.split(b"&", MOST_FIELDS) if pair]
    if len(pairs) > MOST_FIELDS:
        raise Unreadable(f"more than {MOST_FIELDS} fields")
    fields: dict[bytes, bytes] = {}
    for pair in pairs:
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        fields.setdefault(unquote_to_bytes(name), unquote_to_bytes(value))
    return _Form(fields)


# JSON ------------------------------------------------------------------------------------------------------------------


class _Json:
    def __init__(self, top: Any, own: Any) -> None:
        self._top = top
        self._own = own

    def text(self, name: str, charset: str) -> str | None:
        del charset  # JSON is UTF-8
        from_top, path = steps(name)
        return _written(_at(self._top if from_top else self._own, path))


def _from_json(list_path: str, body: bytes) -> Sequence[Entry]:
    try:
        top = json.loads(body, strict=False)  # boxes leave line breaks as they are
    except (ValueError, RecursionError):
        raise Unreadable("the body is no JSON") from None
    if not list_path:
        return [_Json(top, top)]
    found = _at(top, steps(list_path)[1])
    if not isinstance(found, list):
        return [_Json(top, None)]
    if len(found) > MOST_MESSAGES:
        raise Unreadable(f"more than {MOST_MESSAGES} messages at once")
    return [_Json(top, one) for one in found]


def _at(value: Any, path: Sequence[str]) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _written(value: Any) -> str | None:
    """As the box would write it into a form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
