"""Put the parts of a split SMS together, in whatever order they came. Pure.

Octets are joined before they are decoded, because the sender's phone cuts by octets: an emoji or an escaped character may
lie on both sides of the cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

from onceline.core.inbox.decoding import decode
from onceline.core.inbox.model import Encoded

MISSING = "[…]"
"""Stands for a part that never came."""


def join(parts: Mapping[int, str | Encoded], total: int, *, give_up: bool = False) -> str | None:
    """The whole text once every part from 1 to `total` is there; with `give_up` a gap is marked instead of awaited."""
    if len(parts) < total and not give_up:
        return None
    return read_all([parts.get(index, MISSING) for index in range(1, total + 1)])


def read_all(pieces: Iterable[str | Encoded]) -> str:
    """Neighbours of one coding are decoded as one; halves of a character that meet become one."""
    text = "".join(
        decode(b"".join(piece.data for piece in run if isinstance(piece, Encoded)), coding)
        if coding
        else "".join(piece for piece in run if isinstance(piece, str))
        for coding, run in groupby(pieces, key=lambda piece: "" if isinstance(piece, str) else piece.coding)
    )
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
