"""The kind `agent-protocol`, as the registry knows it."""

from __future__ import annotations

from collections.abc import Sequence

from onceline.suppliers.agents.buying import Buyer
from onceline.suppliers.agents.inlet import AgentInlet
from onceline.suppliers.agents.line import Line, NoAnswer
from onceline.suppliers.agents.settings import AgentSettings
from onceline.suppliers.agents.stock import StockSession, counted
from onceline.suppliers.base import Configured, Finding, Kind, NotConfigured, Surroundings


def _check(configured: Configured, around: Surroundings) -> Sequence[Finding]:
    """Asks the agent what it has."""
    what = "GET_SERVICES"
    try:
        answer = Line(configured, around.door).ask(what)
    except NotConfigured as missing:
        return [Finding(what, False, str(missing))]
    except NoAnswer as lost:
        return [Finding(what, False, f"the agent gave no answer of the protocol ({lost}); look at url")]
    counts = counted(answer)
    if counts is None:
        words = "the answer has no countryList, or its status is not SUCCESS: is the key the agent's?"
        return [Finding(what, False, words)]
    if not counts:
        words = (
            "nothing of what the agent has is in the catalogue here; are its countries known by name or id?"
        )
        return [Finding(what, False, words)]
    return [
        Finding(what, True, f"{sum(counts.values())} numbers for {len(counts)} country and service pairs")
    ]


KIND = Kind(
    name="agent-protocol",
    settings=AgentSettings,
    secrets={"key": "the key in every body, of both sides"},
    inlet=AgentInlet,
    sessions=lambda configured, around: [StockSession(configured, around)],
    orders=Buyer,
    check=_check,
    asks=True,
)
