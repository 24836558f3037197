"""`onceline demo`: the main job told once, through the same doors that customers use.

It starts `onceline up` as a process of its own, orders over HTTP, sends an SMS into the sandbox, receives the code on
the live socket and at a webhook, shows the balance before, during and after, lets an order expire and shows its money come
back, then pays in, and has that sent back.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Console
from websockets.sync.client import ClientConnection, connect

from onceline.config import Settings
from onceline.core.access import commands as access
from onceline.core.clock import SystemClock
from onceline.core.deposits import commands as deposits
from onceline.core.ledger.model import SANDBOX
from onceline.core.money import MICROS
from onceline.demo_webhook import Receiver
from onceline.serve import opened_desk
from onceline.wiring import installation

_SAY = Console(highlight=False)
_READY_S = 90
_WINDOW_S = 5
_PAID_S = 60
_BALANCE = 100 * MICROS


def tell(settings: Settings, *, once: bool) -> int:
    """The story; returns the exit code."""
    account, key = _open_account(settings)
    username, password = _add_person(settings, account)
    api = _Api(f"http://{settings.host}:{settings.port}", key)
    changed = {"ONCELINE_ACTIVATION_WINDOW_S": str(_WINDOW_S), "ONCELINE_WEBHOOK_LOOPBACK": "true"}
    with _serving(settings, changed), Receiver() as receiver:
        _SAY.print(f"\n[bold]Onceline[/bold] serves at {api.base}\n")
        _main_job(api, receiver)
        _money_back(api)
        _in_and_out(api)
    if not once:
        with _serving(settings, {}) as server:
            _SAY.print(f"\nPages       {api.base}/  (log in as {username}, password {password})")
            _SAY.print(f"API pages   {api.base}/api/v1/docs\nTest key    {key}\nAccount     {account}")
            _SAY.print("\nGoes on serving, with the usual window; Ctrl-C ends it.")
            with contextlib.suppress(KeyboardInterrupt):
                server.wait()
    return 0


def _main_job(api: _Api, receiver: Receiver) -> None:
    _say_balance(api, "before")
    endpoint = api.post("/api/v1/webhooks", {"url": receiver.url, "types": ["order.message"]})
    receiver.secret = endpoint["secret"]["secret"]
    api.post(f"/api/v1/webhooks/{endpoint['webhook']['id']}/test", {})
    receiver.next()  # the worker has come up, too
    ticket = api.post("/api/v1/socket-tickets", {})["ticket"]
    with connect(api.base.replace("http", "ws", 1) + "/api/v1/live", compression=None) as socket:
        socket.send(json.dumps({"type": "auth", "ticket": ticket}))
        order = api.post("/api/v1/orders", {"service": "telegram", "country": "GB"})
        _SAY.print(f"  number    [bold]{order['number']}[/bold]  (order {order['id']}, {_price(order)} held)")
        _say_balance(api, "during")
        text = f"Telegram code: {secrets.randbelow(90000) + 10000}. Do not give it to anyone."
        api.post("/api/v1/test/messages", {"number": order["number"], "sender": "Telegram", "text": text})
        event, arrived = _await_event(socket, "order.message", order["id"])
    _say_code("code", event["message"], f"{_milliseconds(event, arrived):.1f} ms from gateway to socket")
    delivery = receiver.next()
    told = f"{_milliseconds(delivery.data, delivery.at):.1f} ms from gateway to webhook, signature "
    _say_code("webhook", delivery.data["message"], told + ("good" if delivery.genuine else "BAD"))
    api.delete(f"/api/v1/webhooks/{endpoint['webhook']['id']}")  # nobody listens there after the story
    _say_balance(api, "after")


def _milliseconds(event: dict[str, Any], arrived: datetime) -> float:
    return (arrived - datetime.fromisoformat(event["message"]["received_at"])).total_seconds() * 1000


def _say_code(what: str, message: dict[str, Any], told: str) -> None:
    _SAY.print(f"  {what:<9} [bold green]{message['code']}[/bold green]  {told}")


def _money_back(api: _Api) -> None:
    _SAY.print(f"\n  a second order gets no SMS; its window is shortened to {_WINDOW_S} s")
    order = api.post("/api/v1/orders", {"service": "whatsapp", "country": "GB"})
    _SAY.print(f"  number    [bold]{order['number']}[/bold]  (order {order['id']}, {_price(order)} held)")
    _say_balance(api, "held")
    known = order["revision"]
    while order["closed_at"] is None:
        order = api.get(f"/api/v1/orders/{order['id']}?wait=30&after={known}")
        known = order["revision"]
        time.sleep(0.2)
    _SAY.print(f"  state     {order['state']}, charged: {'yes' if order['charged'] else 'no'}")
    _say_balance(api, "returned")


def _in_and_out(api: _Api) -> None:
    _SAY.print("\n  money in, by the sandbox's own processor; what was not spent goes back")
    wanted = {"method": "sandbox", "amount": "25", "return_url": "https://example.com/"}
    deposit = api.post("/api/v1/deposits", wanted)
    api.post(f"/api/v1/test/deposits/{deposit['id']}/pay", {})
    _say_deposit(_until(api, deposit["id"], "credited"))
    _say_balance(api, "paid in")
    api.post(f"/api/v1/deposits/{deposit['id']}/refund", {})
    _say_deposit(_until(api, deposit["id"], "refunded"))
    _say_balance(api, "sent back")


def _until(api: _Api, deposit: str, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + _PAID_S
    while (found := api.get(f"/api/v1/deposits/{deposit}"))["state"] != state:
        if time.monotonic() > deadline:
            raise RuntimeError(f"deposit {deposit} is {found['state']}, and did not become {state}")
        time.sleep(0.2)
    return found


def _say_deposit(deposit: dict[str, Any]) -> None:
    amount = f"{deposit['credited']} {deposit['currency']}"
    _SAY.print(f"  deposit   {amount} [bold]{deposit['state']}[/bold]  ({deposit['id']})")


def _say_balance(api: _Api, when: str) -> None:
    balance = api.get("/api/v1/balance")
    figures = f"{balance['available']} {balance['currency']} available, {balance['held']} held"
    _SAY.print(f"  balance   {figures:<44} [dim]{when}[/dim]")


def _price(order: dict[str, Any]) -> str:
    return f"{order['price']['amount']} {order['price']['currency']}"


def _await_event(socket: ClientConnection, kind: str, order: int) -> tuple[dict[str, Any], datetime]:
    while True:
        frame = json.loads(socket.recv(timeout=10))
        if (
            frame["type"] == "event"
            and frame["event"]["type"] == kind
            and frame["event"]["order"]["id"] == order
        ):
            return frame["event"], SystemClock().now()


class _Api:
    """A customer's view: HTTP with a key."""

    def __init__(self, base: str, key: str) -> None:
        self.base = base
        self._key = key

    def get(self, path: str) -> dict[str, Any]:
        return self._call("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("POST", path, body)

    def delete(self, path: str) -> None:
        self._call("DELETE", path, None)

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        headers["Idempotency-Key"] = secrets.token_hex(16)
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data, headers, method=method)  # noqa: S310 - our own address
        with urllib.request.urlopen(request, timeout=65) as answer:  # noqa: S310 - as above
            found: dict[str, Any] = json.loads(answer.read() or b"{}")
            return found


