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

    def program(self, name: str) -> str:
        return str(binaries() / name)


@contextmanager
def house(**settings: object) -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="onceline-bench-") as name, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        told = {f"ONCELINE_{key.upper()}": str(value) for key, value in settings.items()}
        environment = {
            **os.environ,
            "ONCELINE_DATA_DIR": name,
            "ONCELINE_PORT": str(port),
            "ONCELINE_LIMITS": "off",
            **told,
        }
        with embedded.serving(Path(name)) as conninfo:
            server = subprocess.Popen([sys.executable, "-m", "onceline", "up"], env=environment)
            try:
                _await_ready(port)
                yield House(port, Path(name), conninfo, environment)
            finally:
                server.terminate()
                server.wait(timeout=60)


def _await_ready(port: int) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not become ready")
