"""Sessions of suppliers: each in one worker at a time, anew when its supplier changes, gone with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from onceline.core.suppliers import store
from onceline.suppliers.base import Acquired, Call, Configured, Kind, KindSettings, Session, Surroundings
from onceline.suppliers.intake import DirectIntake
from onceline.suppliers.registry import KINDS
from onceline.workers.sessions import Sessions
from tests.edge.door import eventually
from tests.personas import ALICE
from tests.shop import PRICE, Shop, numbers


class Lines(KindSettings):
    count: int = 1


@dataclass
class Log:
    """What ran where: (session, setting) pairs that run now, and all that ever began."""

    running: list[tuple[str, str]] = field(default_factory=list)
    begun: list[tuple[str, str]] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)


@dataclass
class Line:
    name: str
    secret: str
    log: Log
    woken: threading.Event = field(default_factory=threading.Event)

    def hear(self, words: frozenset[str]) -> None:
        """Wants none."""

    def wake(self) -> None:
        self.woken.set()

    def run(self, stopping: threading.Event) -> None:
        """One whose secret is "stubborn" does not end before it is let go."""
        entry = (self.name, self.secret)
        self.log.running.append(entry)
        self.log.begun.append(entry)
        while not stopping.is_set():
            self.woken.wait(1)
        if self.secret == "stubborn":
            self.log.let_go.wait(30)
        self.log.running.remove(entry)


class Upstream:
    def __init__(self, calls: list[Call]) -> None:
        self.calls = calls

    def acquire(self, call: Call) -> Acquired:
        self.calls.append(call)
        return Acquired(numbers(1)[0])

    def finish(self, call: Call) -> None: ...

    def cancel(self, call: Call) -> None: ...

    def resend(self, call: Call) -> None: ...


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """A kind whose sessions write down that they run."""
    log = Log()

    def lines(configured: Configured, _: Surroundings) -> Sequence[Session]:
        secret = configured.secrets.get("key", ("",))[0]
        return [Line(f"{configured.name}/{one}", secret, log) for one in range(configured.settings.count)]

    monkeypatch.setitem(KINDS, "lines", Kind("lines", Lines, sessions=lines))
    return log


@pytest.fixture
def worker(shop: Shop) -> Iterator[Callable[[str], object]]:
    """Starts workers by name, as many as are wanted; ends them all."""
    ends: list[Callable[[], None]] = []

    @contextmanager
    def running(holder: str) -> Iterator[None]:
        intake = DirectIntake(shop.db, shop.context)
        sessions = Sessions(Surroundings(shop.db, shop.context, intake), None, holder)
        shop.db.bell.listen(sessions.hear)
        stopping = threading.Event()
        thread = threading.Thread(target=sessions.run, args=(stopping,))
        thread.start()
        yield
        stopping.set()
        sessions.wake()
        thread.join(20)
        intake.close()

    def start(holder: str) -> Callable[[], None]:
        entered = running(holder)
        entered.__enter__()
        done = threading.Event()

        def end() -> None:
            if not done.is_set():
                done.set()
                entered.__exit__(None, None, None)

        ends.append(end)
        return end

    yield start
    for end in ends:
        end()


def add(shop: Shop, name: str = "farm", **settings: int) -> None:
    with shop.db.transaction() as tx:
        store.add(tx, shop.context.vault, name, "lines", settings, shop.clock.now())


def test_a_supplier_that_is_added_runs_and_one_that_is_disabled_ends(
    shop: Shop, log: Log, worker: Callable[[str], object]
) -> None:
    worker("one")
    add(shop, count=2)
    eventually(lambda: sorted(log.running) == [("farm/0", ""), ("farm/1", "")])
    with shop.db.transaction() as tx:
        store.set_enabled(tx, "farm", False)
    eventually(lambda: log.running == [])
    assert len(log.begun) == 2


def test_a_session_runs_in_one_worker_and_another_takes_it_over(
    shop: Shop, log: Log, worker: Callable[[str], Callable[[], None]]
) -> None:
    add(shop)
    end_first = worker("one")
    eventually(lambda: log.running == [("farm/0", "")])
    worker("two")
    with shop.db.transaction() as tx:
        assert store.take_lease(tx, "farm/0", "three", shop.clock.now()) is False
    assert log.begun == [("farm/0", "")]
    end_first()
    eventually(lambda: len(log.begun) == 2 and log.running == [("farm/0", "")], 12)


def test_a_lease_that_nobody_renews_runs_out(shop: Shop, log: Log, worker: Callable[[str], object]) -> None:
    add(shop)
    with shop.db.transaction() as tx:
        assert store.take_lease(tx, "farm/0", "a worker that died", shop.clock.now())
    worker("one")
    eventually(lambda: shop.value("select count(*) from supplier_sessions") == 1)
    assert log.running == []
    shop.clock.advance(store.LEASE_S + 1)
    eventually(lambda: log.running == [("farm/0", "")], 12)


def test_a_changed_secret_begins_the_session_anew(
    shop: Shop, log: Log, worker: Callable[[str], object]
) -> None:
    add(shop)
    worker("one")
    eventually(lambda: log.running == [("farm/0", "")])
    with shop.db.transaction() as tx:
        store.add_secret(tx, shop.context.vault, "farm", "key", "new", shop.clock.now())
    eventually(lambda: log.running == [("farm/0", "new")])
    assert log.begun == [("farm/0", ""), ("farm/0", "new")]


def test_orders_of_a_configured_supplier_are_told_to_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, worker: Callable[[str], object]
) -> None:
    calls: list[Call] = []
    kind = Kind("upstream", KindSettings, orders=lambda *_: Upstream(calls), asks=True)
    monkeypatch.setitem(KINDS, "upstream", kind)
    with shop.db.transaction() as tx:
        store.add(tx, shop.context.vault, "up", "upstream", {}, shop.clock.now())
    shop.pool("asked", PRICE, supplier="up", asks=True, tells=True)
    order = shop.place(shop.customer(ALICE), pool="asked")
    worker("one")
    eventually(lambda: shop.view(order)["state"] == "waiting", 12)
    assert [call.price for call in calls] == [PRICE]


def test_settings_that_cannot_be_read_hold_up_no_other_supplier(
    shop: Shop, log: Log, worker: Callable[[str], object]
) -> None:
    with shop.db.transaction() as tx:
        store.add(tx, shop.context.vault, "broken", "lines", {"count": "many"}, shop.clock.now())
        store.add(tx, shop.context.vault, "stranger", "a kind of tomorrow", {}, shop.clock.now())
    add(shop)
    worker("one")
    eventually(lambda: log.running == [("farm/0", "")])
    assert {one for one, _ in log.begun} == {"farm/0"}


def test_a_session_that_does_not_end_holds_up_no_other_and_never_runs_twice(
    shop: Shop, log: Log, worker: Callable[[str], object]
) -> None:
    add(shop)
    add(shop, "other")
    with shop.db.transaction() as tx:
        store.add_secret(tx, shop.context.vault, "farm", "key", "stubborn", shop.clock.now())
    worker("one")
    eventually(lambda: sorted(log.running) == [("farm/0", "stubborn"), ("other/0", "")])
    with shop.db.transaction() as tx:
        store.add_secret(tx, shop.context.vault, "farm", "key", "new", shop.clock.now())
    until = "select until from supplier_sessions where name = %(name)s"
    before = shop.value(until, name="other/0")
    shop.clock.advance(store.LEASE_S - 1)
    eventually(lambda: shop.value(until, name="other/0") > before, 12)
    assert ("farm/0", "new") not in log.begun
    with shop.db.transaction() as tx:
        assert store.take_lease(tx, "farm/0", "another worker", shop.clock.now()) is False
    log.let_go.set()
    eventually(lambda: ("farm/0", "new") in log.running, 12)
    assert log.running.count(("farm/0", "stubborn")) == 0
