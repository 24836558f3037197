"""What every supplier's messages go through on their way to T1, and what is remembered beside: devices, alerts, figures.

Promises: what `keep` returned for is committed; the same message twice is one; no sender, text, code or full number stands in
an alert, a figure or a log line.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter as Tally
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

import structlog
from prometheus_client import Counter

from onceline.core.db import Database
from onceline.core.errors import Unavailable
from onceline.core.inbox.model import Inbound
from onceline.core.inbox.store import Kept
from onceline.core.orders.context import Context
from onceline.core.orders.settle import receive_each, settle_each
from onceline.core.suppliers import store
from onceline.core.suppliers.store import Alert, Beat
from onceline.core.vault import Vault, intake_key
from onceline.suppliers.base import LONGEST_FACT, MOST_FACTS, Arrival, Heartbeat

_LOG = structlog.get_logger(__name__)
MESSAGES = Counter("onceline_supplier_messages", "Messages and parts from suppliers, by what came of them.", ["supplier", "outcome"])  # fmt: skip
MOST_NOTED = 1000
"""Devices and alerts that wait to be written; beyond them only what is known already counts on."""
SETTLED_TOGETHER = 25
MOST_TO_SETTLE = 10_000
_LONGEST_NUMBER = 24
_E164 = re.compile(r"\+[1-9][0-9]{4,14}")
_PLAIN_ID = re.compile(r"[\x21-\x7e]{1,100}")


def inbound(vault: Vault, supplier: str, arrival: Arrival, received_at: datetime) -> Inbound:
    """The one shape inside. Raises KeyStoreAway where the message has no name of its own."""
    number = _number(arrival.number)
    name = arrival.message_id or _derived_id(vault, arrival, number, received_at)
    if not _PLAIN_ID.fullmatch(name):
        name = "h-" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return Inbound(
        supplier, name, number, arrival.sender, arrival.text, received_at, arrival.part, arrival.waited_s
    )


def _number(text: str) -> str:
    """E.164 where it is one, with or without its plus or an international 00; else what there is, which is nobody's number."""
    bare = re.sub(r"[ ().\-]", "", text[:64])
    number = "+" + bare.removeprefix("+").removeprefix("00")
    return number if _E164.fullmatch(number) else re.sub(r"[^0-9A-Za-z+*#]", "", bare)[:_LONGEST_NUMBER]


def _derived_id(vault: Vault, arrival: Arrival, number: str, received_at: datetime) -> str:
    """A supplier that names nothing repeats what it said: the same words with the same stamp, or within a minute.

    Under the day's intake key, so that nobody can try out codes against it when the text is gone.
    """
    said_at = arrival.said_at or f"{received_at:%Y-%m-%dT%H:%M}"
    words = repr((number, arrival.sender, arrival.text, arrival.part, said_at))
    return "d-" + vault.digest(intake_key(received_at), words.encode("utf-8", "surrogatepass")).hex()


class Noted(NamedTuple):
    beats: list[Beat]
    alerts: list[Alert]


