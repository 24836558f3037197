"""Whole stories through real processes: `onceline up` in a folder of its own, spoken to over loopback."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from onceline.config import Settings
from onceline.wiring import installation
from tests.shop import Shop

_READY_S = 60.0


class House:
    """One installation: its folder, its environment, and the `up` that may be running in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "ONCELINE_DATA_DIR": str(folder),
            "ONCELINE_PORT": str(self.port),
            "ONCELINE_LIMITS": "off",
        }
        self.server: subprocess.Popen[bytes] | None = None
        self.customers: list[Customer] = []
        self.errors = folder / "up.err"

    def up(self, **settings: object) -> None:
        """Start and wait until it may be sent work."""
        with self.errors.open("ab") as errors:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "onceline", "up"], env=self.told(**settings), stderr=errors
            )
        self.await_ready()

    def told(self, **settings: object) -> dict[str, str]:
        """The environment of a process of this house, with these settings."""
        return self.environment | {f"ONCELINE_{name.upper()}": str(value) for name, value in settings.items()}

    def await_ready(self) -> None:
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.base}/readyz", timeout=6).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert self.server is None or self.server.poll() is None, self.errors.read_text()
            time.sleep(0.05)
        raise AssertionError("not ready in time: " + self.errors.read_text())

    def stop(self) -> int:
        assert self.server is not None
        self.server.terminate()
        return self.server.wait(timeout=60)

    def kill(self) -> None:
        assert self.server is not None
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def cli(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "onceline", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def open_account(self, name: str, balance: str = "100") -> Customer:
        opened = json.loads(self.cli("account", "open", name, "--test-balance", balance, "--json"))
        return self.customer(opened["api_key"], opened["account"])

    def customer(
        self, key: str, account: str = "", address: str | None = None, base: str | None = None
    ) -> Customer:
        self.customers.append(Customer(base or self.base, key, account, address))
        return self.customers[-1]

    def prove(self) -> dict[str, Any]:
        proof: dict[str, Any] = json.loads(self.cli("prove", "--json"))
        return proof

    def postgres_pid(self) -> int:
        return int((self.folder / "pg" / "data" / "postmaster.pid").read_text().split("\n")[0])

    def postgres_group(self) -> list[int]:
        """Every process of the server, the main one first."""
        main = self.postgres_pid()
        return [main, *children(main)]

    def worker_pid(self) -> int | None:
        """The worker that `up` runs beside itself, if there is one at this moment."""
        assert self.server is not None
        return next((pid for pid in children(self.server.pid) if "work" in words_of(pid)), None)

    @contextmanager
    def core(self) -> Iterator[Shop]:
        """The core on this installation's database, with the server or without."""
        settings = Settings(data_dir=self.folder)
        with installation(settings, name="journey") as (db, context):
            yield Shop(db, context, context.clock)


class Customer:
    """Speaks to the public API, from an address of its own if wanted."""

    def __init__(self, base: str, key: str, account: str = "", address: str | None = None) -> None:
        self.key = key
        self.account = account
        self.base = base
        self._client = httpx.Client(
            base_url=base,
            headers={"Authorization": f"Bearer {key}"},
            transport=httpx.HTTPTransport(local_address=address),
            timeout=10,
        )

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self._client.get(f"/api/v1/{path}", params=params)

    def post(self, path: str, body: object | None = None, *, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key or secrets.token_hex(8)}
        return self._client.post(f"/api/v1/{path}", json=body, headers=headers)

    def order(
        self, service: str = "telegram", country: str = "GB", *, key: str | None = None
    ) -> dict[str, Any]:
        answer = self.post("orders", {"service": service, "country": country}, key=key)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def delete(self, path: str) -> httpx.Response:
        return self._client.delete(f"/api/v1/{path}")

    def sms(self, number: str, text: str, sender: str = "Service") -> httpx.Response:
        return self.post("test/messages", {"number": number, "sender": sender, "text": text})

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with _closing(House(tmp_path)) as made:
        yield made


@pytest.fixture(scope="module")
def lasting_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One installation for the stories of a file, each with customers of its own."""
    with _closing(House(tmp_path_factory.mktemp("house"))) as made:
        yield made


@contextmanager
def _closing(made: House) -> Iterator[House]:
    yield made
    for customer in made.customers:
        customer.close()
    if made.server is not None and made.server.poll() is None:
        made.stop()


def children(parent: int) -> list[int]:
    """Of every thread: a child belongs to the thread that started it."""
    lists = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(pid) for listed in lists for pid in listed.read_text().split()]


def words_of(pid: int) -> list[str]:
    """The command line of a process; nothing when it is gone or dead."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
