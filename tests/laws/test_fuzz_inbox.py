"""A message is written by a stranger: whatever it holds, it is read without a crash, soon, and for what it means.

A few seconds with `make test`, ten minutes with `make soak`; only there a slow case of processor time is a failure.
"""

from __future__ import annotations

import itertools
import json
import time
import unicodedata
from collections.abc import Callable
from functools import partial
from operator import methodcaller
from pathlib import Path

from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

from onceline.core.catalog.model import load_services
from onceline.core.inbox.join import join
from onceline.core.inbox.model import LONGEST_TEXT
from onceline.core.inbox.otp import find_code
from onceline.core.inbox.recognise import ServiceBook, recognise

FIXTURES = Path(__file__).parent.parent / "core" / "inbox" / "fixtures"
TEXTS: list[str] = [
    message["text"]
    for path in sorted((FIXTURES / "otp").glob("*.json"))
    for message in json.loads(path.read_text("utf-8"))
]
MOTIFS: list[str] = json.loads((FIXTURES / "hostile.json").read_text("utf-8"))
BOOK = ServiceBook(load_services())

SHORT, LONG = 2.0, 200.0
"""Seconds of each of the three laws."""
SLOW = 0.005
"""Seconds of processor time, for the code and for the service each."""
REPEATS = 30
PAUSE = 0.02
ROUND = settings(
    max_examples=200,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)
"""Without the phase that explains, for it traces every line, which would be measured as cost."""

MARKS = "\u200b\u200e\u200f\u2060\u2066\u2069\u202a\u202c\u061c\ufeff\u00ad"
NOISE = [*MARKS, "\x00", "\ud800", "\udfff", "\u0301", "\u0336", "\ufe0f", "\u200d", "🙂", "👩\u200d👧", "é", "ﷺ", "1", "٣", "４", " ", "\n"]  # fmt: skip
ZEROES = (0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0xF20, 0x1040,
          0x17E0, 0x1810, 0xFF10, 0x1D7CE, 0x1D7EC)  # fmt: skip
DIGITS = [str.maketrans("0123456789", "".join(chr(zero + n) for n in range(10))) for zero in ZEROES]

DRESSINGS: list[Callable[[str], str]] = [
    *(partial(unicodedata.normalize, form) for form in ("NFC", "NFD", "NFKC", "NFKD")),
    *(methodcaller("translate", table) for table in DIGITS),
    methodcaller("__add__", "\nFA+9qCX9VSu"),
    methodcaller("replace", "\n", "\r\n"),
]

anything = st.text(st.characters(exclude_categories=()), max_size=300)


@st.composite
def repeated(draw: st.DrawFn) -> str:
    """A motif, known or made up, so often that the message is as long as one can be."""
    motif = draw(st.sampled_from(MOTIFS) | st.sampled_from(TEXTS) | anything.filter(len))
    lead = draw(st.just("") | anything)
    return (lead + motif * (LONGEST_TEXT // len(motif) + 1))[:LONGEST_TEXT]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A message as services write them, with pieces lost, doubled, moved and strewn with noise."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 8))):
        left, right = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        piece = draw(
            st.sampled_from(["", text[left:right] * 2, text[left:right][::-1]])
            | st.sampled_from(NOISE)
            | anything
        )
        text = (text[:left] + piece + text[right:])[:LONGEST_TEXT]
    return text.translate(draw(st.sampled_from(DIGITS))) if draw(st.booleans()) else text


def test_no_text_breaks_the_reading_or_makes_it_slow(soak: bool) -> None:
    @given(anything | repeated() | mutated(), st.none() | anything)
    def read(text: str, sender: str | None) -> None:
        costs = [_cost(lambda: find_code(text, sender)), _cost(lambda: recognise(sender, text, BOOK))]
        assert not soak or max(costs) < SLOW, costs

    _rounds(read, soak)


def test_an_answer_is_a_piece_of_the_text_however_its_parts_came(soak: bool) -> None:
    @given(anything | mutated(), st.lists(st.integers(0, 300), max_size=3))
    def read(text: str, cuts: list[int]) -> None:
        edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
        parts = {n: text[edges[n - 1] : edges[n]] for n in range(len(edges) - 1, 0, -1)}
        whole = join(parts, len(parts))
        assert whole == text
        found = find_code(whole)
        assert found is None or (found.written == text[found.start : found.end] and found.value.isascii())
        known = recognise("Acme", whole, BOOK)
        assert known is None or (0 <= known.confidence <= 1 and known.service in BOOK)

    _rounds(read, soak)


def test_what_readers_do_not_see_changes_no_code(soak: bool) -> None:
    @given(
        st.sampled_from(TEXTS),
        st.lists(st.sampled_from(DRESSINGS), min_size=1, max_size=2, unique=True),
        st.data(),
    )
    def read(text: str, dressed: list[Callable[[str], str]], data: st.DataObject) -> None:
        assume(len(text) < 1500)
        worn = text
        for dress in dressed:
            worn = dress(worn)
        marks = data.draw(st.text(MARKS, max_size=3))
        assert _code(worn.replace(" ", f" {marks}")) == _code(text), (text, worn)

    _rounds(read, soak)


def _rounds(law: Callable[[], None], soak: bool) -> None:
    """The law again and again with new examples, until its time is over."""
    ends = time.monotonic() + (LONG if soak else SHORT)
    law = ROUND(law)
    for number in itertools.count():
        seed(time.monotonic_ns() if soak else number)(law)()
        if time.monotonic() > ends:
            return


def _code(text: str) -> str | None:
    found = find_code(text)
    return found.value if found else None


def _cost(reading: Callable[[], object]) -> float:
    """Processor time; of a slow one the fastest of many, apart in time, for other work on the machine only ever adds."""
    fastest = _once(reading)
    for _ in range(REPEATS):
        if fastest < SLOW:
            break
        time.sleep(PAUSE)
        fastest = min(fastest, _once(reading))
    return fastest


def _once(reading: Callable[[], object]) -> float:
    started = time.thread_time()
    reading()
    return time.thread_time() - started
