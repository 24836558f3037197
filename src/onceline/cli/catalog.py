"""Commands for what is on sale: pools, and the rules that price them."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from onceline.cli.csv_lines import LineRefused, lines_of, read_header
from onceline.cli.inventory_import import opened
from onceline.cli.terminal import After, AsJson, Limit, fail, rest, say, settings, table
from onceline.core.catalog import rules
from onceline.core.catalog.rules import EVERY, Rule, RuleFilter
from onceline.core.catalog.store import Pool
from onceline.core.db import Row
from onceline.core.errors import InvalidInput
from onceline.core.inventory import care
from onceline.core.money import format_amount, parse_amount
from onceline.core.suppliers import store as suppliers
from onceline.suppliers.registry import KINDS
from onceline.wiring import installation

pools_app = typer.Typer(no_args_is_help=True, help="Pools: priced groups of numbers of one supplier.")
prices_app = typer.Typer(no_args_is_help=True, help="Prices: what each pool asks.")

MOST_RULES = 100_000
FAULTS_SHOWN = 100
COLUMNS = ("pool", "kind", "service", "country", "duration", "amount")
_PAGE = 1000
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"([1-9][0-9]{0,7})([smhd])")
_PER_CENT = re.compile(r"([+-])([0-9]{1,4})(?:\.([0-9]{1,2}))?%")

PoolName = Annotated[str, typer.Option("--pool", help="Which pool")]
AnyPool = Annotated[str | None, typer.Option("--pool", help="Of this pool alone")]
Services = Annotated[
    list[str] | None, typer.Option("--service", help="May be given several times; * is the rule for the rest")
]
Countries = Annotated[list[str] | None, typer.Option("--country", help="As --service, such as GB")]
KindName = Annotated[str | None, typer.Option("--kind", help="activation or rental")]
Duration = Annotated[str | None, typer.Option("--duration", help="Of a rental, such as 4h or 30d")]


# Pools ------------------------------------------------------------------------------------------------------------------


@pools_app.command("add")
def add_pool(
    slug: str,
    supplier: Annotated[str, typer.Option(help="Whose numbers: a supplier's name")],
    name: Annotated[
        str | None, typer.Option(help="What customers read; the slug when it is left out")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """A new pool of the live side; what its supplier's kind demands, holds for it."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        kind = KINDS.get(suppliers.record(tx, supplier).kind)
        if kind is None:
            fail(f"this version knows no kind of supplier as {supplier} has")
        pool = Pool(slug, name or slug, supplier, "live", asks=kind.asks, tells=kind.orders is not None)
        rules.add_pool(tx, pool)
    facts = {"pool": slug, "supplier": supplier, "asks": pool.asks, "tells": pool.tells}
    say(facts, as_json, f"pool {slug} is there; it sells once it has numbers and a price")


