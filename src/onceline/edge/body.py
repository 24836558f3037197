"""Request bodies read the same way by everybody: strict JSON of bounded size and depth (RFC 8259, I-JSON RFC 7493).

Refused: duplicate names, NaN and Infinity, lone surrogates, integers that no other parser would keep, deep nesting,
bodies above MOST_BYTES, and any media type but JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute

from onceline.edge.problems import BadRequest

MOST_BYTES = 256 * 1024
MOST_DEPTH = 32
_LARGEST_INTEGER = 2**53


class StrictRequest(Request):
    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            read = bytearray()
            async for piece in self.stream():
                read += piece
                if len(read) > MOST_BYTES:
                    raise BadRequest("body_too_large", f"A body may have at most {MOST_BYTES} bytes.")
            self._body = bytes(read)
        return self._body

    async def json(self) -> Any:
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise BadRequest("unsupported_media_type", "Send the body as application/json.")
        return parse(await self.body())


class StrictRoute(APIRoute):
    """A route whose handler sees a StrictRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strict


def parse(raw: bytes) -> Any:
    """Raises BadRequest (malformed_body)."""
    if _depth(raw) > MOST_DEPTH:
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
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError:
        _refuse("not UTF-8")
    except UnicodeEncodeError:
        _refuse("a lone surrogate, which is no character")
    except json.JSONDecodeError as error:
        _refuse(f"not JSON at byte {error.pos}")
    return value


def _depth(raw: bytes) -> int:
    """An upper bound that brackets inside strings may raise; no honest body of ours comes near it."""
    deepest = depth = 0
    for byte in raw:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > MOST_DEPTH:
                break
        elif byte in b"]}":
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
    if len(digits) > 16 or abs(int(digits)) > _LARGEST_INTEGER:
        _refuse("an integer beyond 2^53")
    return int(digits)


def _number(digits: str) -> float:
    if len(digits) > 32:
        _refuse("a number of more than 32 characters")
    return float(digits)


def _refuse(what: str) -> NoReturn:
    raise BadRequest("malformed_body", f"The body is refused: {what}.")
