"""An installation to measure: `onceline up` in a throw-away folder, with durable commits and no limits."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from onceline import embedded
from onceline.config import Settings
from onceline.core.access import commands as access
from onceline.core.deposits import commands as deposits
from onceline.core.ledger.model import SANDBOX
from onceline.embedded_postgres import binaries
from onceline.wiring import installation


@dataclass(frozen=True, slots=True)
class House:
    port: int
    folder: Path
    conninfo: str
    environment: dict[str, str]
    edge: int
    """Process id of `onceline up`, which serves."""

    @property
    def postgres(self) -> int:
        """Process id of the server's first process."""
        return int(next(self.folder.rglob("postmaster.pid")).read_text().split()[0])

    def memory(self) -> int:
        """Bytes of its own that the edge holds in memory."""
        text = Path(f"/proc/{self.edge}/status").read_text()
        return int(text.partition("RssAnon:")[2].split()[0]) * 1024

    def cli(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "onceline", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def account(self, name: str) -> str:
        """A test key with plenty of money."""
        opened = self.cli("account", "open", name, "--test-balance", "1000000", "--json")
        return str(json.loads(opened)["api_key"])

    def accounts(self, count: int) -> list[str]:
        """Test keys of that many accounts, each with plenty of money; one process for all."""
        settings, keys = Settings(data_dir=self.folder, database_url=self.conninfo), []
        with installation(settings) as (db, context), db.transaction() as tx:
            for one in range(count):
                now = context.clock.now()
                side = access.side_of(
                    tx, access.open_account(tx, context.vault, f"one of many {one}", now), "test"
                )
                deposits.give(tx, side, 10**12, SANDBOX, now)
                _, key = access.create_key(
                    tx, side=side, mode="test", kind="api", name="", scopes=(), expires_at=None, now=now
                )
                keys.append(key)
        return keys

    @contextmanager
    def another_edge(self) -> Iterator[int]:
        """One more edge process on the same database; gives its port."""
        port = _free_port()
        environment = {**self.environment, "ONCELINE_PORT": str(port)}
        with _served([sys.executable, "-m", "onceline", "edge"], environment, port):
            yield port

    def program(self, name: str) -> str:
        return str(binaries() / name)


@contextmanager
def house(**settings: object) -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="onceline-bench-") as name:
        port = _free_port()
        told = {f"ONCELINE_{key.upper()}": str(value) for key, value in settings.items()}
        environment = {
            **os.environ,
            "ONCELINE_DATA_DIR": name,
            "ONCELINE_PORT": str(port),
            "ONCELINE_LIMITS": "off",
            **told,
        }
        with (
            embedded.serving(Path(name)) as conninfo,
            _served([sys.executable, "-m", "onceline", "up"], environment, port) as edge,
        ):
            yield House(port, Path(name), conninfo, environment, edge)


@contextmanager
def _served(command: list[str], environment: dict[str, str], port: int) -> Iterator[int]:
    """The process id of a server that is ready."""
    server = subprocess.Popen(command, env=environment)
    try:
        _await_ready(port)
        yield server.pid
    finally:
        server.terminate()
        server.wait(timeout=60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_ready(port: int) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not become ready")
