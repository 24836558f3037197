"""Query parameters of every list, and cursors as text."""

from __future__ import annotations

import base64
import json
from typing import Annotated

from fastapi import Query

from onceline.core.errors import InvalidInput

Limit = Annotated[int, Query(ge=1, le=100, description="Rows on a page.")]
Cursor = Annotated[str | None, Query(max_length=300, description="`next` of the page before.")]

NumberEnd = Annotated[
    str | None,
    Query(
        pattern=r"^\+?[0-9]{1,15}$", description="The number, or its last digits. Sealed ones are not found."
    ),
]
From = Annotated[str | None, Query(alias="from", max_length=40, description="RFC 3339. Within.")]
Until = Annotated[str | None, Query(max_length=40, description="RFC 3339. Not within.")]
OfOrder = Annotated[int | None, Query(ge=1, le=2147483647, description="Exactly this order.")]


def write_cursor(*place: str | int) -> str:
    """Opaque text; its content is nobody's business and may change."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def read_cursor(text: str | None, *kinds: type) -> tuple[str | int, ...] | None:
    """What `write_cursor` wrote, if its pieces are of these kinds. Raises InvalidInput."""
    if text is None:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        raise foreign_cursor() from None
    if not isinstance(place, list) or [type(piece) for piece in place] != list(kinds):
        raise foreign_cursor()
    if not all(_is_plausible(piece) for piece in place):
        raise foreign_cursor()
    return tuple(place)


def foreign_cursor() -> InvalidInput:
    return InvalidInput("cursor is not one that this list gave; start without it.")


def _is_plausible(piece: str | int) -> bool:
    """Nothing that a database would refuse to compare: our own places are ids and slugs."""
    if isinstance(piece, int):
        return 0 < piece < 2**31
    return piece.isascii() and piece.isprintable()
