"""An SMS out of a phone: what its local server is asked, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from onceline.core.errors import OutboundRefused
from onceline.outbound import ConfiguredDoor, OutboundFailed
from onceline.suppliers.android.sending import LocalServer, NotSent, send

NUMBER = "+447700900123"


class _Phone(HTTPServer):
    status = 202
    paths: tuple[str, ...] = ("/messages", "/message")
    asked: list[tuple[str, str | None, Any]]


class _Handler(BaseHTTPRequestHandler):
    server: _Phone

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.server.status if self.path in self.server.paths else 404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def phone() -> Iterator[_Phone]:
    with _Phone(("127.0.0.1", 0), _Handler) as server:
        server.asked = []
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


def at(port: int) -> LocalServer:
    return LocalServer(f"http://127.0.0.1:{port}/", "sms", "pass word")


def test_a_phone_is_asked_for_one_message_from_one_sim(phone: _Phone) -> None:
    send(ConfiguredDoor(["127.0.0.1"]), at(phone.server_port), NUMBER, "test 1", sim=2)
    assert phone.asked == [
        (
            "/messages",
            "Basic c21zOnBhc3Mgd29yZA==",
            {
                "textMessage": {"text": "test 1"},
                "phoneNumbers": [NUMBER],
                "withDeliveryReport": False,
                "simNumber": 2,
            },
        )
    ]


def test_without_a_sim_the_phone_chooses(phone: _Phone) -> None:
    send(ConfiguredDoor(["127.0.0.1"]), at(phone.server_port), NUMBER, "test 1")
    assert "simNumber" not in phone.asked[0][2]


def test_an_older_app_has_the_older_path(phone: _Phone) -> None:
    phone.paths = ("/message",)
    send(ConfiguredDoor(["127.0.0.1"]), at(phone.server_port), NUMBER, "test 1")
    assert [path for path, _, _ in phone.asked] == ["/messages", "/message"]


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_a_refusal_is_told(phone: _Phone, status: int) -> None:
    phone.status = status
    with pytest.raises(NotSent, match=str(status)):
        send(ConfiguredDoor(["127.0.0.1"]), at(phone.server_port), NUMBER, "test 1")


def test_a_phone_that_is_away_is_no_refusal(phone: _Phone) -> None:
    phone.server_close()
    with pytest.raises(OutboundFailed):
        send(ConfiguredDoor(["127.0.0.1"]), at(phone.server_port), NUMBER, "test 1")


def test_no_other_host_is_called(phone: _Phone) -> None:
    with pytest.raises(OutboundRefused):
        send(ConfiguredDoor(["192.168.1.20"]), at(phone.server_port), NUMBER, "test 1")


def test_the_password_is_in_no_words() -> None:
    assert "pass word" not in repr(at(1))
