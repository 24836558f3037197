"""Who lives in the installation under test: people with accounts, keys and sessions, made by a process of its own.

The process is the desk's own code on the installation's database, asked line by line. It is another process because the
desk refuses to work in a thread where a loop runs, and the browser's does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import IO, Any

import httpx

from onceline import embedded
from onceline.config import Settings
from onceline.core.clock import ManualClock, SystemClock
from onceline.wiring import installation, prepare
from tests.journeys.conftest import Customer, House
from tests.receiver import Receiver, receiving

DAYS = 12
"""For so long Alice has been here."""
PASSWORD = "correct horse battery"
_MAIL_S = 15
_BACK_S = 30
_GOOD_IN_A_ROW = 10
_HASTY = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Resident:
    """`session` is the value of a cookie; `api` speaks for the account's test side."""

    username: str
    account: str
    session: str
    api: Customer

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"


class Residents:
    def __init__(self, house: House, process: subprocess.Popen[str], conninfo: str) -> None:
        self.house = house
        self.conninfo = conninfo
        self._process = process

    def person(self, name: str = "", **rest: Any) -> Resident:
        """Logged in, with a proven address; alone in an account with test money unless `account` says another."""
        made = self.ask("person", name=name, **rest)
        api = self.house.customer(made["key"], made["account"])
        return Resident(made["username"], made["account"], made["session"], api)

    def another_session(self, username: str) -> str:
        return str(self.ask("session", username=username))

    def letter(self, recipient: str) -> str:
        """The text of the newest mail to this address, as soon as one is there."""
        deadline = time.monotonic() + _MAIL_S
        while time.monotonic() < deadline:
            for file in sorted((self.house.folder / "mail").glob("*.eml"), reverse=True):
                mail = message_from_bytes(file.read_bytes(), policy=default)
                if recipient in str(mail["To"]):
                    return str(mail.get_content())
            time.sleep(0.1)
        raise AssertionError(f"no mail came to {recipient}")

    def recover(self) -> None:
        """After the database was away: every door and this process have found it again."""
        self.ask("recover")
        session, good = self.another_session("alice"), 0
        deadline = time.monotonic() + _BACK_S
        while good < _GOOD_IN_A_ROW:
            assert time.monotonic() < deadline, "the pages do not come back"
            answer = httpx.get(f"{self.house.base}/test/", cookies={"session": session}, timeout=10)
            good = good + 1 if answer.status_code == 200 else 0

    def ask(self, do: str, **words: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **words}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the process has ended"}')
        assert "error" not in answer, answer["error"]
        return answer["done"]


@contextmanager
def moved_in(house: House, **settings: object) -> Iterator[Residents]:
    """The installation runs, and people can be asked for. What happened long ago happens before it starts."""
    with embedded.serving(house.folder, _HASTY) as conninfo:
        began = SystemClock().now() - timedelta(days=DAYS + 1)
        prepare(conninfo, Settings(data_dir=house.folder), ManualClock(began))
        with _asked(house) as process, receiving() as receiver:
            yield from _living(Residents(house, process, conninfo), receiver, settings)


def _living(people: Residents, receiver: Receiver, settings: dict[str, object]) -> Iterator[Residents]:
    people.ask("furnish", hooks=[receiver.url, "http://127.0.0.1:9/nobody"])
    house = people.house
    house.up(webhook_loopback="true", **settings)
    try:
        yield people
    finally:
        for customer in house.customers:
            customer.close()
        if house.server is not None and house.server.poll() is None:
            house.stop()


@contextmanager
def _asked(house: House) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.residents"],
        env=house.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=60)
        assert process.stdout is not None
        process.stdout.close()


def _serve(asked: IO[str], told: IO[str]) -> None:
    """In the process: until nobody asks any more."""
    from onceline.accesslog import AccessLog  # noqa: PLC0415 - only this process needs the desk
    from onceline.desk import door  # noqa: PLC0415 - as above
    from onceline.desk.house import House as Desk  # noqa: PLC0415 - as above

    settings = Settings()
    with installation(settings) as (db, context), closing(AccessLog(settings.logs, SystemClock())) as log:
        desk = Desk(settings, db, context, log)
        door.migrate(desk)
        door.open_desk(desk)
        from tests.browser.registry import Registry  # noqa: PLC0415 - models exist once Django is set up

        registry = Registry(desk)
        for line in asked:
            told.write(json.dumps(_answered(registry, **json.loads(line))) + "\n")
            told.flush()


def _answered(registry: Any, do: str, **words: Any) -> dict[str, Any]:
    registry.begin_anew()
    try:
        return {"done": getattr(registry, do)(**words)}
    except Exception:  # whoever asked shall read it
        return {"error": traceback.format_exc()}


if __name__ == "__main__":
    _serve(sys.stdin, sys.stdout)
