"""Sends what is to be mailed: claim one, write it, hand it over, note how it ended, over one connection as long as it holds.

A mail is written when it is sent: it shows the present, and a code is opened nowhere before. Letters were written by
who posted them; people wait for those, so they go first. A server that is away costs no mail an attempt, and nothing
but mails wait for it.
"""

from __future__ import annotations

import time
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from hashlib import blake2s
from typing import Any, NamedTuple

import structlog
from prometheus_client import Counter, Gauge

from onceline.core.catalog.model import load_services
from onceline.core.db import Database, Row, Transaction
from onceline.core.notices import letters, queue
from onceline.core.notices.model import CODE, CONFIRM, CONFIRM_FOR, is_too_late, masked
from onceline.core.notices.settings import address_of, pending_of
from onceline.core.notices.texts import Text, code_written, written
from onceline.core.orders import view
from onceline.core.orders.context import Context
from onceline.core.outbox import store as outbox
from onceline.mail_server import Sender
from onceline.post import Outcome, Post, PostAway, Session

_LOG = structlog.get_logger(__name__)
INTERVAL_S = 2.0
BATCH = 50
_SHORTEST_REST_S, _LONGEST_REST_S = 2.0, 60.0
_DUE = Gauge("onceline_mails_due", "Mails that wait to be sent, counted up to 10,000.")
_MAILS = Counter("onceline_mails", "Mails by how an attempt ended.", ["outcome"])

FOOTER = (
    "\n\n-- \nThis address was confirmed for notices of an Onceline account. "
    "Change or stop them with PUT or DELETE /api/v1/notices.\n"
)


class Written(NamedTuple):
    recipient: str
    text: Text
    settings: Row


class Mailer:
    """`mail_round` is one round; between rounds it remembers until when a server that was away is left alone."""

    def __init__(self, db: Database, context: Context, post: Post, sender: Sender) -> None:
        self._db = db
        self._context = context
        self._post = post
        self._sender = sender
        self._rest_s = 0.0
        self._rests_until = 0.0

    def mail_round(self) -> int:
        """Returns how many mails were claimed."""
        with self._db.statement() as tx:
            waiting = queue.due(tx, self._context.clock.now())
        _DUE.set(waiting)
        if not waiting or time.monotonic() < self._rests_until:
            return 0
        try:
            with self._post.session() as session:
                self._rest_s = 0.0
                return self._send_batch(session)
        except PostAway as away:
            self._rest_s = min(max(self._rest_s * 2, _SHORTEST_REST_S), _LONGEST_REST_S)
            self._rests_until = time.monotonic() + self._rest_s
            _LOG.warning("mail server is away", reason=away.reason, rest_s=self._rest_s)
            return 0

    def _send_batch(self, session: Session) -> int:
        done = 0
        while done < BATCH and session.usable and self._send_next(session):
            done += 1
        return done

    def _send_next(self, session: Session) -> bool:
        """A letter, else a mail, or False when none is due."""
        now = self._context.clock.now()
        with self._db.statement() as tx:
            letter = letters.claim(tx, now)
        if letter is not None:
            self._send_letter(session, letter)
            return True
        with self._db.statement() as tx:
            mail = queue.claim(tx, now)
        if mail is not None:
            self._send(session, mail)
        return mail is not None

    def _send_letter(self, session: Session, row: Row) -> None:
        now = self._context.clock.now()
        letter = letters.read(self._context.vault, row)
        outcome: Outcome | None = None
        if letter is not None and now <= row.made_at + queue.GIVE_UP_AFTER:
            message = self._envelope(f"letter {row.id}", letter.recipient, letter.subject, row.made_at)
            message.set_content(letter.body, cte="quoted-printable")
            outcome = session.send(message, self._sender.address, letter.recipient)
        _MAILS.labels(outcome or "dropped").inc()
        with self._db.transaction() as tx:
            if outcome == "later":
                letters.retry(tx, row, now)
            else:
                letters.end(tx, row)
        if outcome != "sent":
            _LOG.warning("letter was not taken", outcome=outcome or "dropped", attempt=row.attempts)

    def _send(self, session: Session, mail: Row) -> None:
        now = self._context.clock.now()
        with self._db.transaction() as tx:
            found = _write(tx, self._context, mail, now)
            if found is None:
                queue.end(tx, mail, "dropped")
            elif now > mail.made_at + queue.GIVE_UP_AFTER:
                queue.end(tx, mail, "failed")
                found = None
        if found is None:
            _MAILS.labels("dropped").inc()
            return
        message = self._message(mail, found)
        outcome = session.send(message, self._sender.address, found.recipient)
        _MAILS.labels(outcome).inc()
        with self._db.transaction() as tx:
            _note(tx, mail, found.settings, outcome, now)
        if outcome != "sent":
            _LOG.warning(
                "mail was not taken", mail=mail.id, kind=mail.kind, outcome=outcome, attempt=mail.attempts
            )

    def _message(self, mail: Row, found: Written) -> EmailMessage:
        subject = f"[test] {found.text.title}" if mail.mode == "test" else found.text.title
        message = self._envelope(f"mail {mail.id}", found.recipient, subject, mail.made_at)
        message.set_content(
            found.text.body + ("\n" if mail.kind == CONFIRM else FOOTER), cte="quoted-printable"
        )
        return message

    def _envelope(self, name: str, recipient: str, subject: str, made_at: datetime) -> EmailMessage:
        """The same Message-ID at every attempt, so that a mail that came twice is known for one."""
        mark = blake2s(name.encode(), key=self._context.installation.secret, digest_size=16)
        message = EmailMessage(policy=SMTP)
        message["From"] = Address(self._sender.name, addr_spec=self._sender.address)
        message["To"] = Address(addr_spec=recipient)
        message["Subject"] = subject
        message["Date"] = made_at
        message["Message-ID"] = f"<{mark.hexdigest()}@{self._sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        return message


