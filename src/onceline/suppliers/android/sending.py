"""An SMS out of a phone, through the server that the app runs on it: for self-tests, from one of our numbers to another.

The shape is the app's own (github.com/capcom6/android-sms-gateway, modules/localserver): POST with HTTP Basic, answered by 202 when
the phone has queued it. Never: sends again by itself; a lost answer may be a sent message.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field

from onceline.outbound import ConfiguredDoor

NOT_THERE = 404
PATHS = ("/messages", "/message")
"""What versions of the app call it, the newest first."""


@dataclass(frozen=True, slots=True)
class LocalServer:
    """`url` as the app shows it, as in http://192.168.1.20:8080; its host has to be one of the door's."""

    url: str
    user: str
    password: str = field(repr=False)


class NotSent(Exception):
    """The phone refused: nothing was sent. The text holds its status alone."""


def send(door: ConfiguredDoor, phone: LocalServer, to: str, text: str, *, sim: int | None = None) -> None:
    """`sim` counts from 1; None is the phone's default. Raises NotSent, OutboundRefused, and OutboundFailed, after which the
    message may have been sent all the same."""
    wanted = {"textMessage": {"text": text}, "phoneNumbers": [to], "withDeliveryReport": False}
    if sim is not None:
        wanted["simNumber"] = sim
    credentials = base64.b64encode(f"{phone.user}:{phone.password}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
    for path in PATHS:
        answer = door.request("POST", phone.url.rstrip("/") + path, headers, json.dumps(wanted).encode())
        if answer.status != NOT_THERE:
            break
    if not 200 <= answer.status < 300:
        raise NotSent(f"the phone answered {answer.status}")
