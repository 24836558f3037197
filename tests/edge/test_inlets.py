"""Who may push messages, while the configuration is being read again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from onceline.core.suppliers.store import SUPPLIERS_WORD
from onceline.edge import inlets as module
from onceline.edge.inlets import Inlets, Unknown
from onceline.suppliers.base import Configured, Kind, KindSettings
from onceline.suppliers.configured import Entry

GATE = Kind("gate", KindSettings, inlet=cast(Any, lambda configured: configured))


def entry(name: str) -> Entry:
    return Entry(name, GATE, True, Configured(name, KindSettings()))


class SlowReading:
    """Stands where the command pool does: readings wait until they are let go on."""

    def __init__(self, *names: str) -> None:
        self.found = [entry(name) for name in names]
        self.readings = 0
        self.began = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def run(self, _read: Callable[..., Any]) -> list[Entry]:
        self.readings += 1
        self.began.set()
        await self.may_go_on.wait()
        return self.found


def test_a_supplier_that_is_known_waits_for_no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even for one that takes so long that the next is due."""
    monkeypatch.setattr(module, "RETRY_S", 0.0)

    async def story() -> None:
        reading = SlowReading("farm")
        inlets = Inlets(cast(Any, reading), cast(Any, None), None)
        reading.may_go_on.set()
        await inlets.find("farm")
        reading.may_go_on.clear()
        reading.began.clear()
        inlets.hear(frozenset({SUPPLIERS_WORD}))
        unknown = asyncio.create_task(inlets.find("other"))
        await reading.began.wait()
        inlets.hear(frozenset({SUPPLIERS_WORD}))  # what is being read is old already
        known = await asyncio.wait_for(inlets.find("farm"), 5)
        assert (cast(Configured, known).name, unknown.done()) == ("farm", False)
        reading.may_go_on.set()
        with pytest.raises(Unknown):
            await unknown

    asyncio.run(story())


def test_many_that_are_unknown_are_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 60.0)

    async def story() -> None:
        reading = SlowReading("farm")
        inlets = Inlets(cast(Any, reading), cast(Any, None), None)
        asked = [asyncio.create_task(inlets.find(f"nobody-{one}")) for one in range(20)]
        await asyncio.sleep(0)
        reading.may_go_on.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(one) for one in answers} == {Unknown}
        assert reading.readings == 1

    asyncio.run(story())
