"""Commands for numbers: import them with their provenance, look at them, take them out of use."""

from __future__ import annotations

import csv
import getpass
import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from onceline.cli.csv_lines import Fault, lines_of
from onceline.cli.inventory_import import BATCH, Import, Report, opened, writable
from onceline.cli.terminal import After, AsJson, Limit, fail, instant, rest, say, settings, shown, table
from onceline.core.catalog import rules
from onceline.core.db import Database, Row, Transaction
from onceline.core.errors import InvalidInput
from onceline.core.inventory import care
from onceline.core.inventory.care import Place, Reason, Taken
from onceline.core.phone import parse_e164
from onceline.wiring import installation

app = typer.Typer(no_args_is_help=True, help="Numbers: import, look at, take out of use.")

FAULTS_SHOWN = 100
MOST_NAMED = 100_000
"""Numbers of one command."""

PoolName = Annotated[str | None, typer.Option("--pool", help="Of this pool alone")]
CountryName = Annotated[str | None, typer.Option("--country", help="Of this country alone, such as GB")]
By = Annotated[str | None, typer.Option("--by", help="Who says so; without it, your name on this machine")]
Numbers = Annotated[list[str] | None, typer.Argument(help="In E.164, as in +447400123456")]
NumberFile = Annotated[
    Path | None, typer.Option("--file", help="A file with one number in each line; - is standard input")
]
Why = Annotated[str, typer.Option(help="Up to 200 characters; shown with the number")]


# Import -----------------------------------------------------------------------------------------------------------------


@app.command("import")
def import_numbers(
    file: Annotated[Path, typer.Argument(help="CSV with a header row; - is standard input")],
    pool: Annotated[str, typer.Option(help="Where they go")],
    country: Annotated[str, typer.Option(help="Where the column is empty or missing, such as GB")] = "",
    type_: Annotated[
        str, typer.Option("--type", help="As above: mobile, virtual, fixed, toll-free or unknown")
    ] = "",
    contract: Annotated[str, typer.Option(help="As above: the contract's reference")] = "",
    consent: Annotated[str, typer.Option(help="As above: how the holder of the numbers agreed")] = "",
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all, write nothing")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Import nothing when one line is refused")] = False,
    errors: Annotated[Path | None, typer.Option(help="A CSV file for every refused line")] = None,
    as_json: AsJson = False,
) -> None:
    """Add numbers with their provenance. Safe to repeat: what is known stays as it is. Exit code 1 when a line is refused."""
    usual = {"country": country, "type": type_, "contract": contract, "consent": consent}
    with ExitStack() as stack:
        book = stack.enter_context(_Faults.kept(errors))
        db, context = stack.enter_context(installation(settings()))
        with db.transaction() as tx:
            _check_target(rules.pool(tx, pool))
        source = stack.enter_context(opened(None if str(file) == "-" else file, sys.stdin.buffer))
        job = Import(db, context.clock, pool, usual, _name_of(by), book.tell)
        report = job.look(source) if dry_run or strict else job.run(source)
        if strict and not dry_run and not report.refused:
            report = job.run(source)
        wrote = not dry_run and not (strict and report.refused)
        say(*_told(report, book.first, source.digest, wrote, as_json))
    raise typer.Exit(1 if report.refused else 0)


class _Faults:
    """The first refusals for the eye, all of them for a file."""

    def __init__(self, write: Callable[[list[object]], object] | None) -> None:
        self.first: list[Fault] = []
        self._write = write

    @classmethod
    @contextmanager
    def kept(cls, path: Path | None) -> Iterator[_Faults]:
        if path is None:
            yield cls(None)
            return
        with writable(path) as file:
            write = csv.writer(file).writerow
            write(["line", "code", "reason"])
            yield cls(write)

    def tell(self, fault: Fault) -> None:
        if len(self.first) < FAULTS_SHOWN:
            self.first.append(fault)
        if self._write:
            self._write([fault.at, fault.code, fault.words])


def _check_target(pool: Row) -> None:
    if pool.mode != "live":
        raise InvalidInput(f"{pool.slug} is a pool of the test side: real numbers go into live pools.")
    if pool.asks:
        raise InvalidInput(f"The supplier of {pool.slug} is asked for each number; it takes no imports.")