def _open_account(settings: Settings) -> tuple[str, str]:
    with installation(settings) as (db, context), db.transaction() as tx:
        now = context.clock.now()
        account = access.open_account(tx, context.vault, "demo", now)
        side = access.side_of(tx, account, "test")
        deposits.give(tx, side, _BALANCE, SANDBOX, now)
        _, key = access.create_key(
            tx, side=side, mode="test", kind="api", name="demo", scopes=(), expires_at=None, now=now
        )
    return account, key


def _add_person(settings: Settings, account: str) -> tuple[str, str]:
    """Somebody who may log in to the account: username and password."""
    username, password = f"demo-{secrets.token_hex(2)}", secrets.token_urlsafe(15)
    with opened_desk(settings):
        from onceline.desk.people import care  # noqa: PLC0415 - Django's models exist only once it is set up

        care.add(username, f"{username}@example.com", password, account=account, role="owner")
    return username, password


@contextlib.contextmanager
def _serving(settings: Settings, changed: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """`onceline up` as a process of its own, with some settings changed."""
    environment = {**os.environ, **changed}
    with subprocess.Popen([sys.executable, "-m", "onceline", "up"], env=environment) as server:
        try:
            _await_ready(f"http://{settings.host}:{settings.port}/readyz", server)
            yield server
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)


def _await_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError("`onceline up` ended before it was ready; its messages are above")
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
                if answer.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    raise RuntimeError(f"{url} did not answer within {_READY_S} s")
