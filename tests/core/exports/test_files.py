"""The two formats by themselves: what a spreadsheet must not calculate, and what must come back exactly."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.core.exports.as_csv import CsvFile, inert
from onceline.core.exports.as_json import JsonFile

FORMULAS = [
    "=1+1", "+447700900123", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\x00=1", "＝1+1", "＋1", "－1", "＠x",
    "=cmd|' /C calc'!A0", '=HYPERLINK("http://x","y")', " =1+1", "\u00a0=1", "\ufeff=1", "\u200b=1", "\u2060\u200d=1",
    "\x1f=1", '"=1"', "'=1", "''", "-2+3+cmd|' /C calc'!D2", "=1,2", "=1;2", "\x85=1",
]  # fmt: skip
HARMLESS = ["", "a=1", "1-2", "482913", "Your code is 482913", "x@y", "№ 5 = 5", '"quoted"', "a\nb", "a,b"]


def read(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode(), newline=""), strict=True))


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    ((cell,),) = read(CsvFile(["x"]).row({"x": text}, True))
    assert cell[0] not in "=+-@\t\r\n\x00＝＋－＠"
    assert cell.lstrip(" \u00a0\ufeff\u200b\u2060\u200d\x1f\x85")[0] not in "=+-@＝＋－＠"
    assert cell.removeprefix("'") == text


@pytest.mark.parametrize("text", HARMLESS)
def test_a_cell_that_calculates_nothing_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


@given(st.lists(st.text(), min_size=2, max_size=5))
def test_a_row_comes_back_exactly_when_one_apostrophe_is_taken_away(texts: list[str]) -> None:
    names = [f"c{at}" for at in range(len(texts))]
    (row,) = read(CsvFile(names).row(dict(zip(names, texts, strict=True)), False))
    assert [cell.removeprefix("'") for cell in row] == texts


def test_lines_end_as_the_rfc_has_it_and_cells_are_quoted_where_needed() -> None:
    file = CsvFile(["a", "b", "c", "d"])
    row = file.row({"a": 'say "hi"', "b": None, "c": True, "d": 7}, True)
    assert file.head() + row == b'a,b,c,d\r\n"say ""hi""",,true,7\r\n'


def test_half_a_character_becomes_the_mark_for_one() -> None:
    """UTF-8 has no place for it."""
    assert CsvFile(["a"]).row({"a": "x\ud83dy"}, True) == "x\ufffdy\r\n".encode()


@given(st.text(alphabet=st.characters()), st.text())
def test_json_keeps_every_text_exactly(sender: str, text: str) -> None:
    row = JsonFile("s", "t").row({"sender": sender, "text": text}, True)
    assert json.loads(row) == {"sender": sender, "text": text}


def test_json_keeps_half_a_character_as_its_escape() -> None:
    row = JsonFile("s", "t").row({"text": "Код \ud83d"}, False)
    assert json.loads(row[1:])["text"] == "Код \ud83d"
    row.decode("utf-8")


def test_a_json_file_is_one_document() -> None:
    file = JsonFile("onceline.x/1", "2026-03-01T12:00:00.000000Z")
    text = (
        file.head()
        + file.opening("a")
        + file.row({"n": 1}, True)
        + file.row({"n": 2}, False)
        + file.closing()
    )
    text += file.opening("b") + file.closing() + file.tail()
    assert json.loads(text) == {
        "schema": "onceline.x/1",
        "as_of": "2026-03-01T12:00:00.000000Z",
        "a": [{"n": 1}, {"n": 2}],
        "b": [],
    }
