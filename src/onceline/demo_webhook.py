"""The customer's server in the demo's story: takes deliveries on loopback and checks their signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from onceline.core.clock import SystemClock

_WAIT_S = 10


class Delivery(NamedTuple):
    data: dict[str, Any]
    at: datetime
    genuine: bool
    """Whether the signature holds (Standard Webhooks 1.0.0, v1)."""


class Receiver:
    """Listens while it is entered; `secret` is what the endpoint's registration showed."""

    def __init__(self) -> None:
        self.secret = ""
        self._deliveries: queue.Queue[Delivery] = queue.Queue(maxsize=100)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/onceline"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def next(self) -> Delivery:
        """Raises queue.Empty when none comes."""
        return self._deliveries.get(timeout=_WAIT_S)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                now = SystemClock().now()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()
                genuine = receiver._is_genuine(self.headers, body)
                receiver._deliveries.put(Delivery(json.loads(body)["data"], now, genuine))

            def log_message(self, format: str, *args: object) -> None:
                """The story is told by the demo."""

        return Handler

    def _is_genuine(self, headers: Any, body: bytes) -> bool:
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        ours = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(f"v1,{ours}", one) for one in headers["webhook-signature"].split(" "))
