"""The form encoding of Stripe's API: `a[b][0][c]=v` is a tree. And what an endpoint refuses before it does anything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

Tree = dict[str, Any]


class Refusal(Exception):
    """An answer that is an error. `saved`: the endpoint had begun its work, so that the answer is kept under the key."""

    def __init__(
        self,
        message: str,
        code: str | None = None,
        *,
        param: str | None = None,
        status: int = 400,
        kind: str = "invalid_request_error",
        saved: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.saved = status, saved
        self.error = {"type": kind, "code": code, "message": message, "param": param}


def tree(text: str) -> Tree:
    root: Tree = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        first, *rest = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", name)
        _put(root, [first, *rest], value)
    return {name: _with_lists(value) for name, value in root.items()}


def _put(node: Tree, path: list[str], value: str) -> None:
    name = path[0] or str(len(node))
    if len(path) == 1:
        node[name] = value
    else:
        _put(node.setdefault(name, {}), path[1:], value)


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(name.isdigit() for name in value):
        return [_with_lists(value[name]) for name in sorted(value, key=int)]
    return {name: _with_lists(one) for name, one in value.items()}


def only(asked: Tree, known: Iterable[str]) -> None:
    for name in asked.keys() - set(known) - {"expand"}:
        raise Refusal(f"Received unknown parameter: {name}", "parameter_unknown", param=name)


def need(asked: Tree, *path: str) -> Any:
    found: Any = asked
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if found in (None, ""):
        raise Refusal(f"Missing required param: {path[-1]}.", "parameter_missing", param="[".join(path))
    return found


def whole(value: Any, name: str, least: int = 1) -> int:
    if not re.fullmatch(r"-?[0-9]{1,12}", str(value)):
        raise Refusal(f"Invalid integer: {value}", "parameter_invalid_integer", param=name)
    if int(value) < least:
        raise Refusal(
            "This value must be greater than or equal to 1.", "parameter_invalid_integer", param=name
        )
    return int(value)


def amount(value: Any, currency: str, name: str) -> int:
    """In minor units, as the published list of currencies has them."""
    found = whole(value, name)
    step = {"isk": 100, "ugx": 100, "bhd": 10, "jod": 10, "kwd": 10, "omr": 10, "tnd": 10}.get(currency, 1)
    if found % step:
        raise Refusal(
            f"Invalid amount for {currency}: must be divisible by {step}.", "invalid_amount", param=name
        )
    if found > 99_999_999:
        raise Refusal("Amount must be no more than 99999999.", "amount_too_large", param=name)
    if found < {"usd": 50, "eur": 50, "jpy": 50}.get(currency, 1):
        raise Refusal("Amount is below the least that can be charged.", "amount_too_small", param=name)
    return found
