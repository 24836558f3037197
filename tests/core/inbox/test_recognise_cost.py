"""A stranger writes the text: whatever shape he gives it, reading it costs a bounded number of steps."""

from __future__ import annotations

import sys
from time import process_time
from types import FrameType
from typing import Any

import pytest

from onceline.core.catalog.model import load_services
from onceline.core.inbox.recognise import ServiceBook, recognise

SERVICES = load_services()
BOOK = ServiceBook(SERVICES)
LENGTH = 10_000
ORDINARY = "Your Lyft code is 482913. Never share it with anyone. Reply STOP to end these messages."
MOST_TIMES_ORDINARY = 15

PIECES = [
    "a", "a ", "1", "1 ", "a\u0301", "e\u0327\u0301 ", "\u0301", "\u0327\u0301", "\u0301\u0327\u0323",
    "[", "[[a]", "(((a)", "【", "【a】", "<a>",
    "@a.b #1", "@a.b #1\n", "code 1234 ", "Your code is ABCD ", "telegram whatsapp ", "https://t.me/x ",
    "https://a.b.c.d.e.f.g.h/ ", "uber ", "微信", "微信 ", "京东验证码", "x@y ", "aaaa.bbbb@", "a-", "รหัส ", "ﷺ",
    "target ", "Target code ", "Google Voice ", "Bank of America ", "bank ", "A/c XX1234 debited INR 500 ",
    "code. card *1234 ", "卡尾号1234，", "€1 ", "1.", "\n", "\u200b", "Bolt: ", "क्ष", "가나다", "line 微信line",
]  # fmt: skip
SHAPES = {repr(piece): (piece * LENGTH)[:LENGTH] for piece in PIECES} | {
    "many names": " ".join(service.name for service in SERVICES[::8])[:LENGTH],
    "short names": " ".join(service.name for service in SERVICES if len(service.name) < 5)[:LENGTH],
    "names and codes": " code ".join(service.name for service in SERVICES[::5])[:LENGTH],
    "many hosts": " ".join(domain for service in SERVICES[::3] for domain in service.domains)[:LENGTH],
    "names without spaces": "".join(
        name for service in SERVICES for name in service.aliases if not name.isascii()
    )[:LENGTH],
}


def steps(text: str) -> int:
    """Function calls made while a text is read."""
    counted = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    recognise("Sender", text, BOOK, "IN")
    sys.setprofile(count)
    try:
        recognise("Sender", text, BOOK, "IN")
    finally:
        sys.setprofile(None)
    return counted


def effort(text: str) -> float:
    """Processor time, for what regular expressions do inside one call; only ever compared with itself."""
    taken = []
    for _ in range(5):
        began = process_time()
        for _ in range(4):
            recognise("Sender", text, BOOK, "IN")
        taken.append(process_time() - began)
    return min(taken)


def test_no_shape_is_hard_for_a_regular_expression() -> None:
    ordinary = effort(ORDINARY)
    slow = {shape: effort(text) / ordinary for shape, text in SHAPES.items()}
    assert {shape: ratio for shape, ratio in slow.items() if ratio > 3 * MOST_TIMES_ORDINARY} == {}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_costs_many_times_an_ordinary_message(shape: str) -> None:
    assert steps(SHAPES[shape]) < MOST_TIMES_ORDINARY * steps(ORDINARY)


@pytest.mark.parametrize(
    "shape", ["'a '", "'telegram whatsapp '", "'https://t.me/x '", "'微信'", "many names"]
)
def test_a_longer_text_costs_no_more_than_what_is_read_of_it(shape: str) -> None:
    text = SHAPES[shape]
    assert steps(text) == steps(text[: LENGTH // 2])


def test_two_hundred_names_more_cost_nothing_more() -> None:
    names = [service.name for service in SERVICES[::8]]
    assert steps(" ".join(names[:300])) <= 1.2 * steps(" ".join(names[:100]) + " " + "word " * 1000)


def test_a_flood_of_names_hides_only_its_own_message() -> None:
    flood = "telegram whatsapp " * 500
    assert recognise(None, flood, BOOK) is not None
    assert recognise("WhatsApp", "482913", BOOK) is not None
