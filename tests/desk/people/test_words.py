"""Everything that is said around log-in is said in our words: no page, mail or message of allauth's own is reached."""

from __future__ import annotations

import re
from pathlib import Path

import allauth
import pytest
from django.template.loader import get_template

import onceline.desk
from tests.desk.people.conftest import text_of
from tests.desk.visitors import Pages

OURS = [
    Path(onceline.desk.__file__).parent / "templates",
    Path(onceline.desk.__file__).parent / "people" / "templates",
]
THEIRS = Path(allauth.__file__).parent / "templates"
KINDS = ("account", "mfa", "people")
MARKED = (
    r"\{% comment %\}.*?\{% endcomment %\}",
    r"\{% block main_class %\}.*?\{% endblock %\}",
    r"\{% blocktranslate.*?endblocktranslate %\}",
    r"\{%.*?%\}|\{\{.*?\}\}|&#10;",
    r"<[^>]*>",
)
UNREACHED = re.compile(
    r"phone|code\.html|login_code|_code_|code_sent|by_passkey|signup_form|trust|verified_email_required|account/email\.html"
    r"|base_|snippets|mfa/index|authenticator_list|mfa/.*/base\.html"
)
"""Ways that are switched off, parts of pages that ours do without, lists that are in our page about security."""


def wanted() -> list[str]:
    names = [
        str(path.relative_to(THEIRS))
        for folder in ("account", "mfa")
        for path in (THEIRS / folder).rglob("*.*")
    ]
    return sorted(name for name in names if not UNREACHED.search(name))


@pytest.mark.usefixtures("pages")
def test_every_template_that_can_be_reached_is_ours() -> None:
    assert len(wanted()) > 55
    theirs = [name for name in wanted() if str(THEIRS) in str(get_template(name).origin)]  # type: ignore[attr-defined]  # Django's own templates have it
    assert theirs == []


@pytest.mark.usefixtures("pages")
def test_every_word_of_our_templates_is_marked_for_translation() -> None:
    found = [(folder, one) for folder in OURS for kind in KINDS for one in (folder / kind).rglob("*.*")]
    assert len(found) > 70
    for folder, path in found:
        get_template(str(path.relative_to(folder)))
        assert not re.search(r"[A-Za-z]{2,}", _bare(path.read_text())), path


def _bare(text: str) -> str:
    """Without tags of either kind, and without what is marked."""
    for part in MARKED:
        text = re.sub(part, " ", text, flags=re.DOTALL)
    return text


def test_mails_are_text_alone() -> None:
    assert [path for folder in OURS for path in folder.rglob("*mail/*.html")] == []


@pytest.mark.parametrize(
    "path", ["login/", "signup/", "password/reset/", "password/reset/done/", "confirm-email/", "inactive/"]
)
def test_pages_around_log_in_are_whole(pages: Pages, path: str) -> None:
    page = text_of(pages.browser().get(f"/account/{path}"))
    assert len(re.findall(r"<h1>[^<]+</h1>", page)) == 1
    assert "placeholder" not in page


def test_too_many_tries_is_a_page_of_ours(pages: Pages) -> None:
    browser = pages.browser()
    answers = [browser.post("/account/password/reset/", {"email": "a@example.com"}) for _ in range(6)]
    assert answers[-1].status_code == 429
    assert "Too many tries" in text_of(answers[-1])
