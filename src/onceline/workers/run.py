"""All clocks of one worker process, each in a thread of its own, until told to stop."""

from __future__ import annotations

import threading
from functools import partial

from onceline.config import Settings
from onceline.core.db import Database
from onceline.core.exports.commands import EXPORTS_WORD
from onceline.core.notices.commands import MAILS_WORD
from onceline.core.orders.changes import CALLS_WORD
from onceline.core.orders.context import Context
from onceline.outbound import CustomerDoor
from onceline.payments.till import Till
from onceline.post import Post
from onceline.suppliers.base import Surroundings
from onceline.suppliers.intake import DirectIntake
from onceline.suppliers.sandbox.supplier import NAME as SANDBOX
from onceline.suppliers.sandbox.supplier import Sandbox
from onceline.workers import (
    check,
    expire,
    export,
    extend,
    mail,
    notify,
    pay,
    reconcile,
    retain,
    sandbox,
    selftest,
    supply,
    sweep,
)
from onceline.workers.clock import Clockwork, Worker
from onceline.workers.deliver import Deliverer
from onceline.workers.hub_push import HubPusher
from onceline.workers.mail import Mailer
from onceline.workers.sessions import Sessions

NOTES_S = 5.0
"""How long what suppliers' devices said of themselves waits to be written."""


def workers(
    db: Database, context: Context, intake: DirectIntake, post: Post, settings: Settings
) -> tuple[Clockwork, ...]:
    return (
        Worker(
            "expire", expire.INTERVAL_S, partial(expire.expire_round, db, context), full_round=expire.BATCH
        ),
        Worker(
            "extend", extend.INTERVAL_S, partial(extend.extend_round, db, context), full_round=extend.BATCH
        ),
        Worker("sweep", sweep.INTERVAL_S, partial(sweep.sweep_round, db, context), full_round=sweep.BATCH),
        Worker(
            "supply",
            supply.INTERVAL_S,
            partial(supply.supply_round, db, context, SANDBOX, Sandbox(db, context.clock)),
            wake_word=CALLS_WORD,
            full_round=supply.BATCH,
        ),
        Worker(
            "sandbox",
            sandbox.INTERVAL_S,
            partial(sandbox.sandbox_round, db, context),
            full_round=sandbox.BATCH,
        ),
        Worker(
            "export",
            export.INTERVAL_S,
            partial(export.export_round, db, context),
            wake_word=EXPORTS_WORD,
            full_round=1,
        ),
        Worker("notify", notify.INTERVAL_S, partial(notify.notify_round, db, context.clock)),
        Worker(
            "mail",
            mail.INTERVAL_S,
            Mailer(db, context, post, settings.mail_sender).mail_round,
            wake_word=MAILS_WORD,
            full_round=mail.BATCH,
        ),
        Worker(
            "retain",
            retain.INTERVAL_S,
            partial(retain.retain_round, db, context, settings.logs, settings.access_log_days),
        ),
        Worker("notes", NOTES_S, intake.flush),
        Worker(
            "selftest",
            selftest.INTERVAL_S,
            partial(selftest.selftest_round, Surroundings(db, context, intake), settings.public_url),
            full_round=selftest.BATCH,
        ),
        *_of_money(db, context, settings),
        Sessions(Surroundings(db, context, intake), settings.public_url),
        HubPusher(db, context),
        Deliverer(db, context, partial(CustomerDoor, loopback=settings.webhook_loopback)),
    )


def _of_money(db: Database, context: Context, settings: Settings) -> tuple[Clockwork, ...]:
    """Deposits on their way in and out, the processors' reports, and the checks that stop refunds."""
    till = Till(db, context, settings.public_url, settings.deposit_limits)
    return (
        *pay.clocks(till),
        Worker("reconcile", reconcile.INTERVAL_S, partial(reconcile.reconcile_round, till), full_round=1),
        Worker("check", check.INTERVAL_S, check.Patient(partial(check.look_now, db, context.clock)).round),
        Worker(
            "prove",
            check.PROOF_INTERVAL_S,
            check.Patient(partial(check.proof_round, db, context.clock)).round,
        ),
    )


def run_until(stopping: threading.Event, db: Database, running: tuple[Clockwork, ...]) -> None:
    """Returns when `stopping` is set and every round under way has ended."""
    threads = [threading.Thread(target=worker.run, args=(stopping,), name=worker.name) for worker in running]
    for worker in running:
        db.bell.listen(worker.hear)
    for thread in threads:
        thread.start()
    stopping.wait()
    for worker in running:
        worker.wake()
    for thread in threads:
        thread.join(timeout=15)
