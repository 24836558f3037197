"""The programs of others that tests run against. `.ci/install` brings them all, so on CI none may be missing."""

from __future__ import annotations

import os
import shutil

import pytest


def need(program: str) -> str:
    """The path of a program; where it is not installed the test is left out with its name, and fails on CI."""
    found = shutil.which(program)
    if found:
        return found
    words = f"{program} is not installed (.ci/install brings it)"
    if os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)
