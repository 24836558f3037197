"""Django sees the desk's own tables, and nothing of core's."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import ProgrammingError, connection

from onceline.desk.database.base import SCHEMA
from tests.desk.visitors import Pages


def _ask(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def test_the_desk_has_a_schema_of_its_own(pages: Pages) -> None:
    assert _ask("show search_path") == [(SCHEMA,)]
    assert _ask("select count(*) from people") == [(0,)]


def test_tables_of_core_are_out_of_the_orms_reach(pages: Pages) -> None:
    with pytest.raises(ProgrammingError):
        _ask("select count(*) from orders")


def test_every_wait_of_the_desk_has_an_end(pages: Pages) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    assert all(_ask(f"show {name}") != [("0",)] for name in names)
