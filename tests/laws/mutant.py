"""A guard taken out of a copy of the source, and whether the tests that must see it do.

A mutant is caught when its tests run and at least one of them fails. Tests that cannot run at all (nothing collected, a
fixture in pieces, a statement that the server cannot parse) have seen nothing: that is a fault of the mutant.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path("src") / "onceline"
NEEDED = ("src", "tests", "pyproject.toml")
"""What the tests of mutants read."""
PASSED, FAILED = 0, 1
LONGEST_S = 300
BASELINE_S = 1200
_SUMMARY = re.compile(r"^(FAILED|ERROR) (\S+?::\w+)", re.MULTILINE)
_IN_PIECES = re.compile(
    r"psycopg\.errors\.(?:Syntax|Undefined|Ambiguous|Indeterminate|Datatype|InvalidColumn)\w+"
    r"|\b(?:NameError|ImportError|UnboundLocalError|SyntaxError)\b"
)
"""What a mutant raises that is no program any more."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` stands once in `file` (below src/onceline) and becomes `new`; `tests` are the narrowest that must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def path(self) -> Path:
        return SOURCE / self.file

    def applied(self, text: str) -> str:
        assert text.count(self.old) == 1, (
            f"{self.name}: its text stands {text.count(self.old)} times in {self.file}"
        )
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`by` is the first test that failed; `fault` says why the run was none."""

    name: str
    seconds: float
    by: str | None = None
    fault: str | None = None

    def __str__(self) -> str:
        told = f"caught by {self.by}" if self.by else f"BROKEN {self.fault}" if self.fault else "SURVIVED"
        return f"{self.seconds:5.1f} s  {self.name}: {told}"


class Bench:
    """A copy of the project, of which one guard at a time is taken out."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def baseline(self, mutants: Sequence[Mutant]) -> str | None:
        """What fails without any mutant; None when all is well."""
        tests = sorted({test for mutant in mutants for test in mutant.tests})
        done = self._pytest(tests, BASELINE_S)
        return None if done.returncode == PASSED else done.stdout[-4000:] + done.stderr[-2000:]

    def judge(self, mutant: Mutant) -> Verdict:
        began = time.monotonic()
        with self._without(mutant):
            try:
                done = self._pytest(mutant.tests, LONGEST_S)
            except subprocess.TimeoutExpired:
                return Verdict(mutant.name, time.monotonic() - began, fault=f"took over {LONGEST_S} s")
        by, fault = _read(done)
        return Verdict(mutant.name, time.monotonic() - began, by, fault)

    @contextmanager
    def _without(self, mutant: Mutant) -> Iterator[None]:
        path = self._root / mutant.path
        text = path.read_text(encoding="utf-8")
        try:
            _write(path, mutant.applied(text))
            yield
        finally:
            _write(path, text)

    def _pytest(self, tests: Sequence[str], seconds: int) -> subprocess.CompletedProcess[str]:
        asked = ["-c", "pyproject.toml", "--rootdir", ".", "-q", "-x", "--tb=short", "-p", "no:cacheprovider"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment["PYTHONPATH"] = str(self._root / "src")
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # a run in two thirds of the time
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "pytest_timeout", *asked, *tests],
            cwd=self._root,
            env=environment,
            timeout=seconds,
            capture_output=True,
            text=True,
            check=False,
        )


@contextmanager
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for name in NEEDED:
            _copy(ROOT / name, Path(folder) / name)
        yield Bench(Path(folder))


def _copy(what: Path, where: Path) -> None:
    if what.is_dir():
        shutil.copytree(what, where, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(what, where)


def _write(path: Path, text: str) -> None:
    """And forget what was compiled: a file of the same second and size would be taken for the old one."""
    path.write_text(text, encoding="utf-8")
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)


def _read(done: subprocess.CompletedProcess[str]) -> tuple[str | None, str | None]:
    """The test that caught it, or why this was no run; neither when it survived."""
    if done.returncode == PASSED:
        return None, None
    told = dict(_SUMMARY.findall(done.stdout))
    if done.returncode != FAILED or "FAILED" not in told or "ERROR" in told:
        return None, f"exit code {done.returncode}: {(done.stdout + done.stderr)[-2000:]}"
    if pieces := _IN_PIECES.search(done.stdout):
        return None, f"it is no program any more: {pieces[0]}"
    return told["FAILED"], None
