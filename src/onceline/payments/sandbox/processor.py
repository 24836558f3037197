"""The sandbox as a Processor: its state is a table of ours, and it is the test side's alone.

Promised: it answers as the others do (the same key gives the same page and sends back once). Never: a call to anybody, or a
callback that is believed: `POST /api/v1/test/deposits/{id}/pay` leaves its hint by itself.
"""

from __future__ import annotations

from datetime import datetime

from onceline.core.clock import Clock
from onceline.core.db import Database, Row, load_queries
from onceline.core.ids import random_id
from onceline.payments.base import (
    Callback,
    Configured,
    Dispute,
    Entry,
    Hint,
    NotAuthentic,
    Opened,
    Opening,
    Paid,
    Payment,
    ProcessorRefused,
    SendBack,
    Sent,
    SentBack,
)

Q = load_queries(__package__)
PATH = "/api/v1/test/deposits/{deposit}/pay"
"""Where a test deposit is paid: POST, with a key of the side."""


class Sandbox:
    def __init__(self, configured: Configured, db: Database, clock: Clock) -> None:
        self._name = configured.name
        self._currency = configured.currency
        self._db = db
        self._clock = clock

    def open(self, deposit: Opening) -> Opened:
        with self._db.transaction() as tx:
            tx.run(Q.open, {
                "id": random_id("sbx"), "processor": self._name, "deposit": deposit.id, "amount": deposit.amount,
                "currency": deposit.currency, "now": self._clock.now(), "expires_at": deposit.expires_at,
            })  # fmt: skip
            row = tx.one(Q.of_deposit, {"processor": self._name, "deposit": deposit.id})
        if row is None or row.amount != deposit.amount:
            raise ProcessorRefused("the sandbox knows this deposit with another amount")
        return Opened(row.id, PATH.format(deposit=deposit.id))

    def hint(self, callback: Callback) -> Hint | None:  # noqa: ARG002 - whatever it is, nobody may send it
        raise NotAuthentic("missing")

    def payment(self, processor_id: str) -> Payment | None:
        row = self._row(processor_id)
        if row is None:
            return None
        return Payment(
            row.id,
            row.deposit,
            self._state(row),
            row.paid,
            row.currency,
            is_live=False,
            payment_id=f"{row.id}p",
        )

    def send_back(self, refund: SendBack) -> SentBack:
        with self._db.transaction() as tx:
            tx.run(Q.send_back, {
                "refund": refund.id, "id": refund.processor_id, "processor": self._name, "amount": refund.amount,
                "now": self._clock.now(),
            })  # fmt: skip
        sent = self.sent_back(refund)
        return sent or SentBack(Sent.REFUSED, reason="not paid so, or sent back before")

    def sent_back(self, refund: SendBack) -> SentBack | None:
        row = self._row(refund.processor_id)
        if row is None or row.refund != refund.id:
            return None
        return SentBack(Sent.DONE, f"{row.id}r")

    def dispute(self, dispute_id: str) -> Dispute | None:  # noqa: ARG002 - nobody disputes test money
        return None

    def report(self, since: datetime, until: datetime) -> list[Entry]:
        with self._db.transaction() as tx:
            rows = tx.all(Q.report, {"processor": self._name, "since": since, "until": until})
        found = [
            Entry(kind, row.id, row.deposit, amount, row.currency, at)
            for row in rows
            for kind, amount, at in (
                ("payment", row.paid, row.paid_at),
                ("refund", -row.paid, row.refunded_at),
            )
            if at is not None and since <= at < until
        ]
        return sorted(found, key=lambda one: one.at)

    def _row(self, processor_id: str) -> Row | None:
        with self._db.transaction() as tx:
            return tx.one(Q.payment, {"id": processor_id, "processor": self._name})

    def _state(self, row: Row) -> Paid:
        is_over = row.state == "open" and self._clock.now() >= row.expires_at
        return Paid.EXPIRED if is_over else Paid(row.state)
