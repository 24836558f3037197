"""SMPP 3.4 as the registry knows it: an operator's binds to an SMSC, and a trial of one.

Promised: a trial takes no message away. Never: keeps a bind beyond its trial.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakValueDictionary

from onceline.core.errors import OutboundRefused
from onceline.outbound import OutboundFailed
from onceline.suppliers.base import Configured, Finding, Kind, NotConfigured, Surroundings
from onceline.suppliers.smpp import pdu
from onceline.suppliers.smpp.link import Figures, Pace
from onceline.suppliers.smpp.pdu import Delivery
from onceline.suppliers.smpp.repeats import Repeats
from onceline.suppliers.smpp.session import Refused, SmppSession, let_in, opened
from onceline.suppliers.smpp.settings import SmppSettings

_SHARED: WeakValueDictionary[tuple[str, str], Repeats] = WeakValueDictionary()
"""By supplier and database: all binds of a supplier share what may come again, whenever they were made."""


def sessions(configured: Configured, surroundings: Surroundings) -> Sequence[SmppSession]:
    """One for each bind."""
    repeats = _shared(configured.name, surroundings)
    count = configured.settings.binds
    return [SmppSession(configured, index, surroundings, repeats) for index in range(1, count + 1)]


def _shared(supplier: str, surroundings: Surroundings) -> Repeats:
    db, context = surroundings.db, surroundings.context
    made = Repeats(supplier, db, context.vault, context.clock)
    return _SHARED.setdefault((supplier, db.conninfo), made)


def check(configured: Configured, surroundings: Surroundings) -> Sequence[Finding]:
    """Connects, binds and unbinds once. What is delivered meanwhile is not taken, so it comes again."""
    threads = ThreadPoolExecutor(1)
    try:
        return asyncio.run(_check(configured, surroundings, threads))
    finally:
        threads.shutdown(wait=False)


async def _check(
    configured: Configured, surroundings: Surroundings, threads: ThreadPoolExecutor
) -> Sequence[Finding]:
    connected: list[Finding] = []
    try:
        async with opened(configured, surroundings, threads, _take_nothing, Figures(), Pace()) as link:
            connected = [Finding("connection", ok=True)]
            await let_in(link, configured)
            await link.unbind()
    except (OutboundFailed, OutboundRefused) as failed:
        return [Finding("connection", ok=False, words=failed.detail)]
    except (Refused, NotConfigured) as refused:
        return [*connected, Finding("bind", ok=False, words=_bind_words(refused))]
    except OSError as fault:
        return [Finding("connection", ok=False, words=f"{type(fault).__name__}: see tls and ca_file")]
    return [*connected, Finding("bind", ok=True)]


def _take_nothing(deliveries: Sequence[Delivery]) -> Sequence[int]:
    return [pdu.AGAIN_LATER] * len(deliveries)


def _bind_words(refused: Exception) -> str:
    words = str(refused)
    if words.startswith("bind_refused_0x5"):
        return "the SMSC says that this system_id is bound already: it allows no more binds than run now"
    return f"{words}: system_id, system_type, the secret password and the mode of bind must be as the SMSC has them"


KIND = Kind(
    name="smpp",
    settings=SmppSettings,
    secrets={"password": "what the SMSC expects with the system_id"},
    sessions=sessions,
    check=check,
)
