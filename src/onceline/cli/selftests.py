"""Commands for self-tests: SMS between two numbers of our own, which find SIMs that died silently."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from onceline.cli.terminal import AsJson, Limit, instant, rest, say, settings, table
from onceline.core.db import Row
from onceline.core.selftests import commands
from onceline.core.selftests.model import LONGEST_S, SHORTEST_S
from onceline.wiring import installation

app = typer.Typer(no_args_is_help=True, help="Self-tests: SMS from one number of ours to another.")
_HOUR_S = 3600
_Test = Annotated[int, typer.Argument(help="Its number, as `selftest list` says")]


@app.command("add")
def add(
    number_from: Annotated[str, typer.Option("--from", help="The number that sends")],
    number_to: Annotated[str, typer.Option("--to", help="The number that is tested")],
    every: Annotated[
        int, typer.Option(min=SHORTEST_S // _HOUR_S, max=LONGEST_S // _HOUR_S, help="Hours between two")
    ] = 24,
    quarantine: Annotated[
        bool,
        typer.Option("--quarantine", help="Take the tested number out of use at the third failure in a row"),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Test a number again and again; the same pair once more changes its terms. Each test is an SMS that costs."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        now = context.clock.now()
        test = commands.add(tx, number_from, number_to, every * _HOUR_S, quarantine=quarantine, now=now)
    say(
        {"test": test},
        as_json,
        f"self-test {test} is there; a worker sends it when no customer has its numbers",
    )


@app.command("list")
def list_tests(
    after: Annotated[int, typer.Option(help="Go on after this one: the last of the page before")] = 0,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Self-tests, and how each went last."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        found = commands.listed(tx, after=after, limit=limit)
    rows = [_facts(row) for row in found]
    cursor = str(found[-1].id) if len(found) == limit else None
    say({"tests": rows, "next": cursor}, as_json, rest(table(rows, "no self-tests yet"), cursor))


@app.command("run")
def run(test: _Test) -> None:
    """Send one now, if no customer has its numbers."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        commands.hasten(tx, test, context.clock.now())
    typer.echo(f"self-test {test} is sent within seconds; look at `selftest list`")


@app.command("remove")
def remove(test: _Test) -> None:
    """End a self-test and forget how it went."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        commands.remove(tx, test)
    typer.echo(f"self-test {test} is gone")


def _facts(row: Row) -> dict[str, Any]:
    return {
        "test": row.id,
        "from": row.number_from,
        "to": row.number_to,
        "every_h": row.every_s // _HOUR_S,
        "quarantine": row.quarantine,
        "next_at": instant(row.next_at),
        "failures": row.failures,
        "sent_at": instant(row.sent_at),
        "last": _outcome(row),
        "seconds": None if row.seconds is None else round(row.seconds, 1),
    }


def _outcome(row: Row) -> str | None:
    """In a word; a failure that arrived after all stays one, with its seconds."""
    if row.sent_at is None:
        return None
    return row.reason or ("arrived" if row.arrived_at else "under_way")
