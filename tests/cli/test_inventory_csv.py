"""Files of numbers as spreadsheets and suppliers write them: what is read, what is refused, and that a fault costs its line."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.cli.csv_lines import LONGEST_LINE, Fault, lines_of
from onceline.cli.inventory_csv import COLUMNS, Line, read
from onceline.core.errors import InvalidInput

USUAL = {"country": "GB", "type": "mobile", "contract": "C-1", "consent": "signed"}
GOOD = "+447400123456"


def parsed(text: str | bytes, **usual: str) -> list[Line | Fault]:
    raw = text.encode() if isinstance(text, str) else text
    return list(read(lines_of(io.BytesIO(raw)), usual or USUAL))


def only(text: str | bytes, **usual: str) -> Line | Fault:
    (one,) = parsed(text, **usual)
    return one


def code_of(number: str, country: str = "GB") -> str:
    fault = only(f"number,country\n{number},{country}\n")
    assert isinstance(fault, Fault)
    assert fault.at == 2
    return fault.code


def test_a_line_is_a_number_with_its_provenance() -> None:
    header = "number,country,network,type,contract,consent"
    line = only(f"{header}\n{GOOD},GB,23415,mobile,C-77,They signed form 3\n", country="DE")
    assert line == Line(2, GOOD, "GB", "23415", "mobile", "C-77", "They signed form 3")


@pytest.mark.parametrize(
    "written",
    [GOOD, "+44 7400 123456", "07400 123456", "447400123456", "0044 7400-123456", "(07400) 123.456", "+44\u00a07400\u202f123456"],
)  # fmt: skip
def test_a_number_is_read_as_people_write_it(written: str) -> None:
    line = only(f'number\n"{written}"\n')
    assert isinstance(line, Line)
    assert line.number == GOOD


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_every_dialect_is_read(delimiter: str, end: str, mark: bytes) -> None:
    rows = [["Number", " COUNTRY ", "consent"], [GOOD, "gb", '"signed; see A, page 3"']]
    text = end.join(delimiter.join(row) for row in rows)
    line = only(mark + text.encode(), **USUAL | {"consent": ""})
    assert isinstance(line, Line)
    assert (line.number, line.country, line.consent) == (GOOD, "GB", "signed; see A, page 3")


def test_empty_lines_are_passed_over_and_line_numbers_stay_true() -> None:
    faults = parsed(f"number\n\n{GOOD}\n  \nnonsense\n")
    assert [one.at for one in faults] == [3, 5]


def test_a_column_wins_over_what_is_usual() -> None:
    lines = parsed(f"number,contract\n{GOOD},OWN\n+447400123457,\n")
    assert [line.contract for line in lines if isinstance(line, Line)] == ["OWN", "C-1"]


@pytest.mark.promise("A2")
@pytest.mark.parametrize("missing", ["country", "type", "contract", "consent"])
def test_a_number_without_its_provenance_is_refused(missing: str) -> None:
    fault = only(f"number\n{GOOD}\n", **USUAL | {missing: ""})
    assert isinstance(fault, Fault)
    assert (fault.code, f"--{missing}" in fault.words) == ("missing", True)


@pytest.mark.parametrize(
    ("number", "country", "code"),
    [
        ("4.474E+11", "GB", "rounded"),
        ("4,47401E+11", "GB", "rounded"),
        ("07400 12345x", "GB", "number"),
        ("+44 7400 1234567890", "GB", "number"),
        ("+447700900123", "GB", "number"),
        ("123", "GB", "number"),
        ("+4915123456789", "GB", "country"),
        ("+447781123456", "GB", "country"),
        ("+18762101234", "US", "country"),
        ("+80012345678", "GB", "country"),
        (GOOD, "AQ", "country"),
        (GOOD, "England", "country"),
    ],
)
def test_a_number_that_is_none_or_of_another_country_is_refused(number: str, country: str, code: str) -> None:
    fault = only(f"number;country\n{number};{country}\n")
    assert isinstance(fault, Fault)
    assert fault.code == code


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (f"{GOOD},GB,234,mobile,C,signed", "network"),
        (f"{GOOD},GB,,pager,C,signed", "type"),
        (f"{GOOD},GB,,mobile,{'C' * 121},signed", "contract"),
        (f"{GOOD},GB,,mobile,C,{'s' * 401}", "consent"),
        (f"{GOOD},GB,,mobile,C", "columns"),
        (f"{GOOD},GB,,mobile,C,signed,more", "columns"),
        (f'{GOOD},GB,,mobile,C,"signed', "quotes"),
        (f'{GOOD},GB,,mobile,C,"signed" twice', "quotes"),
        (f"{GOOD},GB,,mobile,C,\x1b[2Jsigned", "encoding"),
        (f"{GOOD},GB,,mobile,C,{'s' * LONGEST_LINE}", "too_long"),
    ],
)
def test_a_fault_costs_its_own_line_and_no_other(row: str, code: str) -> None:
    after = "+447400123457,GB,,mobile,C,signed"
    found = parsed(f"{','.join(COLUMNS)}\n{row}\n{after}\n")
    assert [(one.at, getattr(one, "code", "line")) for one in found] == [(2, code), (3, "line")]


def test_a_line_that_is_no_utf8_is_refused_alone() -> None:
    found = parsed(b"number,contract\n+447400123456,Gr\xfc\xdfe\n+447400123457,C\n")
    assert [getattr(one, "code", "line") for one in found] == ["encoding", "line"]


def test_a_number_that_stands_twice_is_refused_and_the_first_line_named() -> None:
    found = parsed(f"number\n{GOOD}\n07400 123456\n")
    assert isinstance(found[1], Fault)
    assert (found[1].code, "line 2" in found[1].words) == ("repeated", True)


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "header row"),
        (b"+447400123456,GB\n", "header row"),
        (b"country,type\nGB,mobile\n", "lacks number"),
        (b"number,number\n1,2\n", "twice"),
        (b"number,netwrok\n1,2\n", "netwrok"),
        ("number\n1\n".encode("utf-16"), "UTF-8"),
        (b"numb\xe9r\n1\n", "UTF-8"),
        (b"number,country\r+447400123456,GB\r", "CR alone"),
    ],
)
def test_a_file_without_a_header_row_says_what_would_be_right(raw: bytes, word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        parsed(raw)


def test_what_is_usual_is_checked_before_anything_is_read() -> None:
    with pytest.raises(InvalidInput, match="no type"):
        parsed(f"number\n{GOOD}\n", **USUAL | {"type": "pager"})


@given(st.binary(max_size=600))
def test_whatever_a_file_holds_is_a_line_or_a_fault(body: bytes) -> None:
    found = parsed(b"number,contract\n" + body)
    places = [one.at for one in found]
    assert places == sorted(set(places))
    assert all(one.number.startswith("+44") for one in found if isinstance(one, Line))
