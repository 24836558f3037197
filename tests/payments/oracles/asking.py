"""Clients that others wrote, asked what they think: a process each, in the environment `install` made for it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.suppliers.counterparts import need

_HERE = Path(__file__).parent


def ask(whom: str, cases: Sequence[Mapping[str, Any]]) -> list[Any]:
    """An answer for each case; what a case holds is said in `{whom}_says.py`."""
    said = subprocess.run(
        [need(str(_place(whom) / "bin" / "python")), "-I", str(_HERE / f"{whom}_says.py")],
        input=json.dumps(list(cases)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == 0, said.stderr
    answers: list[Any] = json.loads(said.stdout)
    assert len(answers) == len(cases)
    return answers


def _place(whom: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    mark = hashlib.sha256((_HERE / f"{whom}.lock").read_bytes()).hexdigest()[:12]
    return Path(cache) / "onceline" / "oracles" / f"{whom}-{mark}"
