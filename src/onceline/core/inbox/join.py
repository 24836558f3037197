"""Put the parts of a split SMS together, in whatever order they came. Pure."""

from __future__ import annotations

from collections.abc import Mapping

MISSING = "[…]"
"""Stands for a part that never came."""


def join(parts: Mapping[int, str], total: int, *, give_up: bool = False) -> str | None:
    """The whole text once every part from 1 to `total` is there; with `give_up` a gap is marked instead of awaited."""
    if len(parts) < total and not give_up:
        return None
    return "".join(parts.get(index, MISSING) for index in range(1, total + 1))
