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
from onceline.embedded_postgres import binaries


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
