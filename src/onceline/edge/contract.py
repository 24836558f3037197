"""The OpenAPI document: what FastAPI writes, and what it cannot be told: the problems' media type, the answers' headers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from onceline.edge.problems import MEDIA_TYPE

_TEXT = {"type": "string"}
_EVERYWHERE = {
    "X-Request-Id": {"description": "Names this answer when you ask for help.", "schema": _TEXT},
    "RateLimit": {"description": "What is left of the key's rate.", "schema": _TEXT},
    "RateLimit-Policy": {"description": "The key's rate.", "schema": _TEXT},
}
_RETRY_AFTER = {"description": "Seconds, where asking again may help.", "schema": {"type": "integer"}}


class Door(FastAPI):
    """FastAPI with a complete document."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            for item in document["paths"].values():
                for operation in item.values():
                    for status, answer in operation["responses"].items():
                        _complete(status, answer)
        assert self.openapi_schema is not None
        return self.openapi_schema


def _complete(status: str, answer: dict[str, Any]) -> None:
    answer.setdefault("headers", {}).update(_EVERYWHERE)
    if status[0] in "45":
        answer["headers"]["Retry-After"] = _RETRY_AFTER
        (shape,) = answer["content"].values()  # under the media type of the route's success
        answer["content"] = {MEDIA_TYPE: shape}
