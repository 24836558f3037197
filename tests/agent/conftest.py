"""A site whose platform is a server that the test tells what to answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.site import Site
from tests.receiver import Receiver, receiving


@pytest.fixture
def platform() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def site(tmp_path: Path, platform: Receiver) -> Site:
    return Site(tmp_path, platform.url.replace("/hook", "/in/rack-1"))
