"""Sends the self-tests that are due, and gives up those that did not arrive."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from onceline.core.errors import Unavailable
from onceline.core.selftests import commands
from onceline.core.selftests.model import Due
from onceline.suppliers.base import NotConfigured, Sender, Surroundings
from onceline.suppliers.configured import Entry, entries

_LOG = structlog.get_logger(__name__)
BATCH = 10
INTERVAL_S = 5.0


def selftest_round(around: Surroundings, public_url: str | None) -> int:
    """Returns how many were sent, or given up."""
    db, context = around.db, around.context
    with db.transaction() as tx:
        given_up = commands.fail_overdue(tx, context.clock.now(), BATCH)
    with db.transaction() as tx:
        due = commands.begin(tx, context.clock.now(), BATCH)
    if due:
        usable = _usable(around, public_url)
        for one in due:
            _send(around, usable, one)
    return max(given_up, len(due))


def _usable(around: Surroundings, public_url: str | None) -> Mapping[str, Entry]:
    with around.db.transaction() as tx:
        found = entries(tx, around.context.vault, public_url)
    return {entry.name: entry for entry in found if entry.enabled and entry.configured}


def _send(around: Surroundings, usable: Mapping[str, Entry], due: Due) -> None:
    """Whatever a supplier does, the others' tests are sent."""
    try:
        _sender(around, usable[due.supplier]).send(due.number_from, due.number_to, due.text)
    except Unavailable:
        raise
    except Exception as error:
        why = type(error).__name__
        _LOG.warning("self-test was not sent", supplier=due.supplier, test=due.test, why=why)
        with around.db.transaction() as tx:
            commands.not_sent(tx, due, around.context.clock.now())


def _sender(around: Surroundings, entry: Entry) -> Sender:
    """Raises NotConfigured."""
    if entry.kind is None or entry.kind.send is None or entry.configured is None:
        raise NotConfigured(f"suppliers of the kind of {entry.name} cannot send")
    return entry.kind.send(entry.configured, around)
