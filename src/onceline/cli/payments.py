"""Commands for processors of payments: configured, looked at, checked; what they said that fits nothing of ours; refunds that
wait for a person.

A secret is read from standard input, never from the command line. No command prints one, and none takes an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

import typer

from onceline.cli.supplier_settings import (
    described,
    from_file,
    kind_words,
    secret_names,
    secret_value,
    validated,
)
from onceline.cli.suppliers import SecretNames, Sets, SettingsFile
from onceline.cli.terminal import After, AsJson, Limit, fail, instant, rest, say, settings, table
from onceline.core.db import Row
from onceline.core.deposits import refunds
from onceline.core.deposits.refunds import Refund
from onceline.core.deposits.staff import folded
from onceline.core.errors import NotFound
from onceline.core.money import format_amount, parse_amount
from onceline.core.processors import store
from onceline.core.processors.store import Figures
from onceline.payments.base import ProcessorAway, ProcessorRefused
from onceline.payments.configured import Entry, Shelf, callback_url
from onceline.payments.registry import KINDS, Kind, Surroundings
from onceline.payments.till import Till
from onceline.wiring import installation

app = typer.Typer(no_args_is_help=True, help="Processors of payments: configure, look at, check.")
refunds_app = typer.Typer(no_args_is_help=True, help="Deposits that are to go back.")

Amount = Annotated[str | None, typer.Option(help="Decimal text, in the books' currency")]
Percent = Annotated[str | None, typer.Option(help="Of the amount, such as 2.9")]
Staff = Annotated[str, typer.Option(help="Who does this")]
RefundId = Annotated[str, typer.Argument(metavar="ID", help="Of the refund: rfd_…")]
LEAST, MOST = 5_000_000, 500_000_000
"""Bounds of a deposit when none are told."""
_PPM_OF_A_PERCENT = 100
_UNREACHABLE = "set ONCELINE_PUBLIC_URL: without it nobody can call us, and payments are found by asking"
_FOR_CALLS = "webhook_secret"
"""The one secret without which a processor works, but for its calls to us; any other that it needs it says itself."""
_REPORT = timedelta(minutes=5)


# What can be configured ---------------------------------------------------------------------------------------------------


@app.command("kinds")
def kinds(as_json: AsJson = False) -> None:
    """Kinds of processors, with the settings and secrets of each."""
    facts = [_described(kind) for kind in KINDS.values()]
    say({"kinds": facts}, as_json, "\n\n".join(map(_kind_words, facts)))


def _described(kind: Kind) -> dict[str, Any]:
    return described(kind) | {"modes": list(kind.modes), "refunds": kind.refunds.value}


def _kind_words(facts: Mapping[str, Any]) -> str:
    first, *others = kind_words(facts).split("\n")
    return "\n".join([f"{first}: {' or '.join(facts['modes'])} money, refunds: {facts['refunds']}", *others])


# Configuring --------------------------------------------------------------------------------------------------------------


@app.command("add")
def add(
    name: str,
    kind: Annotated[str, typer.Option(help="One that `onceline payments kinds` lists")],
    mode: Annotated[Literal["test", "live"], typer.Option(help="Which side's deposits it takes")],
    least: Amount = None,
    most: Amount = None,
    fee: Amount = None,
    fee_percent: Percent = None,
    bonus_percent: Percent = None,
    set_: Sets = None,
    file: SettingsFile = None,
    secret: SecretNames = None,
    as_json: AsJson = False,
) -> None:
    """Configure a processor; deposits can be begun at once, and `check` says what is missing."""
    known = _known(kind)
    if mode not in known.modes:
        fail(f"{kind} takes {' or '.join(known.modes)} money only")
    given = validated(known, from_file(file), set_ or [])
    figures = _figures(Figures(LEAST, MOST, 0, 0, 0), least, most, fee, fee_percent, bonus_percent)
    secrets = {one: secret_value(one) for one in secret_names(known, secret or [])}
    ours = settings()
    with installation(ours) as (db, context), db.transaction() as tx:
        now = context.clock.now()
        store.add(tx, name, kind, mode, given, figures, now)
        for one, value in secrets.items():
            store.set_secret(tx, context.vault, name, one, value, now)
    url = callback_url(ours.public_url, name) if known.calls else None
    words = [f"processor {name} is there", *([f"it has to call {url}"] if url else [])]
    words += [f"not set: secret {one} ({what})" for one, what in known.secrets.items() if one not in secrets]
    words += [_UNREACHABLE] if known.calls and not url else []
    say({"processor": name, "kind": kind, "mode": mode, "url": url}, as_json, "\n".join(words))


@app.command("set")
def change(
    name: str,
    least: Amount = None,
    most: Amount = None,
    fee: Amount = None,
    fee_percent: Percent = None,
    bonus_percent: Percent = None,
    set_: Sets = None,
    file: SettingsFile = None,
) -> None:
    """Change what it costs and its settings; what is not named stays. Deposits that were begun keep what they were begun with."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        record = store.record(tx, name)
        start = from_file(file) if file else dict(record.settings)
        given = validated(_known(record.kind), start, set_ or [])
        figures = _figures(store.figures_of(record), least, most, fee, fee_percent, bonus_percent)
        store.change(tx, name, given, figures)
    typer.echo(f"processor {name} is changed")


