"""Sends hubs what came to the numbers that they bought, and makes the cancellations that they asked for too early.

Every shown message of a hub's orders is sent as PUSH_SMS until the hub says SUCCESS: again after ten seconds, under the same
smsId, for an hour after the order's end. Promises: none is skipped over kill -9; a hub that hangs delays no other. Never:
what was withheld, a word about any other side, a log line with a number or a text.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import structlog
from prometheus_client import Counter

from onceline.core.db import Database, Transaction
from onceline.core.errors import CancelTooEarly, Erased, NotFound, OutboundRefused, Refusal, Unavailable
from onceline.core.hubs import store as hubs
from onceline.core.hubs.store import Hub, Push
from onceline.core.orders import commands, store
from onceline.core.orders.context import Context
from onceline.core.orders.store import Message
from onceline.outbound import ConfiguredDoor, OutboundFailed, Reply
from onceline.outbound_address import parse
from onceline.suppliers.agents import wire
from onceline.suppliers.agents.wire import NotUnderstood

_LOG = structlog.get_logger(__name__)
INTERVAL_S = 1.0
SLOTS = 16
OF_HUB = 4
"""Pushes under way to one hub: a hub that hangs leaves the rest to the others."""
LEASE_S = 30.0
"""Longer than a push may take, so that only a worker that died loses its claim."""
REPEAT_S = 10.0
GIVEN_UP = timedelta(hours=1)
"""After the order's end."""
MOST_CANCELS = 50
_HEADERS = {"Content-Type": "application/json", "User-Agent": "Onceline"}
_DONE = frozenset({wire.SUCCESS, "IGNORED", "SERVICE_BAN"})
"""The last two are words of one dialect: do not send it again."""
_LONGEST_STATUS = 64

PUSHES = Counter("onceline_hub_pushes", "Attempts to send hubs their messages.", ["outcome"])


