"""`make screenshots`: every page with what a lived-in account shows, in both colour modes and three widths, to be looked at."""

from __future__ import annotations

import html
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.chromium import launched, missing, watched
from tests.browser.crawl import crawl, one_of_each, plain_paths
from tests.browser.residents import Residents, moved_in
from tests.journeys.conftest import House

FOLDER = Path("var") / "screenshots"
WIDTHS = {360: 740, 900: 800, 1440: 900}
MODES = ("light", "dark")
MORE = ["/test/?service=telegram", "/test/rentals/?service=other", "/nowhere/"]
"""Beside what the links lead to."""


def main() -> None:
    lack = missing()
    if lack:
        raise SystemExit(lack)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        moved_in(House(Path(folder))) as people,
        launched() as browser,
    ):
        names = [*shown(browser, people)]
    (FOLDER / "index.html").write_text(_index(names), encoding="utf-8")
    print(f"{len(names) * len(WIDTHS) * len(MODES)} pictures in {FOLDER}, see {FOLDER / 'index.html'}")  # noqa: T201 - a command's answer


def shown(browser: Browser, people: Residents) -> Iterator[str]:
    """Names of the pages whose pictures were taken: of nobody, of Alice, of a newcomer whose pages are empty."""
    alice, newcomer = people.another_session("alice"), people.person("newcomer").session
    base = people.house.base
    for who, session, more in (
        ("nobody", None, ["/nowhere/"]),
        ("alice", alice, MORE),
        ("newcomer", newcomer, []),
    ):
        found = crawl(base, session, "/test/" if session else "/", *plain_paths())
        paths = [page.path for page in one_of_each(found)]
        if who == "newcomer":
            paths = [path for path in paths if path.startswith(("/test/", "/live/"))]
        yield from pictures(browser, base, who, session, [*paths, *more])


def pictures(browser: Browser, base: str, who: str, session: str | None, paths: list[str]) -> Iterator[str]:
    profile = watched(browser, base, reduced_motion="reduce")
    if session:
        profile.become(session)
    page = profile.context.new_page()
    for path in paths:
        page.goto(base + path)
        name = f"{who}-{re.sub(r'[^a-z0-9]+', '-', path.lower()).strip('-') or 'home'}"
        for width, height in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": height})
            for mode in MODES:
                page.emulate_media(color_scheme=mode)
                page.screenshot(path=FOLDER / f"{name}-{mode}-{width}.png", full_page=True)
        yield name
    profile.end()


def _index(names: list[str]) -> str:
    rows = "".join(_row(html.escape(name)) for name in names)
    return f"<!doctype html><meta charset=utf-8><title>Screenshots</title><body>{rows}</body>"


def _row(name: str) -> str:
    images = "".join(
        f'<a href="{name}-{mode}-{width}.png"><img src="{name}-{mode}-{width}.png" height=400 loading=lazy></a> '
        for width in WIDTHS
        for mode in MODES
    )
    return f"<h2>{name}</h2><p>{images}</p>"


if __name__ == "__main__":
    main()
