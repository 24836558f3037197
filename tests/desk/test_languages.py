"""Every word that people read can be translated, is, and says the same."""

from __future__ import annotations

import ast
import gettext
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template import engines

import onceline.desk
from onceline.desk.door import SETTINGS
from tests.suppliers.counterparts import need

DESK = Path(onceline.desk.__file__).parent
CATALOGUE = Path("locale") / "zh_Hans" / "LC_MESSAGES" / "django.po"
TEMPLATES = sorted(path for path in DESK.rglob("templates/**/*") if path.suffix in (".html", ".txt"))
SAME_EVERYWHERE = {"onceline", "api", "curl", "python", "javascript", "json", "csv"}
SPOKEN = {"aria-label", "title", "placeholder", "alt", "content"}
SILENT = {"script", "style", "code", "pre", "kbd"}

PLURALS: dict[str, str] = {}
"""What stands for several, by what stands for one; where there is none, nothing."""

Text = tuple[str | None, str]


def entries(po: Path) -> dict[Text, list[str]]:
    """Of a .po file: context and msgid, and what stands for them; a fuzzy entry counts as nothing."""
    found: dict[Text, list[str]] = {}
    for block in po.read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.split("\n") if not line.startswith("#~")]
        fields: list[tuple[str, str]] = []
        for line in lines:
            if match := re.match(r'(msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?) (".*")$', line):
                fields.append((match[1], ast.literal_eval(match[2])))
            elif line.startswith('"'):
                name, text = fields.pop()
                fields.append((name, text + ast.literal_eval(line)))
        named = dict(fields)
        if named.get("msgid"):
            fuzzy = any(line.startswith("#, ") and "fuzzy" in line for line in lines)
            strings = [text for name, text in fields if name.startswith("msgstr")]
            found[named.get("msgctxt"), named["msgid"]] = [""] if fuzzy else strings
            PLURALS[named["msgid"]] = named.get("msgid_plural", "")
    return found


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)[sd]|\{\w*\}", text))


def test_every_text_is_in_the_catalogue(tmp_path: Path) -> None:
    need("xgettext")
    fresh = tmp_path / "desk"
    shutil.copytree(DESK, fresh, ignore=shutil.ignore_patterns("__pycache__", "static"))
    words = ["makemessages", "--locale", "zh_Hans", "--no-location", "--no-wrap", "--ignore", "migrations"]
    subprocess.run(
        [sys.executable, "-m", "django", *words],
        cwd=fresh,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": SETTINGS},
        check=True,
        capture_output=True,
        timeout=90,
    )
    assert entries(fresh / CATALOGUE).keys() ^ entries(DESK / CATALOGUE).keys() == set(), "run make messages"


def test_every_text_is_translated() -> None:
    assert [key for key, strings in entries(DESK / CATALOGUE).items() if not all(strings)] == []


def test_translations_keep_what_is_put_into_them() -> None:
    different = [
        (msgid, text)
        for (_, msgid), strings in entries(DESK / CATALOGUE).items()
        for text in strings
        if placeholders(PLURALS[msgid] or msgid) != placeholders(text)
    ]
    assert different == []


def test_what_is_served_was_compiled_from_the_catalogue() -> None:
    with (DESK / CATALOGUE).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    stale = [
        msgid
        for (context, msgid), strings in entries(DESK / CATALOGUE).items()
        if (compiled.pgettext(context, msgid) if context else compiled.gettext(msgid)) != strings[0]
        and compiled.ngettext(msgid, msgid, 2) != strings[0]
    ]
    assert stale == [], "run make messages"


class _Visible(HTMLParser):
    """The words of a template that nobody marked: what remains when tags, variables and marked texts are gone."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in SILENT
        if tag != "meta":
            self.words += [value for name, value in attrs if name in SPOKEN and value]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in SILENT

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


def unmarked(template: str) -> Iterator[str]:
    plain = re.sub(r"(?s){% comment %}.*?{% endcomment %}|{#.*?#}", "", template)
    plain = re.sub(r"(?s){%\s*blocktranslate.*?{%\s*endblocktranslate\s*%}", "", plain)
    plain = re.sub(r"{% block main_class %}.*?{% endblock %}", "", plain)
    plain = re.sub(r"(?s){%.*?%}|{{.*?}}", "", plain)
    reader = _Visible()
    reader.feed(plain)
    for text in reader.words:
        for word in re.findall(r"[A-Za-z][a-z]{2,}", text):
            if word.lower() not in SAME_EVERYWHERE:
                yield word


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(DESK)))
def test_every_visible_word_of_a_template_is_marked(path: Path) -> None:
    assert list(unmarked(path.read_text(encoding="utf-8"))) == []


def test_an_unmarked_word_would_be_seen() -> None:
    text = '<p>{% translate "Good" %} {{ name }} hidden</p><i title="secret">{# no #}</i><code>ls</code>'
    assert list(unmarked(text)) == ["hidden", "secret"]


def test_templates_of_the_desk_are_found() -> None:
    assert len(TEMPLATES) > 40
    assert engines["django"].get_template("desk/base.html")
