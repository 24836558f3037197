"""What the processes bring along beside their doors."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest

from onceline.serve import figures


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_worker_shows_its_figures_on_this_machine_alone_while_it_runs() -> None:
    port = free_port()
    with figures(port):
        told = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert "onceline_webhook_attempts_in_flight" in told
    assert "onceline_mails_due" in told
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")


def test_without_a_port_no_figures_are_shown() -> None:
    before = threading.active_count()
    with figures(None):
        assert threading.active_count() == before
