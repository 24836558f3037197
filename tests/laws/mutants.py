"""Every guard on money, messages, access and delivery, taken out one at a time: some test must fail.

By hand: `python -m tests.laws.mutants [word…]` judges those whose names hold one of the words, a line each; it ends with 1
if one survives.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from tests.laws.guards_access import ACCESS
from tests.laws.guards_core import CORE
from tests.laws.guards_dashboard import DASHBOARD
from tests.laws.guards_doors import DOORS
from tests.laws.guards_exports import EXPORTS
from tests.laws.guards_money import MONEY
from tests.laws.guards_notices import NOTICES
from tests.laws.guards_orders import ORDERS
from tests.laws.guards_payments import PAYMENTS
from tests.laws.guards_people import PEOPLE
from tests.laws.guards_suppliers import SUPPLIERS
from tests.laws.guards_vouchers import VOUCHERS
from tests.laws.guards_webhooks import WEBHOOKS
from tests.laws.mutant import Mutant, bench

MUTANTS: tuple[Mutant, ...] = (
    *ORDERS,
    *CORE,
    *DOORS,
    *EXPORTS,
    *NOTICES,
    *WEBHOOKS,
    *SUPPLIERS,
    *ACCESS,
    *PEOPLE,
    *VOUCHERS,
    *DASHBOARD,
    *MONEY,
    *PAYMENTS,
)
FASTEST = ("a message past the grace is shown", "a message after the end counts as in time")
"""Judged in every run of the tests: theirs need no database."""


def chosen(words: Sequence[str]) -> list[Mutant]:
    return [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]


def survivors(mutants: Sequence[Mutant]) -> list[str]:
    """Those that no test caught, each as a line; says a line about every one. Their tests must pass without them."""
    with bench() as here:
        if fault := here.baseline(mutants):
            return [f"the tests fail without any mutant: {fault}"]
        left = []
        for mutant in mutants:
            verdict = here.judge(mutant)
            _say(str(verdict))
            left += [] if verdict.by else [str(verdict)]
    return left


def main(words: Sequence[str]) -> int:
    began, mutants = time.monotonic(), chosen(words)
    left = survivors(mutants)
    _say(*left, f"{len(mutants) - len(left)} of {len(mutants)} caught in {time.monotonic() - began:.0f} s")
    return 1 if left else 0


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
