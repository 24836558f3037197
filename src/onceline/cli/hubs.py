"""Commands for hubs that buy from us by the agent protocol: who they are, where their messages go."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from onceline.cli.terminal import AsJson, fail, say, settings, table
from onceline.core.access import commands as access
from onceline.core.clock import rfc3339
from onceline.core.errors import OutboundRefused
from onceline.core.hubs import store
from onceline.outbound_address import parse
from onceline.wiring import installation

hubs_app = typer.Typer(no_args_is_help=True, help="Hubs that sell our numbers on, by the agent protocol.")
Mode = Annotated[Literal["test", "live"], typer.Option(help="Which side of the account")]


@hubs_app.command("add")
def add(
    account: str,
    url: Annotated[str, typer.Option(help="Where the hub takes PUSH_SMS")],
    key: Annotated[str, typer.Option(help="The key that the hub gave; - reads it from standard input")],
    countries: Annotated[
        Literal["names", "ids"], typer.Option(help="How the hub writes countries: russia, or 0")
    ] = "names",
    mode: Mode = "live",
    as_json: AsJson = False,
) -> None:
    """An account's side becomes a hub, or a hub gets another address or key."""
    try:
        parse(url)
    except OutboundRefused as refused:
        fail(f"--url: {refused.detail}")
    if key == "-":
        key = sys.stdin.readline().rstrip("\r\n")
    with installation(settings()) as (db, context), db.transaction() as tx:
        found = access.find_account(tx, account).id
        side = access.side_of(tx, found, mode)
        now = context.clock.now()
        store.add(tx, context.vault, account=found, side=side, url=url, key=key, countries=countries, now=now)
    say({"account": found, "mode": mode}, as_json, f"{found} ({mode}) is a hub; it asks at POST /agent/v1")


@hubs_app.command("list")
def list_hubs(as_json: AsJson = False) -> None:
    """Hubs, and how many messages wait to be taken by each."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        found = store.hubs(tx)
    rows = [
        {
            "account": hub.account,
            "mode": hub.mode,
            "url": hub.url,
            "countries": hub.countries,
            "waiting": hub.waiting,
            "added_at": rfc3339(hub.added_at),
        }
        for hub in found
    ]
    say({"hubs": rows}, as_json, table(rows, "no hubs yet: onceline hubs add"))


@hubs_app.command("remove")
def remove(account: str, mode: Mode = "live") -> None:
    """Nothing more is sent and nothing more is sold; orders that run go on to their ends."""
    with installation(settings()) as (db, _), db.transaction() as tx:
        found = access.find_account(tx, account).id
        store.remove(tx, access.side_of(tx, found, mode))
    typer.echo(f"{found} ({mode}) is no hub any more")
