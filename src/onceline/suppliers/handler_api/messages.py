"""Fetches messages: asks about each purchase every few seconds, and keeps what is new.

A server answers the same code until it is asked for another message, so what was fetched is remembered, sealed, before it is
kept: after a crash the same message is kept under the same name. An equal code counts as a new message only when the server
was seen waiting in between.
"""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import structlog

from onceline.core.errors import Erased, Unavailable
from onceline.core.vault import Place, intake_key
from onceline.core.vault.vault import Forged
from onceline.suppliers import purchases
from onceline.suppliers.base import Arrival, Configured, Surroundings
from onceline.suppliers.handler_api import wire
from onceline.suppliers.handler_api.client import Client, NoAnswer
from onceline.suppliers.purchases import Purchase

_LOG = structlog.get_logger(__name__)
AT_ONCE = 4
EACH_ROUND = 12
ROUND_S = 1.0
LONGEST_WAIT_S = 30.0
AWAY_S = 5.0
"""Until the database is asked again."""
MOST_HEARD = 50
"""Messages of one purchase: more are a flood, and are left where they are."""
LAST_LOOK_WITHIN = timedelta(seconds=60)
"""After the end over there: what came in the last second is fetched if the server answers by then."""
CANCEL = "8"


class Heard(NamedTuple):
    """The last message: what getStatus said of it, and all that there is to keep."""

    code: str
    text: str


class Listener:
    """Asks about single purchases. Used by the session, and by the orders where a message may be waiting."""

    def __init__(self, client: Client, around: Surroundings) -> None:
        self._client = client
        self._around = around

    def listen(self, purchase: Purchase) -> bool:
        """Look whether a message came, and keep it; False when the server gave no answer. Raises Unavailable."""
        if not purchase.heard_kept:
            self._keep_noted(purchase)
            return True
        try:
            said = self._client.ask("getStatus", {"id": purchase.supplier_order_id or ""})
            if said.word == "STATUS_OK" and said.rest.strip():
                self._hear(purchase, said.rest.strip())
        except NoAnswer:
            return False
        if said.word in wire.WAITS and purchase.heard_sealed is not None:
            with self._around.db.transaction() as tx:
                purchases.awaits_again(tx, purchase)
        elif said.word in wire.CLOSED:
            self._end(purchase)
        return True

    def expect_another(self, purchase: Purchase) -> None:
        """After a resend was asked for: seen waiting at once, an equal code is known for a new one."""
        self.listen(purchase)

    def give_back(self, purchase: Purchase) -> bool:
        """Cancel what is of no use; tried again until the server says that it is closed, or it is over by the clock."""
        try:
            said = self._client.ask("setStatus", {"id": purchase.supplier_order_id or "", "status": CANCEL})
        except NoAnswer:
            return False
        if said.word in wire.CLOSED or said.word == "EMPTY":
            self._end(purchase)
        return True

    def look_after(self, purchase: Purchase) -> bool:
        """What the session does about a due purchase; False when the server gave no answer."""
        answered = self.give_back(purchase) if purchase.state == "unwanted" else self.listen(purchase)
        over_for = self._around.context.clock.now() - purchase.ends_at
        if over_for >= (timedelta() if answered else LAST_LOOK_WITHIN):
            self._end(purchase)
        return answered

    def _hear(self, purchase: Purchase, code: str) -> None:
        last = self._last(purchase)
        if (last is not None and last.code == code) or purchase.heard >= MOST_HEARD:
            return
        heard = Heard(code, self._whole_text(purchase, code))
        sealed = self._around.context.vault.seal(
            intake_key(purchase.asked_at), json.dumps(heard).encode(), _place(purchase)
        )
        with self._around.db.transaction() as tx:
            is_new = purchases.hear(tx, purchase, sealed)
        if is_new:
            self._keep(purchase, purchase.heard + 1, heard.text)

    def _keep_noted(self, purchase: Purchase) -> None:
        """Noted, but perhaps never kept: whoever noted it was interrupted."""
        last = self._last(purchase)
        if last is not None:
            self._keep(purchase, purchase.heard, last.text)

    def _keep(self, purchase: Purchase, which: int, text: str) -> None:
        arrival = Arrival(f"{purchase.supplier_order_id}-{which}", purchase.number or "", "", text)
        self._around.intake.keep(purchase.supplier, [arrival])
        with self._around.db.transaction() as tx:
            purchases.kept(tx, purchase.reference, which)

    def _last(self, purchase: Purchase) -> Heard | None:
        if purchase.heard_sealed is None:
            return None
        try:
            opened = self._around.context.vault.open(
                intake_key(purchase.asked_at), purchase.heard_sealed, _place(purchase)
            )
        except (Erased, Forged):
            return None
        return Heard(*json.loads(opened))

    def _whole_text(self, purchase: Purchase, code: str) -> str:
        """The text that the code stands in, if the server has it; else the code alone."""
        for action in ("getFullSms", "getStatusV2"):
            try:
                said = self._client.ask_first_known((action,), {"id": purchase.supplier_order_id or ""})
            except NoAnswer:
                continue
            text = said.rest if said.word == "FULL_SMS" else _text_in(said.data)
            if _plain(code) in _plain(text):
                return text
        return code

    def _end(self, purchase: Purchase) -> None:
        with self._around.db.transaction() as tx:
            purchases.ended(tx, purchase.reference)


class Messages:
    """The Session that looks after purchases. A server that does not answer is asked later and later, by one line of log."""

    def __init__(self, configured: Configured, around: Surroundings) -> None:
        self._supplier = configured.name
        self._around = around
        self._listener = Listener(Client(configured, around), around)
        self._woken = threading.Event()
        self._wait_s = ROUND_S

    @property
    def name(self) -> str:
        return f"{self._supplier}/messages"

    def hear(self, words: frozenset[str]) -> None:
        """Nothing: the clock decides."""

    def wake(self) -> None:
        self._woken.set()

    def run(self, stopping: threading.Event) -> None:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=self.name) as threads:
            while not stopping.is_set():
                self._round(threads)
                self._woken.wait(self._wait_s)
                self._woken.clear()

    def _round(self, threads: ThreadPoolExecutor) -> None:
        try:
            with self._around.db.transaction() as tx:
                due = purchases.lease_due(tx, self._supplier, self._around.context.clock.now(), EACH_ROUND)
            answered = list(threads.map(partial(_safely, self._listener), due))
        except Unavailable:
            self._wait_s = AWAY_S
            return
        if answered and not any(answered):
            self._wait_longer()
        elif answered:
            self._wait_s = ROUND_S

    def _wait_longer(self) -> None:
        if self._wait_s == ROUND_S:
            _LOG.warning("supplier does not answer", supplier=self._supplier)
            self._around.intake.alert(self._supplier, "unreachable", "getStatus")
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)


def _safely(listener: Listener, purchase: Purchase) -> bool:
    """One purchase's fault is not another's."""
    try:
        return listener.look_after(purchase)
    except Unavailable:
        raise
    except Exception:
        _LOG.exception("purchase could not be looked after", reference=purchase.reference)
        return True


def _text_in(data: object) -> str:
    sms = data.get("sms") if isinstance(data, dict) else None
    text = sms.get("text") if isinstance(sms, dict) else None
    return text if isinstance(text, str) else ""


def _plain(text: str) -> str:
    """Without what people put between the signs of a code."""
    return re.sub(r"[\s\-]", "", text)


def _place(purchase: Purchase) -> Place:
    return Place("purchases", "heard_sealed", f"{purchase.reference}|{purchase.supplier_order_id}")
