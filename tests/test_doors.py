"""Which door a request goes to, and that only whole requests take a thread of the desk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

from onceline import doors
from onceline.config import Settings
from onceline.core.db import Database
from onceline.core.orders.context import Context
from onceline.doors import EDGE, Doors, Whole
from onceline.edge import status
from onceline.edge.app import create_app


def told(name: str, heard: list[tuple[str, bytes]]) -> Callable[[Scope, Receive, Send], Any]:
    """An application that notes what it was given."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"] if scope["type"] == "http" else b""
        heard.append((name, body))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    return app


def ask(app: Any, path: str, *pieces: bytes, kind: str = "http", gone: bool = False) -> list[Message]:
    """One request whose body comes in these pieces; `gone`: the client leaves instead of sending the last."""
    sent: list[Message] = []
    coming: list[Message] = [{"type": "http.request", "body": one, "more_body": True} for one in pieces[:-1]]
    last = pieces[-1] if pieces else b""
    coming.append(
        {"type": "http.disconnect"} if gone else {"type": "http.request", "body": last, "more_body": False}
    )

    async def receive() -> Message:
        if not coming:
            await asyncio.sleep(60)
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app({"type": kind, "path": path}, receive, send))
    return sent


@pytest.mark.parametrize(
    ("path", "door"),
    [
        ("/", "desk"),
        ("/test/", "desk"),
        ("/apiary/", "desk"),
        ("/in", "edge"),
        ("/api/v1/orders", "edge"),
        ("/metrics", "edge"),
        ("*", "desk"),
        ("", "desk"),
    ],
)
def test_machines_go_to_the_edge_and_everybody_else_to_the_desk(path: str, door: str) -> None:
    heard: list[tuple[str, bytes]] = []
    ask(Doors(told("edge", heard), told("desk", heard)), path)
    assert [name for name, _ in heard] == [door]


def test_sockets_go_to_the_edge_whatever_their_path() -> None:
    heard: list[tuple[str, bytes]] = []
    ask(Doors(told("edge", heard), told("desk", heard)), "/test/", kind="websocket")
    assert [name for name, _ in heard] == ["edge"]


def test_the_edges_paths_are_those_of_its_routes(settings: Settings, db: Database, context: Context) -> None:
    app = create_app(settings, db, context)
    paths = [
        route.path
        for route in [*app.routes, *status.routes.routes]
        if isinstance(route, BaseRoute) and hasattr(route, "path")
    ]
    assert {path.split("/")[1] for path in [*paths, *app.openapi()["paths"]]} == EDGE


def test_a_body_in_pieces_arrives_whole() -> None:
    heard: list[tuple[str, bytes]] = []
    ask(Whole(told("desk", heard)), "/", b"a=1", b"&b=2")
    assert heard == [("desk", b"a=1&b=2")]


def test_a_body_that_is_too_long_is_turned_away() -> None:
    heard: list[tuple[str, bytes]] = []
    sent = ask(Whole(told("desk", heard)), "/", b"x" * doors.MOST_BYTES, b"y")
    assert (sent[0]["status"], heard) == (413, [])


def test_a_body_that_does_not_come_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "BODY_S", 0.05)
    heard: list[tuple[str, bytes]] = []

    async def never() -> Message:
        await asyncio.sleep(60)
        return {}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Whole(told("desk", heard))({"type": "http", "path": "/"}, never, send))
    assert (sent[0]["status"], heard) == (408, [])


def test_who_leaves_while_sending_is_answered_by_nobody() -> None:
    heard: list[tuple[str, bytes]] = []
    sent = ask(Whole(told("desk", heard)), "/", b"a=1", b"", gone=True)
    assert (sent, heard) == ([], [])
