"""Telephone numbers at every boundary: E.164 text with plus and digits (ITU-T E.164: at most 15 digits)."""

from __future__ import annotations

import re

from onceline.core.errors import InvalidInput

_E164 = re.compile(r"\+[1-9][0-9]{4,14}")


def parse_e164(text: str) -> str:
    """The number itself, spaces and punctuation not forgiven. Raises InvalidInput."""
    if not _E164.fullmatch(text):
        raise InvalidInput(f"{text[:24]!r} is not a number in E.164 form, as in +447700900123.")
    return text


def parse_network(text: str) -> str:
    """A mobile network as MCC+MNC, 5 or 6 digits (ITU-T E.212). Raises InvalidInput."""
    if not re.fullmatch(r"[0-9]{5,6}", text):
        raise InvalidInput(
            f"{text[:24]!r} is not a network; write MCC and MNC as 5 or 6 digits, as in 23415."
        )
    return text
