"""How the tests of the edge speak to it."""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import uvicorn
from websockets.sync.client import ClientConnection, connect

from onceline.config import Settings
from onceline.core.access import commands as access
from onceline.core.clock import rfc3339
from onceline.core.db import Database
from onceline.core.money import MICROS
from onceline.core.orders.context import Context
from onceline.edge.app import create_app
from onceline.edge.server import EdgeServer, EdgeSocket
from onceline.serve import FRAME_BYTES
from tests.shop import Customer, Shop

API = "/api/v1"
JSON = "application/json"


@contextmanager
def serving(settings: Settings, db: Database, context: Context, **options: Any) -> Iterator[str]:
    """The edge on a free loopback port, with the server and the options of `onceline up`; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(settings, db, context)
    server = EdgeServer(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws=EdgeSocket,
            ws_max_size=FRAME_BYTES,
            ws_per_message_deflate=False,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=1,
            **options,
        ),
        app.state.house.hub,
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def eventually(holds: Callable[[], object], seconds: float = 5) -> None:
    """Look until it holds; an AssertionError counts as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)


def later(instant: str, seconds: float) -> str:
    return rfc3339(datetime.fromisoformat(instant) + timedelta(seconds=seconds))


def assert_problem(answer: httpx.Response, status: int, code: str, **figures: Any) -> dict[str, Any]:
    """An RFC 9457 problem with this status and code and exactly these figures beside the common fields."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    common = {"type", "title", "status", "code", "detail", "retryable"}
    assert common <= body.keys()
    assert (body["type"], body["status"]) == (f"/api/v1/problems#{code}", status)
    assert {name: body.get(name) for name in figures} == figures
    assert body.keys() - common == figures.keys() | (body.keys() & {"faults"})
    assert answer.headers["x-request-id"].startswith("req_")
    return body


@dataclass(frozen=True)
class Client:
    """A customer, or nobody, at the door. `key` goes into the Authorization header."""

    shop: Shop
    url: str
    http: httpx.Client
    key: str | None
    who: Customer | None = None

    def send(self, method: str, path: str, **rest: Any) -> httpx.Response:
        headers = dict(rest.pop("headers", None) or {})
        if self.key is not None:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        address = self.url + (path if path.startswith("/api/") else API + path)
        return self.http.request(method, address, headers=headers, **rest)

    def get(self, path: str, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
        return self.send("GET", path, headers=headers, params=params)

    def head(self, path: str, **params: Any) -> httpx.Response:
        """The answer of a route whose success never ends: its head, or the whole refusal."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key is not None else {}
        with self.http.stream("GET", self.url + API + path, headers=headers, params=params) as answer:
            if answer.status_code != 200:
                answer.read()
        return answer

    @contextmanager
    def stream(self, last: str | None = None, **params: Any) -> Iterator[Stream]:
        """An open event stream, resumed after the id `last` if there is one."""
        headers = {"Authorization": f"Bearer {self.key}"} | ({"Last-Event-ID": last} if last else {})
        address = f"{self.url}{API}/stream"
        with self.http.stream("GET", address, headers=headers, params=params, timeout=5) as answer:
            assert answer.status_code == 200, answer.read()
            yield Stream(answer, answer.iter_lines())

    def post(self, path: str, body: Any = None, idempotency_key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self.send("POST", path, json=body, headers=headers)

    def raw(self, path: str, content: Any, media_type: str = JSON, **headers: str) -> httpx.Response:
        """A POST of these very bytes."""
        sent = {"Content-Type": media_type, "Idempotency-Key": secrets.token_hex(8), **headers}
        return self.send("POST", path, content=content, headers=sent)

    def delete(self, path: str) -> httpx.Response:
        return self.send("DELETE", path)

    def place(self, *, idempotency_key: str | None = None, **wanted: Any) -> httpx.Response:
        body = {"service": "telegram", "country": "GB"} | wanted
        return self.post("/orders", body, idempotency_key or secrets.token_hex(8))

    def order(self, **wanted: Any) -> dict[str, Any]:
        """A placed order."""
        answer = self.place(**wanted)
        assert answer.status_code == 201, answer.text
        order: dict[str, Any] = answer.json()
        return order

    def read(self, order: dict[str, Any]) -> dict[str, Any]:
        return self.json(f"/orders/{order['id']}")

    def json(self, path: str, **params: Any) -> dict[str, Any]:
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def sms(
        self, order: dict[str, Any], text: str = "Your code is 482913", sender: str = "Service"
    ) -> dict[str, Any]:
        """An SMS through the door, and its order once it was matched."""
        before = self.read(order)["revision"]
        body = {"number": order["number"], "sender": sender, "text": text}
        answer = self.post("/test/messages", body)
        assert answer.status_code == 202, answer.text
        return self.json(f"/orders/{order['id']}", wait=5, after=before)

    def pages(self, path: str, rows: str, **params: Any) -> Iterator[list[dict[str, Any]]]:
        """Every page of a list, each asked for when the one before was read."""
        cursor: dict[str, Any] = {}
        while True:
            page = self.json(path, **params, **cursor)
            yield page[rows]
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}

    def ticket(self) -> str:
        answer = self.post("/socket-tickets")
        assert answer.status_code == 201, answer.text
        return str(answer.json()["ticket"])

    @contextmanager
    def live(self, **auth: Any) -> Iterator[Live]:
        """An open socket that has said who it is."""
        with self.line() as line:
            line.send({"type": "auth", "ticket": self.ticket(), **auth})
            yield line

    @contextmanager
    def line(self) -> Iterator[Live]:
        """An open socket that has said nothing yet."""
        address = self.url.replace("http://", "ws://") + f"{API}/live"
        with connect(address, compression=None, open_timeout=5, close_timeout=1) as connection:
            yield Live(connection)

    def with_key(self, key: str | None) -> Client:
        return Client(self.shop, self.url, self.http, key, self.who)

    def at(self, url: str) -> Client:
        """The same customer at another server on the same database."""
        return Client(self.shop, url, self.http, self.key, self.who)

    def scoped(
        self, *scopes: str, kind: str = "api", expires_in_s: int | None = None, mode: str = "test"
    ) -> Client:
        """The same account with another key."""
        assert self.who is not None
        now = self.shop.clock.now()
        with self.shop.db.transaction() as tx:
            _, key = access.create_key(
                tx,
                side=access.side_of(tx, self.who.account, mode),
                mode=mode,
                kind=kind,
                name="scoped",
                scopes=scopes,
                expires_at=now + timedelta(seconds=expires_in_s) if expires_in_s else None,
                now=now,
            )
        return self.with_key(key)


