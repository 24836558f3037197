"""The rhythm of a worker: look when a wake-up comes and at least every interval, survive a database that is away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from onceline.core.errors import Unavailable

_LOG = structlog.get_logger(__name__)
_MOST_BACKOFF_S = 5.0


class Clockwork(Protocol):
    """What a worker process runs, each in a thread of its own."""

    @property
    def name(self) -> str: ...

    def hear(self, words: frozenset[str]) -> None:
        """Wake-ups, from any thread; returns quickly."""

    def wake(self) -> None:
        """Look now; also after `stopping` was set."""

    def run(self, stopping: threading.Event) -> None: ...


@dataclass(slots=True)
class Worker:
    """`work` does one round and returns how much it did; a full round is followed by the next at once."""

    name: str
    interval_s: float
    work: Callable[[], int]
    wake_word: str | None = None
    full_round: int = 0
    _woken: threading.Event = field(default_factory=threading.Event)

    def hear(self, words: frozenset[str]) -> None:
        if self.wake_word in words:
            self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    def run(self, stopping: threading.Event) -> None:
        backoff = self.interval_s
        while not stopping.is_set():
            try:
                done = self.work()
            except Unavailable as away:
                backoff = min(max(backoff * 2, 0.1), _MOST_BACKOFF_S)
                _LOG.warning(
                    "worker waits for the database", worker=self.name, code=away.code, backoff_s=backoff
                )
                stopping.wait(backoff)
                continue
            except Exception:
                _LOG.exception("worker failed a round", worker=self.name)
                stopping.wait(_MOST_BACKOFF_S)
                continue
            backoff = self.interval_s
            if not (self.full_round and done >= self.full_round):
                self._woken.wait(self.interval_s)
            self._woken.clear()
