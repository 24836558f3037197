"""What all commands share: how settings are read, how an answer is said, and how a misuse is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from onceline.config import Settings
from onceline.core.clock import rfc3339

MOST_ROWS = 1000

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of words.")]
After = Annotated[str, typer.Option(help="Go on after this one: the last of the page before")]
Limit = Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="At most so many")]


def settings() -> Settings:
    """Those of the environment; a fault ends the command with exit code 2."""
    try:
        return Settings()
    except ValidationError as error:
        faults = (f"ONCELINE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
        fail("\n".join(faults))


def say(facts: Mapping[str, Any], as_json: bool, words: str) -> None:
    typer.echo(json.dumps(facts) if as_json else words)


def fail(words: str) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(2)


def table(rows: Sequence[Mapping[str, Any]], empty: str) -> str:
    """Rows in columns under their names, or what is said when there are none."""
    if not rows:
        return empty
    cells = [list(rows[0]), *([shown(value) for value in row.values()] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def shown(value: object) -> str:
    """For people; what a stranger may have written comes out without control characters."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "".join(letter if letter.isprintable() else "�" for letter in str(value))


def rest(words: str, cursor: str | None) -> str:
    """What a list says when it goes on."""
    return f"{words}\n… more: --after {cursor}" if cursor else words


def instant(value: datetime | None) -> str | None:
    return rfc3339(value) if value else None
