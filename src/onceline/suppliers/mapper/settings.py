"""What an operator says of a box that can only GET or POST: where each field is, and how its text is written.

Names and paths, never a template, a pattern or a formula: nothing that is set here is evaluated.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from onceline.core.errors import InvalidInput
from onceline.core.phone import parse_e164
from onceline.suppliers.base import KindSettings

FROM_THE_TOP = "$."
MOST_STEPS = 8
LONGEST_STEP = 64

CHARSETS = {
    **{name: name for name in ("utf-8", "ascii", "koi8-r", "koi8-u", "gbk", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr")},
    **{f"iso-8859-{part}": f"iso-8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
    **{f"windows-{page}": f"cp{page}" for page in (*range(1250, 1259), 874)},
    "latin-1": "latin-1",
    "us-ascii": "ascii",
    "utf-16be": "utf-16-be",
    "utf-16le": "utf-16-le",
    "ucs-2": "utf-16-be",
}  # fmt: skip
"""Names (IANA's, in lower case) that a charset may have, and Python's name of each. Nothing else is ever looked up."""


def _charset(name: str) -> str:
    if name.lower() not in CHARSETS:
        raise ValueError(
            "no charset that is known here; write one such as utf-8, latin-1, windows-1251 or gb18030"
        )
    return name.lower()


def _number(text: str) -> str:
    try:
        return parse_e164(text)
    except InvalidInput as bad:
        raise ValueError(str(bad)) from None


def _answer(text: str) -> str:
    if not text.isprintable():
        raise ValueError("the answer is one line of text, as in ok")
    return text


Name = Annotated[str, StringConstraints(max_length=MOST_STEPS * (LONGEST_STEP + 1))]
Number = Annotated[str, AfterValidator(_number)]
Device = Annotated[str, StringConstraints(max_length=64)]
Value = Annotated[str, StringConstraints(max_length=100)]
Values = Annotated[tuple[Value, ...], Field(max_length=50)]


class MapperSettings(KindSettings):
    """In `form` the names are those of query and form fields. In `json` they are paths: keys and indexes between dots.

    With `list`, which leads to an array, each element of it is a message and paths begin at the element; one that begins with
    `$.` begins at the top all the same. Empty: there is no such field.
    """

    format: Literal["form", "json"] = "form"
    text: Annotated[Name, StringConstraints(min_length=1)]
    sender: Name = ""
    number: Name = ""
    id: Name = ""
    time: Name = ""
    device: Name = ""
    part_reference: Name = ""
    part_index: Name = ""
    part_total: Name = ""
    text_encoding: Literal["plain", "hex-utf16", "base64-utf8", "hex"] = "plain"
    charset: Annotated[str, AfterValidator(_charset)] = "utf-8"
    """Of percent-escaped bytes, and of `hex`. JSON is UTF-8 whatever stands here (RFC 8259, 8.1)."""
    charset_field: Name = ""
    """Names a charset for each message; `charset` counts where what it names is unknown."""
    numbers: Annotated[dict[Device, Number], Field(max_length=5000, default_factory=dict)]
    """By device, for boxes that do not say the recipient, or by what they say instead of E.164."""
    ignore: Annotated[dict[Name, Value | Values], Field(max_length=20, default_factory=dict)]
    """A message of which one of these fields has (one of) these values is none, but a report."""
    answer: Annotated[str, StringConstraints(max_length=200), AfterValidator(_answer)] = ""
    """What the box wants to read when a message was kept; the status is 200."""
    list: Name = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All that were set, also of `ignore`."""
        said = (self.text, self.sender, self.number, self.id, self.time, self.device, self.charset_field)
        return tuple(
            filter(None, (*said, self.part_reference, self.part_index, self.part_total, *self.ignore))
        )

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        if self.format == "form" and self.list:
            raise ValueError("a form has no list: leave list away, or set format to json")
        if self.format == "json":
            for name in (*self.names, *filter(None, (self.list,))):
                _check_path(name)
        return self

    @model_validator(mode="after")
    def _parts_are_whole(self) -> Self:
        given = sum(map(bool, (self.part_reference, self.part_index, self.part_total)))
        if given not in (0, 3):
            raise ValueError(
                "parts need all three of part_reference, part_index and part_total, or none of them"
            )
        return self

    @model_validator(mode="after")
    def _recipient_is_known(self) -> Self:
        if not (self.number or self.numbers):
            raise ValueError(
                "nothing says whom a message is for: set number to the field of the recipient, or numbers to the number of each "
                'device, as in {"1A": "+447700900123"}'
            )
        return self


def steps(path: str) -> tuple[bool, tuple[str, ...]]:
    """Whether a path begins at the top, and its keys and indexes."""
    top = path.startswith(FROM_THE_TOP)
    return top, tuple(path.removeprefix(FROM_THE_TOP).split("."))


def _check_path(path: str) -> None:
    _, found = steps(path)
    if len(found) > MOST_STEPS or not all(0 < len(step) <= LONGEST_STEP for step in found):
        raise ValueError(
            f"{path[:80]!r} is no path: write up to {MOST_STEPS} keys or indexes with dots between, as in data.sms.0.text"
        )