class HubPusher:
    """A clock of a worker process; several share the work by claims."""

    name = "hub-push"

    def __init__(
        self,
        db: Database,
        context: Context,
        open_door: Callable[[Iterable[str]], ConfiguredDoor] = ConfiguredDoor,
    ) -> None:
        self._db = db
        self._context = context
        self._open_door = open_door
        self._doors: dict[str, ConfiguredDoor] = {}
        self._known: frozenset[str] = frozenset()
        """Wake-ups of sides that are hubs; the others' are not worth a look."""
        self._under_way: Tally[int] = Tally()
        self._lock = threading.Lock()
        self._woken = threading.Event()

    def hear(self, words: frozenset[str]) -> None:
        if words & self._known:
            self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    def run(self, stopping: threading.Event) -> None:
        with ThreadPoolExecutor(SLOTS, thread_name_prefix=self.name) as threads:
            while not stopping.is_set():
                try:
                    self.look(lambda hub, push: threads.submit(self.push, hub, push))
                except Unavailable as away:
                    _LOG.warning("worker waits for the database", worker=self.name, code=away.code)
                except Exception:
                    _LOG.exception("worker failed a round", worker=self.name)
                self._woken.wait(INTERVAL_S)
                self._woken.clear()

    def look(self, begin: Callable[[Hub, Push], object]) -> None:
        """One round; `begin` is given every push that is ours to make. Raises Unavailable."""
        for _ in range(MOST_CANCELS):
            if not self._cancel_one():
                break
        now = self._context.clock.now()
        with self._db.transaction() as tx:
            hubs.fan_out(tx, now)
        with self._db.transaction() as tx:
            found = hubs.hubs(tx)
            claims = self._claimed(tx, found)
        self._known = frozenset(f"side:{hub.side}" for hub in found)
        with self._lock:  # counted only now, when the claims are committed
            self._under_way.update(hub.side for hub, _ in claims)
        for hub, push in claims:
            begin(hub, push)

    def _claimed(self, tx: Transaction, found: Sequence[Hub]) -> list[tuple[Hub, Push]]:
        """What is due, as much of it as there is room for. Only this thread claims."""
        now = self._context.clock.now()
        claims: list[tuple[Hub, Push]] = []
        for hub in found:
            with self._lock:
                under_way, all_under_way = self._under_way[hub.side], self._under_way.total()
            room = min(OF_HUB - under_way, SLOTS - all_under_way - len(claims))
            if hub.waiting and room > 0:
                until = now + timedelta(seconds=LEASE_S)
                claims += [(hub, push) for push in hubs.claim(tx, hub.side, room, until, now)]
        return claims

    def _cancel_one(self) -> bool:
        """An order at a time: each takes the locks of its own number and side. A code that came first wins."""
        now = self._context.clock.now()
        with self._db.transaction() as tx:
            due = hubs.due_cancels(tx, 1, now)
            for row in due:
                try:
                    commands.cancel(tx, self._context, row.side_id, row.order_id)
                except CancelTooEarly as early:
                    hubs.cancel_later(tx, row.side_id, row.order_id, early.facts["cancel_available_at"])
                    return False
                except Refusal:
                    _LOG.info("a hub's cancellation came too late", order=row.order_id)
        return bool(due)

    # One push.

    def push(self, hub: Hub, push: Push) -> None:
        try:
            self._push(hub, push)
        except Unavailable as away:
            _LOG.warning("push is not noted", order=push.order, code=away.code)
        except Exception:
            _LOG.exception("push failed", order=push.order)
        finally:
            with self._lock:
                self._under_way[hub.side] -= 1
            self._woken.set()

    def _push(self, hub: Hub, push: Push) -> None:
        body = self._body(hub, push)
        done = body is None or self._send(hub.url, body)
        with self._db.transaction() as tx:
            if done:
                hubs.end_push(tx, push.message)
            else:
                next_at = self._context.clock.now() + timedelta(seconds=REPEAT_S)
                hubs.retry_push(tx, push.message, next_at)

    def _body(self, hub: Hub, push: Push) -> bytes | None:
        """None when there is nothing to send any more: too old, or erased."""
        with self._db.transaction() as tx:
            try:
                order = store.order(tx, push.order, hub.side)
                key = hubs.key_of(self._context.vault, hub)
            except (NotFound, Erased):
                return None
            found = store.messages_by_id(tx, self._context.vault, {order.id: order.account}, [push.message])
        over = order.closed_at is not None and self._context.clock.now() - order.closed_at > GIVEN_UP
        if over or not found or found[0].content.text is None or order.e164 is None:
            PUSHES.labels("given_up").inc()
            return None
        return self._written(key, order.e164, found[0])

    def _written(self, key: str, number: str, message: Message) -> bytes:
        return wire.written(
            {
                "action": "PUSH_SMS",
                "key": key,
                "smsId": self._sms_id(message.id),
                "phone": int(number[1:]),
                "phoneFrom": message.content.sender or "",
                "text": message.content.text or "",
            }
        )

    def _sms_id(self, message: int) -> int:
        """Always the same for a message, and says nothing of how many there are."""
        name = hashlib.blake2s(
            f"sms {message}".encode(), key=self._context.installation.secret, digest_size=8
        )
        return int.from_bytes(name.digest(), "big") >> 2

    def _send(self, url: str, body: bytes) -> bool:
        try:
            outcome = _outcome(self._door(url).request("POST", url, _HEADERS, body))
        except (OutboundFailed, OutboundRefused) as failed:
            outcome = failed.reason if isinstance(failed, OutboundFailed) else "refused_address"
        PUSHES.labels(outcome).inc()
        return outcome == "accepted"

    def _door(self, url: str) -> ConfiguredDoor:
        where = parse(url)
        host = f"{where.host}:{where.port}"
        return self._doors.setdefault(host, self._open_door([host]))


def _outcome(reply: Reply) -> str:
    """Whether the hub has it for good."""
    encoding = next((value for name, value in reply.headers if name.lower() == "content-encoding"), "")
    try:
        found = wire.read_object(wire.unpacked(reply.body, encoding))
        accepted = wire.text(found, "status", _LONGEST_STATUS) in _DONE
    except NotUnderstood:
        return "not_understood"
    return "accepted" if accepted and reply.status < 500 else "refused"
