"""The command that shows the books: what customers have and what the house has, in one balance per mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from onceline.cli.terminal import AsJson, fail, say, settings, table
from onceline.core.books import store
from onceline.core.books.store import Standing
from onceline.core.db import Row
from onceline.core.deposits.staff import folded
from onceline.core.money import format_amount
from onceline.core.proofs import watch
from onceline.core.reconcile import store as reports
from onceline.wiring import installation


def books(as_json: AsJson = False) -> None:
    """The trial balance of both modes, and per processor what its reports add up to; exit code 1 when it does not sum to zero."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        standing = store.trial_balance(tx)
        compared = reports.totals(tx)
        stopped = [row.name for row in watch.failed(tx)]
        currency = context.installation.currency
    modes = [_mode(mode, standing) for mode in ("live", "test")]
    processors = [_processor(row, standing) for row in compared]
    ok = all(one["ok"] for one in modes)
    facts = {
        "ok": ok,
        "currency": currency,
        "modes": modes,
        "processors": processors,
        "failed_checks": stopped,
    }
    say(facts, as_json, _words(facts))
    raise typer.Exit(0 if ok else 1)


def resume_refunds(
    staff: Annotated[str, typer.Option(help="Who looked into it")], as_json: AsJson = False
) -> None:
    """Say that you have seen what the checks found; refunds go on once every check passes. Exit code 1 while one still fails."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        stopped = watch.failed(tx)
        still = watch.resume(tx, folded(staff), context.clock.now())
    if not stopped:
        fail("no check has failed; nothing is stopped")
    facts = {"acknowledged": [row.name for row in stopped], "still_failing": still}
    words = f"refunds wait until these pass: {', '.join(still)}" if still else "refunds go on"
    say(facts, as_json, words)
    raise typer.Exit(1 if still else 0)


def _mode(mode: str, standing: Sequence[Standing]) -> dict[str, Any]:
    ours = [one for one in standing if one.mode == mode]
    debit, credit = -sum(min(one.balance, 0) for one in ours), sum(max(one.balance, 0) for one in ours)
    return {
        "mode": mode,
        "accounts": [_account(one) for one in ours],
        "debit": format_amount(debit),
        "credit": format_amount(credit),
        "ok": debit == credit,
    }


def _account(one: Standing) -> dict[str, Any]:
    return {
        "account": one.account,
        "of": "customers" if one.is_of_customers else "house",
        "debit": format_amount(-min(one.balance, 0)),
        "credit": format_amount(max(one.balance, 0)),
    }


def _processor(row: Row, standing: Sequence[Standing]) -> dict[str, Any]:
    """What it has for us by our books, and by its own words."""
    ours = -sum(one.balance for one in standing if one.account == row.method and not one.is_of_customers)
    return {
        "processor": row.method,
        "since": row.first.isoformat(),
        "through": row.through.isoformat(),
        "books": format_amount(ours),
        "reported": format_amount(row.reported),
    }


def _words(facts: dict[str, Any]) -> str:
    parts = []
    for mode in facts["modes"]:
        total = {"account": "total", "of": "", "debit": mode["debit"], "credit": mode["credit"]}
        heading = (
            f"{mode['mode']}, {facts['currency']}: {'sums to zero' if mode['ok'] else 'DOES NOT SUM TO ZERO'}"
        )
        parts.append(f"{heading}\n{table([*mode['accounts'], total], '')}")
    if facts["processors"]:
        parts.append(table(facts["processors"], ""))
    if facts["failed_checks"]:
        parts.append(f"refunds wait: {', '.join(facts['failed_checks'])} failed")
    return "\n\n".join(parts)
