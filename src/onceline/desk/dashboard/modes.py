"""Test or live stands in every address of the dashboard, so that a stale tab never spends on the other side."""

from __future__ import annotations

MODES = ("live", "test")
LARGEST_ID = 2**31 - 1


class ModeConverter:
    """`<mode:mode>` in addresses."""

    regex = "|".join(MODES)

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class OrderIdConverter:
    """What core's ids can be; a larger number is no address at all."""

    regex = "0|[1-9][0-9]{0,9}"

    def to_python(self, value: str) -> int:
        if int(value) > LARGEST_ID:
            raise ValueError(value)
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)