@app.command("secret")
def secret(
    processor: str, name: Annotated[str, typer.Argument(help="Which secret, as `payments kinds` names it")]
) -> None:
    """Set a secret, read from standard input; it takes the place of the one before."""
    with installation(settings()) as (db, context):
        with db.transaction() as tx:
            secret_names(_known(store.record(tx, processor).kind), [f"{name}=-"])
        value = secret_value(name)
        with db.transaction() as tx:
            store.set_secret(tx, context.vault, processor, name, value, context.clock.now())
    typer.echo(f"secret {name} of {processor} is set")


@app.command("enable")
def enable(name: str) -> None:
    """Begin deposits with it."""
    _set_enabled(name, True)


@app.command("disable")
def disable(name: str) -> None:
    """Begin no more deposits with it; those begun before are credited and sent back all the same."""
    _set_enabled(name, False)


def _set_enabled(name: str, enabled: bool) -> None:
    with installation(settings()) as (db, _), db.transaction() as tx:
        store.set_enabled(tx, name, enabled)
    typer.echo(f"processor {name} is {'enabled' if enabled else 'disabled'}")


def _known(kind: str) -> Kind:
    if kind not in KINDS:
        fail(f"{kind!r} is no kind; there are {', '.join(sorted(KINDS))}")
    return KINDS[kind]