class Notebook:
    """Devices and alerts, gathered in memory and written together: a flood costs one row, and a lost note is no lost message."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._beats: dict[tuple[str, str], Beat] = {}
        self._alerts: Tally[tuple[str, str, str]] = Tally()

    def beat(self, supplier: str, heartbeat: Heartbeat, now: datetime) -> None:
        facts = {
            str(name)[:LONGEST_FACT]: value[:LONGEST_FACT] if isinstance(value, str) else value
            for name, value in list(heartbeat.facts.items())[:MOST_FACTS]
        }
        self._note(Beat(supplier, heartbeat.device[:64], facts, heartbeat.warning, now, None))
        if heartbeat.warning:
            self.alert(supplier, heartbeat.warning, heartbeat.device)

    def heard(self, supplier: str, device: str, now: datetime) -> None:
        self._note(Beat(supplier, device[:64], None, "", None, now))

    def alert(self, supplier: str, code: str, subject: str = "", times: int = 1) -> None:
        with self._lock:
            key = (supplier, code, subject[:64])
            if key in self._alerts or len(self._alerts) < MOST_NOTED:
                self._alerts[key] += times

    def taken(self) -> Noted | None:
        """What is noted, no longer here; None when there is nothing. Whoever cannot write it takes it back."""
        with self._lock:
            if not self._beats and not self._alerts:
                return None
            noted = Noted(list(self._beats.values()), [Alert(*key, n) for key, n in self._alerts.items()])
            self._beats, self._alerts = {}, Tally()
        return noted

    def take_back(self, noted: Noted) -> None:
        for beat in noted.beats:
            self._note(beat)
        for alert in noted.alerts:
            self.alert(*alert)

    def _note(self, new: Beat) -> None:
        with self._lock:
            key = (new.supplier, new.device)
            old = self._beats.get(key)
            if old is None and len(self._beats) >= MOST_NOTED:
                return
            if old is not None:
                said = new if new.heartbeat_at else old
                new = said._replace(
                    heartbeat_at=new.heartbeat_at or old.heartbeat_at,
                    message_at=new.message_at or old.message_at,
                )
            self._beats[key] = new


def note_kept(
    book: Notebook, supplier: str, arrivals: Sequence[Arrival], kept: Sequence[Kept], now: datetime
) -> None:
    """Figures, the devices' last messages, and an alert for each kind of number that is not ours."""
    for arrival, one in zip(arrivals, kept, strict=True):
        outcome = "duplicate" if not one.is_new else "unknown_number" if one.number is None else "new"
        MESSAGES.labels(supplier, outcome).inc()
        if arrival.device:
            book.heard(supplier, arrival.device, now)
        if outcome == "unknown_number":
            book.alert(supplier, "unknown_number", _stem(arrival.number))


def _stem(number: str) -> str:
    """What may be said of a number that is not ours: where it might belong."""
    return _number(number)[:5] + "…"


class DirectIntake:
    """The Intake of a worker process: T1 in the caller's thread, T2 for what somebody waits for in one of ours."""

    def __init__(self, db: Database, context: Context) -> None:
        self._db = db
        self._context = context
        self._book = Notebook()
        self._to_settle: deque[int] = deque(maxlen=MOST_TO_SETTLE)
        self._settler = ThreadPoolExecutor(1, thread_name_prefix="settle")

    def keep(self, supplier: str, arrivals: Sequence[Arrival]) -> list[Kept]:
        """Raises Unavailable."""
        now = self._context.clock.now()
        messages = [inbound(self._context.vault, supplier, arrival, now) for arrival in arrivals]
        if not messages:
            return []
        with self._db.transaction() as tx:
            kept = receive_each(tx, self._context, messages)
        note_kept(self._book, supplier, arrivals, kept, now)
        awaited = [one.id for one in kept if one.is_leased]
        if awaited:
            self._to_settle.extend(awaited)
            self._settler.submit(self._settle)
        return kept

    def beat(self, supplier: str, heartbeat: Heartbeat) -> None:
        self._book.beat(supplier, heartbeat, self._context.clock.now())

    def alert(self, supplier: str, code: str, subject: str = "") -> None:
        _LOG.warning("supplier needs a look", supplier=supplier, alert=code)
        self._book.alert(supplier, code, subject)

    def flush(self) -> int:
        """A worker's round: devices and alerts are written down."""
        noted = self._book.taken()
        if noted:
            try:
                with self._db.transaction() as tx:
                    store.beat(tx, noted.beats)
                    store.alert(tx, noted.alerts, self._context.clock.now())
            except Exception:
                self._book.take_back(noted)
                raise
        return 0

    def settled(self) -> None:
        """Returns when what was kept so far is matched, or left to the sweeper."""
        self._settler.submit(lambda: None).result(timeout=30)

    def close(self) -> None:
        self._settler.shutdown(wait=True, cancel_futures=True)

    def _settle(self) -> None:
        """All that waits, so that nothing new stands behind what the sweeper has done. What fails here the sweeper finishes."""
        while batch := [
            self._to_settle.popleft() for _ in range(min(SETTLED_TOGETHER, len(self._to_settle)))
        ]:
            self._settle_together(batch)

    def _settle_together(self, batch: list[int]) -> None:
        try:
            with self._db.transaction() as tx:
                settle_each(tx, self._context, batch)
        except Unavailable:
            _LOG.info("messages wait for the sweeper", messages=len(batch))
        except Exception:
            _LOG.exception("messages could not be settled together", messages=len(batch))
