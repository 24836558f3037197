"""`onceline people …`: who may log in to the pages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from onceline.cli.terminal import After, AsJson, Limit, rest, say, settings, table

if TYPE_CHECKING:
    from types import ModuleType

app = typer.Typer(no_args_is_help=True, help="People who log in to the pages.")

Username = Annotated[str, typer.Argument(help="The name they log in with")]
LONGEST_LINE = 1000


@contextmanager
def _care() -> Iterator[ModuleType]:
    """The desk of this installation, opened for a command."""
    from onceline import serve  # noqa: PLC0415 - its imports take longer than most commands

    with serve.opened_desk(settings()):
        from onceline.desk.people import care  # noqa: PLC0415 - Django's models exist only once it is set up

        yield care


@app.command("add")
def add(
    username: Username,
    email: Annotated[str, typer.Argument(help="Their address; it counts as proven")],
    account: Annotated[
        str, typer.Option(help="An account that exists, by id or name; a new one when left out")
    ] = "",
    role: Annotated[str, typer.Option(help="owner, buyer or viewer")] = "owner",
    as_json: AsJson = False,
) -> None:
    """Let somebody log in. The password is one line of standard input, 15 characters or more."""
    password = _line("Password: ")
    with _care() as care:
        person = care.add(username, email, password, account=account, role=role)
    say(
        {"username": person.username, "account": person.account},
        as_json,
        f"{person.username} may log in, {person.role} of account {person.account}",
    )


@app.command("list")
def list_people(
    account: Annotated[str | None, typer.Option(help="Of this account id only")] = None,
    after: After = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """People by username, with account and role."""
    with _care() as care:
        rows = care.listed(account, after, limit + 1)
    more = rows[limit - 1]["username"] if len(rows) > limit else None
    say({"people": rows[:limit], "next": more}, as_json, rest(table(rows[:limit], "nobody yet"), more))


@app.command("set-password")
def set_password(username: Username, as_json: AsJson = False) -> None:
    """A new password for who lost theirs and their mailbox; it ends all of their sessions. One line of standard input."""
    password = _line("Password: ")
    with _care() as care:
        care.set_password(username, password)
    say({"username": username}, as_json, f"{username} has a new password; all sessions were ended")


@app.command("reset-second-factor")
def reset_second_factor(username: Username, as_json: AsJson = False) -> None:
    """Take away the second factors of who lost them. Be sure that it is really them who asks."""
    with _care() as care:
        gone = care.reset_second_factor(username)
    say({"username": username, "removed": gone}, as_json, f"{gone} removed; all sessions were ended")


def _line(prompt: str) -> str:
    """Typed unseen at a terminal; else the first line that comes in."""
    if sys.stdin.isatty():
        return str(typer.prompt(prompt, hide_input=True, prompt_suffix=""))
    return sys.stdin.readline(LONGEST_LINE).rstrip("\n")
