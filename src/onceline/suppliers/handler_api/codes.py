"""How handler_api names countries and services: by numbers, and by codes of two or three letters. Pure.

Only what an activation may be for has a code here: no prohibited service (promise A1), no rental of all messages, no test.
Where a service has several codes, its first is the one that is bought.
"""

from __future__ import annotations

from functools import cache

from onceline.core.catalog.model import load_countries, load_services


def country_of(number: object) -> str | None:
    """The ISO code; None for one that we do not know. 12, the virtual numbers of the USA, is none of ours."""
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) <= 5:
        number = int(number)
    return _by_number().get(number) if type(number) is int else None


def number_of(country: str) -> int | None:
    return _numbers().get(country)


def service_of(code: object) -> str | None:
    """The slug. Codes of old servers end in _0 or _1, which tells whether calls are forwarded."""
    return _by_code().get(code.removesuffix("_0")) if isinstance(code, str) else None


def code_of(service: str) -> str | None:
    return _codes().get(service)


def calling_code(country: str) -> str:
    return _calling_codes()[country]


@cache
def _numbers() -> dict[str, int]:
    return {one.iso2: one.field_id for one in load_countries() if one.field_id is not None}


@cache
def _by_number() -> dict[int, str]:
    return {number: iso2 for iso2, number in _numbers().items()}


@cache
def _calling_codes() -> dict[str, str]:
    return {one.iso2: one.calling_code for one in load_countries()}


@cache
def _codes() -> dict[str, str]:
    return {
        one.slug: one.codes[0]
        for one in load_services()
        if one.codes and not one.prohibited and one.category != "test" and one.slug != "full"
    }


@cache
def _by_code() -> dict[str, str]:
    return {code: slug for slug, code in _codes().items()}