def _note(tx: Transaction, mail: Row, settings: Row, outcome: Outcome, now: datetime) -> None:
    match outcome:
        case "sent":
            queue.end(tx, mail, "sent")
        case "later":
            queue.retry(tx, mail, now)
        case "refused":
            queue.end(tx, mail, "failed")
        case "nobody":
            if queue.end(tx, mail, "failed"):
                queue.refuse_address(tx, mail, settings, now)


# What a mail says -----------------------------------------------------------------------------------------------------


def _write(tx: Transaction, context: Context, mail: Row, now: datetime) -> Written | None:
    """Recipient and text, or None when nobody wants it any more: switched off, too late, another address asked."""
    settings = queue.recipient(tx, mail.side_id)
    if settings is None:
        return None
    if mail.kind == CONFIRM:
        return _confirmation(context, mail, settings, now)
    address = address_of(context.vault, settings) if settings.confirmed_at else None
    if address is None or mail.kind in settings.muted:
        return None
    text = (
        _code_text(tx, context, mail, settings, now) if mail.kind == CODE else written(mail.kind, mail.facts)
    )
    return Written(address, text, settings) if text else None


def _confirmation(context: Context, mail: Row, settings: Row, now: datetime) -> Written | None:
    """To somebody who may never have heard of us: our own words and the code, nothing that the asker wrote."""
    pending = pending_of(context.vault, settings)
    if pending is None or settings.pending_at != mail.made_at or now > settings.pending_at + CONFIRM_FOR:
        return None
    return Written(pending.address, written(CONFIRM, {"code": pending.code}), settings)


def _code_text(tx: Transaction, context: Context, mail: Row, settings: Row, now: datetime) -> Text | None:
    """As the settings are now: without the code, unless it was chosen."""
    rows = outbox.page(tx, mail.side_id, mail.seq - 1, 1).rows
    event = view.event_views(tx, context, rows)[0]["event"] if rows and rows[0].seq == mail.seq else {}
    order, message = event.get("order"), event.get("message")
    if settings.with_code is None or not order or not message or not message["code"]:
        return None
    if is_too_late(datetime.fromisoformat(order["expires_at"]), now):
        return None
    return code_written(_code_facts(order), message["code"] if settings.with_code else None)


def _code_facts(order: dict[str, Any]) -> dict[str, Any]:
    return {
        "order": order["id"],
        "service": _service_names().get(order["service"], order["service"]),
        "country": order["country"],
        "number": masked(order["number"]),
    }


@cache
def _service_names() -> dict[str, str]:
    return {service.slug: service.name for service in load_services()}