def _told(
    report: Report, faults: list[Fault], digest: bytes, wrote: bool, as_json: bool
) -> tuple[dict[str, Any], bool, str]:
    facts = {
        "written": wrote,
        "added": report.added,
        "known": report.known,
        "refused": report.refused,
        "file_sha256": digest.hex(),
        "faults": [{"line": fault.at, "code": fault.code, "reason": fault.words} for fault in faults],
    }
    verb = "added" if wrote else "would be added (nothing was written)"
    words = [f"{report.added} {verb}, {report.known} known, {report.refused} refused"]
    words += [f"line {fault.at}: {fault.words}" for fault in faults]
    if report.refused > len(faults):
        words.append(f"… and {report.refused - len(faults)} more; --errors FILE keeps all")
    return facts, as_json, "\n".join(words)


def _name_of(by: str | None) -> str:
    try:
        name = (by if by is not None else getpass.getuser()).strip()
    except (KeyError, OSError):
        name = ""
    if not 0 < len(name) <= 80 or not name.isprintable():
        fail("--by takes the name of who says so, 1 to 80 characters")
    return name


# Looking ----------------------------------------------------------------------------------------------------------------


@app.command("show")
def show_number(number: str, as_json: AsJson = False) -> None:
    """All that is known of a number: state, provenance, order, use."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        row = care.standing(tx, _e164(number))
        now = context.clock.now()
    facts = _standing(row, now)
    say(facts, as_json, "\n".join(f"{name:16} {shown(value)}" for name, value in facts.items()))


def _standing(row: Row, now: datetime) -> dict[str, Any]:
    return {
        "number": row.e164,
        "state": _state(row, now),
        "leaving": row.leaving,
        "available_at": instant(row.available_at),
        "reason": row.reason,
        "reason_by": row.reason_said_by,
        "reason_at": instant(row.reason_said_at),
        "pool": row.pool,
        "supplier": row.supplier,
        "country": row.country,
        "network": row.network or None,
        "type": row.type,
        "contract": row.contract,
        "consent": row.consent or None,
        "file_sha256": row.file_digest.hex() if row.file_digest else None,
        "said_by": row.said_by or None,
        "added_at": instant(row.added_at),
        "order": row.holder,
        "order_live": row.live,
        "burnt_services": row.burnt,
        "orders_30d": row.orders,
        "succeeded_30d": row.succeeded,
        "last_message_at": instant(row.message_at),
    }


def _state(row: Row, now: datetime) -> str:
    return "resting" if row.state == "free" and row.available_at > now else str(row.state)


@app.command("list")
def list_numbers(
    pool: PoolName = None,
    country: CountryName = None,
    state: Annotated[str | None, typer.Option(help="free, resting, leased, quarantined or retired")] = None,
    after: After = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Numbers in the order of their adding."""
    if state is not None and state not in care.STATES:
        fail(f"--state is one of {', '.join(care.STATES)}")
    with installation(settings()) as (db, context), db.transaction() as tx:
        now, start = context.clock.now(), _e164(after) if after else None
        if start:
            care.standing(tx, start)
        rows = care.listed(tx, _place(tx, pool, country), state=state, after=start, limit=limit, now=now)
    numbers = [
        {
            "number": row.e164,
            "state": _state(row, now),
            "leaving": row.leaving,
            "pool": row.pool,
            "country": row.country,
            "network": row.network or None,
        }
        for row in rows
    ]
    cursor = rows[-1].e164 if len(rows) == limit else None
    say({"numbers": numbers, "next": cursor}, as_json, rest(table(numbers, "no such numbers"), cursor))


