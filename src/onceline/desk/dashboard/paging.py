"""Where a list goes on: cursors that come from addresses, read without trust. One that makes no sense is the first page."""

from __future__ import annotations

from django.http import HttpRequest

from onceline.core.ids import OpaqueIds

PAGE = 25
NAME = "before"
_LARGEST = 2**31 - 1


def number_before(request: HttpRequest) -> int | None:
    """A cursor that is a public whole number, such as an order's id."""
    text = request.GET.get(NAME, "")
    whole = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
    return whole if 0 < whole <= _LARGEST else None


def row_before(request: HttpRequest, ids: OpaqueIds) -> int | None:
    """A cursor that hides a row's number."""
    row = ids.row(request.GET.get(NAME, ""))
    return row if row and row > 0 else None


def id_before(request: HttpRequest, prefix: str) -> str | None:
    """A cursor that is a prefixed id, as random_id makes them."""
    text = request.GET.get(NAME, "")
    fits = text.startswith(f"{prefix}_") and text.isascii() and text.isprintable() and len(text) <= 40
    return text if fits else None
