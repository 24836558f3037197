"""A customer's server on loopback: it keeps what it is sent, and answers as a test tells it to."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def seq(self) -> int:
        return int(self.json["data"]["seq"])

    @property
    def type(self) -> str:
        return str(self.json["type"])


@dataclass(frozen=True)
class Answer:
    """`slow_s` before anything, `drip_s` between the bytes of the body, `drop` the connection instead."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    slow_s: float = 0
    drip_s: float = 0
    drop: bool = False


@dataclass
class Receiver:
    """`answer` decides; it may be changed at any time. `busiest` is how many requests were open at once."""

    answer: Callable[[Received], Answer] = lambda _: Answer()
    received: list[Received] = field(default_factory=list)
    busiest: int = 0
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    _open: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer everything with this from now on; an underscore in a name stands for a dash."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = lambda _: Answer(status, sent, body)

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.received]

    @property
    def seqs(self) -> list[int]:
        return [one.seq for one in self.received]

    @property
    def types(self) -> list[str]:
        return [one.type for one in self.received]

    def take(self, one: Received) -> Answer:
        with self._lock:
            self.received.append(one)
            self._open += 1
            self.busiest = max(self.busiest, self._open)
        return self.answer(one)

    def done(self) -> None:
        with self._lock:
            self._open -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.receiver.take(Received(self.path, headers, body, time.time()))
        try:
            self.receiver.over.wait(answer.slow_s)
            self._say(answer)
        except OSError:
            pass
        finally:
            self.receiver.done()

    def _say(self, answer: Answer) -> None:
        if answer.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        for byte in answer.body if answer.drip_s else ():
            self.wfile.write(bytes([byte]))
            self.receiver.over.wait(answer.drip_s)
        if not answer.drip_s:
            self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no fault."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"receiver": receiver}))
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
