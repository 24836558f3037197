"""Where deposits are begun, asked after and sent back, for every door: core decides and books, a processor is told and asked.

Promised: nothing is held in a transaction while a processor is called; what is credited was read back from the processor itself;
the same key gives the same deposit, and goes on where a lost answer left it. Never: a decision by what a callback says.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import NamedTuple

import structlog

from onceline.core.db import Database, Row, Transaction
from onceline.core.deposits import commands, disputes, model, refunds, store
from onceline.core.deposits.limits import Limits
from onceline.core.deposits.model import Deposit, Terms
from onceline.core.deposits.refunds import Refund
from onceline.core.errors import IdempotencyConflict, InvalidInput, NotFound, ProcessorDown
from onceline.core.ledger import store as ledger
from onceline.core.money import format_amount, parse_amount
from onceline.core.orders.context import Context
from onceline.core.processors import store as processors
from onceline.payments.base import (
    Callback,
    Opened,
    Opening,
    Payment,
    Processor,
    ProcessorAway,
    ProcessorRefused,
)
from onceline.payments.configured import Entry, Shelf
from onceline.payments.registry import Surroundings

_LOG = structlog.get_logger(__name__)


class Way(NamedTuple):
    """A configured, enabled processor that a customer can choose."""

    name: str
    kind: str
    terms: Terms
    mode: str


class Begun(NamedTuple):
    """`url` is where it is paid. `replayed` when the key had been used for this very request."""

    deposit: Deposit
    url: str
    replayed: bool = False


class Till:
    """Used from threads; make one for a process, and let its `hear` listen to the bell."""

    def __init__(
        self, db: Database, context: Context, public_url: str | None, limits: Limits = Limits()
    ) -> None:
        self.db = db
        self.context = context
        self.limits = limits
        self._shelf = Shelf(Surroundings(db, context.clock), context, public_url)

    def hear(self, words: frozenset[str]) -> None:
        """Wake-ups, from any thread: what is configured may have changed."""
        self._shelf.hear(words)

    def entry(self, name: str) -> Entry:
        """Raises NotFound, Unavailable."""
        return self._shelf.find(name)

    def ways(self, mode: str) -> list[Way]:
        """By name. Raises Unavailable."""
        return [
            Way(one.name, one.kind.name, one.terms, one.mode)
            for one in self._shelf.entries().values()
            if one.mode == mode and one.enabled and one.processor and one.kind
        ]

    def begin(self, side: int, method: str, amount: int, key: str, return_url: str) -> Begun:
        """A deposit and the page where it is paid.

        Raises InvalidInput with the bounds, LimitExceeded, NotFound (no such method), IdempotencyConflict, and Unavailable: nothing
        is lost then, the same key goes on.
        """
        entry = self.entry(method)
        with self.db.transaction() as tx:
            opening, replayed = self._claimed(tx, side, entry, amount, key, return_url)
            found = store.deposit(tx, opening.deposit)
            is_first = not processors.came_before(tx, side, found.created_at)
        if opening.url:
            return Begun(found, opening.url, replayed)
        if found.expires_at is not None and self.context.clock.now() >= found.expires_at:
            raise InvalidInput(
                "This deposit was not opened in time; begin another, with a new Idempotency-Key."
            )
        opened = self._opened(entry, found, opening.return_url, is_first)
        return Begun(self._named(found, opened), opened.url, replayed)

    def ask(self, deposit_id: str) -> Deposit:
        """Read the payment at its processor now, and hear it. Raises NotFound, Unavailable."""
        with self.db.transaction() as tx:
            found = store.deposit(tx, deposit_id)
        if found.processor_id is None:
            return found
        entry = self.entry(found.method)
        said = self.read(entry, found.processor_id)
        with self.db.transaction() as tx:
            if said is None:
                now = self.context.clock.now()
                store.note_exception(
                    tx, found.method, "payment_gone", found.processor_id, now, deposit=found.id
                )
            else:
                self.heard(tx, entry, said)
            return store.deposit(tx, deposit_id)

    def credit_by_hand(self, deposit_id: str, staff: str) -> Deposit:
        """What came of a deposit under review, as its processor says now; what was open about it is resolved by that name.

        Raises NotFound, InvalidInput, Unavailable.
        """
        with self.db.transaction() as tx:
            found = store.deposit(tx, deposit_id)
        said = self.read(self.entry(found.method), found.processor_id) if found.processor_id else None
        if said is None or said.currency != self.context.installation.currency:
            raise InvalidInput("Its processor says of no money in the books' currency that it came.")
        with self.db.transaction() as tx:
            now = self.context.clock.now()
            commands.credit_by_hand(tx, deposit_id, said, now)
            disputes.take_what_came_back(tx, deposit_id, now)
            processors.resolve_all(tx, deposit_id, staff, now)
            return store.deposit(tx, deposit_id)

    def amount(self, method: str, text: str) -> int:
        """Micro-units of what a customer wrote. Raises NotFound, InvalidInput with the bounds, Unavailable."""
        entry = self.entry(method)
        if entry.kind is None:
            raise NotFound("way to pay", method)
        try:
            return parse_amount(text)
        except InvalidInput:
            raise _outside(entry.terms) from None

    def read(self, entry: Entry, processor_id: str) -> Payment | None:
        """What a processor says of a payment. Raises ProcessorDown; of what it says and cannot be, staff are told."""
        try:
            return usable(entry).payment(processor_id)
        except ProcessorAway as away:
            _LOG.warning("processor is away", processor=entry.name, cause=str(away)[:200])
            raise ProcessorDown from away
        except ProcessorRefused as refused:
            self.refused(entry.name, processor_id, refused)
            raise ProcessorDown from refused

    def refused(self, name: str, object_id: str, refused: ProcessorRefused) -> None:
        """A processor that cannot be read is set up wrongly, or says what cannot be: another currency, another mode."""
        _LOG.warning("processor cannot be read", processor=name, cause=str(refused)[:200])
        with self.db.transaction() as tx:
            store.note_exception(tx, name, "not_readable", object_id, self.context.clock.now())

    def heard(self, tx: Transaction, entry: Entry, said: Payment) -> Deposit | None:
        """Credit what a processor said when it was asked; None, and a note for staff, when it is of no deposit of ours."""
        now = self.context.clock.now()
        deposit = store.by_processor(tx, entry.name, said.processor_id) or _of_word(tx, entry.name, said)
        is_ours = said.currency == self.context.installation.currency
        if deposit is not None and is_ours:
            commands.hear(tx, deposit, said, entry.figures.least, now)
            disputes.take_what_came_back(tx, deposit, now)  # of what was disputed before it was credited
            return store.deposit(tx, deposit)
        store.note_exception(
            tx, entry.name, "wrong_currency" if deposit else "unknown_payment", said.processor_id, now,
            deposit=deposit, amount=said.value, currency=said.currency[:8],
        )  # fmt: skip
        return store.deposit(tx, deposit) if deposit else None

    def take_hint(self, name: str, callback: Callback) -> str:
        """Verify a callback and keep what it is about: `kept`, `repeated`, `ignored`, or `other_mode` for a test event of a live
        processor and the reverse, of which nothing is kept. Raises NotAuthentic, Unreadable, NotFound, Unavailable."""
        entry = self.entry(name)
        hint = usable(entry).hint(callback)
        if hint is None:
            return "ignored"
        if hint.is_live != (entry.mode == "live"):
            return "other_mode"
        with self.db.transaction() as tx:
            is_new = processors.keep_hint(
                tx, name, hint.event_id[:255], hint.about, hint.object_id[:255], callback.received_at
            )
        return "kept" if is_new else "repeated"

    def send_back(self, side: int | None, deposit_id: str, asked_by: str = refunds.ACCOUNT) -> Refund:
        """Set a deposit aside and have it sent back; above the limit two persons must agree first. Asked again, the same.

        `side` is None for staff. Raises NotFound, DepositNotRefundable.
        """
        with self.db.transaction() as tx:
            found = store.deposit(tx, deposit_id, side)
            approvals = self.limits.approvals((found.credited or 0) + found.fee)
            now = self.context.clock.now()
            return refunds.ask(tx, deposit_id, asked_by, now, side=side, approvals=approvals)

    # Beginning ------------------------------------------------------------------------------------------------------------

    def _claimed(
        self, tx: Transaction, side: int, entry: Entry, amount: int, key: str, return_url: str
    ) -> tuple[Row, bool]:
        """The deposit of a key, which is begun when the key is new. Under the side's row: of two at once, one begins."""
        mode = ledger.lock(tx, side).mode
        request = self._request(entry.name, amount, return_url)
        known = processors.opening_of_key(tx, side, key)
        if known is not None:
            if bytes(known.request) != request:
                raise IdempotencyConflict
            return known, True
        if entry.mode != mode or not entry.enabled or entry.processor is None:
            raise NotFound("way to pay", entry.name)
        _demand_whole(entry.terms, amount)
        now = self.context.clock.now()
        velocity = self.limits.velocity(processors.opened_at(tx, side), now)
        begun = commands.begin(tx, side, entry.terms, amount, velocity, now)
        processors.add_opening(tx, side, key, request, begun.id, return_url, now)
        return processors.opening_of_deposit(tx, begun.id), False

    def _request(self, method: str, amount: int, return_url: str) -> bytes:
        text = json.dumps(["deposit", method, amount, return_url]).encode()
        return hashlib.blake2b(text, key=self.context.installation.secret, digest_size=32).digest()

    def _opened(self, entry: Entry, found: Deposit, return_url: str, is_first: bool) -> Opened:
        """Raises ProcessorDown. A refusal is for staff: the customer's request was sound."""
        assert found.expires_at is not None, "whatever is begun ends"
        wanted = Opening(
            found.id, found.amount + found.fee, self.context.installation.currency, f"Deposit {found.id}",
            return_url, found.expires_at, is_first,
        )  # fmt: skip
        try:
            return usable(entry).open(wanted)
        except ProcessorAway as away:
            _LOG.warning("processor is away", processor=entry.name, cause=str(away)[:200])
            raise ProcessorDown from away
        except ProcessorRefused as refused:
            _LOG.warning("processor opens no deposit", processor=entry.name, cause=str(refused)[:200])
            self._note(found, "not_opened")
            raise ProcessorDown from refused

    def _named(self, found: Deposit, opened: Opened) -> Deposit:
        """What the processor calls it is known before anybody sees its page. Raises ProcessorDown."""
        with self.db.transaction() as tx:
            store.name_at_processor(tx, found.id, opened.processor_id)
            named = store.locked(tx, found.id)
            if named.processor_id == opened.processor_id:
                processors.set_page(tx, found.id, opened.url)
                return named
        self._note(found, "opened_twice")  # another payment than the first: nobody may pay it
        raise ProcessorDown

    def _gone(self, tx: Transaction, found: Deposit) -> None:
        """Its processor knows it no more; staff decide."""
        now = self.context.clock.now()
        store.note_exception(tx, found.method, "payment_gone", found.id, now, deposit=found.id)
        look_later(tx, store.locked(tx, found.id), now)

    def _note(self, found: Deposit, code: str) -> None:
        with self.db.transaction() as tx:
            now, currency = self.context.clock.now(), self.context.installation.currency
            store.note_exception(
                tx,
                found.method,
                code,
                found.id,
                now,
                deposit=found.id,
                amount=found.amount,
                currency=currency,
            )


