"""The supplier that needs no hardware: scripted test services, and numbers nobody can own.

    test-success     one code after a second
    test-delayed     one code after ten seconds
    test-two-codes   a code after a second, another after three
    test-timeout     nothing ever comes
    test-no-numbers  is never in stock (it has no price anywhere)

A resend of any of them brings one more code. What will be sent is kept in the database, so a restart loses nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from onceline.core.clock import Clock
from onceline.core.db import Database, load_queries
from onceline.suppliers.base import Acquired, Call
from onceline.suppliers.sandbox.ranges import capacity, numbers

_Q = load_queries(__package__)

NAME = "sandbox"
SENDER = "Sandbox"
SCRIPT_S = {"test-success": (1.0,), "test-delayed": (10.0,), "test-two-codes": (1.0, 3.0), "test-timeout": ()}
RESEND_S = 1.0


class Sandbox:
    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def acquire(self, call: Call) -> Acquired:
        """Acknowledges the number chosen, or names one derived from the reference; then the script is due."""
        number = call.number or _derived_number(call)
        self._send_later(f"{call.reference}-acquire", number, SCRIPT_S.get(call.service, ()))
        return Acquired(number)

    def finish(self, call: Call) -> None:
        """A SIM that exists nowhere needs no release."""

    def cancel(self, call: Call) -> None:
        """As finish: what the script still sends comes late, as in life."""

    def resend(self, call: Call) -> None:
        if call.number and call.service in SCRIPT_S and call.service != "test-timeout":
            self._send_later(f"{call.reference}-resend-{secrets.token_hex(8)}", call.number, (RESEND_S,))

    def _send_later(self, name: str, number: str, delays_s: tuple[float, ...]) -> None:
        now = self._clock.now()
        with self._db.transaction() as tx:
            for step, delay_s in enumerate(delays_s):
                code = f"{secrets.randbelow(10**6):06d}"
                text = f"Your test code is {code}. It opens nothing."
                tx.run(
                    _Q.send_later,
                    {
                        "name": f"{name}-{step}",
                        "due_at": now + timedelta(seconds=delay_s),
                        "number": number,
                        "sender": SENDER,
                        "text": text,
                    },
                )


def _derived_number(call: Call) -> str:
    """The same reference gives the same number, so that a repeated call buys nothing twice."""
    size = capacity(call.country)
    index = int.from_bytes(hashlib.sha256(call.reference.encode()).digest()[:8], "big") % (size // 2)
    return numbers(call.country, size // 2 + index, 1)[0]
