"""Signed events to the endpoints: twice, backwards, late, never, with another secret, with an old stamp, again after a refusal."""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import Any

import httpx

from tests.counterparts.stripe.realm import Object, Realm, shown

MOST_AT_ONCE = 64


def envelope(event: Object, secrets: list[str], at: int) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a delivery. While a secret is being replaced, there are two."""
    body = json.dumps(shown(event), indent=2).encode()
    signed = [hmac.digest(one.encode(), f"{at}.".encode() + body, "sha256").hex() for one in secrets]
    header = ",".join([f"t={at}", *(f"v1={one}" for one in signed), f"v0={'0' * 64}"])
    return {"Stripe-Signature": header, "Content-Type": "application/json; charset=utf-8"}, body


class Deliveries:
    """`log` has every attempt: event, its type, the status that came, 0 for none."""

    def __init__(self) -> None:
        self.log: list[dict[str, Any]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._held: list[tuple[Realm, Object]] = []
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    def take(self, realm: Realm) -> None:
        """What the realm emitted since."""
        while realm.outbox:
            event = realm.outbox.pop(0)
            if realm.knobs["lost"] > 0:
                realm.knobs["lost"] -= 1
            elif realm.knobs["held"]:
                self._held.append((realm, event))
            else:
                self.send(realm, event)

    def send(self, realm: Realm, event: Object) -> None:
        for endpoint in realm.endpoints:
            for _ in range(1 + realm.knobs["copies"]):
                task = asyncio.create_task(self._deliver(realm, endpoint, event))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def flush(self) -> None:
        """What was held, the last first, one after the other."""
        while self._held:
            self.send(*self._held.pop())
            await self.idle()

    async def idle(self) -> None:
        while self._running:
            await asyncio.wait(self._running)

    async def _deliver(self, realm: Realm, endpoint: Object, event: Object) -> None:
        await asyncio.sleep(realm.knobs["late_s"])
        for _ in range(realm.knobs["attempts"]):
            if 200 <= await self._attempt(realm, endpoint, event) < 300:
                return
            await asyncio.sleep(realm.knobs["again_s"])

    async def _attempt(self, realm: Realm, endpoint: Object, event: Object) -> int:
        secrets = endpoint["secrets"]
        if realm.knobs["mis_signed"] > 0:
            realm.knobs["mis_signed"] -= 1
            secrets = ["whsec_of_another_endpoint"]
        headers, body = envelope(event, secrets, realm.now() + realm.knobs["stamp_s"])
        # Endpoints are on loopback, without TLS: reading a machine's certificates for each would take most of the time.
        async with self._places, httpx.AsyncClient(trust_env=False, timeout=10, verify=False) as client:
            try:
                status = (await client.post(endpoint["url"], content=body, headers=headers)).status_code
            except httpx.HTTPError:
                status = 0
        self.log.append({"event": event["id"], "type": event["type"], "status": status})
        return status