@app.command("health")
def health(
    pool: PoolName = None,
    country: CountryName = None,
    dead: Annotated[
        bool, typer.Option("--dead", help="List numbers that were ordered often and never got a message")
    ] = False,
    least: Annotated[int, typer.Option(min=1, help="With --dead: from how many orders on")] = 5,
    after: After = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Per pool and country: how many are in which state, and how the orders of the last 7 days went."""
    with installation(settings()) as (db, context):
        with db.transaction() as tx:
            place = _place(tx, pool, country)
        if dead:
            key, none = "dead", "no number was ordered that often without any message"
            rows, cursor = _dead(db, place, least, after, limit)
        else:
            key, none = "health", "no numbers yet: onceline numbers import"
            with db.transaction() as tx:
                rows, cursor = _health(tx, place, context.clock.now(), after, limit)
    say({key: rows, "next": cursor}, as_json, rest(table(rows, none), cursor))


def _health(
    tx: Transaction, place: Place, now: datetime, after: str, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    pool, _, country = after.partition("/")
    counts = care.counts(tx, place, now=now, after=(pool, country), limit=limit)
    lately = care.lately(tx, place, now)
    rows = [_how(row, lately.get((row.pool, row.country))) for row in counts]
    return rows, f"{counts[-1].pool}/{counts[-1].country}" if len(counts) == limit else None


def _how(row: Row, lately: Row | None) -> dict[str, Any]:
    return {
        "pool": row.pool,
        "country": row.country,
        **{state: getattr(row, state) for state in care.STATES},
        "orders_7d": lately.closed if lately else 0,
        "success_7d": f"{lately.succeeded * 100 // lately.closed}%" if lately else None,
        "last_message_at": instant(lately.message_at) if lately else None,
    }


def _dead(
    db: Database, place: Place, least: int, after: str, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    if not re.fullmatch(r"[0-9]{0,9}", after):
        fail("--after is what the page before ended with: a row number")
    found: list[Row] = []
    at: int | None = int(after or 0)
    while at is not None and len(found) < limit:
        with db.transaction() as tx:
            some, at = care.silent(tx, place, least=least, after=at)
        found += some
    rows = [
        {
            "number": row.e164,
            "state": row.state,
            "pool": row.pool,
            "country": row.country,
            "orders_30d": row.orders,
        }
        for row in found[:limit]
    ]
    return rows, str(found[limit - 1].id) if len(found) >= limit else None


# Out of use and back ----------------------------------------------------------------------------------------------------


@app.command("quarantine")
def quarantine(
    reason: Why, numbers: Numbers = None, file: NumberFile = None, by: By = None, as_json: AsJson = False
) -> None:
    """Take numbers out of use until they are released; leased ones when their orders end. Exit code 1 when one is left alone."""
    _take_out(care.QUARANTINED, reason, by, numbers, file, as_json)


@app.command("retire")
def retire(
    reason: Why, numbers: Numbers = None, file: NumberFile = None, by: By = None, as_json: AsJson = False
) -> None:
    """Never use numbers again; leased ones when their orders end. Exit code 1 when one is left alone."""
    _take_out(care.RETIRED, reason, by, numbers, file, as_json)


@app.command("release")
def release(numbers: Numbers = None, file: NumberFile = None, as_json: AsJson = False) -> None:
    """End the quarantine of numbers: free after what is left of their rest. Exit code 1 when one is left alone."""
    _each("released", lambda tx, some, _: care.take_back(tx, some), numbers, file, as_json)


def _take_out(
    target: str, reason: str, by: str | None, numbers: list[str] | None, file: Path | None, as_json: bool
) -> None:
    why = Reason(reason, _name_of(by))
    _each(target, lambda tx, some, now: care.take_out(tx, some, target, why, now), numbers, file, as_json)


def _each(
    verb: str,
    step: Callable[[Transaction, list[str], datetime], Taken],
    numbers: list[str] | None,
    file: Path | None,
    as_json: bool,
) -> None:
    named = iter(_named(numbers or [], file))
    left: dict[str, str] = {}
    done = later = 0
    with installation(settings()) as (db, context):
        while some := list(itertools.islice(named, BATCH)):
            with db.transaction() as tx:
                taken = step(tx, some, context.clock.now())
            left |= taken.left_alone
            done += taken.done
            later += taken.later
    words = [f"{done} {verb}", *(f"{number} left alone: {why}" for number, why in left.items())]
    words[0] += f", of which {later} when their orders end" if later else ""
    alone = [{"number": number, "reason": why} for number, why in left.items()]
    say({verb: done, "when_orders_end": later, "left_alone": alone}, as_json, "\n".join(words))
    raise typer.Exit(1 if left else 0)


def _named(numbers: list[str], file: Path | None) -> Iterable[str]:
    """Each once, in the order of naming."""
    found = dict.fromkeys(map(_e164, numbers))
    if file is not None:
        with opened(None if str(file) == "-" else file, sys.stdin.buffer) as source:
            source.file.seek(0)
            texts = (line.decode("utf-8-sig", "replace").strip() for line in lines_of(source.file))
            found |= dict.fromkeys(
                _e164(text) for text in itertools.islice(filter(None, texts), MOST_NAMED + 1)
            )
    if not 0 < len(found) <= MOST_NAMED:
        fail(f"name 1 to {MOST_NAMED} numbers, as arguments or with --file")
    return found


def _e164(text: str) -> str:
    """Spaces between digits are forgiven. Raises InvalidInput."""
    return parse_e164("".join(text.split()))


def _place(tx: Transaction, pool: str | None, country: str | None) -> Place:
    if pool is not None:
        rules.pool(tx, pool)
    return Place(pool, country.upper() if country else None)
