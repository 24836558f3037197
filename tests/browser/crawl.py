"""Every address that somebody can come to from a page by a link or a form, and every page that the desk has."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from django.urls import NoReverseMatch, Resolver404, URLPattern, URLResolver, get_resolver, resolve, reverse

import tests.desk  # noqa: F401 - Django is set up there
from tests.browser.chromium import origin

MOST_OF_A_ROUTE = 4
"""Order pages look alike: so many of them are looked at."""
_LEADING = ("href", "action", "formaction", "hx-get", "hx-post", "data-href")
_FIELDS = ("input", "button", "textarea", "select")
_LOADING = ("src", "poster")


@dataclass(frozen=True, slots=True)
class Route:
    """`pattern` as Django writes it; `kwargs` by name."""

    pattern: str
    name: str
    kwargs: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Page:
    path: str
    route: Route
    status: int
    html: str
    cookies: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Not a part of a page that a script asks for."""
        return self.status == 200 and "<html" in self.html


@dataclass
class Crawl:
    """`addresses`: of each route one that somebody was offered, also of those that only take a form; `forms`: what is in it."""

    pages: list[Page] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    forms: dict[str, dict[str, str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def crawl(base: str, session: str | None, *starts: str) -> Crawl:
    """From these on, as whoever has this session. A start that is no page for them is passed over."""
    done, seen, waiting = Crawl(), Counter[str](), list(starts)
    known = set(waiting)
    with httpx.Client(base_url=base, cookies={"session": session} if session else {}, timeout=20) as client:
        while waiting:
            path = waiting.pop(0)
            route = route_of(path)
            if route is None or seen[route.pattern] >= MOST_OF_A_ROUTE:
                continue
            seen[route.pattern] += 1
            page = _visit(client, path, route)
            if page.status >= 400 and path in starts:
                continue
            done.pages.append(page)
            for found in _followed(done, base, page):
                if found not in known:
                    known.add(found)
                    waiting.append(found)
    return done


def _visit(client: httpx.Client, path: str, route: Route) -> Page:
    answer = client.get(path)
    cookies = tuple(line.split("=")[0] for line in answer.headers.get_list("set-cookie"))
    html = answer.text if answer.headers.get("content-type", "").startswith("text/html") else ""
    if answer.is_redirect:
        html = ""
    return Page(path, route, answer.status_code, html, cookies)


def _followed(done: Crawl, base: str, page: Page) -> Iterator[str]:
    """Where its links lead; what its forms lead to is noted, and not followed."""
    read = _Reader()
    read.feed(page.html)
    done.faults += [f"{page.path}: {fault}" for fault in read.faults]
    done.forms |= {urlsplit(urljoin(page.path, action)).path: fields for action, fields in read.forms}
    for tag, attribute, value in read.addresses:
        address = urljoin(base + page.path, value)
        path = urlsplit(address)._replace(scheme="", netloc="", fragment="").geturl()
        if origin(address) != base:
            if attribute in _LOADING or tag != "a":
                done.faults.append(f"{page.path}: {tag} {attribute}={address[:100]}")
            continue
        route = route_of(path)
        if route is None:
            if not path.startswith(("/static/", "/api/")):
                done.faults.append(f"{page.path}: leads to {path}, which is nowhere")
            continue
        done.addresses.setdefault(route.pattern, path)
        if tag == "a":
            yield path


class _Reader(HTMLParser):
    """Addresses in a page, and attributes that the policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[tuple[str, str, str]] = []
        self.faults: list[str] = []
        self.forms: list[tuple[str, dict[str, str]]] = []
        self._last = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((told.get("action", ""), {}))
        elif tag in _FIELDS and self.forms and "name" in told:
            self.forms[-1][1].setdefault(told["name"], told.get("value", ""))
            self._last = told["name"]
        elif tag == "option" and self.forms and not self.forms[-1][1].get(self._last):
            self.forms[-1][1][self._last] = told.get("value", "")
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.faults.append(f"inline {name} on {tag}")
            if name in _LEADING + _LOADING and value and not value.startswith(("#", "mailto:")):
                self.addresses.append((tag, name, value))


def route_of(path: str) -> Route | None:
    try:
        match = resolve(urlsplit(path).path)
    except Resolver404:
        return None
    return Route(match.route, match.url_name or "", tuple(sorted(match.kwargs.items())))


def one_of_each(found: Crawl) -> Iterator[Page]:
    """A page of each route and mode."""
    seen = set()
    for page in found.pages:
        kind = (page.route.pattern, dict(page.route.kwargs).get("mode"))
        if page.is_whole and kind not in seen:
            seen.add(kind)
            yield page


def plain_paths() -> list[str]:
    """Of every route without a part but the mode: test stands for both."""
    found = []
    for pattern, name in routes().items():
        for kwargs in ({}, {"mode": "test"}):
            if name and pattern.count("<") == len(kwargs) and "(?P" not in pattern:
                with contextlib.suppress(NoReverseMatch):
                    found.append(reverse(name, kwargs=kwargs))
    return found


def routes() -> dict[str, str]:
    """Every route of the desk and its name."""
    return dict(_walk(get_resolver(), ""))


def _walk(resolver: URLResolver, before: str) -> Iterator[tuple[str, str]]:
    for one in resolver.url_patterns:
        pattern = before + str(one.pattern)
        if isinstance(one, URLPattern):
            yield pattern, one.name or ""
        else:
            yield from _walk(one, pattern)
