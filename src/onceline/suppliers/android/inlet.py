"""The webhook that phones call, and what `onceline suppliers check` says of them.

Promised: nothing is parsed before the signature of the raw bytes held.
"""

from __future__ import annotations

from collections.abc import Sequence

from onceline.suppliers.android.reading import read_body
from onceline.suppliers.android.settings import TOO_NEW, AndroidSettings, Phone
from onceline.suppliers.android.signature import verify
from onceline.suppliers.base import (
    ANSWERS_WITHIN_S,
    Answer,
    Arrival,
    Configured,
    Finding,
    Heartbeat,
    Outcome,
    Request,
    Surroundings,
    plain_answer,
)
from onceline.suppliers.payload import dated
from onceline.suppliers.signing import active, check_address, check_secrets

SIGNING_KEY = "signing_key"
_NOT_FIT = (
    "Android {version} withholds messages that it takes for codes from ordinary apps for about three hours (its "
    "behaviour changes for all apps name this SMS OTP protection): they would come after the order has ended. Use a phone with "
    f"Android {TOO_NEW - 1} or older; in the long run, a modem or a gateway box."
)


class AndroidInlet:
    """Raises NotConfigured without a key. The app waits five seconds for a connection and thirty for an answer."""

    answers_within_s = ANSWERS_WITHIN_S

    def __init__(self, configured: Configured) -> None:
        self._keys = active(configured, SIGNING_KEY)
        self._settings: AndroidSettings = configured.settings

    def read(self, request: Request) -> Sequence[Arrival | Heartbeat]:
        verify(request, self._keys)
        found = read_body(self._settings, request.body, request.headers.get("user-agent", ""))
        return dated(found, request.received_at)

    def answer(self, outcome: Outcome) -> Answer:
        return plain_answer(outcome)


def check(configured: Configured, _: Surroundings) -> Sequence[Finding]:
    settings: AndroidSettings = configured.settings
    return [
        check_secrets(
            configured, SIGNING_KEY, bool, "the app's signing key: Settings, Webhooks, Signing key"
        ),
        check_address(configured),
        *(_fitness(device, phone) for device, phone in settings.devices.items()),
    ]


def _fitness(device: str, phone: Phone) -> Finding:
    if phone.android is None:
        return Finding(
            f"phone {device}",
            ok=False,
            words="Set android to the version that the phone's settings show, as in 15.",
        )
    if phone.android >= TOO_NEW:
        return Finding(f"phone {device}", ok=False, words=_NOT_FIT.format(version=phone.android))
    return Finding(f"phone {device}", ok=True, words=f"Android {phone.android}, {len(phone.sims)} numbers")
