"""Empties the spool to the platform, oldest first, for as long as it takes.

Promised: a file goes only after the platform said 2xx, or to refused/ after the platform refused that one message while it took
a heartbeat. While it is away the agent asks again, at first after a second, at last every minute, each time with some chance in
it; where it is told to go away (401, 403, 404 …) it pauses, says so in the log, and keeps everything.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import structlog

from onceline.agent.config import Config, ConfigFault
from onceline.agent.message import Message
from onceline.agent.spool import NEW, REFUSED, UNMAPPED, Spool
from onceline.core.clock import Clock, rfc3339
from onceline.core.errors import OutboundRefused
from onceline.outbound import OutboundFailed, Reply

BATCH = 50
BATCH_BYTES = 200 * 1024
"""The platform takes 256 KB."""
HEARTBEAT_S = 30.0
IDLE_S = 0.1
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
DENIED_PAUSE_S = 120.0
_MORE_BYTES = 40
"""Around a message and for how long it waited."""
_BROKEN = (400, 413, 422)
_LATER = (408, 425, 429)

_LOG = structlog.get_logger(__name__)


class Outcome(Enum):
    TAKEN = "taken"
    BROKEN = "broken"
    """The platform knows us, and cannot read what we sent."""
    DENIED = "denied"
    """It takes nothing from us until a person changes something."""
    AWAY = "away"


class Door(Protocol):
    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Reply: ...


class Sender:
    """Settings are read anew at every heartbeat: new numbers, a new address, a new authority need no restart."""

    def __init__(
        self,
        read_config: Callable[[], Config],
        open_door: Callable[[Config], Door],
        spool: Spool,
        clock: Clock,
    ) -> None:
        self._read_config = read_config
        self._open_door = open_door
        self._config = read_config()
        self._door = open_door(self._config)
        self._spool = spool
        self._clock = clock
        self._failures = 0
        self._beat_at = 0.0
        """On the clock of durations: when the next heartbeat is due."""
        self._last = ""

    def run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            stopping.wait(self.round())

    def round(self) -> float:
        """One request at most but for a batch that is taken apart; gives the seconds until the next."""
        try:
            outcome = self._step()
        except (OSError, ConfigFault) as fault:
            outcome = self._told(Outcome.DENIED, detail=str(fault))
        if outcome is None:
            return IDLE_S
        if outcome is Outcome.TAKEN:
            self._failures = 0
            return 0.0
        if outcome is Outcome.AWAY:
            self._failures += 1
            return _pause_s(self._failures)
        return DENIED_PAUSE_S

    def _step(self) -> Outcome | None:
        """None when there is nothing to do."""
        if time.monotonic() >= self._beat_at:
            self._look_around()
            return self._beat()
        batch = self._batch()
        return self._deliver(batch) if batch else None

    # Messages.

    def _batch(self) -> list[tuple[Path, Message]]:
        """As many of the oldest as one request may hold."""
        batch: list[tuple[Path, Message]] = []
        size = 0
        for path in self._spool.oldest(NEW, BATCH):
            if message := self._spool.read(path):
                size += len(message.packed()) + _MORE_BYTES
                if batch and size > BATCH_BYTES:
                    break
                batch.append((path, message))
        return batch

    def _deliver(self, batch: Sequence[tuple[Path, Message]]) -> Outcome:
        """A batch that cannot be read is taken apart until the one that spoils it is alone."""
        messages = [
            json.loads(found.packed()) | {"waited_s": self._spool.age_s(path)} for path, found in batch
        ]
        outcome = self._post({"messages": messages}, len(batch))
        if outcome is Outcome.TAKEN:
            for path, _ in batch:
                self._spool.remove(path)
        if outcome is not Outcome.BROKEN:
            return outcome
        if len(batch) == 1:
            return self._refuse(batch[0][0])
        half = len(batch) // 2
        outcome = self._deliver(batch[:half])
        return self._deliver(batch[half:]) if outcome is Outcome.TAKEN else outcome

    def _refuse(self, path: Path) -> Outcome:
        """Only when the platform takes our heartbeat is it this message that is wrong, and nothing on the way."""
        outcome = self._beat()
        if outcome is Outcome.TAKEN:
            self._spool.set_aside(path)
            _LOG.warning("agent_message_refused", file=path.name)
        return outcome

    # Heartbeats.

    def _look_around(self) -> None:
        """New settings if they are good; messages whose number was not known and is now."""
        try:
            self._config = self._read_config()
            self._door = self._open_door(self._config)
        except ConfigFault as fault:
            _LOG.error("agent_config_refused", detail=str(fault))
        self._spool.sweep()
        for path in self._spool.oldest(UNMAPPED, BATCH):
            message = self._spool.read(path)
            if message and (number := self._config.numbers.get(message.device)):
                self._spool.adopt(path, message.for_number(number))

    def _beat(self) -> Outcome:
        outcome = self._post({"heartbeats": [self._heartbeat()]}, 0)
        if outcome is Outcome.TAKEN:
            self._beat_at = time.monotonic() + HEARTBEAT_S
        if outcome is Outcome.BROKEN:
            return self._told(Outcome.DENIED, detail="even a heartbeat cannot be read where we post")
        return outcome

    def _heartbeat(self) -> dict[str, Any]:
        new, unmapped, refused = (self._spool.depth(folder) for folder in (NEW, UNMAPPED, REFUSED))
        return {
            "device": self._config.name,
            "facts": {
                "spool_depth": new.count,
                "spool_oldest_s": new.oldest_s,
                "unmapped": unmapped.count,
                "refused": refused.count,
            },
            "warning": self._warning(unmapped.count, refused.count),
        }

    def _warning(self, unmapped: int, refused: int) -> str:
        if self._spool.is_full():
            return "spool-full"
        return "number-unknown" if unmapped else "messages-refused" if refused else ""

    # Requests.

    def _post(self, found: dict[str, Any], count: int) -> Outcome:
        body = json.dumps(found).encode()
        headers = signed(body, self._config.secret(), int(self._clock.now().timestamp()))
        try:
            reply = self._door.request("POST", self._config.url, headers, body)
        except OutboundRefused as fault:
            return self._told(Outcome.DENIED, detail=fault.detail)
        except OutboundFailed as fault:
            return self._told(Outcome.AWAY, detail=fault.detail)
        return self._told(meaning(reply.status), status=reply.status, count=count, **self._skew(reply))

    def _skew(self, reply: Reply) -> dict[str, int]:
        """Of a refused signature: how far our clock is ahead of the platform's, if it says its time."""
        stamp = next((value for name, value in reply.headers if name.lower() == "date"), "")
        if reply.status not in (401, 403) or not stamp:
            return {}
        try:
            return {
                "clock_ahead_s": round((self._clock.now() - parsedate_to_datetime(stamp)).total_seconds())
            }
        except (ValueError, TypeError, OverflowError):
            return {}

    def _told(self, outcome: Outcome, **facts: Any) -> Outcome:
        """In the log when it changes, and each time that we are sent away; for `status` always."""
        if outcome is Outcome.DENIED:
            _LOG.error("agent_denied", pause_s=DENIED_PAUSE_S, advice=_ADVICE, **facts)
        elif outcome.value != self._last:
            _LOG.info(f"agent_{outcome.value}", **facts)
        self._last = outcome.value
        noted = {"outcome": outcome.value, "at": rfc3339(self._clock.now())} | facts
        self._spool.note(json.dumps(noted).encode())
        return outcome


_ADVICE = "nothing is lost; compare url, supplier and signing key on both sides, and this machine's clock"


def signed(body: bytes, secret: bytes, at: int) -> dict[str, str]:
    """The headers of docs/howto/signed-http.md."""
    signature = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Onceline-Timestamp": str(at),
        "X-Onceline-Signature": f"v1={signature}",
    }


def meaning(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome.TAKEN
    if status in _BROKEN:
        return Outcome.BROKEN
    return Outcome.AWAY if status >= 500 or status in _LATER else Outcome.DENIED


def _pause_s(failures: int) -> float:
    """Between half and all of a time that doubles, so that many agents do not come back as one."""
    whole = min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE_S)
    return whole * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
