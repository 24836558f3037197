"""A worker as a process of its own that works the outbox of one supplier, and waits to be killed at a named point."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from onceline.config import Settings
from onceline.core.clock import ManualClock
from onceline.core.db import Database
from onceline.core.orders import supply
from onceline.suppliers.base import Acquired, Call, Configured, Surroundings
from onceline.suppliers.handler_api.orders import HandlerApi
from onceline.suppliers.handler_api.settings import HandlerApiSettings
from onceline.suppliers.intake import DirectIntake
from onceline.wiring import open_context
from onceline.workers.supply import supply_round

LEASED, ASKING, NOTED = "leased", "asking", "noted"
"""The call is taken up and nobody was asked; the question is under way; the answer is written down, the order not told."""
_LONGER_THAN_THE_TEST_S = 600


class Halting(HandlerApi):
    """Says when it is bought, and goes no further."""

    halt: Callable[[], NoReturn]

    def acquire(self, call: Call) -> Acquired:
        super().acquire(call)
        self.halt()


def work(point: str, conninfo: str, folder: Path, url: str, now: datetime, door: Connection) -> None:
    """Until it is killed."""

    def halt() -> NoReturn:
        door.send(point)
        time.sleep(_LONGER_THAN_THE_TEST_S)
        raise AssertionError("nobody came to kill it")

    settings = Settings(data_dir=folder, keystore_dir=folder / "keys")
    with Database(conninfo, size=4, name="doomed") as db:
        context = open_context(db, settings, ManualClock(now))
        with closing(DirectIntake(db, context)) as intake:
            if point == LEASED:
                with db.transaction() as tx:
                    assert supply.due_calls(tx, context, "hub")
                halt()
            fields = HandlerApiSettings(url=url, pool="hub", markup_percent="30")
            around = Surroundings(db, context, intake)
            kind = Halting if point == NOTED else HandlerApi
            orders = kind(Configured("hub", fields, {"api_key": ("sesame",)}), around)
            if isinstance(orders, Halting):
                orders.halt = halt
            supply_round(db, context, "hub", orders)
