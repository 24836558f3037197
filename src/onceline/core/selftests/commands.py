"""Schedule self-tests, send those that are due, know them again when they arrive, and tell staff of those that do not.

Promises: none is sent from or to a number that a customer has; what arrives never reaches an order, whoever has the
number by then; a network that loses one message alarms nobody.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from onceline.core.db import Row, Transaction, load_queries
from onceline.core.errors import InvalidInput, NotFound
from onceline.core.inventory import care
from onceline.core.inventory.care import QUARANTINED, Reason
from onceline.core.selftests.model import (
    FAILURES_TOLERATED,
    LONGEST_S,
    POSTPONED,
    SHORTEST_S,
    WAIT,
    Due,
    new_token,
    token_of,
)
from onceline.core.suppliers import store as suppliers
from onceline.core.suppliers.store import Alert

_Q = load_queries(__package__)

MOST_TESTS = 5000
NOT_ARRIVED, WRONG_NUMBER, NOT_SENT = "self_test_failed", "self_test_wrong_number", "self_test_not_sent"
"""What staff are told, as alerts of a supplier."""


def add(
    tx: Transaction, number_from: str, number_to: str, every_s: int, *, quarantine: bool, now: datetime
) -> int:
    """A test that is due at once; the same pair again changes its terms. Raises InvalidInput, NotFound."""
    if not SHORTEST_S <= every_s <= LONGEST_S:
        raise InvalidInput(
            f"A self-test runs every {SHORTEST_S} to {LONGEST_S} seconds: each is an SMS that costs."
        )
    if number_from == number_to:
        raise InvalidInput("A self-test goes from one number to another.")
    known = {row.e164: row for row in tx.all(_Q.number_ids, {"numbers": [number_from, number_to]})}
    for number in (number_from, number_to):
        if number not in known:
            raise NotFound("number of ours", number)
        if known[number].mode != "live":
            raise InvalidInput(f"{number} is a number of test mode: no SMS can reach it.")
    pair = {"number_from": known[number_from].id, "number_to": known[number_to].id}
    terms = {"every_s": every_s, "quarantine": quarantine, "now": now, "most": MOST_TESTS}
    row = tx.one(_Q.add, pair | terms)
    if row is None:
        raise InvalidInput(f"There are {MOST_TESTS} self-tests already: remove one first.")
    return int(row.id)


def remove(tx: Transaction, test: int) -> None:
    """With its runs. Raises NotFound."""
    if not tx.run(_Q.remove, {"id": test}):
        raise NotFound("self-test", test)


def hasten(tx: Transaction, test: int, now: datetime) -> None:
    """A worker sends it at once, if no customer has its numbers. Raises NotFound."""
    if not tx.run(_Q.hasten, {"id": test, "now": now}):
        raise NotFound("self-test", test)


def listed(tx: Transaction, *, after: int = 0, limit: int = 100) -> list[Row]:
    return tx.all(_Q.listed, {"after": after, "limit": limit})


def begin(tx: Transaction, now: datetime, limit: int) -> list[Due]:
    """Write down the runs that are due; send them after the commit. Tests whose numbers are not idle are put off."""
    tests = tx.all(_Q.due, {"now": now, "limit": limit})
    wanted = sorted({number for test in tests for number in (test.number_from, test.number_to)})
    idle = {row.id: row for row in tx.all(_Q.idle_numbers, {"ids": wanted})} if wanted else {}
    begun = []
    for test in tests:
        is_idle = test.number_from in idle and test.number_to in idle
        wait = timedelta(seconds=test.every_s) if is_idle else POSTPONED
        tx.run(_Q.plan, {"id": test.id, "next_at": now + wait})
        if is_idle:
            begun.append(_begun(tx, test.id, idle[test.number_from], idle[test.number_to], now))
    return begun


def _begun(tx: Transaction, test: int, sender: Row, receiver: Row, now: datetime) -> Due:
    token = new_token()
    row = tx.one(_Q.begin_run, {"test": test, "token_hash": _hash(token), "now": now})
    assert row is not None
    return Due(row.id, test, sender.supplier, sender.e164, receiver.e164, token)


def not_sent(tx: Transaction, due: Due, now: datetime) -> None:
    """The supplier would not take it: nothing is known about the receiving SIM."""
    tx.run(_Q.fail, {"run": due.run, "reason": "not_sent", "now": now})
    suppliers.alert(tx, [Alert(due.supplier, NOT_SENT, f"test {due.test}", 1)], now)


def arrived(tx: Transaction, number: str, text: str, now: datetime) -> bool:
    """Whether a message is a self-test of ours, which nobody but us may get; call it before an order could get it.

    `now` is when it came to us.

    The first arrival is noted; one at another number than it was sent to says that numbers are mixed up.
    """
    token = token_of(text)
    run = tx.one(_Q.sent, {"token_hash": _hash(token)}) if token else None
    if run is None:
        return False
    if run.number_to == number:
        tx.run(_Q.arrive, {"run": run.id, "now": now})
    else:
        _fail(tx, run.id, "wrong_number", now)
    return True


def fail_overdue(tx: Transaction, now: datetime, limit: int) -> int:
    """Runs that did not arrive in time; returns how many."""
    overdue = tx.all(_Q.overdue, {"before": now - WAIT, "limit": limit})
    if overdue:
        tx.all(_Q.lock_numbers, {"ids": [run.number_to for run in overdue]})
    for run in overdue:
        _fail(tx, run.id, "no_arrival", now)
    return len(overdue)


def _fail(tx: Transaction, run: int, reason: str, now: datetime) -> None:
    test = tx.one(_Q.fail, {"run": run, "reason": reason, "now": now})
    if test is None:
        return
    subject = f"test {test.id}"
    if reason == "wrong_number":
        suppliers.alert(tx, [Alert(test.supplier, WRONG_NUMBER, subject, 1)], now)
    if test.failures > FAILURES_TOLERATED:
        suppliers.alert(tx, [Alert(test.supplier, NOT_ARRIVED, subject, 1)], now)
        if test.quarantine and reason == "no_arrival":
            words = f"{test.failures} self-tests in a row did not arrive"
            care.take_out(tx, [test.number_to], QUARANTINED, Reason(words, "self-test"), now)


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    return tx.run(_Q.prune, {"before": before, "limit": limit})


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
