"""What a handler_api server answers, as values: words, numbers, states, lists; whatever dialect it speaks. Pure.

A server says `WORD`, `WORD:a:b` or JSON, nearly always with status 200; newer ones say errors as JSON with a status of 4xx.
All of it is outside text: bounded, no float, and what makes no sense is `Nonsense`, never a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

NO_STOCK = frozenset(
    ("NO_NUMBERS", "OUT_OF_STOCK", "OFFER_NOT_FOUND", "WRONG_MAX_PRICE", "BAD_SERVICE", "WRONG_SERVICE", "BAD_COUNTRY",
     "WRONG_COUNTRY", "SERVICE_NOT_AVAILABLE_THIS_COUNTRY", "SERVICE_UNAVAILABLE_REGION", "NOT_AVAILABLE",
     "WHATSAPP_NOT_AVAILABLE", "NO_YULA_MAIL")
)  # fmt: skip
"""Nothing was bought, for reasons of the trade."""
REFUSED = frozenset(
    ("NO_BALANCE", "NO_BALANCE_FORWARD", "NO_KEY", "BAD_KEY", "WRONG_API_KEY", "ERROR_WRONG_KEY", "ACCOUNT_INACTIVE",
     "BANNED", "CHANNELS_LIMIT", "RATE_LIMIT", "UNAUTHORIZED", "FORBIDDEN", "BAD_OPERATOR", "WRONG_OPERATOR", "BAD_DATA")
)  # fmt: skip
"""Nothing was done, and somebody has to see to it: key, account, money, or how we ask."""
UNKNOWN_ACTION = frozenset(("BAD_ACTION", "WRONG_ACTION", "NO_ACTION", "ACTION_NOT_AVAILABLE"))
CLOSED = frozenset(
    ("ACCESS_CANCEL", "ACCESS_ACTIVATION", "NO_ACTIVATION", "NO_ACTIVATIONS", "WRONG_ACTIVATION_ID",
     "INVALID_ACTIVATION_ID", "ACTIVATION_NOT_ACTIVE", "ALREADY_CANCEL", "ALREADY_FINISH", "STATUS_CANCEL",
     "STATUS_FINISH", "FREE_CANCELLATION_EXPIRED")
)  # fmt: skip
"""Of an activation: there is nothing left to finish or to cancel."""
HAS_CODE = frozenset(("OTP_RECEIVED", "NEW_OTP_RECEIVED", "BAD_STATUS"))
"""What a cancel is refused with when a code came."""
WAITS = frozenset(("STATUS_WAIT_CODE", "STATUS_WAIT_RETRY", "STATUS_WAIT_RESEND"))

_WORD = re.compile(r"([A-Z][A-Z0-9_]{1,48})(?::([\s\S]*))?")
_ID = re.compile(r"[0-9A-Za-z_-]{1,40}")
_PHONE = re.compile(r"\+?([0-9]{5,15})")
_ENDED = frozenset(("6", "8", "10", "-1"))
_LONGEST = timedelta(hours=24)
_STATUS_WORDS = {400: "BAD_DATA", 401: "BAD_KEY", 402: "NO_BALANCE", 403: "FORBIDDEN", 429: "RATE_LIMIT"}


class Nonsense(Exception):
    """An answer that is none. The text says what kind of thing came, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Said:
    """`word` in capitals, "" where JSON came; `rest` is what follows its colon. `data` is the JSON."""

    word: str = ""
    rest: str = ""
    data: Any = None


@dataclass(frozen=True, slots=True)
class Bought:
    """An activation over there. `cost` in the server's currency; `lasts` is None when it does not say. `service` and
    `country` as the server writes them, of one that it lists."""

    supplier_order_id: str
    phone: str
    cost: Decimal | None = None
    begun: str = ""
    lasts: timedelta | None = None
    service: str = ""
    country: str = ""


def read(status: int, body: bytes) -> Said:
    """Raises Nonsense: a web page, half a JSON, a server's fault."""
    if status >= 500:
        raise Nonsense(f"status {status}")
    text = body.decode("utf-8", "replace").strip().lstrip("\ufeff")
    if text[:1] in ("{", "["):
        return _read_json(status, text)
    found = _WORD.fullmatch(text)
    if found:
        return Said(found[1], found[2] or "")
    if status == 204 or (status == 200 and not text):
        return Said("EMPTY")
    if status in _STATUS_WORDS:
        return Said(_STATUS_WORDS[status])
    raise Nonsense("a web page" if text.startswith("<") else "no word of the protocol")