@dataclass(frozen=True)
class Live:
    """A live socket in the words of its frames."""

    connection: ClientConnection

    def send(self, frame: Any) -> None:
        self.connection.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    def next(self, seconds: float = 5) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(self.connection.recv(timeout=seconds))
        return frame

    def ready(self) -> dict[str, Any]:
        frame = self.next()
        assert frame["type"] == "ready", frame
        return frame

    def event(self) -> tuple[int, str, dict[str, Any]]:
        """seq, type and the whole event of the next frame, which must be an event."""
        frame = self.next()
        assert frame["type"] == "event", frame
        return frame["seq"], frame["event"]["type"], frame["event"]


@dataclass(frozen=True)
class Stream:
    """An event stream in the words of its fields."""

    answer: httpx.Response
    lines: Iterator[str]

    def next(self) -> tuple[str, str | None, dict[str, Any]]:
        """Kind, id and data of the next event; comments and retry are passed over."""
        while "data" not in (fields := self.block()):
            pass
        return fields["event"], fields.get("id"), json.loads(fields["data"])

    def block(self) -> dict[str, str]:
        """The fields up to the next empty line; a comment has the name ''. Raises StopIteration at the end."""
        fields: dict[str, str] = {}
        while line := next(self.lines):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        return fields

    def event(self) -> tuple[int, str]:
        """seq and type of the next thing, which must be an event."""
        kind, mark, data = self.next()
        assert kind == "event", (kind, data)
        assert mark is not None
        assert mark.endswith(f":{data['seq']}")
        return data["seq"], data["event"]["type"]


@dataclass(frozen=True)
class Town:
    shop: Shop
    settings: Settings
    url: str
    http: httpx.Client

    def customer(self, name: str, balance: int = 100 * MICROS, mode: str = "test") -> Client:
        who = self.shop.customer(name, balance, mode)
        return Client(self.shop, self.url, self.http, who.key, who)

    @contextmanager
    def another(self, **settings: Any) -> Iterator[str]:
        """One more server on the same database, with other settings; gives its address."""
        changed = self.settings.model_copy(update=settings)
        with serving(changed, self.shop.db, replace(self.shop.context, terms=changed.terms)) as url:
            yield url

    def end_grants(self, client: Client) -> None:
        """Revoke every key of the side as another process would, without a word to this one."""
        assert client.who is not None
        self.shop.run(
            "update grants set revoked_at = %(now)s where side_id = %(side)s",
            now=self.shop.clock.now(),
            side=client.who.side,
        )

    def nobody(self) -> Client:
        return Client(self.shop, self.url, self.http, None)