def usable(entry: Entry) -> Processor:
    """Raises ProcessorDown for one that is configured wrongly: what it was to be told is kept until it is mended."""
    if entry.processor is None:
        _LOG.warning("processor cannot be used", processor=entry.name, fault=entry.fault)
        raise ProcessorDown
    return entry.processor


def look_later(tx: Transaction, found: Deposit, now: datetime) -> None:
    """For one of which nothing could be learnt now. What nobody can have paid ends with its time. Under the deposit's row."""
    at = model.next_look(found.created_at, found.expires_at, now)
    is_over = found.expires_at is not None and now >= found.expires_at
    if found.processor_id is None and is_over:
        store.become(tx, found.id, "expired", None, now)
    elif found.credited is None:
        store.become(tx, found.id, found.state, at or now + model.LOOK_LAST, found.ended_at)


def _demand_whole(terms: Terms, amount: int) -> None:
    if amount % terms.coin or not terms.least <= amount <= terms.most:
        raise _outside(terms)


def _outside(terms: Terms) -> InvalidInput:
    bounds = f"{format_amount(terms.least)} and {format_amount(terms.most)}"
    return InvalidInput(
        f"An amount between {bounds} can be paid in by {terms.method}, in steps of {format_amount(terms.coin)}.",
        field="amount", least=terms.least, most=terms.most,
    )  # fmt: skip


def _of_word(tx: Transaction, method: str, said: Payment) -> str | None:
    """The deposit that a payment says it is of: a callback may come before we know what the processor calls it."""
    try:
        found = store.deposit(tx, said.deposit)
    except NotFound:
        return None
    if found.method != method:
        return None
    if found.processor_id is None:
        store.name_at_processor(tx, found.id, said.processor_id)
    return found.id
