"""The command line: serve, migrate, open accounts, make keys, add sandbox stock, prove the books.

Every command works with and without a running `onceline up`: the embedded database runs while somebody uses it.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import Annotated, Any

import psycopg
import typer

from onceline.agent.cli import app as agent_app
from onceline.cli import books, cash, catalog, hubs, inventory, payments, people, suppliers, vouchers
from onceline.cli.terminal import AsJson, fail, say, settings
from onceline.core.access import commands as access
from onceline.core.clock import SystemClock
from onceline.core.db import Database, Transaction
from onceline.core.deposits import commands as deposits
from onceline.core.errors import OncelineError
from onceline.core.ledger.model import SANDBOX
from onceline.core.money import format_amount, parse_amount
from onceline.core.notices import commands as notices
from onceline.core.outbox import store as outbox
from onceline.core.proofs.checks import prove as prove_books
from onceline.core.schema import SchemaRefused
from onceline.core.vault import KeyStoreRefused
from onceline.embedded import EmbeddedError
from onceline.logs import configure_logs
from onceline.suppliers.sandbox import stock
from onceline.wiring import database, installation, move_keys, prepare

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Lease phone numbers, deliver their one-time codes.",
)
account_app = typer.Typer(no_args_is_help=True, help="Accounts: open, list, suspend, resume.")
keys_app = typer.Typer(no_args_is_help=True, help="API keys of an account.")
sandbox_app = typer.Typer(no_args_is_help=True, help="The sandbox supplier of the test side.")
keystore_app = typer.Typer(no_args_is_help=True, help="Where the data keys live.")
app.add_typer(account_app, name="account")
app.add_typer(keys_app, name="keys")
app.add_typer(sandbox_app, name="sandbox")
app.add_typer(keystore_app, name="keystore")
app.add_typer(agent_app, name="agent")
app.add_typer(hubs.hubs_app, name="hubs")
app.add_typer(people.app, name="people")
app.add_typer(vouchers.app, name="vouchers")
app.add_typer(cash.app, name="cash")
app.add_typer(suppliers.app, name="suppliers")
app.add_typer(payments.app, name="payments")
app.add_typer(payments.refunds_app, name="refunds")
payments.app.command("resume")(books.resume_refunds)
app.command("books")(books.books)
app.add_typer(catalog.pools_app, name="pools")
app.add_typer(catalog.prices_app, name="prices")
app.add_typer(inventory.app, name="numbers")

Mode = Annotated[str, typer.Option(help="test or live")]


@app.callback()
def main() -> None:
    configure_logs()


@app.command()
def up() -> None:
    """Serve everything until SIGTERM: database, workers, API."""
    from onceline import serve  # noqa: PLC0415 - its imports take longer than most commands

    serve.up(settings())


@app.command()
def edge() -> None:
    """Serve the API alone."""
    from onceline import serve  # noqa: PLC0415 - its imports take longer than most commands

    serve.edge(settings())


@app.command()
def desk(parents_socket: Annotated[int | None, typer.Option(hidden=True)] = None) -> None:
    """Serve the pages alone."""
    from onceline import serve  # noqa: PLC0415 - its imports take longer than most commands

    serve.desk(settings(), parents_socket=parents_socket)


@app.command()
def work(with_parent: Annotated[bool, typer.Option(hidden=True)] = False) -> None:
    """Run the workers alone."""
    from onceline import serve  # noqa: PLC0415 - its imports take longer than most commands

    serve.work(settings(), with_parent=with_parent)


@app.command()
def demo(
    once: Annotated[bool, typer.Option(help="End after the story instead of going on serving.")] = False,
) -> None:
    """The main job, end to end, on this machine."""
    from onceline import demo as story  # noqa: PLC0415 - its imports take longer than most commands

    raise typer.Exit(story.tell(settings(), once=once))


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Bring the database up to this version."""
    from onceline import serve  # noqa: PLC0415 - its imports take longer than most commands

    ours = settings()
    with database(ours) as conninfo:
        applied = prepare(conninfo, ours, SystemClock())
        applied += serve.migrate_desk(conninfo, ours)
    say(
        {"applied": applied},
        as_json,
        f"{len(applied)} migrations applied" if applied else "already up to date",
    )


