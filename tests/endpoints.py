"""Endpoints in the words of the tests, and a deliverer that runs beside them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from onceline.core.clock import Clock
from onceline.core.db import Database, Row
from onceline.core.orders.context import Context
from onceline.core.outbox.store import Draft, emit
from onceline.core.webhooks import commands, store
from onceline.core.webhooks.commands import Wanted
from onceline.core.webhooks.signing import Secret
from onceline.core.webhooks.store import Owner
from onceline.outbound import CustomerDoor
from onceline.workers.deliver import Deliverer
from tests.shop import Customer, Shop


class Endpoint(NamedTuple):
    id: str
    secret: Secret
    owner: Owner


def endpoint(shop: Shop, who: Customer, url: str, *, kind: str = "v1", **rest: Any) -> Endpoint:
    owner = Owner(who.account, who.side)
    usual: dict[str, Any] = {"description": "", "types": None, "payload": "full", "concurrency": 4}
    with shop.db.transaction() as tx:
        made = commands.create(
            tx, shop.context.vault, owner, Wanted(url, **(usual | rest)), kind, shop.clock.now()
        )
    return Endpoint(*made, owner)


def reached(shop: Shop, *ones: Endpoint) -> None:
    """As if each had taken a delivery a while ago: not in doubt any more."""
    for one in ones:
        shop.run(
            "update webhooks set last_success_at = '2026-02-28', last_attempt_at = '2026-02-28' where id = %(id)s",
            id=one.id,
        )


def look(shop: Shop, one: Endpoint) -> Row:
    with shop.db.transaction() as tx:
        return store.endpoint(tx, one.owner.side, one.id)


def deliveries(shop: Shop, one: Endpoint) -> list[Row]:
    """Oldest first."""
    return shop.rows("select * from deliveries where webhook_id = %(id)s order by id", id=one.id)


def attempts(shop: Shop, one: Endpoint) -> list[Row]:
    return shop.rows(
        "select * from webhook_attempts where webhook_id = %(id)s order by delivery_id, number", id=one.id
    )


def happen(shop: Shop, who: Customer, count: int = 1, kind: str = "order.made_up") -> None:
    """Events of the side, about nothing."""
    with shop.db.transaction() as tx:
        emit(tx, who.side, [Draft(kind) for _ in range(count)], shop.clock.now())


@contextmanager
def delivering(db: Database, context: Context, clock: Clock | None = None) -> Iterator[Deliverer]:
    """A deliverer in a thread, that hears the bell of `db` and may reach this machine."""
    context = replace(context, clock=clock) if clock else context
    deliverer = Deliverer(db, context, partial(CustomerDoor, loopback=True))
    stopping = threading.Event()
    thread = threading.Thread(target=deliverer.run, args=(stopping,))
    db.bell.listen(deliverer.hear)
    thread.start()
    try:
        yield deliverer
    finally:
        stopping.set()
        deliverer.wake()
        thread.join(15)
        assert not thread.is_alive()


def eventually(holds: Callable[[], object], seconds: float = 8) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)
