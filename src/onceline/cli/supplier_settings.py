"""Settings and secrets of suppliers and processors between the command line and the model of their kind: described, read,
refused with what would be right."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol

from pydantic import BaseModel, ValidationError

from onceline.cli.terminal import fail
from onceline.suppliers.base import Kind
from onceline.suppliers.registry import KINDS

LARGEST_FILE = 1 << 20
MOST_FAULTS = 10


class Settable(Protocol):
    """A kind of something that an operator configures."""

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> type[BaseModel]: ...

    @property
    def secrets(self) -> Mapping[str, str]: ...


def known_kind(name: str) -> Kind:
    if name not in KINDS:
        fail(f"{name!r} is no kind; there are {', '.join(sorted(KINDS))}")
    return KINDS[name]


def from_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        text = path.read_text("utf-8") if path.stat().st_size <= LARGEST_FILE else ""
        found = json.loads(text, parse_constant=_no_number)
    except OSError as fault:
        fail(f"{path} cannot be read: {fault.strerror}")
    except ValueError:
        fail(f"{path} holds no JSON object of up to 1 MiB")
    if not isinstance(found, dict):
        fail(f'{path} holds no JSON object, as in {{"host": "smsc.example.com"}}')
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def validated(kind: Settable, start: Mapping[str, Any], pairs: list[str]) -> dict[str, Any]:
    """What was given, if the kind's model reads it. A value that looks like JSON is text where the model wants text."""
    texts = dict(map(_pair, pairs))
    given = {**start, **{name: _value(text) for name, text in texts.items()}}
    try:
        kind.settings.model_validate(given)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            place = fault["loc"][0] if fault["loc"] else ""
            if fault["type"] == "string_type" and len(fault["loc"]) == 1 and place in texts:
                given[str(place)] = texts[str(place)]
    try:
        kind.settings.model_validate(given)
    except ValidationError as error:
        faults = (_fault(kind, fault) for fault in error.errors(include_url=False)[:MOST_FAULTS])
        fail("\n".join([*faults, "", kind_words(described(kind))]))
    return given


def _fault(kind: Settable, fault: Mapping[str, Any]) -> str:
    place = ".".join(map(str, fault["loc"]))
    match fault["type"]:
        case "extra_forbidden":
            return f"{place[:80]!r} is no setting of {kind.name}"
        case "missing":
            return f"{place} is missing"
    return f"{place or 'settings'}: {fault['msg']}"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        fail(f"--set {text[:40]!r}: write key=value")
    return name, value


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except ValueError:
        return text


def described(kind: Settable) -> dict[str, Any]:
    schema = kind.settings.model_json_schema()
    needed = set(schema.get("required", ()))
    return {
        "kind": kind.name,
        **({"asks": kind.asks, "inlet": kind.inlet is not None} if isinstance(kind, Kind) else {}),
        "about": schema.get("description") if kind.settings.__doc__ else None,
        "settings": [
            {
                "name": name,
                "required": name in needed,
                "type": _type(field),
                "default": field.get("default"),
                "about": field.get("description"),
            }
            for name, field in schema.get("properties", {}).items()
        ],
        "secrets": dict(kind.secrets),
    }


def _type(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    if "anyOf" in field:
        return " | ".join(map(_type, field["anyOf"]))
    return str(field.get("type", field.get("const", "object")))


def kind_words(facts: Mapping[str, Any]) -> str:
    lines = [f"{facts['kind']}{_way(facts)}"]
    lines += [f"  {line.strip()}" for line in (facts["about"] or "").splitlines() if line.strip()]
    for one in facts["settings"]:
        usual = "required" if one["required"] else f"default {json.dumps(one['default'])}"
        if not one["required"] and one["default"] is None:
            usual = "optional"
        lines.append(f"  --set {one['name']}=…  {one['type']}, {usual}")
    lines += [f"  --secret {name}=-  {meaning}" for name, meaning in facts["secrets"].items()]
    return "\n".join(lines)


def _way(facts: Mapping[str, Any]) -> str:
    """Of a supplier."""
    if "asks" not in facts:
        return ""
    way = "must be asked for each number" if facts["asks"] else "sells from its own numbers"
    return f": {way}{', calls /in/NAME' if facts['inlet'] else ''}"


def secret_names(kind: Settable, given: list[str]) -> list[str]:
    """Of `--secret name=-`."""
    names = []
    for text in given:
        name, _, value = text.partition("=")
        if value != "-":
            fail("write --secret name=-: the value is read from standard input, so that nobody sees it here")
        if name not in kind.secrets:
            fail(f"{kind.name} has no secret {name[:32]!r}; it has {', '.join(kind.secrets) or 'none'}")
        names.append(name)
    return names


def secret_value(name: str) -> str:
    """The next line of standard input, without echo on a terminal."""
    typed = getpass.getpass(f"{name}: ") if sys.stdin.isatty() else sys.stdin.readline(8192)
    value = typed.rstrip("\r\n")
    if not value:
        fail(f"there is no line with the secret {name} on standard input")
    return value
