"""One installation and one Chromium for the whole folder; each test has profiles of its own, which are watched."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium
from tests.browser.chromium import Watched, watched
from tests.browser.crawl import Crawl, crawl, plain_paths
from tests.browser.residents import Residents, moved_in
from tests.journeys.conftest import House

_LACK = pytest.StashKey[str]()


class Profiles(Protocol):
    def __call__(self, session: str | None = None, **options: Any) -> Watched: ...


@pytest.fixture(scope="package", autouse=True)
def program(request: pytest.FixtureRequest) -> None:
    """Where something is missing the folder is left out with its name, and fails on CI."""
    lack = chromium.missing()
    if lack is None:
        return
    if os.environ.get("CI"):
        pytest.fail(lack)
    request.config.stash[_LACK] = lack
    pytest.skip(lack)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test also waits for the installation to be furnished, and one looks at every page four times."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(400))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lack = terminalreporter.config.stash.get(_LACK, None)
    if lack:
        terminalreporter.write_line(f"The browser tests were left out: {lack}")


@pytest.fixture(scope="package")
def residents(program: None) -> Iterator[Residents]:
    """The installation and who lives in it; in memory where the machine offers that."""
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(prefix="onceline-", dir=memory if memory.is_dir() else None) as folder,
        moved_in(House(Path(folder))) as people,
    ):
        yield people


@pytest.fixture(scope="package")
def hers(residents: Residents) -> Crawl:
    """All that Alice can come to."""
    session = residents.another_session("alice")
    return crawl(residents.house.base, session, "/test/", *plain_paths())


@pytest.fixture(scope="package")
def public(residents: Residents) -> Crawl:
    return crawl(residents.house.base, None, "/", *plain_paths())


@pytest.fixture(scope="package")
def browser(program: None) -> Iterator[Browser]:
    """For this folder alone: while it is open its loop counts as running in this thread."""
    with chromium.launched() as started:
        yield started


@pytest.fixture
def profiles(browser: Browser, residents: Residents) -> Iterator[Profiles]:
    """Makes profiles: somebody's, or nobody's yet."""
    made: list[Watched] = []

    def make(session: str | None = None, **options: Any) -> Watched:
        made.append(watched(browser, residents.house.base, **options))
        if session:
            made[-1].become(session)
        return made[-1]

    yield make
    faults = [fault for one in made for fault in one.end()]
    assert not faults, "\n".join(sorted(set(faults)))
