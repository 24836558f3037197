"""kill -9 at any moment loses nothing that was acknowledged, over a platform that drops, repeats, fails and stalls at random."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from tests.agent.site import Site, is_genuine, messages
from tests.edge.door import eventually
from tests.receiver import Answer, Received, Receiver

WRITER = """
import itertools, os, sys
from pathlib import Path
from onceline.agent.config import Config
from onceline.agent.message import Message
from onceline.agent.spool import Spool
from onceline.core.clock import SystemClock

spool = Spool(Config(Path(sys.argv[1]), spool_messages=100_000), SystemClock())
for at in itertools.count():
    name = f"{sys.argv[2]}-{at}"
    spool.put(Message(name, "+447700900123", "Telegram", f"Your code is {at:06}" + "." * (at % 300), "now", "modem-1"))
    os.write(1, f"{name}\\n".encode())
"""
"""Says a name only after `put` returned for it."""


class Weather:
    """A platform as bad as a line can make it. What it was sent and could check is kept, whatever it answered."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._lock = threading.Lock()
        self.calm = False
        self.taken: Counter[str] = Counter()
        self.forged = 0

    def answer(self, one: Received) -> Answer:
        with self._lock:
            fate = 1.0 if self.calm else self._dice.random()
            if len(one.body) < int(one.headers["content-length"]):
                return Answer(drop=True)  # its sender was killed in the middle of it
            if not is_genuine(one):
                self.forged += 1
                return Answer(403)
            if fate < 0.15:
                return Answer(503)
            if fate < 0.3:
                return Answer(drop=True)  # before it was taken
            self.taken.update(message["id"] for message in messages([one]))
            if fate < 0.5:
                return Answer(drop=True)  # taken, and the answer is lost: it comes again
            return Answer(204, slow_s=0.05 if fate < 0.6 else 0)


@pytest.fixture
def fast(site: Site) -> Site:
    """Started with pauses that fit into a test, and batches so small that there are many."""
    site.patience = (
        "import onceline.agent.sender as s; s.FIRST_PAUSE_S = 0.02; s.LONGEST_PAUSE_S = 0.1; s.BATCH = 3; "
    )
    return site


def write(site: Site, name: str, seconds: float, acknowledged: list[str]) -> None:
    """A writer that is killed while it writes; what it said until then counts."""
    command = [sys.executable, "-c", WRITER, str(site.spool), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        acknowledged.append(writer.stdout.readline().strip())  # it is up
        killer = threading.Timer(seconds, writer.kill)
        killer.start()
        acknowledged.extend(line.strip() for line in writer.stdout if line.endswith("\n"))
        killer.join()


def test_kill_9_loses_nothing_that_was_acknowledged(fast: Site, platform: Receiver) -> None:
    dice = random.Random(20261121)
    weather = Weather(dice)
    platform.answer = weather.answer
    acknowledged: list[str] = []
    for lap in range(6):
        agent, heard = fast.start(), len(platform.received)
        try:
            writers = [
                threading.Thread(
                    target=write, args=(fast, f"w{lap}-{at}", dice.uniform(0.01, 0.4), acknowledged)
                )
                for at in range(2)
            ]
            for writer in writers:
                writer.start()
            for writer in writers:
                writer.join(30)
            eventually(lambda enough=heard + 6: len(platform.received) > enough or not fast.count(), 20)
            time.sleep(dice.uniform(0, 0.2))
        finally:
            agent.kill()
            agent.wait()
    weather.calm = True
    with fast.running():
        eventually(lambda: not fast.count(), 60)
    assert len(acknowledged) > 100
    assert set(acknowledged) - weather.taken.keys() == set()
    assert (fast.count(), fast.kept("refused"), weather.forged) == (0, [], 0)
    assert max(weather.taken.values()) > 1, "the weather was too good to prove anything"


def test_kill_9_of_the_command_keeps_a_whole_message_or_none(site: Site) -> None:
    dice = random.Random(7)
    acknowledged = []
    for at in range(12):
        words = ["put", "--to", "+447700900123", "--from", "a", "--text", f"{at}" * 2000, "--id", f"put-{at}"]
        process = subprocess.Popen([sys.executable, "-m", "onceline.agent", *words], env=site.environment)
        time.sleep(dice.uniform(0.05, 0.6))
        process.kill()
        if process.wait() == 0:
            acknowledged.append(f"put-{at}")
    kept = {one["id"]: one["text"] for one in site.kept()}
    assert set(acknowledged) <= kept.keys()
    assert all(text == name.removeprefix("put-") * 2000 for name, text in kept.items())