@account_app.command("open")
def open_account(
    name: str,
    test_balance: Annotated[str, typer.Option(help="Test money to start with, such as 100")] = "0",
    as_json: AsJson = False,
) -> None:
    """Open an account and print a test key, shown this once."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        now = context.clock.now()
        account = access.open_account(tx, context.vault, name, now)
        side = access.side_of(tx, account, "test")
        amount = parse_amount(test_balance)
        if amount:
            deposits.give(tx, side, amount, SANDBOX, now)
        key = _new_key(tx, side, "test", "api", "first key", now=now)
    say({"account": account, "api_key": key}, as_json, f"account {account}\ntest key {key}")


@account_app.command("list")
def list_accounts(
    after: Annotated[str, typer.Option(help="Start after this id")] = "",
    limit: int = 100,
    as_json: AsJson = False,
) -> None:
    """Accounts by id, with the available balance of both sides."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        page = access.accounts(tx, after=after, limit=max(1, min(limit, 1000)))
    rows = [
        {
            "account": row.id,
            "name": row.name,
            "state": row.state,
            "test_available": format_amount(row.test_available),
            "live_available": format_amount(row.live_available),
        }
        for row in page.rows
    ]
    words = "\n".join("  ".join(str(value) for value in row.values()) for row in rows) or "no accounts yet"
    say({"accounts": rows}, as_json, words)


@account_app.command("suspend")
def suspend(account: str) -> None:
    """Refuse the account's keys and close its sockets within a second."""
    _set_state(account, "suspended")


@account_app.command("resume")
def resume(account: str) -> None:
    """Let a suspended account work again."""
    _set_state(account, "open")


@keys_app.command("create")
def create_key(
    account: str,
    kind: Annotated[str, typer.Option(help="api or protocol")] = "api",
    mode: Mode = "test",
    name: str = "made on the command line",
    scope: Annotated[
        list[str] | None, typer.Option(help="May be given several times; none: all of the kind's")
    ] = None,
    expires_in_s: Annotated[int | None, typer.Option(min=1, help="Seconds until it ends by itself")] = None,
    as_json: AsJson = False,
) -> None:
    """A new key, shown this once."""
    if kind not in ("api", "protocol") or mode not in ("test", "live"):
        fail("--kind is api or protocol, --mode is test or live")
    with installation(settings()) as (db, context), db.transaction() as tx:
        now = context.clock.now()
        side = access.side_of(tx, access.find_account(tx, account).id, mode)
        ends = now + timedelta(seconds=expires_in_s) if expires_in_s else None
        key = _new_key(tx, side, mode, kind, name, scopes=tuple(scope or ()), expires_at=ends, now=now)
    say({"key": key}, as_json, key)


@keys_app.command("list")
def list_keys(account: str, mode: Mode = "test", as_json: AsJson = False) -> None:
    """The keys of a side, newest first."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        rows = access.keys(tx, access.side_of(tx, access.find_account(tx, account).id, mode))
    keys = [
        {
            "id": row.id,
            "kind": row.kind,
            "name": row.name,
            "last4": row.last4,
            "revoked": row.revoked_at is not None,
            "spend_cap": format_amount(row.spend_cap) if row.spend_cap is not None else None,
            "spent": format_amount(row.spent) if row.spent is not None else None,
        }
        for row in rows
    ]
    say(
        {"keys": keys},
        as_json,
        "\n".join("  ".join(str(value) for value in key.values() if value is not None) for key in keys)
        or "no keys",
    )


@keys_app.command("revoke")
def revoke_key(
    account: str, key: Annotated[str, typer.Argument(help="Its id: key_…")], mode: Mode = "test"
) -> None:
    """End a key at once."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        side = access.side_of(tx, access.find_account(tx, account).id, mode)
        access.revoke_key(tx, side=side, key=key, now=context.clock.now())
    print(f"{key} is revoked")


