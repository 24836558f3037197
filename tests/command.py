"""The command line as tests call it: the real program, in this process or as one of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from onceline import cli


@dataclass(frozen=True, slots=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def facts(self) -> Any:
        return json.loads(self.out)


class CommandLine:
    """`onceline …` against a test's database."""

    def __init__(
        self,
        conninfo: str,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.environment = {"ONCELINE_DATABASE_URL": conninfo, "ONCELINE_DATA_DIR": str(folder)}
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.setattr("onceline.cli.main.configure_logs", lambda: None)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

    def __call__(self, *words: str, stdin: bytes = b"") -> Said:
        self._monkeypatch.setattr(sys, "argv", ["onceline", *words])
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.run()
        said = self._capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    def facts(self, *words: str, stdin: bytes = b"") -> Any:
        """Of a command that succeeds."""
        said = self(*words, "--json", stdin=stdin)
        assert (said.code, said.err) == (0, "")
        return said.facts

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """As a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "onceline", *words],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def file(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)
