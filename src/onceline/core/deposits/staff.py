"""Who acts for the house, by name: what takes two persons takes two different names. Pure.

Names are kept folded (one spelling, small letters), so that equal means the same person everywhere, in the tables too.
"""

from __future__ import annotations

import unicodedata

from onceline.core.errors import InvalidInput

LONGEST_NAME = 80
CENT = 10_000
"""Micro-units of the smallest coin."""


def folded(text: str, what: str = "A name of staff") -> str:
    """The one spelling of a name. Raises InvalidInput."""
    name = " ".join(unicodedata.normalize("NFKC", text).split()).casefold()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidInput(f"{what} has 1 to {LONGEST_NAME} printable characters.")
    return name


def demand_another(first: str, second: str) -> None:
    """Of two folded names. Raises InvalidInput when they are one person's."""
    if first == second:
        raise InvalidInput(f"{first} recorded this; another person must approve it.")
