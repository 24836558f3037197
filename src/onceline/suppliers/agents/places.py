"""How the field's agents and hubs name countries: by a lower-case English name, or by the number of the old protocols. Pure.

The agent protocol of 2024 writes names ("russia"), other hubs that speak it the numbers; what is read may be either. The
names are those of the public client libraries of the field; a hub's own list was not open to us, so an unknown name is
passed over, never guessed.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Literal

from onceline.core.catalog.model import load_countries

Form = Literal["names", "ids"]

_NAMES = {
    "AE": ("uae", "emirates"),
    "AG": ("antiguabarbuda", "antigua"),
    "BA": ("bosnia",),
    "CD": ("dcongo", "drcongo"),
    "CF": ("caf",),
    "CI": ("ivory", "ivorycoast", "cotedivoire"),
    "CV": ("capeverde",),
    "CZ": ("czech", "czechrepublic"),
    "DO": ("dominicana",),
    "GB": ("england", "uk", "greatbritain"),
    "KN": ("saintkitts",),
    "MM": ("myanmar", "burma"),
    "MO": ("macau",),
    "PG": ("papua",),
    "SV": ("salvador",),
    "SZ": ("swaziland",),
    "TL": ("easttimor",),
    "TT": ("trinidad",),
    "US": ("usa",),
    "VC": ("saintvincentgrenadines", "saintvincent"),
}
"""Where they are not simply our own name without spaces; the first is what we write."""


def place(value: object) -> str | None:
    """The country's ISO code; None for one that we do not know. 12, the virtual numbers of the USA, is none of ours."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    if isinstance(value, str):
        return _by_name().get(_plain(value[:64]))
    return _by_id().get(value) if type(value) is int else None


def word(iso2: str, form: Form) -> str | int | None:
    """How to write a country; None when it has no number."""
    if form == "ids":
        return _ids().get(iso2)
    return _NAMES[iso2][0] if iso2 in _NAMES else _plain(_own_names()[iso2])


def _plain(name: str) -> str:
    spelt = unicodedata.normalize("NFKD", name.lower())
    return "".join(letter for letter in spelt if "a" <= letter <= "z")


@cache
def _own_names() -> dict[str, str]:
    return {country.iso2: country.name for country in load_countries()}


@cache
def _ids() -> dict[str, int]:
    return {one.iso2: one.field_id for one in load_countries() if one.field_id is not None}


@cache
def _by_id() -> dict[int, str]:
    return {field_id: iso2 for iso2, field_id in _ids().items()}


@cache
def _by_name() -> dict[str, str]:
    own = {_plain(name): iso2 for iso2, name in _own_names().items()}
    codes = {iso2.lower(): iso2 for iso2 in _own_names()}
    return codes | own | {name: iso2 for iso2, names in _NAMES.items() for name in names}
