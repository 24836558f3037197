"""Requests as the edge hands them to an inlet, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlencode

from hypothesis import strategies as st

from onceline.suppliers.base import (
    Arrival,
    Configured,
    Inlet,
    Kind,
    NotAuthentic,
    Outcome,
    Request,
    Surroundings,
    Unreadable,
)

HOST = "https://sms.example.com"
NAME = "supply"
URL = f"{HOST}/in/{NAME}"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
FORM = "application/x-www-form-urlencoded"


def inlet_of(kind: Kind, secrets: Mapping[str, tuple[str, ...]], **settings: Any) -> Inlet:
    assert kind.inlet is not None
    return kind.inlet(configured(kind, secrets, **settings))


def configured(
    kind: Kind, secrets: Mapping[str, tuple[str, ...]], url: str | None = URL, **settings: Any
) -> Configured:
    return Configured(NAME, kind.settings(**settings), secrets, url)


def request(
    body: bytes | str | Mapping[str, str] | list[tuple[str, str]] = b"",
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    rest: str = "",
    query: str = "",
    host: str = HOST,
    at: datetime = NOW,
) -> Request:
    if not isinstance(body, bytes | str):
        body = urlencode(body)
    octets = body.encode() if isinstance(body, str) else body
    path = f"/in/{NAME}/{rest}" if rest else f"/in/{NAME}"
    url = f"{host}{path}?{query}" if query else f"{host}{path}"
    return Request(method, rest, query, {"content-type": FORM, **(headers or {})}, octets, url, at)


def verdict(inlet: Inlet, asked: Request) -> str:
    """ "accepted", the reason of a refusal, or "unreadable"."""
    try:
        inlet.read(asked)
    except NotAuthentic as refused:
        return refused.reason
    except Unreadable:
        return "unreadable"
    return "accepted"


def only_arrival(inlet: Inlet, asked: Request) -> Arrival:
    [found] = inlet.read(asked)
    assert isinstance(found, Arrival)
    return found


def statuses(inlet: Inlet) -> dict[str, int]:
    return {outcome.name: inlet.answer(outcome).status for outcome in Outcome}


def findings(kind: Kind, supplier: Configured) -> Mapping[str, str]:
    """What a check has to say against each thing, "" when it is right; these checks call nobody."""
    assert kind.check is not None
    found = kind.check(supplier, cast(Surroundings, None))
    assert all(one.ok == (not one.words) for one in found)
    return {one.what: one.words for one in found}


def hostile(headers: Mapping[str, st.SearchStrategy[str]]) -> st.SearchStrategy[Request]:
    """Whatever may stand in a request, with these headers often there."""
    text = st.text(max_size=60)
    pairs = st.lists(st.tuples(text, text), max_size=8).map(lambda pairs: urlencode(pairs, errors="replace"))
    kinds = st.sampled_from([FORM, "application/json", "text/plain", "", "application/json; charset=x"])
    return st.builds(
        Request,
        method=st.sampled_from(["GET", "POST"]),
        rest=text,
        query=st.one_of(text, pairs),
        headers=st.fixed_dictionaries({"content-type": kinds}, optional=dict(headers)),
        body=st.one_of(st.binary(max_size=200), pairs.map(str.encode), st.just(b"[" * 100_000)),
        url=st.one_of(st.none(), text, text.map(lambda end: f"{URL}{end}")),
        received_at=st.just(NOW),
    )
