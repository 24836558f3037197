"""Several machines: one PostgreSQL for the database, a second one for the keys, and doors in folders of their own.

A machine here is a data folder with a copy of the master key, an `onceline edge` and an `onceline work`. Nothing else
is shared: no file, no memory.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from onceline import embedded
from onceline.config import Settings
from onceline.wiring import installation
from tests.journeys.conftest import Customer, House
from tests.shop import Shop

SHORT = {"activation_window_s": 3, "drain_s": 1, "cancel_lock_s": 0}
_ROOT = Path(__file__).resolve().parents[2]
_HEARD_S = 10.0
_QUICK = {"fsync": "off"}
"""It is the doors that die here, never a database."""


class Machine(House):
    """One of them; `skew_s` is how far its clock is ahead."""

    def __init__(self, folder: Path, database_url: str, keystore_url: str, skew_s: float = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        self.skew_s = skew_s
        self.database_url, self.keystore_url = database_url, keystore_url
        self.master = folder / "keys" / "master.key"
        self.environment |= {
            "ONCELINE_DATABASE_URL": database_url,
            "ONCELINE_KEYSTORE_URL": keystore_url,
            **{f"ONCELINE_{name.upper()}": str(value) for name, value in SHORT.items()},
        }
        self.worker: subprocess.Popen[bytes] | None = None

    def get_the_master_key_of(self, first: Machine) -> None:
        """What an operator does by hand."""
        self.master.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copy2(first.master, self.master)

    def start_edge(self) -> None:
        self.server = self._start("edge")

    def start_worker(self) -> None:
        self.worker = self._start("work")

    def kill_worker(self) -> None:
        assert self.worker is not None
        self.worker.send_signal(signal.SIGKILL)
        self.worker.wait()

    def end(self) -> list[int]:
        """The exit codes of what still ran."""
        alive = [one for one in (self.server, self.worker) if one is not None and one.poll() is None]
        for one in alive:
            one.terminate()
        return [one.wait(timeout=60) for one in alive]

    def _start(self, door: str) -> subprocess.Popen[bytes]:
        command = ["onceline", door] if not self.skew_s else ["tests.journeys.skewed", str(self.skew_s), door]
        environment = self.environment | {"PYTHONPATH": os.pathsep.join((str(_ROOT / "src"), str(_ROOT)))}
        with self.errors.open("ab") as errors:
            return subprocess.Popen([sys.executable, "-m", *command], env=environment, stderr=errors)

    @contextmanager
    def core(self) -> Iterator[Shop]:
        settings = Settings(
            data_dir=self.folder, database_url=self.database_url, keystore_url=self.keystore_url
        )
        with installation(settings, name="journey") as (db, context):
            yield Shop(db, context, context.clock)


@dataclass
class Machines:
    """The first made the key store; the others have its master key."""

    folder: Path
    database_url: str
    keystore_url: str
    all: list[Machine] = field(default_factory=list)

    def add(self, skew_s: float = 0) -> Machine:
        name = f"machine-{len(self.all)}"
        machine = Machine(self.folder / name, self.database_url, self.keystore_url, skew_s)
        if self.all:
            machine.get_the_master_key_of(self.all[0])
        else:
            with machine.core():
                pass  # migrates, and makes the key store
        self.all.append(machine)
        return machine

    def start(self, *started: Machine) -> None:
        for machine in started:
            machine.start_edge()
            machine.start_worker()
        for machine in started:
            machine.await_ready()

    @contextmanager
    def without_keys(self) -> Iterator[None]:
        """The key store is away."""
        self._let_in(False)
        try:
            yield
        finally:
            self._let_in(True)

    def _let_in(self, anybody: bool) -> None:
        """The store is a database of its own beside the one that we ask through."""
        name = psycopg.conninfo.conninfo_to_dict(self.keystore_url)["dbname"]
        other = psycopg.conninfo.make_conninfo(self.keystore_url, dbname="postgres")
        with psycopg.connect(other, autocommit=True) as connection:
            connection.execute(f"alter database {name} allow_connections {anybody}")
            if not anybody:
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
                )


@contextmanager
def two_machines(folder: Path) -> Iterator[Machines]:
    """Two edges and two workers that serve."""
    with ExitStack() as servers:
        database = servers.enter_context(embedded.serving(folder / "database", _QUICK))
        keys = servers.enter_context(embedded.serving(folder / "keys", _QUICK))
        made = Machines(folder, database, keys)
        try:
            made.start(made.add(), made.add())
            yield made
        finally:
            for machine in made.all:
                for customer in machine.customers:
                    customer.close()
                machine.end()


class Line:
    """What a socket hears; each frame is stamped when it comes."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.events: list[tuple[float, dict[str, Any]]] = []
        self.closed_at: float | None = None
        self._came = threading.Condition()

    def read(self) -> None:
        try:
            for text in self._socket:
                frame, now = json.loads(text), time.monotonic()
                with self._came:
                    if frame["type"] == "event":
                        self.events.append((now, frame))
                    self._came.notify_all()
        except ConnectionClosed:
            pass
        with self._came:
            self.closed_at = time.monotonic()
            self._came.notify_all()

    def await_events(self, count: int) -> list[tuple[float, dict[str, Any]]]:
        with self._came:
            assert self._came.wait_for(lambda: len(self.events) >= count, _HEARD_S), len(self.events)
            return list(self.events)

    def await_end(self) -> float:
        with self._came:
            assert self._came.wait_for(lambda: self.closed_at is not None, _HEARD_S)
            assert self.closed_at is not None
            return self.closed_at


@contextmanager
def live(customer: Customer, at: Machine) -> Iterator[Line]:
    """A socket of the customer at this machine."""
    ticket = customer.post("socket-tickets").json()["ticket"]
    with connect(at.base.replace("http", "ws") + "/api/v1/live", compression=None) as socket:
        socket.send(json.dumps({"type": "auth", "ticket": ticket}))
        assert json.loads(socket.recv(timeout=_HEARD_S))["type"] == "ready"
        line = Line(socket)
        reader = threading.Thread(target=line.read)
        reader.start()
        try:
            yield line
        finally:
            socket.close()
            reader.join(5)