def _figures(start: Figures, *texts: str | None) -> Figures:
    """Those that were told, and the others as they are. Raises InvalidInput."""
    amounts = [None if text is None else parse_amount(text) for text in texts]
    scales = (1, 1, 1, _PPM_OF_A_PERCENT, _PPM_OF_A_PERCENT)
    if any(amount is not None and amount % scale for amount, scale in zip(amounts, scales, strict=True)):
        fail("a percentage has four decimals at most")
    told = [None if one is None else one // scale for one, scale in zip(amounts, scales, strict=True)]
    return Figures(*(old if new is None else new for old, new in zip(start, told, strict=True)))


# Looking ------------------------------------------------------------------------------------------------------------------


@app.command("list")
def list_processors(as_json: AsJson = False) -> None:
    """Processors by name, with what they cost."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        rows = [_record(row) for row in store.records(tx)]
    say({"processors": rows}, as_json, table(rows, "no processors yet: onceline payments kinds, then add"))


def _record(row: Row) -> dict[str, Any]:
    return {
        "processor": row.name,
        "kind": row.kind,
        "mode": row.mode,
        "enabled": row.enabled,
        "least": format_amount(row.least),
        "most": format_amount(row.most),
        "fee": format_amount(row.fee),
        "fee_percent": format_amount(row.fee_ppm * _PPM_OF_A_PERCENT),
        "bonus_percent": format_amount(row.bonus_ppm * _PPM_OF_A_PERCENT),
    }


@app.command("check")
def check(
    name: Annotated[str | None, typer.Argument(help="This processor alone")] = None, as_json: AsJson = False
) -> None:
    """Say per processor what works and what does not, and ask it for its latest report; exit code 1 when something does not."""
    ours = settings()
    with installation(ours) as (db, context):
        shelf = Shelf(Surroundings(db, context.clock), context, ours.public_url)
        found = {one.name: one for one in shelf.entries().values() if name in (None, one.name)}
        if name is not None and name not in found:
            raise NotFound("processor", name)
        with db.transaction() as tx:
            set_ = {(row.processor, row.name) for row in store.secret_rows(tx)}
        until = context.clock.now()
        facts = [_checked(one, set_, ours.public_url, until) for one in found.values()]
    ok = all(one["ok"] for one in facts)
    words = [f"{one['processor']}: {'ok' if one['ok'] else '; '.join(one['faults'])}" for one in facts]
    say({"ok": ok, "processors": facts}, as_json, "\n".join(words) or "no processors yet")
    raise typer.Exit(0 if ok else 1)


def _missing(entry: Entry, set_: set[tuple[str, str]]) -> list[str]:
    """Secrets that are not set, but for those that its settings make needless, and the one that its fault misses."""
    assert entry.kind is not None
    unset = [one for one in entry.kind.secrets if (entry.name, one) not in set_]
    told = [one for one in unset if f"secret {one} is not set" not in entry.fault]
    return [one for one in told if entry.processor is None or one == _FOR_CALLS]


def _checked(entry: Entry, set_: set[tuple[str, str]], public_url: str | None, until: Any) -> dict[str, Any]:
    faults = [entry.fault] if entry.fault else []
    if entry.kind is not None:
        faults += [f"secret {one} is not set ({entry.kind.secrets[one]})" for one in _missing(entry, set_)]
        faults += [_UNREACHABLE] if entry.kind.calls and not public_url else []
    if entry.processor is not None:
        try:
            entry.processor.report(until - _REPORT, until)
        except (ProcessorAway, ProcessorRefused) as fault:
            faults.append(f"its report cannot be read: {fault}")
    url = callback_url(public_url, entry.name) if entry.kind and entry.kind.calls else None
    return {"processor": entry.name, "enabled": entry.enabled, "url": url, "ok": not faults, "faults": faults}


# What fits nothing of ours ------------------------------------------------------------------------------------------------


@app.command("exceptions")
def exceptions(
    all_: Annotated[bool, typer.Option("--all", help="Also those that somebody resolved")] = False,
    after: After = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Money, or a word of a processor, that fits nothing of ours: newest first."""
    if after and not after.isdecimal():
        fail("--after is the number of an exception")
    with installation(settings()) as (db, _), db.transaction() as tx:
        found = store.exceptions(tx, resolved=all_, before=int(after) if after else None, limit=limit)
    rows = [_exception(row) for row in found]
    cursor = str(found[-1].id) if len(found) == limit else None
    say({"exceptions": rows, "next": cursor}, as_json, rest(table(rows, "nothing to look at"), cursor))


@app.command("resolve")
def resolve(
    exception: Annotated[int, typer.Argument(metavar="NUMBER", help="As `exceptions` says")], staff: Staff
) -> None:
    """Somebody looked into it. Said by the processor again, it opens anew."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        store.resolve(tx, exception, folded(staff), context.clock.now())
    typer.echo(f"exception {exception} is resolved")


@app.command("credit")
def credit(
    deposit: Annotated[str, typer.Argument(metavar="DEPOSIT", help="As `exceptions` says")], staff: Staff
) -> None:
    """What came of a deposit that waits for your look: as much as its processor says now. Its exceptions are resolved with it."""
    ours = settings()
    with installation(ours) as (db, context):
        found = Till(db, context, ours.public_url).credit_by_hand(deposit, folded(staff))
    typer.echo(f"{format_amount(found.credited or 0)} of {deposit} is credited")


def _exception(row: Row) -> dict[str, Any]:
    return {
        "number": row.id,
        "processor": row.method,
        "what": row.code,
        "object": row.object_id,
        "deposit": row.deposit,
        "amount": None if row.amount is None else format_amount(row.amount),
        "currency": row.currency,
        "times": row.times,
        "first_at": instant(row.first_at),
        "last_at": instant(row.last_at),
        "resolved_by": row.resolved_by,
    }


# Refunds ------------------------------------------------------------------------------------------------------------------


@refunds_app.command("list")
def list_refunds(
    all_: Annotated[bool, typer.Option("--all", help="Also those that wait for nobody")] = False,
    after: After = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Refunds that wait for a person's word, newest first."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        found = store.refunds(tx, ended=all_, before=after or None, limit=limit)
    rows = [_refund_row(row) for row in found]
    cursor = str(found[-1].id) if len(found) == limit else None
    words = [row | {"approved_by": ", ".join(row["approved_by"])} for row in rows]
    say({"refunds": rows, "next": cursor}, as_json, rest(table(words, "no refund waits"), cursor))


@refunds_app.command("ask")
def ask(
    deposit: Annotated[str, typer.Argument(metavar="DEPOSIT", help="dep_…")],
    staff: Staff,
    as_json: AsJson = False,
) -> None:
    """Send a whole, unspent deposit back to where it came from, by the same rule as its owner. Above the limit two others must agree."""
    ours = settings()
    with installation(ours) as (db, context):
        till = Till(db, context, ours.public_url, ours.deposit_limits)
        _say_state(till.send_back(None, deposit, folded(staff)), as_json)


@refunds_app.command("approve")
def approve(refund: RefundId, staff: Staff, as_json: AsJson = False) -> None:
    """One person's yes. It takes two, and neither of them is who asked for it as staff; then it is sent."""
    ours = settings()
    with installation(ours) as (db, context), db.transaction() as tx:
        approvals = ours.deposit_limits.approvals(refunds.refund(tx, refund).amount) or 1
        found = refunds.approve(tx, refund, folded(staff), context.clock.now(), approvals=approvals)
    _say_state(found, as_json)


@refunds_app.command("decline")
def decline(
    refund: RefundId,
    staff: Staff,
    reason: Annotated[str, typer.Option(help="Kept with the refund; the account's export has it")] = "",
    as_json: AsJson = False,
) -> None:
    """A no, while it was not sent: the money is available again."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        found = refunds.decline(tx, refund, folded(staff), reason, context.clock.now())
    _say_state(found, as_json)


def _say_state(found: Refund, as_json: bool) -> None:
    facts = {"refund": found.id, "state": found.state, "approved_by": found.approved_by}
    missing = "another person's yes" if found.approved_by else "two persons' yes"
    state = f"waits for {missing}" if found.state == "asked" else f"is {found.state}"
    say(facts, as_json, f"{found.id} {state}")


def _refund_row(row: Row) -> dict[str, Any]:
    return {
        "refund": row.id,
        "state": row.state,
        "deposit": row.deposit,
        "processor": row.method,
        "mode": row.mode,
        "account": row.account,
        "amount": format_amount(row.amount),
        "asked_by": row.asked_by,
        "approved_by": list(row.approved_by),
        "asked_at": instant(row.asked_at),
        "declined_by": row.declined_by,
        "reason": row.reason,
    }
