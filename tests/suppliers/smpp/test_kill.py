"""A worker process that is killed between receiving and acknowledging, again and again: what it acknowledged exists, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from onceline.config import Settings
from onceline.core.db import Database
from onceline.core.orders.context import Context
from onceline.core.suppliers import store
from tests.shop import Shop
from tests.suppliers.smpp.conftest import SUPPLIER
from tests.suppliers.smpp.smsc import PASSWORD, Smsc
from tests.suppliers.smpp.vectors import Pdu, addressed, sms

ROUNDS = 4
LONG_ROUNDS = 200
EACH = 1500
"""Messages for a round; more than pass before it is killed."""
WINDOW = 30


@pytest.fixture
def environment(db: Database, settings: Settings, context: Context, smsc: Smsc) -> dict[str, str]:
    """What a worker needs to hold one bind; the key store is ours already."""
    given = {"host": "127.0.0.1", "port": smsc.port, "system_id": "onceline", "enquire_link_s": 5}
    with db.transaction() as tx:
        now = context.clock.now()
        store.add(tx, context.vault, SUPPLIER, "smpp", given, now)
        store.add_secret(tx, context.vault, SUPPLIER, "password", PASSWORD, now)
    return {
        **os.environ,
        "ONCELINE_DATABASE_URL": db.conninfo,
        "ONCELINE_DATA_DIR": str(settings.data_dir),
        "ONCELINE_KEYSTORE_DIR": str(settings.keystore),
    }


@contextmanager
def worker(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as said:
        command = [sys.executable, "-m", "onceline", "work"]
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(timeout=30)


def messages(count: int, first: int) -> list[Pdu]:
    """Each to a number of its own, by which it is known again; none of them is ours."""
    return [
        addressed(sms(b"Your code is 123456", digits=f"4479{one:08d}".encode()), [""], f"+4479{one:08d}")
        for one in range(first, first + count)
    ]


def test_kill_9_between_receive_and_acknowledge_loses_nothing_and_stores_nothing_twice(
    shop: Shop, smsc: Smsc, environment: dict[str, str], tmp_path: Path, soak: bool
) -> None:
    acknowledged: list[str] = []
    again = total = 0
    for turn in range(LONG_ROUNDS if soak else ROUNDS):
        smsc.queue(messages(EACH, total), window=WINDOW)
        total += EACH
        with worker(environment, tmp_path / "work.log") as process:
            for _ in range(random.randrange(20, EACH // 2)):
                acknowledged.append(str(smsc.wait("acknowledged", seconds=60)["id"]))
            if turn % 2:  # what we say from here on is lost with the machine
                smsc.tell("deaf", on=True)
                time.sleep(random.random() / 2)
            process.send_signal(signal.SIGKILL)
        smsc.wait("closed")
        smsc.tell("deaf", on=False)
        shop.run("delete from supplier_sessions")  # else the next one waits for the lease to end
    with worker(environment, tmp_path / "work.log"):
        smsc.wait("drained", seconds=120)
        for event in smsc.events:
            if event["event"] == "acknowledged":
                acknowledged.append(str(event["id"]))
                again += event["sent"] > 1
    stored = [str(row.e164) for row in shop.rows("select e164 from inbound")]
    assert set(acknowledged) <= set(stored), "acknowledged and lost"
    assert sorted(stored) == sorted(set(stored)), "stored twice"
    assert (len(set(acknowledged)), len(stored)) == (total, total)
    assert again > 0, "no kill hit a message on its way"


def test_a_worker_that_is_told_to_stop_unbinds(
    smsc: Smsc, environment: dict[str, str], tmp_path: Path
) -> None:
    with worker(environment, tmp_path / "work.log"):
        smsc.wait("bind", lambda event: event["status"] == 0, seconds=60)
    assert smsc.wait("unbind")["session"] == 0
