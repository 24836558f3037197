"""Figures of the published promises that no other part of the program counts yet, each named once.

A part that comes to keep one of them brings its own constant, and its line here goes.
"""

from __future__ import annotations

from datetime import timedelta

UPTIME_PER_MILLE = 999
"""D11: of a month."""
MAINTENANCE_NOTICE = timedelta(hours=24)
"""D11: maintenance that is announced so early does not count."""
SHARE_MEDIAN_MS, SHARE_P99 = 100, timedelta(seconds=1)
"""D2: what is ours of a message's way."""
ROUTE_MEDIAN, ROUTE_P95 = timedelta(seconds=3), timedelta(seconds=10)
"""D2: the whole way."""
