"""Commands for suppliers: what can be configured, what is, and per supplier what works.

A secret is read from standard input, without echo on a terminal; never from the command line, which other users of the
machine and the shell's history can read. No command prints one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from onceline.cli import selftests
from onceline.cli.supplier_check import ALERTS_FOR, age, check_suppliers
from onceline.cli.supplier_settings import (
    described,
    from_file,
    kind_words,
    known_kind,
    secret_names,
    secret_value,
    validated,
)
from onceline.cli.terminal import AsJson, Limit, fail, instant, rest, say, settings, shown, table
from onceline.core.db import Row, Transaction
from onceline.core.suppliers import store
from onceline.suppliers.base import Kind
from onceline.suppliers.configured import inlet_url
from onceline.suppliers.registry import KINDS
from onceline.wiring import installation

app = typer.Typer(no_args_is_help=True, help="Suppliers: configure, look at, check.")
secret_app = typer.Typer(
    no_args_is_help=True, help="Secrets of a supplier; several of one name may be active."
)
app.add_typer(secret_app, name="secret")
app.add_typer(selftests.app, name="selftest")

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value, again and again; a value may be JSON, as in binds=2 or list=[1]"),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="A JSON object with all settings, instead of or before --set"),
]
SecretNames = Annotated[
    list[str] | None, typer.Option("--secret", help="name=-: its value is the next line of standard input")
]


# What can be configured ---------------------------------------------------------------------------------------------------


@app.command("kinds")
def kinds(
    kind: Annotated[str | None, typer.Argument(help="This one alone")] = None, as_json: AsJson = False
) -> None:
    """Kinds of suppliers, with the settings and secrets of each."""
    chosen = [known_kind(kind)] if kind else list(KINDS.values())
    facts = [described(one) for one in chosen]
    say({"kinds": facts}, as_json, "\n\n".join(map(kind_words, facts)) or "this version knows no kind")


# Configuring --------------------------------------------------------------------------------------------------------------


@app.command("add")
def add(
    name: str,
    kind: Annotated[str, typer.Option(help="One that `onceline suppliers kinds` lists")],
    set_: Sets = None,
    file: SettingsFile = None,
    secret: SecretNames = None,
    as_json: AsJson = False,
) -> None:
    """Configure a supplier; it serves at once, and `check` says what is missing."""
    known = known_kind(kind)
    given = validated(known, from_file(file), set_ or [])
    secrets = {one: secret_value(one) for one in secret_names(known, secret or [])}
    ours = settings()
    with installation(ours) as (db, context), db.transaction() as tx:
        now = context.clock.now()
        store.add(tx, context.vault, name, kind, given, now)
        for one, value in secrets.items():
            store.add_secret(tx, context.vault, name, one, value, now)
    url = inlet_url(ours.public_url, name) if known.inlet else None
    words = [f"supplier {name} is there", *([f"it calls {url}"] if url else [])]
    words += [
        f"not set: secret {one} ({known.secrets[one]})" for one in known.secrets.keys() - secrets.keys()
    ]
    say({"supplier": name, "kind": kind, "url": url}, as_json, "\n".join(words))


@app.command("set")
def change(
    name: str,
    set_: Sets = None,
    file: SettingsFile = None,
    unset: Annotated[
        list[str] | None, typer.Option(help="Back to the default; may be given several times")
    ] = None,
) -> None:
    """Change settings; those that are not named stay, unless --settings gives all anew."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        record = store.record(tx, name)
        start = from_file(file) if file else dict(record.settings)
        for key in unset or []:
            if start.pop(key, None) is None:
                fail(f"{key} is not set")
        store.change(tx, name, validated(known_kind(record.kind), start, set_ or []))
    typer.echo(f"supplier {name} is changed")


@app.command("enable")
def enable(name: str) -> None:
    """Serve this supplier."""
    _set_enabled(name, True)


@app.command("disable")
def disable(name: str) -> None:
    """Serve it no more: its inlet refuses, its sessions end. Its pools go on selling unless they are disabled too."""
    _set_enabled(name, False)


def _set_enabled(name: str, enabled: bool) -> None:
    with installation(settings()) as (db, _), db.transaction() as tx:
        store.set_enabled(tx, name, enabled)
    typer.echo(f"supplier {name} is {'enabled' if enabled else 'disabled'}")


# Secrets ------------------------------------------------------------------------------------------------------------------


@secret_app.command("add")
def add_secret(
    supplier: str, name: Annotated[str, typer.Argument(help="Which secret, as `suppliers kinds` names it")]
) -> None:
    """One more active secret, read from standard input: both old and new are good until the old one is dropped."""
    with installation(settings()) as (db, context):
        with db.transaction() as tx:
            secret_names(known_kind(store.record(tx, supplier).kind), [f"{name}=-"])
        value = secret_value(name)
        with db.transaction() as tx:
            made = store.add_secret(tx, context.vault, supplier, name, value, context.clock.now())
    typer.echo(f"secret {name} of {supplier} is number {made}")


@secret_app.command("list")
def list_secrets(supplier: str, as_json: AsJson = False) -> None:
    """Names, numbers and ages; never values."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        store.record(tx, supplier)
        rows = [_secret(row, context.clock.now()) for row in store.secret_rows(tx, supplier)]
    say({"secrets": rows}, as_json, table(rows, f"{supplier} has no secrets"))


@secret_app.command("drop")
def drop_secret(supplier: str, number: Annotated[int, typer.Argument(help="As `secret list` says")]) -> None:
    """What was made with this secret is not believed any more."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        store.drop_secret(tx, supplier, number)
    typer.echo(f"secret {number} of {supplier} is gone")