@sandbox_app.command("numbers")
def sandbox_numbers(
    country: Annotated[str, typer.Option(help="ISO code, such as GB")],
    count: Annotated[int, typer.Option(min=1, max=1_000_000)],
    as_json: AsJson = False,
) -> None:
    """Add fictional numbers of a country to the test side's stock."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        added = stock.add(tx, stock.PLAIN, country, count, context.clock.now())
    say({"added": added, "country": country}, as_json, f"{added} numbers added in {country}")


@keystore_app.command("move")
def move_keystore(
    to: Annotated[str, typer.Option(help="libpq URI of the second PostgreSQL server's database")],
    as_json: AsJson = False,
) -> None:
    """Move the keys from files to PostgreSQL. Stop every edge and worker first."""
    ours = settings()
    with database(ours) as conninfo, Database(conninfo, size=1, name="onceline-move") as db:
        moved = move_keys(db, ours, to)
    say({"moved": moved}, as_json, f"{moved} keys moved; set ONCELINE_KEYSTORE_URL before the next start")


@app.command()
def announce(
    policy: Annotated[
        str, typer.Argument(help='terms, privacy, …, or one of your own as customers know it: "House rules"')
    ],
    version: str,
    effective: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="From when it holds")],
    summary: Annotated[str, typer.Option(help="What changes; a policy of ours brings its own words")] = "",
    significant: Annotated[
        bool, typer.Option("--significant", help="Mailed too; takes effect in 14 days at the earliest")
    ] = False,
) -> None:
    """Tell every account of a new version of a policy; the workers do it within seconds."""
    from onceline.desk.pages.policies import to_announce  # noqa: PLC0415 - Django takes longer than most commands

    if shipped := to_announce(policy, version):
        policy, summary = shipped[0].name, summary or shipped[1].note
        significant = significant or shipped[1].significant
    with installation(settings()) as (db, context), db.transaction() as tx:
        notices.announce(
            tx,
            policy=policy,
            version=version,
            effective_on=effective.date(),
            significant=significant,
            summary=summary,
            now=context.clock.now(),
        )
    print(f"{policy} {version} is announced")


@app.command()
def epoch(
    new: Annotated[bool, typer.Option("--new", help="After a restore: every client starts over.")] = False,
    as_json: AsJson = False,
) -> None:
    """The name of the database's history; a restored database needs a new one."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        name = outbox.new_epoch(tx) if new else outbox.epoch(tx)
    say({"epoch": name}, as_json, name)


@app.command()
def prove(as_json: AsJson = False) -> None:
    """Check the invariants on the live database; exit code 1 when one is broken."""
    with installation(settings()) as (db, context), db.transaction() as tx:
        proofs = prove_books(tx, context.clock.now())
    ok = not any(proof.broken for proof in proofs)
    rows = [
        {
            "id": one.id,
            "meaning": one.meaning,
            "checked": one.checked,
            "broken": one.broken,
            "first_broken": one.named if one.broken else None,
            "ok": not one.broken,
        }
        for one in proofs
    ]
    words = "\n".join(
        f"{'ok    ' if row['ok'] else 'BROKEN'} {row['meaning']}: {row['checked']} checked, {row['broken']} broken"
        + (f", first {row['first_broken']}" if row["first_broken"] else "")
        for row in rows
    )
    say({"ok": ok, "invariants": rows}, as_json, words)
    raise typer.Exit(0 if ok else 1)


def _new_key(tx: Transaction, side: int, mode: str, kind: str, name: str, **rest: Any) -> str:
    rest = {"scopes": (), "expires_at": None} | rest
    return access.create_key(tx, side=side, mode=mode, kind=kind, name=name, **rest)[1]


def _set_state(account: str, state: str) -> None:
    with installation(settings()) as (db, _), db.transaction() as tx:
        found = access.find_account(tx, account)
        access.set_account_state(tx, found.id, state)
    print(f"{found.id} is {state}")


def run() -> None:
    """The console script: what is wrong is said in words, without a stack of frames."""
    try:
        app()
    except (OncelineError, EmbeddedError, SchemaRefused, KeyStoreRefused, psycopg.Error, ValueError) as error:
        print(f"onceline: {error}", file=sys.stderr)
        sys.exit(2)
