"""Letters: mails of a door to people, who may have no account yet: links that verify, resets, news of their security.

Nothing of a letter stands in clear in the database: all of it is sealed with the intake key of its day, so it is
unreadable everywhere 48 h after that day, and its row goes when it is sent or given up. An address gets so many an hour
at most, whoever asks for them; what is beyond is dropped, and its poster is not told: that would tell who is written to.
What strangers can ask for is counted by itself, so that they cannot use up the room for news of somebody's security.
"""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime, timedelta
from typing import NamedTuple

from onceline.core.db import Row, Transaction, load_queries
from onceline.core.errors import Erased, InvalidInput
from onceline.core.ids import random_id
from onceline.core.notices.commands import MAILS_WORD
from onceline.core.notices.model import check_address
from onceline.core.notices.queue import LEASE, RETRIES
from onceline.core.vault import Place, Vault, intake_key
from onceline.core.vault.vault import Forged

_Q = load_queries(__package__)

LONGEST_SUBJECT = 200
LONGEST_BODY = 20_000
"""Bytes of UTF-8."""
_HOUR = timedelta(hours=1)
_NOT_ON_A_LINE = {"Cc", "Cs", "Zl", "Zp"}


class Budget(NamedTuple):
    """How many letters of a kind go to one address in an hour, so that nobody can fill a mailbox through us."""

    kind: str
    an_hour: int


BY_STRANGERS = Budget("stranger", 5)
"""What anybody can have sent to any address: links that prove it, invitations, that it is known or unknown here."""
RESETS = Budget("reset", 20)
NEWS = Budget("news", 20)
"""Of somebody's security; only what happens to the person posts them."""


class Letter(NamedTuple):
    """`body` is plain text."""

    recipient: str
    subject: str
    body: str


def post(tx: Transaction, vault: Vault, letter: Letter, now: datetime, budget: Budget = BY_STRANGERS) -> bool:
    """Put it in the queue; False when it was dropped, for its address had enough within the hour. Raises InvalidInput.

    Nobody but the operator may learn which it was.
    """
    checked = _checked(letter)
    if not _count(tx, vault, checked.recipient, now, budget):
        return False
    name, key = random_id("let"), intake_key(now)
    sealed = vault.seal(key, json.dumps(checked).encode(), _place(name))
    tx.run(_Q.post_letter, {"id": name, "intake_key": key, "sealed": sealed, "now": now})
    tx.wake(MAILS_WORD)
    return True


def _checked(letter: Letter) -> Letter:
    recipient = check_address(letter.recipient)
    if not 1 <= len(letter.subject) <= LONGEST_SUBJECT:
        raise InvalidInput(f"A letter's subject has 1 to {LONGEST_SUBJECT} characters.")
    if any(unicodedata.category(one) in _NOT_ON_A_LINE for one in letter.subject):
        raise InvalidInput("A letter's subject is one line without control characters.")
    try:
        size = len(letter.body.encode())
    except UnicodeEncodeError:
        raise InvalidInput("A letter's body is text that UTF-8 can write.") from None
    if size > LONGEST_BODY:
        raise InvalidInput(f"A letter's body has {LONGEST_BODY} bytes at most.")
    return letter._replace(recipient=recipient)


def _count(tx: Transaction, vault: Vault, address: str, now: datetime, budget: Budget) -> bool:
    """Whether there is room for one more; who posts to the same address at the same moment waits here."""
    digest = _digest(vault, address, now, budget)
    before = _digest(vault, address, now - _HOUR, budget)
    if before != digest:  # after midnight the count goes on under the new day's key
        tx.run(_Q.carry_letters, {"before": before, "recipient": digest})
    values = {"recipient": digest, "now": now, "hour": now - _HOUR, "forget_at": now + _HOUR}
    return bool(tx.run(_Q.count_letter, {**values, "most": budget.an_hour}))


def _digest(vault: Vault, address: str, at: datetime, budget: Budget) -> bytes:
    """Of the whole address in lower case: hardly a mailbox tells them apart, and a flood might try them all."""
    return vault.digest(intake_key(at), f"{budget.kind} ".encode() + address.lower().encode())


# For the worker that sends -------------------------------------------------------------------------------------------


def claim(tx: Transaction, now: datetime) -> Row | None:
    """The letter that waits longest, for the time of a lease."""
    return tx.one(_Q.claim_letter, {"now": now, "until": now + LEASE})


def read(vault: Vault, row: Row) -> Letter | None:
    """What a claimed row says; None when its day's key is gone or the row was tampered with."""
    try:
        return Letter(*json.loads(vault.open(row.intake_key, row.sealed, _place(row.id))))
    except (Erased, Forged):
        return None


def end(tx: Transaction, row: Row) -> bool:
    """Sent, refused or given up; False if the claim was over and somebody else has it."""
    return bool(tx.run(_Q.end_letter, {"id": row.id, "attempts": row.attempts}))


def retry(tx: Transaction, row: Row, now: datetime) -> bool:
    """Later again, or given up when it was tried often enough; True if it will be tried again."""
    if row.attempts > len(RETRIES):
        end(tx, row)
        return False
    at = now + RETRIES[row.attempts - 1]
    return bool(tx.run(_Q.retry_letter, {"id": row.id, "attempts": row.attempts, "at": at}))


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    """Letters that nobody sent, made before an instant."""
    return tx.run(_Q.prune_letters, {"before": before, "limit": limit})


def prune_counts(tx: Transaction, now: datetime, limit: int) -> int:
    return tx.run(_Q.prune_letter_counts, {"now": now, "limit": limit})


def _place(name: str) -> Place:
    return Place("letters", "sealed", name)
