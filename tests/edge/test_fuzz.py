"""Schemathesis reads the OpenAPI document and asks what it allows and what it forbids: no answer is a fault of ours or
one that the document does not announce.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from onceline.core.money import MICROS
from tests.edge.door import API, Client, Town
from tests.edge.test_access import ENDLESS, ROUTES
from tests.personas import ALICE

EXAMPLES = 20
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
QUIET = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def door(town: Town) -> Iterator[tuple[Any, Client]]:
    """The document of a server without rates, and a customer of it."""
    with town.another(limits="off") as url:
        customer = town.customer(ALICE, balance=1000 * MICROS)  # every route costs her two rentals
        yield schemathesis.openapi.from_url(f"{url}{API}/openapi.json"), customer.at(url)


@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "forbidden"]
)
@pytest.mark.parametrize(("method", "path"), sorted(ROUTES.keys() - {ENDLESS}))
def test_no_request_gets_an_answer_that_the_document_does_not_announce(
    door: tuple[Any, Client], method: str, path: str, mode: GenerationMode
) -> None:
    document, customer = door
    mine = {"order_id": customer.order(kind="rental", duration=4 * 3600)["id"]}

    @QUIET
    @given(case=document[API + path][method].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        if str(case.query.get("wait", "")).isdigit():
            case.query["wait"] = 0
        if mode is GenerationMode.POSITIVE and "order_id" in case.path_parameters:
            case.path_parameters.update(mine)
        case.call_and_validate(headers={"Authorization": f"Bearer {customer.key}"}, checks=CHECKS)

    ask()
