"""Markup as a browser understands it."""

from __future__ import annotations

from html.parser import HTMLParser


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[object] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, sorted((name, value or "") for name, value in attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.seen.append(data.strip())


def words_of_html(markup: str) -> list[object]:
    """Its tags with their attributes, and its texts, in order."""
    reader = _Reader()
    reader.feed(markup)
    return reader.seen
