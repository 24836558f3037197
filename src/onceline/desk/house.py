"""What the desk stands on: settings, core's pool, context. Django is one per process, so this is too."""

from __future__ import annotations

from dataclasses import dataclass

from onceline.accesslog import AccessLog
from onceline.config import Settings
from onceline.core.clock import Clock
from onceline.core.db import Database
from onceline.core.orders.context import Context


@dataclass(frozen=True, slots=True)
class House:
    """`db` is the desk's own pool: a storm of page views takes no connection from orders and codes."""

    settings: Settings
    db: Database
    context: Context
    log: AccessLog

    @property
    def clock(self) -> Clock:
        return self.context.clock


_installed: House | None = None


def install(house: House | None) -> None:
    """From now on the desk of this process stands on this one."""
    global _installed
    _installed = house


def house() -> House:
    assert _installed is not None, "install() comes before the first request"
    return _installed
