"""A guard that is taken out is missed by a test: the tests hold what they say they hold."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache

import pytest

from onceline.core.db import _NAME
from tests.laws.mutant import ROOT, Mutant
from tests.laws.mutants import FASTEST, MUTANTS, survivors


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@cache
def source(mutant: Mutant) -> str:
    return (ROOT / mutant.path).read_text("utf-8")


def outside_of_texts(sql: str) -> str:
    return re.sub(r"--[^\n]*|'[^']*'", "", sql)


def test_every_mutant_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(one.name for one in MUTANTS).items() if count > 1] == []
    assert set(FASTEST) <= {one.name for one in MUTANTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_still_fits_its_source_and_names_tests_that_exist(mutant: Mutant) -> None:
    text, mutated = source(mutant), mutant.applied(source(mutant))
    assert mutated != text
    if mutant.file.endswith(".py"):
        compile(mutated, mutant.file, "exec")
    else:
        assert _NAME.findall(mutated) == _NAME.findall(text)
        code = outside_of_texts(mutated)
        assert code.count("(") == code.count(")")
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert name.partition("[")[0] in functions_of(file), test


def test_a_guard_that_is_taken_out_is_missed_by_a_test(soak: bool) -> None:
    assert survivors([one for one in MUTANTS if soak or one.name in FASTEST]) == []
