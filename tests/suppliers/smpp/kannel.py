"""Kannel beside us on the same SMSC: bearerbox binds, smsbox calls a receiver of ours for every message."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.suppliers.counterparts import need

Heard = Callable[[dict[str, bytes]], None]
"""Takes one message: sender, receiver, text and what Kannel says of its charset and coding, undecoded."""

CONFIGURATION = "kannel.conf"
_TEXT = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
smsbox-port = {smsbox}
smsbox-interface = 127.0.0.1
admin-password = none-of-yours
box-allow-ip = 127.0.0.1
box-deny-ip = *.*.*.*
store-type = spool
store-location = {folder}/spool
log-file = {folder}/bearerbox.log
log-level = 1
sms-combine-concatenated-mo = true
sms-combine-concatenated-mo-timeout = 60

group = smsc
smsc = smpp
smsc-id = carrier
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = kannel
smsc-password = {password}
system-type = ""
enquire-link-interval = 30
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {smsbox}
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-file = {folder}/smsbox.log
log-level = 1
mo-recode = true
{retry}

group = sms-service
keyword = default
catch-all = yes
max-messages = 0
get-url = "http://127.0.0.1:{http}/?from=%p&to=%P&text=%b&charset=%C&coding=%c"
"""


class _Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    heard: Heard

    def do_GET(self) -> None:
        found = parse_qs(urlsplit(self.path).query, keep_blank_values=True, encoding="latin-1")
        self.heard({name: values[0].encode("latin-1") for name, values in found.items()})
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving(heard: Heard) -> Iterator[int]:
    """The port of a receiver that answers every message with 200."""
    handler = type("Receiver", (_Receiver,), {"heard": staticmethod(heard)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(timeout=10)


@contextmanager
def kannel(folder: Path, *, smsc: int, http: int, password: str, retry: str = "") -> Iterator[list[int]]:
    """The process ids of bearerbox and smsbox, both running."""
    (folder / "spool").mkdir(parents=True, exist_ok=True)
    ports = {name: _free_port() for name in ("admin", "smsbox", "sendsms")}
    configuration = folder / CONFIGURATION
    configuration.write_text(
        _TEXT.format(folder=folder, smsc=smsc, http=http, password=password, retry=retry, **ports)
    )
    with ExitStack() as running:
        bearerbox = running.enter_context(box("bearerbox", configuration))
        _await(ports["smsbox"])
        smsbox = running.enter_context(box("smsbox", configuration))
        yield [bearerbox.pid, smsbox.pid]


@contextmanager
def box(program: str, configuration: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [need(program), str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "bearerbox does not listen"
            time.sleep(0.05)
