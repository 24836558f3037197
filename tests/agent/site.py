"""A place with modems: a folder with the agent's settings, its hooks and its process, as an operator has them."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.receiver import Received

KEY = "a-signing-key-of-thirty-characters"
SMSD = {
    "LANG": "C.UTF-8",
    "SMS_MESSAGES": "1",
    "DECODED_PARTS": "0",
    "SMS_1_CLASS": "-1",
    "SMS_1_REFERENCE": "0",
}
"""What gammu-smsd says of every message of one part."""


class Site:
    def __init__(self, folder: Path, url: str = "http://127.0.0.1:9/in/rack-1") -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self.config = folder / "agent.toml"
        self.log = folder / "agent.log"
        (folder / "agent.key").write_text(f"{KEY}\n")
        self.patience = ""
        """Python that is run before the agent, to shorten its pauses."""
        self.numbers: dict[str, str] = {"modem-1": "+447700900123", "modem-2": "+447700900124"}
        self.configure(url=url)

    def configure(self, **settings: object) -> None:
        """Writes the file anew; what is not named stays as it was."""
        known = {"name": "rack-1", "spool": str(self.spool), "secret_file": str(self.folder / "agent.key")}
        self._settings: dict[str, object] = getattr(self, "_settings", known) | settings
        lines = [f"{name} = {json.dumps(value)}" for name, value in self._settings.items()]
        lines += ["[numbers]", *(f"{json.dumps(one)} = {json.dumps(to)}" for one, to in self.numbers.items())]
        self.config.write_text("\n".join(lines))

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "ONCELINE_AGENT_CONFIG": str(self.config)}

    def agent(
        self, *words: str, stdin: str = "", told: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "onceline.agent", *words],
            env=self.environment | dict(told or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
        )

    def put(self, text: str, *words: str, to: str = "+447700900123") -> int:
        done = self.agent("put", "--to", to, "--from", "Telegram", "--text", "-", *words, stdin=text)
        return done.returncode

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """`onceline agent run`; ended by SIGTERM, and killed if that does not help."""
        process = self.start()
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            finally:
                process.kill()
                process.wait()

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            run = f"{self.patience}import onceline.agent.__main__ as agent; agent.main(['run'])"
            return subprocess.Popen([sys.executable, "-c", run], env=self.environment, stderr=log)

    def kept(self, folder: str = "new") -> list[dict[str, Any]]:
        """While no agent runs."""
        return [json.loads(path.read_bytes()) for path in self._files(folder)]

    def count(self, folder: str = "new") -> int:
        return len(self._files(folder))

    def _files(self, folder: str) -> list[Path]:
        return sorted((self.spool / folder).glob("*.json"))

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


def is_genuine(one: Received, key: str = KEY) -> bool:
    """By the page for operators: docs/howto/signed-http.md."""
    signed = one.headers["x-onceline-timestamp"].encode() + b"." + one.body
    expected = "v1=" + hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
    return one.headers["x-onceline-signature"] == expected


def messages(received: list[Received]) -> list[dict[str, Any]]:
    return [message for one in received for message in one.json.get("messages", [])]


def beats(received: list[Received]) -> list[dict[str, Any]]:
    return [beat for one in received for beat in one.json.get("heartbeats", [])]
