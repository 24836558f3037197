"""JSON written row by row: one object with a schema's name, the instant, and an array for each section. Pure.

Texts are exact. Half a character (a lone surrogate), which UTF-8 cannot hold, stands as its \\u escape.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class JsonFile:
    schema: str
    as_of: str

    def head(self) -> bytes:
        return f'{{"schema":{json.dumps(self.schema)},"as_of":{json.dumps(self.as_of)}'.encode()

    def opening(self, section: str, /) -> bytes:
        return f',\n"{section}":['.encode()

    def row(self, values: Mapping[str, Any], first: bool, /) -> bytes:
        return (b"\n" if first else b",\n") + _exact(values)

    def closing(self) -> bytes:
        return b"\n]"

    def tail(self) -> bytes:
        return b"}\n"


def _exact(values: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(values, separators=(",", ":")).encode()
