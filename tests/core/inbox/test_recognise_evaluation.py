"""Recognition held against messages in the manner of real senders, from 275 services and from banks nobody listed.

`named`, `banks` and `innocent` were written before the rules were tuned on them, `heldout` after, and no rule was made for it.
A wrong answer that is sure costs somebody a code; a missing one only asks the customer to read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onceline.core.catalog.model import load_services
from onceline.core.inbox.recognise import CONFIDENT, ServiceBook, recognise
from onceline.core.inbox.service_frames import Words, said

FIXTURES = Path(__file__).parent / "fixtures"
SETS: dict[str, list[dict[str, Any]]] = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((FIXTURES / "recognise_evaluation").glob("*.json"))
}
OTP: list[dict[str, Any]] = [
    row for path in sorted((FIXTURES / "otp").glob("*.json")) for row in json.loads(path.read_text("utf-8"))
]
SERVICES = {service.slug: service for service in load_services()}
BOOK = ServiceBook(SERVICES.values())


def surely(row: dict[str, Any]) -> str | None:
    found = recognise(row["sender"], row["text"], BOOK, row["country"])
    return found.service if found and found.confidence >= CONFIDENT else None


def right(answer: str, expected: str | None) -> bool:
    return SERVICES[answer].prohibited if expected == "prohibited" else answer == expected


def score(rows: list[dict[str, Any]]) -> tuple[list[str], int, int]:
    """The texts answered wrongly and surely, how many were answered rightly, how many have an answer."""
    answers = [(row, answer) for row in rows if (answer := surely(row))]
    wrong = [row["text"] for row, answer in answers if not right(answer, row["expected"])]
    return wrong, len(answers) - len(wrong), sum(row["expected"] is not None for row in rows)


def test_the_set_is_large_and_wide() -> None:
    rows = [row for rows in SETS.values() for row in rows]
    assert len(rows) > 650
    assert len({row["expected"] for row in rows} - {None, "prohibited"}) > 250
    assert len({row["country"] for row in rows}) > 50


@pytest.mark.parametrize("name", SETS)
def test_a_sure_answer_is_a_right_one(name: str) -> None:
    wrong, _, _ = score(SETS[name])
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "least"), [("named", 0.98), ("banks", 0.95), ("innocent", 0.9), ("heldout", 0.9)]
)
def test_most_messages_that_have_an_answer_get_it(name: str, least: float) -> None:
    _, found, all_of_them = score(SETS[name])
    assert found / all_of_them >= least


@pytest.mark.promise("A1")
def test_a_bank_nobody_listed_is_withheld_by_how_it_speaks() -> None:
    kinds = [recognise(row["sender"], row["text"], BOOK, row["country"]) for row in SETS["banks"]]
    assert sum(kind is not None and kind.evidence == "category" for kind in kinds) > 100


def test_of_the_messages_that_name_a_service_for_sale_none_is_taken_for_a_banks() -> None:
    claimed = [row["text"] for row in OTP if _claimed(row["text"])]
    assert len(claimed) > 150
    answers = [recognise(None, text, BOOK) for text in claimed]
    assert [answer for answer in answers if answer and answer.evidence == "category"] == []


def test_few_messages_of_all_are_taken_for_a_banks() -> None:
    """Read by eye, each of them was a bank's or an exchange's: two in a hundred."""
    answers = [recognise(None, row["text"], BOOK) for row in OTP]
    assert sum(answer is not None and answer.evidence == "category" for answer in answers) < len(OTP) / 25


def _claimed(text: str) -> bool:
    """Does the message call its code that of a service for sale?"""
    words = Words.of(text, BOOK.hints)
    return any(not SERVICES[claim.slug].prohibited for claim in said(words, words.mentions(BOOK)))
