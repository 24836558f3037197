"""`onceline cash …`: what was paid over the counter, recorded by one person and approved by another."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from onceline.cli.terminal import After, AsJson, Limit, instant, rest, say, settings, table
from onceline.core.access import commands as access
from onceline.core.cash import commands
from onceline.core.cash.commands import Receipt
from onceline.core.db import Row
from onceline.core.deposits.model import Deposit
from onceline.core.money import format_amount, parse_amount
from onceline.wiring import installation

app = typer.Typer(no_args_is_help=True, help="Cash that was paid over the counter.")

Staff = Annotated[str, typer.Option(help="Who does this")]
DepositId = Annotated[str, typer.Argument(metavar="ID", help="Of the deposit: dep_…")]


@app.command("record")
def record(
    account: str,
    amount: str,
    staff: Staff,
    document: Annotated[str, typer.Option(help="Number of the paper that says so")],
    mode: Annotated[Literal["test", "live"], typer.Option(help="Which side of the account")] = "live",
    as_json: AsJson = False,
) -> None:
    """Cash was taken. It counts once another person approves it."""
    ours = settings()
    with installation(ours) as (db, context), db.transaction() as tx:
        side = access.side_of(tx, access.find_account(tx, account).id, mode)
        receipt = Receipt(side, parse_amount(amount), document)
        deposit = commands.record(tx, receipt, staff, ours.cash_limit, context.clock.now())
    say({"deposit": deposit, "state": "review"}, as_json, f"{deposit} waits for another person's yes")


@app.command("approve")
def approve(deposit: DepositId, staff: Staff, as_json: AsJson = False) -> None:
    """It counts from now on; another person than the one who recorded it."""
    ours = settings()
    with installation(ours) as (db, context), db.transaction() as tx:
        found = commands.approve(tx, deposit, staff, ours.cash_limit, context.clock.now())
    _say_state(found, as_json)


@app.command("decline")
def decline(deposit: DepositId, staff: Staff, as_json: AsJson = False) -> None:
    """A slip of the pen: it never counts."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        found = commands.decline(tx, deposit, staff, context.clock.now())
    _say_state(found, as_json)


@app.command("list")
def list_cash(after: After = "", limit: Limit = 100, as_json: AsJson = False) -> None:
    """What was recorded, newest first."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        page = commands.receipts(tx, before=after or None, limit=limit)
    rows = [_receipt(row) for row in page.rows]
    cursor = str(page.next) if page.next else None
    say({"cash": rows, "next": cursor}, as_json, rest(table(rows, "no cash yet"), cursor))


def _say_state(found: Deposit, as_json: bool) -> None:
    say({"deposit": found.id, "state": found.state}, as_json, f"{found.id} is {found.state}")


def _receipt(row: Row) -> dict[str, Any]:
    return {
        "deposit": row.id,
        "state": row.state,
        "account": row.account,
        "mode": row.mode,
        "amount": format_amount(row.amount),
        "document": row.document,
        "recorded_by": row.recorded_by,
        "recorded_at": instant(row.recorded_at),
        "decided_by": row.decided_by,
        "decided_at": instant(row.decided_at),
    }