def _secret(row: Row, now: Any) -> dict[str, Any]:
    return {
        "number": row.id,
        "name": row.name,
        "age": age(now - row.made_at),
        "made_at": instant(row.made_at),
    }


# Looking ------------------------------------------------------------------------------------------------------------------


@app.command("list")
def list_suppliers(as_json: AsJson = False) -> None:
    """Suppliers by name."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        rows = [{"supplier": row.name, "kind": row.kind, "enabled": row.enabled} for row in store.records(tx)]
    say({"suppliers": rows}, as_json, table(rows, "no suppliers yet: onceline suppliers kinds, then add"))


@app.command("show")
def show(name: str, as_json: AsJson = False) -> None:
    """Settings, which secrets there are, and the address to enter at the other side."""
    ours = settings()
    with installation(ours) as (db, context), db.transaction() as tx:
        record = store.record(tx, name)
        secrets = [_secret(row, context.clock.now()) for row in store.secret_rows(tx, name)]
    kind = KINDS.get(record.kind)
    url = inlet_url(ours.public_url, name) if kind and kind.inlet else None
    facts = {
        "supplier": name,
        "kind": record.kind,
        "enabled": record.enabled,
        "url": url,
        "settings": record.settings,
        "secrets": secrets,
    }
    say(facts, as_json, _show_words(facts, kind))


def _show_words(facts: Mapping[str, Any], kind: Kind | None) -> str:
    where = "not known: set ONCELINE_PUBLIC_URL" if kind and kind.inlet else "-"
    return "\n".join(
        [
            *(f"{name:10} {shown(facts[name])}" for name in ("supplier", "kind", "enabled")),
            f"{'url':10} {facts['url'] or where}",
            *(f"set        {key}={json.dumps(value)}" for key, value in sorted(facts["settings"].items())),
            *(f"secret     {one['name']} ({one['number']}), {one['age']} old" for one in facts["secrets"]),
        ]
    )


@app.command("devices")
def devices(
    name: Annotated[str | None, typer.Argument(help="Of this supplier alone")] = None,
    after: Annotated[str, typer.Option(help="Go on after this one: SUPPLIER/DEVICE")] = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Modems, phones and binds, when they were heard, and what they warn of."""
    supplier, _, device = after.partition("/")
    with installation(settings()) as (db, _), db.transaction() as tx:
        _demand(tx, name)
        found = store.devices(tx, name, after=(supplier, device), limit=limit)
    rows = [
        {
            "supplier": row.supplier,
            "device": row.device,
            "warning": row.warning or None,
            "heartbeat_at": instant(row.heartbeat_at),
            "message_at": instant(row.message_at),
            "facts": row.facts,
        }
        for row in found
    ]
    cursor = f"{found[-1].supplier}/{found[-1].device}" if len(found) == limit else None
    words = [row | {"facts": json.dumps(row["facts"], ensure_ascii=True)} for row in rows]
    say({"devices": rows, "next": cursor}, as_json, rest(table(words, "no device was heard of yet"), cursor))


@app.command("alerts")
def alerts(
    name: Annotated[str | None, typer.Argument(help="Of this supplier alone")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Forget them")] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """What staff should look at, of the last day, newest first."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        _demand(tx, name)
        if clear:
            cleared = store.clear_alerts(tx, name)
            say({"cleared": cleared}, as_json, f"{cleared} alerts are forgotten")
            return
        found = store.alerts(tx, name, since=context.clock.now() - ALERTS_FOR, limit=limit)
    rows = [
        {
            "supplier": row.supplier,
            "alert": row.code,
            "subject": row.subject,
            "times": row.times,
            "first_at": instant(row.first_at),
            "last_at": instant(row.last_at),
        }
        for row in found
    ]
    say({"alerts": rows}, as_json, table(rows, "no alerts"))


@app.command("check")
def check(
    name: Annotated[str | None, typer.Argument(help="This supplier alone")] = None, as_json: AsJson = False
) -> None:
    """Say per supplier what works and what does not; exit code 1 when something does not."""
    ours = settings()
    with installation(ours, size=12) as (db, context):
        checked = check_suppliers(db, context, ours.public_url, name)
    facts = [
        {
            "supplier": one.supplier,
            "kind": one.kind,
            "enabled": one.enabled,
            "ok": one.ok,
            "findings": [{"what": f.what, "ok": f.ok, "words": f.words} for f in one.findings],
        }
        for one in checked
    ]
    ok = all(one.ok for one in checked)
    words = [
        f"{one.supplier} ({one.kind})\n"
        + "\n".join(
            f"  {'ok   ' if f.ok else 'WRONG'} {shown(f.what)}{f': {shown(f.words)}' if f.words else ''}"
            for f in one.findings
        )
        for one in checked
    ]
    say({"ok": ok, "suppliers": facts}, as_json, "\n".join(words) or "no suppliers yet")
    raise typer.Exit(0 if ok else 1)


def _demand(tx: Transaction, name: str | None) -> None:
    if name is not None:
        store.record(tx, name)
