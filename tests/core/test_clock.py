"""Time: aware instants in UTC, moved by hand in tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from onceline.core.clock import ManualClock, SystemClock, rfc3339


def test_an_instant_is_written_in_utc_with_microseconds() -> None:
    berlin = timezone(timedelta(hours=2))
    assert rfc3339(datetime(2026, 3, 1, 14, 5, 6, 7, tzinfo=berlin)) == "2026-03-01T12:05:06.000007Z"


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.advance(1.5)
    assert clock.now() == datetime(2026, 3, 1, 0, 0, 1, 500_000, tzinfo=UTC)


def test_the_system_clock_knows_its_zone() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


@pytest.mark.parametrize("instant", [datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)])
def test_a_written_instant_is_read_as_the_same(instant: datetime) -> None:
    assert datetime.fromisoformat(rfc3339(instant)) == instant