@pools_app.command("list")
def list_pools(after: After = "", limit: Limit = 100, as_json: AsJson = False) -> None:
    """Pools by slug, with how many numbers are in which state."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        rows = rules.every_pool(tx, after=after, limit=limit)
        counts = care.pool_counts(tx, [row.slug for row in rows], context.clock.now())
    pools = [_pool(row) | counts[row.slug] for row in rows]
    cursor = rows[-1].slug if len(rows) == limit else None
    say(
        {"pools": pools, "next": cursor},
        as_json,
        rest(table(pools, "no pools yet: onceline pools add"), cursor),
    )


@pools_app.command("enable")
def enable_pool(slug: str) -> None:
    """Sell from this pool."""
    _set_enabled(slug, True)


@pools_app.command("disable")
def disable_pool(slug: str) -> None:
    """Sell nothing more from this pool; its live orders go on to their end."""
    _set_enabled(slug, False)


def _pool(row: Row) -> dict[str, Any]:
    return {
        "pool": row.slug,
        "name": row.name,
        "supplier": row.supplier,
        "mode": row.mode,
        "enabled": row.enabled,
        "asks": row.asks,
    }


def _set_enabled(slug: str, enabled: bool) -> None:
    with installation(settings()) as (db, _), db.transaction() as tx:
        rules.enable_pool(tx, slug, enabled)
    typer.echo(f"pool {slug} is {'enabled' if enabled else 'disabled'}")


# Prices -----------------------------------------------------------------------------------------------------------------


@prices_app.command("set")
def set_prices(
    pool: PoolName,
    amount: Annotated[str, typer.Option(help="Such as 0.25, in the installation's currency")],
    service: Services = None,
    country: Countries = None,
    kind: KindName = None,
    duration: Duration = None,
    as_json: AsJson = False,
) -> None:
    """Price a pool: for services and countries, or for all that have no rule of their own."""
    seconds = _seconds(duration)
    price, named = parse_amount(amount), kind or (rules.RENTAL if seconds else rules.ACTIVATION)
    made = [
        Rule(pool, named, one, place, seconds or 0, price)
        for one in service or [EVERY]
        for place in _upper(country) or [EVERY]
    ]
    if len(made) > MOST_RULES:
        fail(f"at most {MOST_RULES} rules at once")
    with installation(settings()) as (db, _), db.transaction() as tx:
        rules.set_rules(tx, made)
    say({"set": len(made)}, as_json, f"{len(made)} prices set in {pool}")


@prices_app.command("list")
def list_prices(
    pool: AnyPool = None,
    service: Services = None,
    country: Countries = None,
    kind: KindName = None,
    duration: Duration = None,
    after: Annotated[int, typer.Option(min=0, help="Go on after this rule: the last of the page before")] = 0,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Rules in the order of their making; * holds for all that have no rule of their own."""
    wanted = _filter(pool, service, country, kind, duration)
    with installation(settings()) as (db, _), db.transaction() as tx:
        if pool is not None:
            rules.pool(tx, pool)
        rows = rules.rules(tx, wanted, after=after, limit=limit)
    prices = [{"id": row.id} | _rule(row) for row in rows]
    cursor = str(rows[-1].id) if len(rows) == limit else None
    say(
        {"prices": prices, "next": cursor},
        as_json,
        rest(table(prices, "no prices: onceline prices set"), cursor),
    )


