"""The installation's parts that no test changes are built once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onceline.config import Settings
from onceline.core.clock import ManualClock
from onceline.core.db import Database
from onceline.core.orders.context import Context, load_installation
from onceline.core.vault import FileKeyStore, Vault
from onceline.wiring import open_context

_MADE: list[Context] = []


@pytest.fixture
def context(db: Database, settings: Settings, clock: ManualClock) -> Context:
    if not _MADE:
        _MADE.append(open_context(db, settings, clock))
    return replace(
        _MADE[0],
        clock=clock,
        vault=Vault(FileKeyStore(settings.keystore)),
        terms=settings.terms,
        installation=load_installation(db),
    )
