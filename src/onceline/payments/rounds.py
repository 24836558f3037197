"""What a worker does with processors: read back what callbacks hinted at, ask after what no callback came for, send refunds.

    claim (committed) → ask the processor → book (one transaction each)

Promised: a claim that nobody comes back from is free again after CLAIM; a refund is looked for at its processor before it is
sent, under one id however often, so that it leaves once; what is of no deposit of ours is kept for staff. Never: a processor that
is called inside a transaction, or money that moves without having been read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from onceline.core.db import Transaction
from onceline.core.deposits import disputes, refunds, store, warnings
from onceline.core.deposits.model import Deposit
from onceline.core.deposits.refunds import Refund
from onceline.core.errors import Busy, NotFound, ProcessorDown, Unavailable
from onceline.core.processors import store as processors
from onceline.core.processors.store import KeptHint
from onceline.payments.base import ProcessorAway, ProcessorRefused, SendBack, Sent, SentBack, Warned
from onceline.payments.till import Till, look_later, usable

_LOG = structlog.get_logger(__name__)
BATCH = 16
AT_ONCE = 4
"""Calls under way: one processor that lets wait delays no other much."""
CLAIM = timedelta(minutes=5)
"""Longer than a whole batch takes when every call waits for its end."""
SOONEST, LATEST = timedelta(seconds=5), timedelta(hours=1)
UNKNOWN_FOR = timedelta(minutes=15)
"""For so long a refund may be named to us before we know what it belongs to."""
GIVEN_UP_AFTER = timedelta(days=7)
"""A hint that could not be read for so long is left to staff."""
UNCERTAIN_AFTER = timedelta(hours=1)
"""A refund that nobody could say anything of for so long is shown to staff, and asked after on."""

_T = TypeVar("_T")


# Callbacks --------------------------------------------------------------------------------------------------------------


def hints_round(till: Till) -> int:
    now = till.context.clock.now()
    with till.db.transaction() as tx:
        due = processors.claim_hints(tx, now, now + CLAIM, BATCH)
    return _each(due, lambda hint: _deal_with(till, hint), "hint")


def _deal_with(till: Till, hint: KeptHint) -> None:
    """Until it was dealt with it is looked at again, ever later."""
    try:
        is_done = _READ[hint.about](till, hint)
    except NotFound:
        is_done = True  # the processor was taken out: nobody can be asked
    except (ProcessorDown, ProcessorAway) as away:
        _LOG.warning("hint waits", processor=hint.method, about=hint.about, cause=type(away).__name__)
        is_done = False
    except ProcessorRefused as refused:
        till.refused(hint.method, hint.object_id, refused)
        is_done = False
    now = till.context.clock.now()
    with till.db.transaction() as tx:
        if not is_done and now - hint.came_at > GIVEN_UP_AFTER:
            _note(till, tx, hint, "given_up")
            is_done = True
        processors.look_again(tx, hint, None if is_done else _later(hint.came_at, now))


def _read_payment(till: Till, hint: KeptHint) -> bool:
    entry = till.entry(hint.method)
    said = till.read(entry, hint.object_id)
    with till.db.transaction() as tx:
        if said is None:
            _note(till, tx, hint, "unknown_payment")
        else:
            till.heard(tx, entry, said)
    return True


def _read_refund(till: Till, hint: KeptHint) -> bool:
    """By its own name or, where a processor has none for refunds, by that of its payment."""
    with till.db.transaction() as tx:
        known = processors.refund_of_object(tx, hint.method, hint.object_id)
        known = known or _refund_of_payment(tx, hint)
        if known is None:
            if processors.are_refunds_unnamed(tx, hint.method) and _is_young(till, hint):
                return False
            _note(till, tx, hint, "unknown_refund")
            return True
        asked = refunds.refund(tx, known)
        deposit = store.deposit(tx, asked.deposit)
    answer = usable(till.entry(hint.method)).sent_back(_wanted(till, asked, deposit))
    if answer is not None:
        _book(till, asked, answer)
    return True


def _refund_of_payment(tx: Transaction, hint: KeptHint) -> str | None:
    deposit = store.by_processor(tx, hint.method, hint.object_id)
    if deposit is None:
        return None
    try:
        return refunds.of(tx, deposit).id
    except NotFound:
        return None


def _read_dispute(till: Till, hint: KeptHint) -> bool:
    said = usable(till.entry(hint.method)).dispute(hint.object_id)
    found = _disputed(till, hint, said.payment_id) if said else None
    now = till.context.clock.now()
    with till.db.transaction() as tx:
        if said is None or found is None:
            _note(till, tx, hint, "unknown_dispute")
        elif isinstance(said, Warned):
            warnings.warn(tx, found.id, said.id, hint.method, now)
        elif said.currency != till.context.installation.currency:
            _note(till, tx, hint, "wrong_currency")
        else:
            disputes.hear(tx, found.id, said, now)
    return True


def _disputed(till: Till, hint: KeptHint, payment_id: str) -> Deposit | None:
    """The deposit of a payment. Where none was credited with it, it is read and heard first: its own word may come after the bank's,
    or never. What can only be credited later (`Till.heard`) is disputed then."""
    with till.db.transaction() as tx:
        known = store.by_payment(tx, hint.method, payment_id)
        if known is not None:
            return store.deposit(tx, known)
    entry = till.entry(hint.method)
    said = till.read(entry, payment_id)
    with till.db.transaction() as tx:
        return till.heard(tx, entry, said) if said else None


_READ: dict[str, Callable[[Till, KeptHint], bool]] = {
    "payment": _read_payment,
    "refund": _read_refund,
    "dispute": _read_dispute,
}


# What no callback came for ----------------------------------------------------------------------------------------------


def awaited_round(till: Till) -> int:
    now = till.context.clock.now()
    with till.db.transaction() as tx:
        due = store.awaited(tx, now, now + CLAIM, BATCH)
    return _each(due, lambda found: _ask(till, found), "deposit")


def _ask(till: Till, found: Deposit) -> None:
    """While a processor is away it is asked on, for as long as it takes."""
    if found.processor_id is not None:
        try:
            till.ask(found.id)
            return
        except (NotFound, ProcessorDown) as away:
            _LOG.warning("deposit waits", processor=found.method, cause=type(away).__name__)
    with till.db.transaction() as tx:
        look_later(tx, store.locked(tx, found.id), till.context.clock.now())


# Refunds ----------------------------------------------------------------------------------------------------------------


def refunds_round(till: Till) -> int:
    with till.db.transaction() as tx:
        due = refunds.claim(tx, till.context.clock.now(), BATCH)
    return _each(due, lambda asked: _send(till, asked), "refund")


def _send(till: Till, asked: Refund) -> None:
    with till.db.transaction() as tx:
        deposit = store.deposit(tx, asked.deposit)
    try:
        _book(till, asked, _sent(till, asked, deposit))
    except (NotFound, ProcessorDown) as away:
        _LOG.warning("refund waits for its processor", processor=deposit.method, cause=type(away).__name__)
        _book(till, asked, SentBack(Sent.UNKNOWN))


def _sent(till: Till, asked: Refund, deposit: Deposit) -> SentBack:
    """Looked for first: whoever claimed it before us may have died after sending it, longer ago than a processor remembers keys."""
    wanted = _wanted(till, asked, deposit)
    processor = usable(till.entry(deposit.method))
    try:
        return processor.sent_back(wanted) or processor.send_back(wanted)
    except (ProcessorAway, ProcessorRefused) as fault:
        _LOG.warning("refund is not certain", processor=deposit.method, cause=str(fault)[:200])
        return SentBack(Sent.UNKNOWN, reason=str(fault))


def _book(till: Till, asked: Refund, answer: SentBack) -> None:
    now = till.context.clock.now()
    with till.db.transaction() as tx:
        match answer.state:
            case Sent.DONE:
                refunds.confirm(tx, asked.id, answer.refund_id, now)
            case Sent.REFUSED:
                refunds.undo(tx, asked.id, answer.reason or "refused by the processor", now)
                disputes.take_what_came_back(tx, asked.deposit, now)
            case Sent.ON_ITS_WAY | Sent.UNKNOWN:
                refunds.later(tx, asked.id, _later(asked.asked_at, now), answer.refund_id)
                if answer.state is Sent.UNKNOWN and now - asked.asked_at > UNCERTAIN_AFTER:
                    method = store.deposit(tx, asked.deposit).method
                    store.note_exception(
                        tx,
                        method,
                        "refund_uncertain",
                        asked.id,
                        now,
                        deposit=asked.deposit,
                        amount=asked.amount,
                    )


def _wanted(till: Till, asked: Refund, deposit: Deposit) -> SendBack:
    assert deposit.processor_id is not None, "only what a processor took can go back"
    currency = till.context.installation.currency
    return SendBack(asked.id, deposit.processor_id, deposit.payment_id, asked.amount, currency)


# ------------------------------------------------------------------------------------------------------------------------


def _each(due: Iterable[_T], work: Callable[[_T], None], what: str) -> int:
    """Side by side; one that fails holds up no other, and comes again when its claim ends."""

    def safely(one: _T) -> None:
        try:
            work(one)
        except Busy:
            return
        except Unavailable:
            raise
        except Exception:
            _LOG.exception("what a processor said could not be booked", what=what)

    found = list(due)
    if len(found) == 1:
        safely(found[0])
    elif found:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"pay-{what}") as threads:
            for done in [threads.submit(safely, one) for one in found]:
                done.result()
    return len(found)


def _later(since: datetime, now: datetime) -> datetime:
    """As long after now as it is old, within bounds."""
    return now + min(max(now - since, SOONEST), LATEST)


def _is_young(till: Till, hint: KeptHint) -> bool:
    return till.context.clock.now() - hint.came_at < UNKNOWN_FOR


def _note(till: Till, tx: Transaction, hint: KeptHint, code: str) -> None:
    store.note_exception(tx, hint.method, code, hint.object_id, till.context.clock.now())
