"""What a signed body says: messages and heartbeats. Pure.

    {"messages": [{"id", "to", "from", "text", "received_at"?, "waited_s"?, "device"?,
                   "part"?: {"reference", "index", "total"}}],
     "heartbeats": [{"device", "facts"?, "warning"?}]}

or one message by itself. Text and sender are a stranger's and pass as they are, lone surrogates and NUL too; everything else is
the sender's own and is held to its shape, because a request that is half understood would lose the other half. Fields that are
not known here are left alone. Raises Unreadable, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from onceline.core.inbox.model import Part
from onceline.suppliers.base import LONGEST_FACT, MOST_FACTS, Arrival, Heartbeat, Unreadable

MOST_MESSAGES = 100
MOST_HEARTBEATS = 100
LONGEST_DEVICE = 64
LONGEST_NAME = 64
MOST_PARTS = 255
MOST_SECONDS = 2**53
MOST_REFERENCE = 0x2FFFF
"""References of 8 bits, of 16 (with 0x10000 added) and of SAR TLVs (with 0x20000 added)."""

_ID = re.compile(r"[\x21-\x7e]{1,120}")
_NUMBER = re.compile(r"\+?[0-9]{3,15}", re.ASCII)
_INSTANT = re.compile(r"[\x20-\x7e]{1,40}")
_WORD = re.compile(r"[a-z0-9-]{0,64}", re.ASCII)

Object = dict[str, Any]
T = TypeVar("T")


def read_body(body: bytes) -> list[Arrival | Heartbeat]:
    found = _parse(body)
    if not isinstance(found, dict):
        raise Unreadable("The body has to be a JSON object.")
    if "messages" not in found and "heartbeats" not in found:
        return [_arrival(found, "the message")]
    return [
        *_each(found, "messages", MOST_MESSAGES, _arrival),
        *_each(found, "heartbeats", MOST_HEARTBEATS, _heartbeat),
    ]


# JSON without what readers differ about: NaN, duplicate names, another encoding (RFC 8259, sections 4, 6, 8.1).


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_number, object_pairs_hook=_no_duplicates)
    except RecursionError:
        raise Unreadable("The body is nested too deeply.") from None
    except ValueError:  # of UTF-8 and of JSON, and a number of too many digits
        raise Unreadable("The body is no JSON in UTF-8.") from None


def _no_number(_: str) -> NoReturn:
    raise Unreadable("NaN and Infinity are no JSON.")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> Object:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unreadable("A name stands twice in one object.")
    return found


# Messages.


def _each(found: Object, name: str, most: int, read: Callable[[Object, str], T]) -> list[T]:
    listed = found.get(name, [])
    if not isinstance(listed, list):
        raise Unreadable(f"{name} has to be a list.")
    if len(listed) > most:
        raise Unreadable(f"{name} may hold {most} at most.")
    return [read(_object(one, f"{name}[{at}]"), f"{name}[{at}]") for at, one in enumerate(listed)]


def _arrival(found: Object, where: str) -> Arrival:
    part = _part(found.get("part"), where)
    name = _matching(found, "id", _ID, where, "1 to 120 printable ASCII characters without a space")
    number = _matching(found, "to", _NUMBER, where, "a number in E.164, such as +447700900123")
    waited_s = _whole(found, "waited_s", 0, MOST_SECONDS, where) if "waited_s" in found else 0
    return Arrival(
        message_id=f"{name}/{part.index}" if part else name,  # its parts may all have the id of the whole
        number=number,
        sender=_text(found, "from", where),
        text=_text(found, "text", where),
        part=part,
        said_at=_said_at(found.get("received_at"), where),
        device=_device(found, where) if found.get("device") is not None else "",
        waited_s=waited_s,
    )


def _part(found: Any, where: str) -> Part | None:
    """None also for the only part of a message."""
    if found is None:
        return None
    inside = f"{where}.part"
    fields = _object(found, inside)
    reference = _whole(fields, "reference", 0, MOST_REFERENCE, inside)
    total = _whole(fields, "total", 1, MOST_PARTS, inside)
    index = _whole(fields, "index", 1, total, inside)
    return Part(reference, index, total) if total > 1 else None


def _said_at(found: Any, where: str) -> str:
    """The sender's own time stamp, verbatim: text of any format, or whole seconds."""
    words = "" if found is None else str(found) if type(found) is int else found
    if words != "" and not (isinstance(words, str) and _INSTANT.fullmatch(words)):
        raise Unreadable(f"{where}: received_at has to be a time stamp of 40 characters at most.")
    return words


# Heartbeats.


def _heartbeat(found: Object, where: str) -> Heartbeat:
    facts = _object(found.get("facts") or {}, f"{where}.facts")
    if len(facts) > MOST_FACTS:
        raise Unreadable(f"{where}: facts may be {MOST_FACTS} at most.")
    return Heartbeat(
        device=_device(found, where),
        facts={_fact_name(name, where): _fact(value, where) for name, value in facts.items()},
        warning=_matching({"warning": ""} | found, "warning", _WORD, where, "a word such as sim-missing"),
    )


def _fact_name(name: str, where: str) -> str:
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise Unreadable(
            f"{where}: the name of a fact has to be 1 to {LONGEST_NAME} characters that can be printed."
        )
    return name


def _fact(value: Any, where: str) -> str | int | bool | None:
    """Text that the database's JSON takes; fractions and huge numbers become text."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    if not isinstance(value, str | int | float):
        raise Unreadable(f"{where}: a fact has to be text, a number, true, false or null.")
    return "".join(sign if sign.isprintable() else "�" for sign in str(value)[:LONGEST_FACT])


# Fields.


def _object(found: Any, where: str) -> Object:
    if not isinstance(found, dict):
        raise Unreadable(f"{where} has to be an object.")
    return found


def _text(found: Object, name: str, where: str) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise Unreadable(f"{where}: {name} has to be text.")
    return value


def _matching(found: Object, name: str, shape: re.Pattern[str], where: str, wanted: str) -> str:
    value = _text(found, name, where)
    if not shape.fullmatch(value):
        raise Unreadable(f"{where}: {name} has to be {wanted}.")
    return value


def _device(found: Object, where: str) -> str:
    value = _text(found, "device", where)
    if not 1 <= len(value) <= LONGEST_DEVICE or not value.isprintable():
        raise Unreadable(f"{where}: device has to be 1 to {LONGEST_DEVICE} characters that can be printed.")
    return value


def _whole(found: Object, name: str, least: int, most: int, where: str) -> int:
    value = found.get(name)
    if type(value) is not int or not least <= value <= most:
        raise Unreadable(f"{where}: {name} has to be a whole number from {least} to {most}.")
    return value
