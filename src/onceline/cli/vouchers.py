"""`onceline vouchers …`: batches of printed codes, made by one person and put in force by another."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import typer

from onceline.cli.terminal import AsJson, Limit, fail, instant, rest, say, settings, table
from onceline.core.db import Row
from onceline.core.money import format_amount, parse_amount
from onceline.core.vouchers import commands, model, store
from onceline.core.vouchers.commands import Made
from onceline.core.vouchers.model import Wanted
from onceline.wiring import installation

app = typer.Typer(no_args_is_help=True, help="Vouchers that resellers sell.")

Staff = Annotated[str, typer.Option(help="Who does this")]
Batch = Annotated[str, typer.Argument(help="Its id: vbt_…")]


@app.command("create")
def create(
    issuer: Annotated[str, typer.Option(help="Who sells them")],
    value: Annotated[str, typer.Option(help="What each is worth, such as 10")],
    count: Annotated[int, typer.Option(min=1, max=model.MOST_VOUCHERS)],
    staff: Staff,
    file: Annotated[Path, typer.Option(help="Where the codes are written; must not exist yet")],
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day they are taken, UTC")
    ] = None,
    mode: Annotated[Literal["test", "live"], typer.Option(help="Whose sides may redeem them")] = "live",
    as_json: AsJson = False,
) -> None:
    """A draft of so many vouchers. Their codes are in the file, and nowhere else ever again."""
    ends = expires.replace(tzinfo=UTC) + timedelta(days=1) if expires else None
    wanted = Wanted(mode, issuer, parse_amount(value), count, ends)
    with installation(settings()) as (db, context), _new_file(file) as codes, db.transaction() as tx:
        home = context.installation
        made = commands.create(tx, home.secret, wanted, staff, context.clock.now())
        _write(codes, made, wanted, home.currency)
    facts = {"batch": made.batch, "count": count, "file": str(file)}
    words = f"{made.batch}: {count} codes in {file}. Worth nothing until another person approves it."
    say(facts, as_json, words)


@app.command("approve")
def approve(batch: Batch, staff: Staff, as_json: AsJson = False) -> None:
    """Put a batch in force; another person than the one who made it."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        found = commands.approve(tx, batch, staff, context.clock.now())
    total = format_amount(found.face_value * found.size)
    say(
        {"batch": batch, "state": found.state, "total": total},
        as_json,
        f"{batch} is {found.state}: {found.size} vouchers, {total}",
    )


@app.command("void")
def void(
    batch: Batch,
    staff: Staff,
    number: Annotated[int | None, typer.Option(min=1, help="This one alone, by its number")] = None,
    as_json: AsJson = False,
) -> None:
    """What nobody has redeemed of a batch is worth nothing from now on."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        voided = commands.void(tx, batch, staff, context.clock.now(), number)
    say({"batch": batch, "voided": voided}, as_json, f"void of {batch}: {voided}")


@app.command("list")
def list_vouchers(
    batch: Annotated[str, typer.Option(help="The vouchers of this batch")] = "",
    after: Annotated[str, typer.Option(help="Go on after this one: the last of the page before")] = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Batches, newest first, or the vouchers of one by number. Codes are not kept."""
    if batch and not (after or "0").isdecimal():
        fail("--after: the number of a voucher")
    with installation(settings()) as (db, _), db.transaction() as tx:
        if batch:
            store.batch(tx, batch)
            page = store.vouchers(tx, batch, after=int(after or "0"), limit=limit)
        else:
            page = store.batches(tx, before=after or None, limit=limit)
    rows = [_voucher(row) if batch else _batch(row) for row in page.rows]
    cursor = str(page.next) if page.next else None
    facts = {"vouchers" if batch else "batches": rows, "next": cursor}
    say(facts, as_json, rest(table(rows, "no vouchers yet: onceline vouchers create"), cursor))


@contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    """For its owner alone, written before what it is about is committed; gone again when that fails."""
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        fail(f"--file: {error.strerror}")
    try:
        with os.fdopen(opened, "w", encoding="utf-8", newline="") as file:
            yield file
    except BaseException:
        path.unlink()
        raise


def _write(file: TextIO, made: Made, wanted: Wanted, currency: str) -> None:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(("batch", "number", "code", "value", "currency"))
    value = format_amount(wanted.face_value)
    for number, code in enumerate(made.codes, start=1):
        rows.writerow((made.batch, number, model.printed(code), value, currency))
    file.write(text.getvalue())
    file.flush()
    os.fsync(file.fileno())


def _batch(row: Row) -> dict[str, Any]:
    return {
        "batch": row.id,
        "state": row.state,
        "mode": row.mode,
        "issuer": row.issuer,
        "value": format_amount(row.face_value),
        "count": row.size,
        "redeemed": row.redeemed,
        "void": row.void,
        "expires_at": instant(row.expires_at),
        "created_by": row.created_by,
        "approved_by": row.approved_by,
        "voided_by": row.voided_by,
    }


def _voucher(row: Row) -> dict[str, Any]:
    return {
        "number": row.number,
        "deposit": row.redeemed_deposit,
        "redeemed_at": instant(row.redeemed_at),
        "voided_at": instant(row.voided_at),
        "voided_by": row.voided_by,
    }
