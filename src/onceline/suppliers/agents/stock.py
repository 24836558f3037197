"""Asks an agent again and again what it has, and cancels what was bought of it and is of no use."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import structlog

from onceline.core.errors import Unavailable
from onceline.suppliers import purchases
from onceline.suppliers.agents import places, wire
from onceline.suppliers.agents.buying import tell
from onceline.suppliers.agents.line import Line, NoAnswer
from onceline.suppliers.agents.services import service_of
from onceline.suppliers.agents.settings import AgentSettings
from onceline.suppliers.base import Configured, NotConfigured, OutcomeUnknown, Surroundings
from onceline.suppliers.purchases import LARGEST_COUNT, Purchase, Stock

_LOG = structlog.get_logger(__name__)
MOST_COUNTRIES, MOST_OPERATORS, MOST_SERVICES = 400, 200, 3000
_AT_ONCE = 50


class StockSession:
    """Every `poll_s` seconds: the pool's stock becomes what the agent says."""

    def __init__(self, configured: Configured, around: Surroundings) -> None:
        self.name = f"{configured.name}:stock"
        self._supplier = configured.name
        self._settings: AgentSettings = configured.settings
        self._around = around
        self._line = Line(configured, around.door)
        self._woken = threading.Event()

    def hear(self, words: frozenset[str]) -> None:
        """No wake-up tells of an agent's stock."""

    def wake(self) -> None:
        self._woken.set()

    def run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self.look()
            except Unavailable as away:
                _LOG.warning("stock is not noted", supplier=self._supplier, code=away.code)
            except Exception:
                _LOG.exception("agent failed a round", supplier=self._supplier)
            self._woken.wait(self._settings.poll_s)
            self._woken.clear()

    def look(self) -> None:
        """One round. Raises Unavailable."""
        try:
            answer = self._line.ask("GET_SERVICES")
        except (NoAnswer, NotConfigured):
            self._around.intake.alert(self._supplier, "agent_unreachable")
            return
        counts = counted(answer)
        if counts is None:
            self._around.intake.alert(self._supplier, "agent_unreadable")
            return
        now = self._around.context.clock.now()
        with self._around.db.transaction() as tx:
            if not purchases.feeds(tx, self._supplier, self._settings.pool):
                self._around.intake.alert(self._supplier, "pool_of_another", self._settings.pool)
                return
            rows = [Stock(country, service, count) for (country, service), count in sorted(counts.items())]
            purchases.set_stock(tx, self._settings.pool, rows, now)
            due = purchases.lease_due(tx, self._supplier, now, _AT_ONCE)
        self._close([one for one in due if one.state == "unwanted"])

    def _close(self, unwanted: list[Purchase]) -> None:
        for purchase in unwanted:
            try:
                tell(self._line, self._around, purchase, wire.CANCELLED)
            except OutcomeUnknown:
                return


def counted(answer: dict[str, Any]) -> Counter[tuple[str, str]] | None:
    """Numbers by country and service: all operators and all codes of a service together. None for nonsense.

    What we do not know, or do not serve (promise A1), is passed over; a count that is none counts as zero.
    """
    listed = answer.get("countryList")
    if answer["status"] != wire.SUCCESS or not isinstance(listed, list):
        return None
    found: Counter[tuple[str, str]] = Counter()
    for entry in listed[:MOST_COUNTRIES]:
        country = places.place(entry.get("country")) if isinstance(entry, dict) else None
        operators = entry.get("operatorMap") if country else None
        if country and isinstance(operators, dict):
            _count(found, country, list(operators.values())[:MOST_OPERATORS])
    return found


def _count(found: Counter[tuple[str, str]], country: str, operators: list[Any]) -> None:
    for services in operators:
        if not isinstance(services, dict):
            continue
        for code, count in list(services.items())[:MOST_SERVICES]:
            slug = service_of(code)
            if slug and type(count) is int and count > 0:
                found[country, slug] = min(found[country, slug] + count, LARGEST_COUNT)
