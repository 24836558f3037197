"""Requests to the Greenfield API of one store, and what kind of answer came. Never decides what an answer means for money."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from onceline.core.errors import OutboundRefused
from onceline.outbound import ConfiguredDoor, OutboundFailed, Reply
from onceline.outbound_address import parse
from onceline.payments.base import ProcessorAway, ProcessorRefused
from onceline.payments.btcpay.settings import BTCPaySettings

Door = Callable[[Iterable[str]], ConfiguredDoor]
_LONGEST_ERROR = 200


class Client:
    """Used by many threads."""

    def __init__(self, settings: BTCPaySettings, api_key: str, door: Door) -> None:
        where = parse(settings.url)
        self._door = door([f"{where.host}:{where.port}"])
        self._base = f"{settings.url}/api/v1/stores/{settings.store_id}/invoices"
        self._headers = {"authorization": f"token {api_key}"}

    def get(self, path: str = "", query: Sequence[tuple[str, str]] = ()) -> Any:
        """None where there is no such thing. Raises ProcessorAway, ProcessorRefused."""
        asked = f"{path}?{urlencode(query)}" if query else path
        return self._ask("GET", asked, self._headers, b"")

    def post(self, fields: Mapping[str, Any]) -> Any:
        """Raises ProcessorAway, ProcessorRefused."""
        headers = {**self._headers, "content-type": "application/json"}
        return self._ask("POST", "", headers, json.dumps(fields).encode())

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        try:
            reply = self._door.request(method, f"{self._base}{path}", headers, body)
        except OutboundFailed as failed:
            raise ProcessorAway(failed.reason) from None
        except OutboundRefused as refused:
            raise ProcessorRefused(refused.detail) from None
        return _read(reply)


def _read(reply: Reply) -> Any:
    if reply.status >= 500 or reply.status == 429 or reply.truncated:
        raise ProcessorAway("too_large" if reply.truncated else f"status {reply.status}")
    if reply.status < 300:
        return _json(reply.body)
    if reply.status == 404 and _code(reply) == "invoice-not-found":
        return None
    raise ProcessorRefused(f"{reply.status}: {_code(reply) or 'no reason given'}")


def _json(body: bytes) -> Any:
    """Numbers stay as they were written. Raises ProcessorAway."""
    try:
        return json.loads(body, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise ProcessorAway("no JSON came") from None


def _code(reply: Reply) -> str:
    """What it says is wrong: a code, or the fields that it found fault with; "" where a proxy answered."""
    try:
        found = _json(reply.body)
    except ProcessorAway:
        return ""
    if isinstance(found, list):
        words = ", ".join(str(one.get("path")) for one in found[:20] if isinstance(one, dict))
    else:
        words = str(found.get("code", "")) if isinstance(found, dict) else ""
    return "".join(letter for letter in words if letter.isprintable())[:_LONGEST_ERROR]
