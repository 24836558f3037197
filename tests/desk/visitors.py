"""How the tests of the desk speak of it: people with a role in an account, and the browsers they use."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from allauth.account.models import EmailAddress
from django.test import Client

from onceline.core.access import commands as access
from onceline.core.deposits import commands as deposits
from onceline.core.money import MICROS
from onceline.desk.house import House
from onceline.desk.people.models import Person, Role
from onceline.desk.people.signals import ensure_account
from tests.shop import Shop

PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A logged-in person and their browser. `side` is their account's test side."""

    person: Person
    browser: Client
    side: int

    def get(self, path: str, **rest: Any) -> Any:
        return self.browser.get(path, **rest)

    def post(self, path: str, data: dict[str, Any] | None = None, **rest: Any) -> Any:
        return self.browser.post(path, data or {}, **rest)


class Pages:
    def __init__(self, shop: Shop, house: House) -> None:
        self.shop = shop
        self.house = house

    def browser(self, **rest: Any) -> Client:
        """Nobody's yet."""
        return Client(SERVER_NAME="localhost", **rest)

    def person(
        self, name: str = "", *, account: str = "", role: str = Role.OWNER, balance: int = 100 * MICROS
    ) -> Person:
        """With a proven address and PASSWORD; in an account of their own, or with others."""
        name = name or f"person{secrets.token_hex(4)}"
        person = Person(
            username=name,
            email=f"{name}@example.com",
            role=role,
            account=account,
            joined_on=self.shop.clock.now().date(),
        )
        person.set_password(PASSWORD)
        person.save()
        EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
        if not account:
            ensure_account(person, test_money=balance)
        return person

    def deposit(self, person: Person, amount: int, mode: str = "test") -> None:
        with self.shop.db.transaction() as tx:
            side, now = access.side_of(tx, person.account, mode), self.shop.clock.now()
            if amount:
                deposits.give(tx, side, amount, "sandbox", now)

    def visitor(self, person: Person | None = None, **rest: Any) -> Visitor:
        """Logged in."""
        person = person or self.person(**rest)
        browser = self.browser()
        browser.force_login(person)
        with self.shop.db.transaction() as tx:
            side = access.side_of(tx, person.account, "test")
        return Visitor(person, browser, side)
