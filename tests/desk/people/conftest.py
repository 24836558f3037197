"""The mailbox of the tests: letters that wait to be sent, opened as the worker would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from onceline.core.notices import letters
from onceline.core.notices.letters import Letter
from tests.desk.visitors import PASSWORD, Pages, Visitor


@dataclass(frozen=True, slots=True)
class Mailbox:
    pages: Pages

    def all(self) -> list[Letter]:
        """In the order in which they were posted, as far as the clock tells."""
        rows = self.pages.shop.rows(
            "select id, intake_key, sealed, attempts, made_at from letters order by made_at"
        )
        opened = [letters.read(self.pages.house.context.vault, row) for row in rows]
        return [letter for letter in opened if letter is not None]

    def to(self, address: str) -> list[Letter]:
        return [letter for letter in self.all() if letter.recipient == address]

    def link(self, address: str) -> str:
        """The path in the only mail to this address."""
        (letter,) = self.to(address)
        (path,) = re.findall(r"http://localhost(/\S+)", letter.body)
        return str(path)

    def empty(self) -> None:
        self.pages.shop.run("delete from letters")


@pytest.fixture
def mailbox(pages: Pages) -> Iterator[Mailbox]:
    yield Mailbox(pages)
    cache.clear()


def proven_again(visitor: Visitor) -> Visitor:
    """With the step-up behind them."""
    answer = visitor.post("/account/reauthenticate/", {"password": PASSWORD})
    assert answer.status_code == 302
    return visitor


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


def sign_up(browser: Client, name: str, address: str, password: str = PASSWORD) -> Any:
    return browser.post("/account/signup/", {"username": name, "email": address, "password1": password})
