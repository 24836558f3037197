"""A gammu database beside ours, a supplier that reads it, and two numbers in its phones."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from onceline.core.db import Database, Row
from onceline.core.orders.context import Context
from onceline.core.orders.model import Order
from onceline.core.suppliers import store as suppliers
from onceline.suppliers.base import Configured, Surroundings
from onceline.suppliers.gammu.kind import KIND
from onceline.suppliers.gammu.session import GammuSession
from onceline.suppliers.gammu.settings import GammuSettings
from onceline.suppliers.intake import DirectIntake
from tests.shop import PRICE, Shop
from tests.suppliers.gammu.daemon import Phone, database

NUMBERS = {"modem1": "+447700900123", "modem2": "+447700900124"}
NAME = "modems"
_COUNT = itertools.count()


@dataclass(frozen=True)
class Gammu:
    """What gammu's database holds, and who reads it."""

    conninfo: str
    configured: Configured
    around: Surroundings
    shop: Shop

    def run(self, statement: str, *params: Any) -> int:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            return connection.execute(statement, params).rowcount

    def rows(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            return connection.execute(statement, params).fetchall()

    def wrote(
        self, text: str, *, phone: str = "modem1", udh: str = "", ago_s: float = 0, sender: str = "Bank"
    ) -> None:
        """A row as gammu writes it."""
        self.run(
            'insert into inbox ("UpdatedInDB", "ReceivingDateTime", "Text", "SenderNumber", "Coding", "UDH", "TextDecoded",'
            " \"RecipientID\") values (localtimestamp - %s * interval '1 second', '2026-03-01 12:00:00', %s, %s,"
            " 'Unicode_No_Compression', %s, %s, %s)",
            ago_s,
            text.encode("utf-16-be", "surrogatepass").hex().upper(),
            sender,
            udh,
            text if not udh else "",
            phone,
        )

    @property
    def unprocessed(self) -> int:
        return int(self.rows('select count(*) from inbox where not "Processed"')[0][0])

    @property
    def processed(self) -> int:
        return int(self.rows('select count(*) from inbox where "Processed"')[0][0])

    def session(self, **settings: Any) -> GammuSession:
        changed = self.configured.settings.model_copy(update=settings)
        return GammuSession(Configured(NAME, changed, self.configured.secrets), self.around)

    def order(self, who: str, service: str = "telegram") -> tuple[Order, str]:
        """A live order for one of the two numbers, and the name of its phone."""
        order = self.shop.place(self.shop.customer(who, mode="live"), service, pool=NAME)
        return order, next(phone for phone, number in NUMBERS.items() if number == order.e164)

    def read_once(self, reader: GammuSession | None = None, *, stopping: bool = False) -> None:
        """One round, and what a round does now and then; `stopping`: the session was told to end meanwhile."""
        reader, told = reader or self.session(), threading.Event()
        if stopping:
            told.set()
        try:
            reader._round(told)
        finally:
            reader._line.close()

    def kept(self) -> list[Row]:
        return self.shop.rows(
            "select supplier_message_id, number_id, state from inbound where supplier = 'modems' order by id"
        )

    def alerts(self) -> set[tuple[str, str]]:
        assert isinstance(self.around.intake, DirectIntake)
        self.around.intake.flush()
        return {
            (row.code, row.subject) for row in self.shop.rows("select code, subject from supplier_alerts")
        }


@contextmanager
def running(session: GammuSession) -> Iterator[None]:
    stopping = threading.Event()
    thread = threading.Thread(target=session.run, args=(stopping,))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        session.wake()
        thread.join(timeout=10)
        assert not thread.is_alive()


@pytest.fixture
def intake(db: Database, context: Context) -> Iterator[DirectIntake]:
    intake = DirectIntake(db, context)
    yield intake
    intake.close()


@pytest.fixture
def gammu(server: str, db: Database, context: Context, intake: DirectIntake, shop: Shop) -> Iterator[Gammu]:
    with database(server, f"gammu_{next(_COUNT)}") as conninfo:
        settings = GammuSettings(dsn=_dsn(conninfo), phones=NUMBERS, poll_s=0.1)
        with db.transaction() as tx:
            suppliers.add(tx, context.vault, NAME, KIND.name, settings.model_dump(), shop.clock.now())
        shop.pool(NAME, PRICE, mode="live", supplier=NAME, asks=False, tells=False)
        shop.stock("GB", list(NUMBERS.values()), pool=NAME)
        yield Gammu(conninfo, Configured(NAME, settings), Surroundings(db, context, intake), shop)


@pytest.fixture
def phones(gammu: Gammu, tmp_path: Path) -> Iterator[Callable[[], Sequence[Phone]]]:
    """Starts the daemons of both phones, one after the other."""
    made = [Phone(name, tmp_path / name, gammu.conninfo, number) for name, number in NUMBERS.items()]

    def start() -> Sequence[Phone]:
        for phone in made:
            phone.start()
        return made

    yield start
    for phone in made:
        phone.stop()


def _dsn(conninfo: str) -> str:
    given = psycopg.conninfo.conninfo_to_dict(conninfo)
    return psycopg.conninfo.make_conninfo(
        "", **{name: given[name] for name in ("host", "port", "dbname", "user")}
    )
