"""The commands of the agent as `onceline agent …` shows them: their names and options, and nothing else."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from onceline.agent import commands

app = typer.Typer(no_args_is_help=True, help="Beside modems and phones: keep messages on disk, post them.")


@app.command()
def run() -> None:
    """Post what is in the spool until SIGTERM."""
    raise typer.Exit(commands.run())


@app.command()
def put(
    to: Annotated[str, typer.Option(help="Our number that got the message, such as +447700900123")],
    sender: Annotated[str, typer.Option("--from", help="As received: a number or a name")],
    text: Annotated[
        str, typer.Option(help="The text; - reads it from standard input, where others cannot see it")
    ],
    id: Annotated[str, typer.Option(help="What you call it; the same twice is one message")] = "",
    received_at: Annotated[
        str, typer.Option(help="The device's time; the same message of the same time is one")
    ] = "",
    device: Annotated[str, typer.Option(help="Which modem or phone it came through")] = "",
) -> None:
    """Keep one message on disk; done when it is safe there."""
    raise typer.Exit(
        commands.put(to=to, sender=sender, text=text, name=id, said_at=received_at, device=device)
    )


@app.command()
def gammu(stored: Annotated[list[str] | None, typer.Argument(help="Added by gammu-smsd")] = None) -> None:
    """RunOnReceive of gammu-smsd."""
    raise typer.Exit(commands.gammu(stored or [], os.environ))


@app.command()
def smstools(
    event: str,
    file: Annotated[list[str], typer.Argument(help="And of sent messages an id, which is left alone")],
) -> None:
    """Event handler of smstools3."""
    raise typer.Exit(commands.smstools(event, file[0]))


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of words.")] = False,
) -> None:
    """What waits in the spool, and how the last post ended; exit code 1 when somebody should look."""
    raise typer.Exit(commands.status(as_json=as_json))
