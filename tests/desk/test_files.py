"""Static files: kept for a year under their own digest, and by nobody under another one."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.templatetags.static import static

from tests.desk.visitors import Pages

CSS = "desk/desk.css"


def told(pages: Pages, path: str) -> tuple[int, str]:
    """Status, and who may keep the answer."""
    with closing(pages.browser().get(path)) as answer:
        return answer.status_code, answer.headers["Cache-Control"]


def test_a_file_under_its_own_digest_is_kept_for_a_year(pages: Pages) -> None:
    found = finders.find(CSS)
    assert found
    digest = hashlib.sha256(Path(found).read_bytes()).hexdigest()[:12]
    assert static(CSS) == f"/static/{CSS}?v={digest}"
    assert told(pages, static(CSS)) == (200, "max-age=31536000, public")


@pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789ab"])
def test_a_process_of_another_version_poisons_no_cache(pages: Pages, query: str) -> None:
    assert told(pages, f"/static/{CSS}{query}") == (200, "no-store")


def test_a_file_that_is_not_there_yet_is_asked_for_again(pages: Pages) -> None:
    assert told(pages, "/static/desk/of-tomorrow.js?v=0123456789ab") == (404, "no-store")