def _read_json(status: int, text: str) -> Said:
    try:
        data = json.loads(text, parse_float=Decimal, parse_int=_whole, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Nonsense("JSON that cannot be read") from None
    if status >= 400 or (isinstance(data, dict) and data.get("status") in ("error", "false", False)):
        return Said(_error_word(data) or {404: "NO_ACTIVATION", **_STATUS_WORDS}.get(status, "ERROR"))
    if isinstance(data, dict) and "title" in data and "details" in data:
        return Said(_error_word(data) or "ERROR")
    return Said(data=data)


def _whole(text: str) -> int:
    if len(text) > 30:
        raise ValueError("too long")
    return int(text)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _error_word(data: Any) -> str:
    for name in ("title", "message", "error", "code"):
        word = data.get(name) if isinstance(data, dict) else None
        if isinstance(word, str) and _WORD.fullmatch(word.strip().upper()):
            return word.strip().upper()
    return ""


# Numbers -----------------------------------------------------------------------------------------------------------------


def bought(said: Said) -> Bought | None:
    """What getNumber or getNumberV2 bought; None when the answer is something else. Raises Nonsense for half of one."""
    if said.word == "ACCESS_NUMBER":
        supplier_order_id, _, phone = said.rest.partition(":")
        return Bought(_demand(_ID, supplier_order_id), phone.partition(":")[0].strip())
    if isinstance(said.data, dict) and "activationId" in said.data:
        return _activation(said.data)
    return None


def active(said: Said) -> list[Bought] | None:
    """What getActiveActivations lists and is not over; None when the answer is something else. Raises Nonsense."""
    if said.word in ("NO_ACTIVATIONS", "EMPTY"):
        return []
    if isinstance(said.data, list):
        rows = said.data
    elif isinstance(said.data, dict):
        rows = next((said.data[key] for key in ("activeActivations", "data") if said.data.get(key)), [])
        if not said.data.keys() & {"activeActivations", "data"} or not isinstance(rows, list):
            return None
    else:
        return None
    whole = [row for row in rows if isinstance(row, dict) and "activationId" in row]
    if len(whole) < len(rows):
        raise Nonsense("a list of something else than activations")
    return [_activation(row) for row in whole if str(row.get("activationStatus", "4")) not in _ENDED]


def _activation(row: dict[str, Any]) -> Bought:
    begun, ends = instant(row.get("activationTime")), instant(row.get("activationEndTime"))
    lasts = ends - begun if begun and ends and (begun.tzinfo is None) == (ends.tzinfo is None) else None
    country = row.get("countryCode")
    return Bought(
        supplier_order_id=_demand(_ID, str(row["activationId"])),
        phone=str(row.get("phoneNumber") or row.get("phone") or "").strip(),
        cost=cost(row.get("activationCost")),
        begun=str(row.get("activationTime") or ""),
        lasts=lasts if lasts and timedelta() < lasts <= _LONGEST else None,
        service=str(row.get("serviceCode") or row.get("service") or ""),
        country=str(row.get("country", "") if country is None else country),
    )


def _demand(shape: re.Pattern[str], text: str) -> str:
    if not shape.fullmatch(text.strip()):
        raise Nonsense("an activation without an id")
    return text.strip()


def cost(value: object) -> Decimal | None:
    """A price that can be one: more than nothing, less than a million. None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal) or len(str(value)) > 30:
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 < number < 10**6 else None


def balance(said: Said) -> Decimal | None:
    """What is left of our money there; an overdrawn account has nothing."""
    if said.word != "ACCESS_BALANCE":
        return None
    text = said.rest.strip()
    if text.startswith("-") or not text.strip("0."):
        return Decimal(0)
    return cost(text)


def count(value: object) -> int:
    """How many there are; nothing for what is no such figure."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12:
        return int(value)
    return value if type(value) is int and value > 0 else 0


def e164(phone: str, calling_code: str) -> str | None:
    """The number with its plus; None for a national form, or another country's."""
    found = _PHONE.fullmatch(phone)
    if not found or not found[1].startswith(calling_code) or len(found[1]) < len(calling_code) + 4:
        return None
    return f"+{found[1]}"


def digits(phone: str) -> str:
    """For the record, of a number that cannot be used."""
    return re.sub(r"[^0-9]", "", phone)[:15]


# Time ---------------------------------------------------------------------------------------------------------------------


def instant(text: object) -> datetime | None:
    """Of a stamp: aware where it names its zone, else not."""
    if type(text) is int or (isinstance(text, str) and text.isdigit() and len(text) == 10):
        return datetime.fromtimestamp(int(text), UTC) if 0 < int(text) < 2**32 else None
    if not isinstance(text, str) or not 10 < len(text) <= 40:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def may_have_begun(text: str, after: datetime, before: datetime) -> bool:
    """Whether a stamp can lie between two instants. One without a zone lies off by whole quarters of an hour, nobody knows
    by how many; one that cannot be read can be anything."""
    begun = instant(text)
    if begun is None:
        return True
    if begun.tzinfo is not None:
        return after <= begun <= before
    quarter = timedelta(minutes=15)
    return before - after >= quarter or (begun.replace(tzinfo=UTC) - after) % quarter <= before - after


# Prices -------------------------------------------------------------------------------------------------------------------


def prices(said: Said) -> Iterator[tuple[str, str, Decimal | None, int]] | None:
    """Country, service, cost and count of every leaf of getPrices, as the server wrote the names. None for no price list."""
    tables = said.data if isinstance(said.data, list) else [said.data]
    if said.data is None or not all(isinstance(table, dict) for table in tables):
        return None
    return (
        (country, service, *_leaf(leaf))
        for table in tables
        for country, services in table.items()
        if isinstance(services, dict)
        for service, leaf in services.items()
    )


def _leaf(leaf: object) -> tuple[Decimal | None, int]:
    """{cost, count[, physicalCount]}, {price: count}, or {provider: {cost, count}}: the cheapest that there is."""
    if not isinstance(leaf, dict):
        return None, 0
    if "cost" in leaf or "price" in leaf:
        return _priced(leaf)
    found = [
        _priced(below) if isinstance(below, dict) else (cost(name), count(below))
        for name, below in leaf.items()
    ]
    there = [(price, n) for price, n in found if price is not None and n]
    return min(there, default=(None, 0))


def _priced(leaf: dict[str, Any]) -> tuple[Decimal | None, int]:
    """`physicalCount` is what can be had; where it is named, `count` is for show."""
    physical = leaf.get("physicalCount")
    return cost(leaf.get("cost", leaf.get("price"))), count(
        leaf.get("count") if physical is None else physical
    )
