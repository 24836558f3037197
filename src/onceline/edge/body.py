"""Request bodies read the same way by everybody: strict JSON of bounded size and depth (RFC 8259, I-JSON RFC 7493).

Refused: duplicate names, NaN and Infinity, lone surrogates, integers that no other parser would keep, deep nesting,
bodies above MOST_BYTES, and any media type but JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from onceline.edge.problems import BadRequest

MOST_BYTES = 256 * 1024
MOST_DEPTH = 32
_LARGEST_INTEGER = 2**53
_BRACKET_OR_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""Possessive, and a string may stay open at the end: never more than one look at each byte."""


class StrictRequest(Request):
    """After `load`, its body is what the strict parser made of it."""

    _raw = b""
    _value: Any = None

    async def load(self) -> None:
        """Raises BadRequest: body_too_large, unsupported_media_type, malformed_body."""
        self._raw = await self._bounded()
        if self._raw:
            media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
            if media_type != "application/json":
                raise BadRequest("unsupported_media_type", "Send the body as application/json.")
            self._value = parse(self._raw)

    async def body(self) -> bytes:
        return self._raw

    async def json(self) -> Any:
        return self._value

    async def _bounded(self) -> bytes:
        read = bytearray()
        try:
            async for piece in self.stream():
                read += piece
                if len(read) > MOST_BYTES:
                    raise BadRequest("body_too_large", f"A body may have at most {MOST_BYTES} bytes.")
        except ClientDisconnect as gone:
            raise BadRequest("malformed_body", "The body is refused: it ended early.") from gone
        return bytes(read)


class StrictRoute(APIRoute):
    """A route whose body is read strictly before FastAPI looks at it: what FastAPI raises there, it renames."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            read = StrictRequest(request.scope, request.receive)
            if takes_body:
                await read.load()
            return await handle(read)

        return strict


def parse(raw: bytes) -> Any:
    """Raises BadRequest (malformed_body)."""
    if raw.count(b"[") + raw.count(b"{") > MOST_DEPTH and _depth(raw) > MOST_DEPTH:
        _refuse(f"nested deeper than {MOST_DEPTH} levels")
    try:
        text = raw.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_number,
        )
        if "\\u" in text:  # only an escape can write half a character
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError:
        _refuse("not UTF-8")
    except UnicodeEncodeError:
        _refuse("a lone surrogate, which is no character")
    except json.JSONDecodeError as error:
        _refuse(f"not JSON at byte {error.pos}")
    return value


def _depth(raw: bytes) -> int:
    """How deep the brackets outside of strings go; stops counting beyond MOST_DEPTH."""
    deepest = depth = 0
    for found in _BRACKET_OR_STRING.finditer(raw):
        mark = found[0]
        if mark in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > MOST_DEPTH:
                break
        elif mark in (b"]", b"}"):
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        _refuse("a name appears twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    _refuse(f"{name} is not a number in JSON")


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > _LARGEST_INTEGER:
        _refuse("an integer beyond 2^53")
    return int(digits)


def _number(digits: str) -> float:
    if len(digits) > 32:
        _refuse("a number of more than 32 characters")
    if not math.isfinite(float(digits)):
        _refuse("a number beyond every float")
    return float(digits)


def _refuse(what: str) -> NoReturn:
    raise BadRequest("malformed_body", f"The body is refused: {what}.")
