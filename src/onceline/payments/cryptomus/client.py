"""Requests to the API, signed, and what kind of answer came. Never decides what an answer means for money."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from onceline.core.errors import OutboundRefused
from onceline.outbound import ConfiguredDoor, OutboundFailed, Reply
from onceline.outbound_address import parse
from onceline.payments.base import ProcessorAway, ProcessorRefused
from onceline.payments.cryptomus.settings import CryptomusSettings
from onceline.payments.cryptomus.signature import sign

Door = Callable[[Iterable[str]], ConfiguredDoor]
_LONGEST_ERROR = 200


@dataclass(frozen=True, slots=True)
class Said:
    """An answer. `error` is "" when it did what was asked; `fields` are those that it found fault with."""

    status: int
    result: Any = None
    error: str = ""
    fields: tuple[str, ...] = ()

    @property
    def is_missing(self) -> bool:
        """There is no such payment. Known by the words alone: a wrong address answers 404 too."""
        said = self.error.lower()
        return "not found" in said and ("payment" in said or "invoice" in said)

    def demand(self) -> Any:
        """The result. Raises ProcessorRefused."""
        if self.error:
            raise ProcessorRefused(self.error)
        return self.result


class Client:
    """Of one merchant; used by many threads."""

    def __init__(self, settings: CryptomusSettings, door: Door) -> None:
        self._settings = settings
        where = parse(settings.base_url)
        self._door = door([f"{where.host}:{where.port}"])

    def ask(self, path: str, fields: Mapping[str, Any], key: str, *, cursor: str = "") -> Said:
        """Raises ProcessorAway when no answer came, or one that says to come again."""
        body = json.dumps(fields, ensure_ascii=True).encode()
        headers = {
            "merchant": self._settings.merchant_id,
            "sign": sign(body, key),
            "content-type": "application/json",
        }
        query = f"?{urlencode({'cursor': cursor})}" if cursor else ""
        try:
            reply = self._door.request("POST", f"{self._settings.base_url}/{path}{query}", headers, body)
        except OutboundFailed as failed:
            raise ProcessorAway(failed.reason) from None
        except OutboundRefused as refused:
            raise ProcessorRefused(refused.detail) from None
        return _read(reply)


def _read(reply: Reply) -> Said:
    if reply.status >= 500 or reply.status == 429 or reply.truncated:
        raise ProcessorAway("too_large" if reply.truncated else f"status {reply.status}")
    found = _object(reply.body)
    if reply.status < 300 and found.get("state") == "0" and "result" in found:
        return Said(reply.status, found["result"])
    errors = found.get("errors")
    fields = tuple(sorted(map(str, errors))) if isinstance(errors, dict) else ()
    said = found.get("message") or ", ".join(fields) or "no reason given"
    return Said(reply.status, None, _plain(f"{reply.status}: {said}"), fields)


def _object(body: bytes) -> dict[str, Any]:
    """Numbers stay as they were written. Raises ProcessorAway."""
    try:
        found = json.loads(body, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise ProcessorAway("no JSON came") from None
    if not isinstance(found, dict):
        raise ProcessorAway("no JSON object came")
    return found


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_LONGEST_ERROR]
