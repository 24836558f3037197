"""What `residents` can be asked for, done by the desk's and the core's own code."""

from __future__ import annotations

import time
from typing import Any

from django.db import connections

from onceline.core.access import commands as access
from onceline.core.clock import ManualClock
from onceline.core.errors import Unavailable
from onceline.desk.house import House
from onceline.desk.people.models import Person
from tests.browser.furniture import furnish
from tests.desk.visitors import Pages
from tests.shop import Shop

_TRIES = 20


class Registry:
    def __init__(self, desk: House) -> None:
        self._desk = desk
        self._pages = Pages(Shop(desk.db, desk.context, ManualClock(desk.clock.now())), desk)

    def begin_anew(self) -> None:
        """A test may have taken the database away since."""
        connections.close_all()

    def recover(self) -> None:
        for _ in range(_TRIES):
            try:
                with self._desk.db.transaction() as tx:
                    access.accounts(tx, after="", limit=1)
            except Unavailable:
                time.sleep(0.1)

    def person(self, name: str = "", fresh: bool = True, **rest: Any) -> dict[str, str]:
        """`fresh`: proved who they are a moment ago, so that no page asks for the password again."""
        person = self._pages.person(name, **rest)
        return {
            "username": person.username,
            "account": person.account,
            "session": self.session(person.username, fresh),
            "key": self.key(person.account),
        }

    def session(self, username: str, fresh: bool = True) -> str:
        browser = self._pages.browser()
        person = Person.objects.get(username=username)
        browser.force_login(person)
        session = browser.session
        if fresh:
            now = self._desk.clock.now().timestamp()
            told = {"method": "password", "at": now, "username": username, "reauthenticated": True}
            session["account_authentication_methods"] = [told]
            session["account_authentication_methods_user"] = str(person.pk)
            session.save()
        return str(session.session_key)

    def key(self, account: str) -> str:
        with self._desk.db.transaction() as tx:
            side = access.side_of(tx, account, "test")
            _, key = access.create_key(
                tx,
                side=side,
                mode="test",
                kind="api",
                name="browser tests",
                scopes=(),
                expires_at=None,
                now=self._desk.clock.now(),
            )
        return key

    def furnish(self, hooks: list[str]) -> None:
        furnish(self._pages, hooks)
