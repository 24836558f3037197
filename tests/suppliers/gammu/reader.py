"""A worker's session in a process of its own that says "kept" and then waits, before it marks: there it is killed.

`python -m tests.suppliers.gammu.reader <our conninfo> <data folder> <settings as JSON>`
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from onceline.config import Settings
from onceline.core.clock import SystemClock
from onceline.core.db import Database
from onceline.core.inbox.store import Kept
from onceline.suppliers.base import Arrival, Configured, Surroundings
from onceline.suppliers.gammu.session import GammuSession
from onceline.suppliers.gammu.settings import GammuSettings
from onceline.suppliers.intake import DirectIntake
from onceline.wiring import open_context


class Halting(DirectIntake):
    def keep(self, supplier: str, arrivals: Sequence[Arrival]) -> list[Kept]:
        kept = super().keep(supplier, arrivals)
        sys.stdout.write("kept\n")
        sys.stdout.flush()
        time.sleep(60)
        return kept


def main(conninfo: str, data_dir: str, settings: str) -> None:
    folder = Path(data_dir)
    with Database(conninfo, size=2, name="reader") as db:
        context = open_context(db, Settings(data_dir=folder, keystore_dir=folder / "keys"), SystemClock())
        around = Surroundings(db, context, Halting(db, context))
        configured = Configured("modems", GammuSettings.model_validate_json(settings))
        GammuSession(configured, around).run(threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
