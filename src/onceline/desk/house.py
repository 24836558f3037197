"""What the desk stands on: settings, core's pool, context. Django is one per process, so this is too."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from onceline.accesslog import AccessLog
from onceline.config import Settings
from onceline.core.clock import Clock
from onceline.core.db import Database
from onceline.core.orders.context import Context
from onceline.payments.till import Till


@dataclass(frozen=True, slots=True)
class House:
    """`db` is the desk's own pool: a storm of page views takes no connection from orders and codes."""

    settings: Settings
    db: Database
    context: Context
    log: AccessLog
    till: Till = field(init=False)
    waiting: threading.BoundedSemaphore = field(init=False)
    """For whoever waits for a processor of payments: half of the threads, so that the others go on answering."""

    def __post_init__(self) -> None:
        ours = self.settings
        till = Till(self.db, self.context, ours.public_url, ours.deposit_limits)
        object.__setattr__(self, "till", till)
        object.__setattr__(self, "waiting", threading.BoundedSemaphore(max(1, ours.desk_threads // 2)))

    @property
    def clock(self) -> Clock:
        return self.context.clock


_installed: House | None = None


def install(house: House | None) -> None:
    """From now on the desk of this process stands on this one."""
    global _installed
    _installed = house
    if house is not None:
        house.db.bell.listen(house.till.hear)


def house() -> House:
    assert _installed is not None, "install() comes before the first request"
    return _installed
