"""The SMSC of the tests as they speak of it: node-smpp in a process of its own, told and asked line by line."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.suppliers.counterparts import need

FOLDER = Path(__file__).parent
PASSWORD = "a-long-password"
Event = dict[str, Any]


class Smsc:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._coming: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.events: list[Event] = []
        self.port = int(self.wait("listening")["port"])

    def tell(self, do: str, **rest: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"do": do, **rest}) + "\n")
        self._process.stdin.flush()

    def queue(self, messages: Iterable[Event], window: int = 10, again: int = 100) -> None:
        self.tell("queue", messages=list(messages), window=window, again=again)

    def wait(self, event: str, fits: Callable[[Event], bool] = lambda _: True, seconds: float = 20) -> Event:
        """The next such event that nobody waited for yet."""
        end = time.monotonic() + seconds
        at = 0
        while True:
            while at < len(self.events):
                if self.events[at]["event"] == event and fits(self.events[at]):
                    return self.events.pop(at)
                at += 1
            self._take(end, event)

    def never(self, event: str, seconds: float) -> bool:
        try:
            self.wait(event, seconds=seconds)
        except AssertionError:
            return True
        return False

    def _take(self, end: float, wanted: str) -> None:
        try:
            found = self._coming.get(timeout=max(end - time.monotonic(), 0.001))
        except queue.Empty:
            raise AssertionError(f"the SMSC never saw {wanted}; it saw {self.events[-8:]}") from None
        assert found is not None, "the SMSC ended"
        self.events.append(found)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._coming.put(json.loads(line))
        self._coming.put(None)

    def close(self) -> None:
        assert self._process.stdin
        if not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait(timeout=10)
        self._reader.join(timeout=10)


def modules() -> Path:
    """Where `install` put node-smpp."""
    lock = b"".join((FOLDER / name).read_bytes() for name in ("package.json", "package-lock.json"))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "onceline" / f"node-smpp-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (place / "ready").exists():
        words = "node-smpp is not installed (.ci/install brings it)"
        pytest.fail(words) if os.environ.get("CI") else pytest.skip(words)
    return place / "node_modules"


@contextmanager
def smsc(**given: Any) -> Iterator[Smsc]:
    command = [need("node"), str(FOLDER / "smsc.js"), json.dumps({"password": PASSWORD, **given})]
    environment = {**os.environ, "NODE_PATH": str(modules())}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        made = Smsc(process)
        try:
            yield made
        finally:
            made.close()
