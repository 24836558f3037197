"""How the tests read pages: as a browser would, by elements and text, never by searching HTML for strings."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from tests.desk.visitors import PASSWORD, Visitor

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><b>{{ 7 }}</b>\u202egnp\u2066 \u0645 "
    + "A" * 9900
)
"""Script, markup, quotes, a template, marks that turn the writing, and 10,000 characters."""


class Page(HTMLParser):
    """`elements`: name and attributes of each; `texts`: of each element of class `outside`, whole; `text`: all of it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.text = ""
        self._open: list[tuple[str, int | None]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        if tag in VOID:
            return
        is_outside = "outside" in (found.get("class") or "").split()
        if is_outside:
            self.texts.append("")
        self._open.append((tag, len(self.texts) - 1 if is_outside else None))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.text += data
        for _, place in self._open:
            if place is not None:
                self.texts[place] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def links(self) -> list[str]:
        return [one["href"] or "" for one in self.named("a") if "href" in one]

    @property
    def mark(self) -> str:
        """Of the page's first form that is done once."""
        return next(one["value"] or "" for one in self.named("input") if one.get("name") == "once")


def read(answer: Any, status: int = 200) -> Page:
    assert answer.status_code == status, (answer.status_code, answer.content[:2000])
    return Page(answer.content.decode())


def proven(visitor: Visitor) -> Visitor:
    """The person has just proven who they are, as the step before sensitive changes asks for."""
    answer = visitor.post("/account/reauthenticate/", {"password": PASSWORD})
    assert answer.status_code == 302, answer.content[:2000]
    return visitor


def assert_inert(page: Page, hostile: str) -> None:
    """What a stranger wrote is text, whole but for what turns the writing, inside an isolated element, and nothing else."""
    shown = "".join(one for one in hostile if one not in "\u202e\u2066")
    assert any(shown.strip() == text.strip() for text in page.texts), [text[:80] for text in page.texts]
    assert not [one for one in page.named("script") if not one.get("src")]
    assert page.named("img") == []
    assert page.named("b") == []
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (
            tag,
            attributes,
        )
        for name, value in attributes.items():
            assert name == "value" or "alert(" not in (value or ""), (tag, name)
