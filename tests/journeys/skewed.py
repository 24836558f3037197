"""The command line of a machine whose clock is wrong: `python -m tests.journeys.skewed SECONDS COMMAND…`."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

from onceline.cli import run
from onceline.core.clock import SystemClock

_true_time = SystemClock.now


def main(ahead: timedelta) -> None:
    def now(self: SystemClock) -> datetime:
        return _true_time(self) + ahead

    SystemClock.now = now  # type: ignore[method-assign]  # a wrong clock is what this is for
    run()


if __name__ == "__main__":
    seconds = float(sys.argv.pop(1))
    main(timedelta(seconds=seconds))
