"""Notices in the words of the tests: settings, a mailbox in memory, the two workers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from onceline.core.db import Transaction
from onceline.core.notices import commands, settings
from onceline.core.notices.commands import Reader
from onceline.core.notices.settings import Owner, Wanted
from onceline.mail_server import Sender
from onceline.post import Outcome, PostAway, Session
from onceline.workers.mail import Mailer
from onceline.workers.notify import notify_round
from tests.shop import Customer, Shop

SENDER = Sender("Onceline", "notices@onceline.example")
HERS = "alice@mail.example"


@dataclass
class Mailbox:
    """A post that keeps what it is given; `outcomes` are said first, `away` opens no session."""

    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    away: bool = False
    before: Callable[[], None] = lambda: None
    usable: bool = True

    @contextmanager
    def session(self) -> Iterator[Session]:
        if self.away:
            raise PostAway("away")
        yield self

    def send(self, mail: EmailMessage, sender: str, recipient: str) -> Outcome:
        self.before()
        outcome: Outcome = self.outcomes.pop(0) if self.outcomes else "sent"
        if outcome == "sent":
            self.mails.append(mail)
            self.recipients.append(recipient)
        return outcome

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]

    @property
    def last(self) -> str:
        return str(self.mails[-1].get_content())

    def empty(self) -> None:
        self.mails.clear()
        self.recipients.clear()


class _Died(Exception):
    pass


@dataclass
class Notices:
    shop: Shop
    box: Mailbox = field(default_factory=Mailbox)

    def mailer(self) -> Mailer:
        return Mailer(self.shop.db, self.shop.context, self.box, SENDER)

    def post(self) -> int:
        """One round of the worker that sends."""
        return self.mailer().mail_round()

    def look(self) -> int:
        """One round of the worker that turns events into notices, then one of the other."""
        done = notify_round(self.shop.db, self.shop.clock)
        self.post()
        return done

    def owner(self, who: Customer, mode: str = "test") -> Owner:
        side = self.shop.value(
            "select id from sides where account_id = %(a)s and mode = %(m)s", a=who.account, m=mode
        )
        return Owner(who.account, side, mode)

    def choose(self, who: Customer, address: str | None = None, mode: str = "test", **wanted: Any) -> None:
        chosen = Wanted(**{"address": address, "codes": "off", "low_balance": None, "muted": []} | wanted)
        with self.shop.db.transaction() as tx:
            settings.change(tx, self.shop.context.vault, self.owner(who, mode), chosen, self.shop.clock.now())

    def code(self) -> str:
        """What the newest confirmation mail asks for."""
        found = re.search(r"^ {4}([2-9A-Z]{8})$", self.box.last.replace("\r", ""), re.MULTILINE)
        assert found, self.box.last
        return found[1]

    def confirm(self, who: Customer, code: str, mode: str = "test") -> bool:
        with self.shop.db.transaction() as tx:
            return settings.confirm(
                tx, self.shop.context.vault, self.owner(who, mode), code, self.shop.clock.now()
            )

    def settle(self, who: Customer, address: str = HERS, mode: str = "test", **wanted: Any) -> None:
        """A confirmed address and these choices; the mailbox is empty again."""
        self.choose(who, address, mode, **wanted)
        self.post()
        assert self.confirm(who, self.code(), mode)
        self.box.empty()

    def overview(self, who: Customer, mode: str = "test") -> dict[str, Any]:
        with self.shop.db.transaction() as tx:
            return settings.overview(tx, self.shop.context.vault, self.owner(who, mode))

    def remove(self, who: Customer) -> None:
        with self.shop.db.transaction() as tx:
            settings.remove(tx, self.owner(who), self.shop.clock.now())

    def tell(self, who: Customer, kind: str = "export.ready", mode: str | None = None, **facts: Any) -> None:
        with self.shop.db.transaction() as tx:
            commands.tell(
                tx, account=who.account, kind=kind, facts=facts, now=self.shop.clock.now(), mode=mode
            )

    def told(self, who: Customer, mode: str = "test", **rest: Any) -> list[str]:
        """Kinds of the account's notifications, newest first."""
        return [one["kind"] for one in self.page(who, mode, **rest)["notifications"]]

    def page(
        self, who: Customer, mode: str = "test", *, unread: bool = False, before: int | None = None, limit: int = 100
    ) -> dict[str, Any]:  # fmt: skip
        with self.shop.db.transaction() as tx:
            return commands.notifications(
                tx, Reader(who.account, mode), unread=unread, before=before, limit=limit
            )

    def read(self, who: Customer, mode: str = "test", up_to: int | None = None, *ids: int) -> None:
        with self.shop.db.transaction() as tx:
            commands.mark_read(tx, Reader(who.account, mode), up_to=up_to, ids=ids, now=self.shop.clock.now())

    def cut_off(self, work: Callable[[Transaction], object]) -> None:
        """The work is done, and its worker dies before the commit."""
        with contextlib.suppress(_Died), self.shop.db.transaction() as tx:
            work(tx)
            raise _Died

    def states(self, kind: str | None = None) -> list[str]:
        rows = self.shop.rows(
            "select state from mails where kind = coalesce(%(kind)s, kind) order by id", kind=kind
        )
        return [row.state for row in rows]