@prices_app.command("change")
def change_prices(
    pool: PoolName,
    by: Annotated[str, typer.Option(help="Per cent, such as +10% or -2.5%; rounded up to 4 places")],
    service: Services = None,
    country: Countries = None,
    kind: KindName = None,
    duration: Duration = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, write nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Change all prices of a pool, or those that the options name."""
    wanted = _filter(pool, service, country, kind, duration)
    with installation(settings()) as (db, _), db.transaction() as tx:
        done = rules.change(tx, wanted, _factor(by), write=not dry_run)
    before, after = ([format_amount(amount) for amount in pair] for pair in (done.before, done.after))
    facts = {
        "written": not dry_run,
        "changed": done.count,
        "lowest": {"before": before[0], "after": after[0]},
        "highest": {"before": before[1], "after": after[1]},
    }
    verb = "would change (nothing was written)" if dry_run else "changed"
    words = f"{done.count} prices {verb}: lowest {before[0]} → {after[0]}, highest {before[1]} → {after[1]}"
    say(facts, as_json, words if done.count else "no such prices")


@prices_app.command("drop")
def drop_prices(
    pool: PoolName,
    service: Services = None,
    country: Countries = None,
    kind: KindName = None,
    duration: Duration = None,
    every: Annotated[bool, typer.Option("--all", help="All prices of the pool")] = False,
    as_json: AsJson = False,
) -> None:
    """Take rules away; what they priced falls back to a more general rule, or is not sold."""
    if every == any((service, country, kind, duration)):
        fail("name which prices by --service, --country, --kind or --duration, or --all of them")
    with installation(settings()) as (db, _), db.transaction() as tx:
        dropped = rules.drop(tx, _filter(pool, service, country, kind, duration))
    say({"dropped": dropped}, as_json, f"{dropped} prices dropped from {pool}")


@prices_app.command("export")
def export_prices(pool: AnyPool = None) -> None:
    """Write all rules as CSV to standard output, as `prices import` reads them."""
    write = csv.writer(sys.stdout, lineterminator="\n").writerow
    write(COLUMNS)
    last = 0
    with installation(settings()) as (db, _):
        while True:
            with db.transaction() as tx:
                if pool is not None:
                    rules.pool(tx, pool)
                rows = rules.rules(tx, RuleFilter(pool), after=last, limit=_PAGE)
            for row in rows:
                write(list(_rule(row).values()))
            if len(rows) < _PAGE:
                return
            last = rows[-1].id


@prices_app.command("import")
def import_prices(
    file: Annotated[Path, typer.Argument(help="CSV with a header row; - is standard input")],
    pool: Annotated[str, typer.Option(help="Where the column is empty or missing")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all, write nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Set prices from a file: all of it, or nothing when one line is refused (exit code 1)."""
    with opened(None if str(file) == "-" else file, sys.stdin.buffer) as source:
        source.file.seek(0)
        made, faults = _read(lines_of(source.file), pool)
    with installation(settings()) as (db, _), db.transaction() as tx:
        refused = rules.refusals(tx, list(made.values()))
        faults |= {at: refused[place].detail for place, at in enumerate(made) if place in refused}
        if not faults and not dry_run:
            rules.set_rules(tx, list(made.values()))
    wrote = not faults and not dry_run
    shown = [{"line": at, "reason": why} for at, why in sorted(faults.items())[:FAULTS_SHOWN]]
    verb = "set" if wrote else "read, nothing was written"
    words = [f"{len(made)} prices {verb}", *(f"line {one['line']}: {one['reason']}" for one in shown)]
    facts = {"written": wrote, "prices": len(made), "refused": len(faults), "faults": shown}
    say(facts, as_json, "\n".join(words))
    raise typer.Exit(1 if faults else 0)


def _read(lines: Iterator[bytes], pool: str) -> tuple[dict[int, Rule], dict[int, str]]:
    """Rules and faults by their lines. Raises InvalidInput: no header, too many lines."""
    header = read_header(next(lines, b""), ("amount", *COLUMNS[:-1]))
    made: dict[int, Rule] = {}
    faults: dict[int, str] = {}
    for at, raw in enumerate(lines, start=2):
        if not raw.strip():
            continue
        try:
            made[at] = _rule_of(header.fields(raw), pool)
        except LineRefused as refused:
            faults[at] = refused.words
        except InvalidInput as refusal:
            faults[at] = refusal.detail
        if len(made) + len(faults) > MOST_RULES:
            raise InvalidInput(f"A file has at most {MOST_RULES} prices: split it.")
    return made, faults


def _rule_of(fields: dict[str, str], pool: str) -> Rule:
    seconds = _seconds(fields.get("duration") or None) or 0
    return Rule(
        pool=fields.get("pool") or pool,
        kind=fields.get("kind") or (rules.RENTAL if seconds else rules.ACTIVATION),
        service=fields.get("service") or EVERY,
        country=(fields.get("country") or EVERY).upper(),
        duration_s=seconds,
        amount=parse_amount(fields["amount"]),
    )


def _rule(row: Row) -> dict[str, Any]:
    """As a row of the CSV."""
    return {
        "pool": row.pool,
        "kind": row.kind,
        "service": row.service,
        "country": row.country,
        "duration": _duration(row.duration_s),
        "amount": format_amount(row.amount),
    }


def _filter(
    pool: str | None,
    services: list[str] | None,
    countries: list[str] | None,
    kind: str | None,
    duration: str | None,
) -> RuleFilter:
    if kind not in (None, rules.ACTIVATION, rules.RENTAL):
        fail("--kind is activation or rental")
    return RuleFilter(pool, kind, services or None, _upper(countries) or None, _seconds(duration))


def _upper(countries: list[str] | None) -> list[str]:
    return [one.upper() for one in countries or ()]


def _seconds(duration: str | None) -> int | None:
    """Raises InvalidInput."""
    if duration is None:
        return None
    found = _DURATION.fullmatch(duration)
    if not found:
        raise InvalidInput(f"{duration[:16]!r} is no duration: write it as 4h or 30d.")
    return int(found[1]) * _UNITS[found[2]]


def _duration(seconds: int) -> str:
    unit = next(unit for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds // _UNITS[unit]}{unit}" if seconds else ""


def _factor(by: str) -> int:
    """Ten-thousandths. Raises InvalidInput."""
    found = _PER_CENT.fullmatch(by)
    if not found:
        raise InvalidInput(f"{by[:16]!r} is no change: write per cent with a sign, such as +10% or -2.5%.")
    parts = int(found[2]) * 100 + int((found[3] or "").ljust(2, "0"))
    return rules.PARTS + (parts if found[1] == "+" else -parts)
