"""A printed code survives being read out, copied by hand and typed again; what went wrong on the way is seen."""

from __future__ import annotations

import pytest

from onceline.core.errors import InvalidInput
from onceline.core.vouchers import model
from onceline.core.vouchers.model import ALPHABET, DRAWN, is_well_formed, new_code, printed, read

LENGTH = DRAWN + model.CHECKS


def checked(drawn: list[int]) -> str:
    """The code that begins with these."""
    symbols = [*drawn, *model._remainder([*drawn, *[0] * model.CHECKS])]
    return "".join(ALPHABET[value] for value in symbols)


def swapped(code: str, at: int) -> str:
    return code[:at] + code[at + 1] + code[at] + code[at + 2 :]


def test_a_code_is_drawn_printed_in_groups_and_read_again() -> None:
    code = new_code()
    assert len(printed(code).split("-")) == 5
    assert read(printed(code)) == code


def test_a_code_has_ninety_random_bits_and_no_letter_that_looks_like_another() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 32
    assert set("OILU") & set(ALPHABET) == set()
    assert 5 * DRAWN >= 80
    assert len({new_code() for _ in range(2000)}) == 2000


def test_every_character_at_every_place_is_drawn() -> None:
    codes = [new_code() for _ in range(2000)]
    assert [len({code[at] for code in codes}) for at in range(LENGTH)] == [32] * LENGTH


def test_of_all_endings_one_alone_is_right() -> None:
    for code in (new_code() for _ in range(3)):
        body = code[:DRAWN]
        right = [one + two for one in ALPHABET for two in ALPHABET if is_well_formed(body + one + two)]
        assert right == [code[DRAWN:]]


def test_every_single_wrong_character_is_seen() -> None:
    """Every character, at every place, taken for every other."""
    codes = [_woven(value, value, 0) for value in range(32)]
    seen = {(at, code[at]) for code in codes for at in range(LENGTH)}
    assert len(seen) == 32 * LENGTH
    missed = [
        (code, at, letter)
        for code in codes
        for at in range(LENGTH)
        for letter in ALPHABET
        if letter != code[at] and is_well_formed(code[:at] + letter + code[at + 1 :])
    ]
    assert missed == []


def test_every_swap_of_neighbours_is_seen() -> None:
    """Every two different characters, at every two neighbouring places."""
    every = [(one, two) for one in range(32) for two in range(32)]
    codes = [_woven(one, two, 0) for one, two in every]
    codes += [_woven(0, one, two) for one, two in every] + [_woven(one, 0, two) for one, two in every]
    pairs = {
        (at, code[at : at + 2]) for code in codes for at in range(LENGTH - 1) if code[at] != code[at + 1]
    }
    assert len(pairs) == 32 * 31 * (LENGTH - 1)
    missed = [
        (code, at)
        for code in codes
        for at in range(LENGTH - 1)
        if code[at] != code[at + 1] and is_well_formed(swapped(code, at))
    ]
    assert missed == []


def _woven(one: int, two: int, first: int) -> str:
    """A code of two characters in turn, and at its first place another: so its check characters are all of them too."""
    drawn = [(one, two)[at % 2] for at in range(DRAWN)]
    drawn[0] ^= first
    return checked(drawn)


def test_two_wrong_characters_are_seen_wherever_they_are() -> None:
    """What the checks see depends on the slips alone: of a code of zeros, every pair of other characters anywhere."""
    zeros = "0" * LENGTH
    assert is_well_formed(zeros)
    missed = [
        (first, second)
        for first in range(LENGTH)
        for second in range(first + 1, LENGTH)
        for one in ALPHABET[1:]
        for two in ALPHABET[1:]
        if is_well_formed(zeros[:first] + one + zeros[first + 1 : second] + two + zeros[second + 1 :])
    ]
    assert missed == []


def test_a_code_is_read_as_people_write() -> None:
    code = checked([0, 1, *range(2, 18)])
    assert code.startswith("01")
    plain = printed(code)
    for written in (
        plain.lower(),
        plain.replace("-", " "),
        f"  {plain}\n",
        plain.replace("-", "–"),
        plain.replace("-", "").replace("0", "O"),
        plain.replace("0", "o").replace("1", "l"),
        plain.replace("1", "I"),
        " ".join(plain),
    ):
        assert read(written) == code


@pytest.mark.parametrize(
    "text",
    ["", " ", "-", "0" * 19, "0" * 21, "0" * 64, "U" * 20, "٠" * 20, "０" * 20, "ß" * 10, "\x00" * 20, "0" * 19 + "1"],
)  # fmt: skip
def test_what_was_never_printed_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no voucher code"):
        read(text)


def test_the_hash_is_keyed_and_tells_codes_apart() -> None:
    one, two = new_code(), new_code()
    hashes = {model.hash_of(secret, code) for secret in (b"1" * 16, b"2" * 16) for code in (one, two)}
    assert len(hashes) == 4
