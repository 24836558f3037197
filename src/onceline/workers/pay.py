"""Three clocks of payments: callbacks are read back, awaited deposits asked after, refunds sent. What they do is in payments.rounds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from onceline.core.deposits.refunds import REFUNDS_WORD
from onceline.core.processors.store import HINTS_WORD
from onceline.payments import rounds
from onceline.payments.till import Till
from onceline.workers.clock import Clockwork, Worker

INTERVAL_S = 2.0


def clocks(till: Till) -> Iterable[Clockwork]:
    """Each in a thread of its own: a processor that is slow to send back delays no credit."""
    till.db.bell.listen(till.hear)
    return (
        Worker("pay-hints", INTERVAL_S, partial(rounds.hints_round, till), HINTS_WORD, rounds.BATCH),
        Worker("pay-awaited", INTERVAL_S, partial(rounds.awaited_round, till), full_round=rounds.BATCH),
        Worker("pay-refunds", INTERVAL_S, partial(rounds.refunds_round, till), REFUNDS_WORD, rounds.BATCH),
    )
