"""Octets become text: every coding that a supplier may announce, and what it may do to us."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.core.inbox.decoding import decode

CODINGS = (
    "gsm7", "gsm7/1", "gsm7/2", "gsm7/3/3", "gsm7/99/99", "gsm7/x", "ascii", "latin-1", "ucs2", "octets", "cyrillic",
    "hebrew", "jis", "shift-jis", "euc-kr", "unheard-of", "",
)  # fmt: skip


@pytest.mark.parametrize(
    ("data", "coding", "text"),
    [
        (b"Your code is 123456", "gsm7", "Your code is 123456"),
        (b"\x00\x02\x11\x1b\x65 \x1b\x28\x1b\x29 \x7b\x0a", "gsm7", "@$_€ {} ä\n"),
        (b"Kodunuz \x1b\x67\x1b\x69\x1b\x73 123456", "gsm7/1", "Kodunuz ğış 123456"),
        (b"\x40stanbul \x60\x07\x1b\x65", "gsm7/1/1", "İstanbul çı€"),
        (b"C\x1b\x6fdigo: 4711 \x1b\x09", "gsm7/2", "Código: 4711 ç"),
        (b"C\x1b\x6fdigo \x1b\x7bo", "gsm7/3", "Código ão"),
        (b"c\x08digo n\x7bo \x60", "gsm7/0/3", "código não ~"),
        ("Código 4711".encode("latin-1"), "latin-1", "Código 4711"),
        ("رمز التحقق ١٢٣٤٥٦".encode("utf-16-be"), "ucs2", "رمز التحقق ١٢٣٤٥٦"),
        ("🔐 123456".encode("utf-16-be"), "ucs2", "🔐 123456"),
        ("Код 123456".encode("iso8859_5"), "cyrillic", "Код 123456"),
        ("קוד 123456".encode("iso8859_8"), "hebrew", "קוד 123456"),
        ("認証コード 123456".encode("iso2022_jp"), "jis", "認証コード 123456"),
        ("認証コード 123456".encode("shift_jis"), "jis", "認証コード 123456"),
        ("認証コード 123456".encode("euc_jp"), "jis", "認証コード 123456"),
        ("認証 1".encode("shift_jis"), "shift-jis", "認証 1"),
        ("인증번호 123456".encode("euc_kr"), "euc-kr", "인증번호 123456"),
        ("Código ✓".encode(), "octets", "Código ✓"),
        ("Código".encode("latin-1"), "octets", "Código"),
        (b"plain", "ascii", "plain"),
    ],
)
def test_every_coding_is_read(data: bytes, coding: str, text: str) -> None:
    assert decode(data, coding) == text


def test_an_escaped_character_that_has_no_meaning_is_shown_as_the_one_below() -> None:
    assert decode(b"a\x1bbc", "gsm7") == "abc"
    assert decode(b"a\x1b\x1bb", "gsm7") == "a b"


def test_an_escape_that_escapes_nothing_takes_nothing_with_it() -> None:
    assert decode(b"code 1\x1b", "gsm7") == "code 1"


def test_a_language_without_a_table_is_read_by_the_default_one() -> None:
    assert decode(b"\x1b\x65 1", "gsm7/13/13") == "€ 1"


def test_another_alphabet_announced_as_gsm_is_seen_by_its_eighth_bit() -> None:
    assert decode("Código 4711".encode("latin-1"), "gsm7") == "Código 4711"
    assert decode("Код 4711".encode(), "gsm7") == "Код 4711"


def test_ascii_with_an_eighth_bit_loses_nothing() -> None:
    assert decode("Código".encode(), "ascii") == "Código"


def test_a_surrogate_pair_cut_by_the_part_boundary_is_one_character_after_joining() -> None:
    whole = "code 🔐 1".encode("utf-16-be")
    assert decode(whole[:12] + whole[12:], "ucs2") == "code 🔐 1"


def test_marks_of_byte_order_go_wherever_a_part_brought_one() -> None:
    assert decode(b"\xfe\xff\x00a\xfe\xff\x00b", "ucs2") == "ab"
    assert decode(b"\xff\xfea\x00b\x00", "ucs2") == "ab"


def test_an_odd_last_byte_and_lone_halves_are_replaced() -> None:
    assert decode(b"\x00a\x00b\x00", "ucs2") == "ab�"
    assert decode(b"\xd8\x3d\x00a", "ucs2") == "�a"
    assert decode(b"\x00a\xdc\x00", "ucs2") == "a�"


@given(st.binary(max_size=400), st.sampled_from(CODINGS))
def test_nothing_makes_it_raise(data: bytes, coding: str) -> None:
    assert len(decode(data, coding)) <= len(data)


@given(st.text(alphabet="0123456789", min_size=1, max_size=20), st.sampled_from(CODINGS))
def test_a_code_is_read_under_whatever_coding_was_announced_for_it(code: str, coding: str) -> None:
    sent = code.encode("utf-16-be" if coding == "ucs2" else "ascii")
    assert decode(sent, coding) == code


@given(
    st.text(
        alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\ufeff\ufffe"), max_size=70
    )
)
def test_what_was_written_in_ucs2_is_read_as_it_was_written(text: str) -> None:
    assert decode(text.encode("utf-16-be"), "ucs2") == text
