"""The core in the words of the tests: open an account, place, send an SMS, wait, look."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from onceline.core.access import commands as access
from onceline.core.access.model import Grant
from onceline.core.catalog import store as catalog
from onceline.core.catalog.store import Pool
from onceline.core.clock import ManualClock
from onceline.core.db import Database, Row
from onceline.core.deposits import commands as deposits
from onceline.core.inbox.model import Inbound, Part
from onceline.core.inbox.store import Kept
from onceline.core.inventory import store as inventory
from onceline.core.ledger import store as ledger
from onceline.core.ledger.model import Balance
from onceline.core.money import MICROS
from onceline.core.orders import commands, store, view
from onceline.core.orders.commands import OrderRequest, Placed
from onceline.core.orders.context import Context
from onceline.core.orders.model import Order
from onceline.core.orders.settle import receive, settle
from onceline.core.outbox import store as outbox
from onceline.core.proofs.checks import prove
from onceline.workers.expire import expire_round

PRICE = MICROS // 4
"""What the sandbox asks for an activation."""
CANCEL_LOCK_S = 120
WINDOW_S = 1200
DRAIN_S = 2
GRACE_S = 600
COOLDOWN_S = 1800
RENTAL_COOLDOWN_S = 45 * 86400
FOUR_HOURS, ONE_DAY = 4 * 3600, 24 * 3600
RENTAL_PRICES = {FOUR_HOURS: MICROS, ONE_DAY: 2 * MICROS}
"""What the sandbox asks for a rental."""


def numbers(count: int, first: int = 0) -> list[str]:
    """Numbers that the seeded stock does not hold."""
    return [f"+999000{first + one:06d}" for one in range(count)]


@dataclass(frozen=True, slots=True)
class Customer:
    name: str
    account: str
    side: int
    key: str


class Shop:
    def __init__(self, db: Database, context: Context, clock: ManualClock) -> None:
        self.db = db
        self.context = context
        self.clock = clock

    def customer(self, name: str, balance: int = 100 * MICROS, mode: str = "test") -> Customer:
        with self.db.transaction() as tx:
            now = self.clock.now()
            account = access.open_account(tx, self.context.vault, name, now)
            side = access.side_of(tx, account, mode)
            if balance:
                deposits.give(tx, side, balance, "sandbox", now)
            _, key = access.create_key(
                tx, side=side, mode=mode, kind="api", name="test", scopes=(), expires_at=None, now=now
            )
        return Customer(name, account, side, key)

    def stock(self, country: str, numbers: list[str], *, pool: str = "sandbox", network: str = "") -> int:
        with self.db.transaction() as tx:
            return inventory.add_numbers(
                tx,
                pool=pool,
                country=country,
                network=network,
                contract="test contract",
                numbers=numbers,
                now=self.clock.now(),
            )

    def empty(self, country: str, pool: str = "sandbox") -> None:
        """Take every seeded number of a country out, so that a test decides about the stock."""
        with self.db.transaction() as tx:
            tx.run(
                "update numbers n set state = 'retired' from chunks c, pools p"
                " where c.id = n.chunk_id and p.id = c.pool_id and c.country = %(country)s and p.slug = %(pool)s",
                {"country": country, "pool": pool},
            )

    def only(self, country: str, count: int, first: int = 0) -> list[str]:
        """Exactly these numbers are left in the country."""
        self.empty(country)
        fresh = numbers(count, first)
        self.stock(country, fresh)
        return fresh

    def pool(
        self,
        slug: str,
        price: int | None = None,
        *,
        mode: str = "test",
        supplier: str = "sandbox",
        **rest: Any,
    ) -> int:
        """One more pool, with a price for every activation."""
        with self.db.transaction() as tx:
            pool = catalog.seed_pool(tx, Pool(slug, slug, supplier, mode, **rest))
            if price is not None:
                catalog.set_price(tx, pool, price)
        return pool

    def run(self, statement: str, **params: Any) -> int:
        """What an intruder or an accident would do to the database."""
        with self.db.transaction() as tx:
            return tx.run(statement, params)

    def tamper(self, statement: str, **params: Any) -> int:
        """What somebody would do who owns the database and knows its triggers."""
        with self.db.transaction() as tx:
            tx.run("set local session_replication_role = replica")
            return tx.run(statement, params)

    def rows(self, statement: str, **params: Any) -> list[Row]:
        with self.db.transaction() as tx:
            return tx.all(statement, params)

    def value(self, statement: str, **params: Any) -> Any:
        return self.rows(statement, **params)[0][0]

    def place(
        self,
        who: Customer,
        service: str = "telegram",
        country: str = "GB",
        *,
        key: str | None = None,
        cap: int | None = None,
        **rest: Any,
    ) -> Order:
        with self.db.transaction() as tx:
            placed = commands.place(
                tx,
                self.context,
                who.side,
                [OrderRequest(service, country, **rest)],
                key or secrets.token_hex(8),
                cap,
            )
            return store.order(tx, placed.ids[0])

    def place_all(self, who: Customer, *requests: OrderRequest, key: str | None = None) -> Placed:
        with self.db.transaction() as tx:
            return commands.place(tx, self.context, who.side, requests, key)

    def extend(
        self, who: Customer, order: Order, duration_s: int, key: str | None = None, cap: int | None = None,
        max_price: int | None = None,
    ) -> Order:  # fmt: skip
        with self.db.transaction() as tx:
            return commands.extend(tx, self.context, who.side, order.id, duration_s, key, cap, max_price)

    def capped_key(self, who: Customer, amount: int) -> Grant:
        """One more key, which may spend so much."""
        with self.db.transaction() as tx:
            _, key = access.create_key(
                tx, side=who.side, mode="test", kind="api", name="capped", scopes=(), expires_at=None,
                now=self.clock.now(), spend_cap=amount,
            )  # fmt: skip
            return access.authenticate(tx, key, self.clock.now())

    def auto_extend(self, who: Customer, order: Order, on: bool = True) -> Order:
        with self.db.transaction() as tx:
            return commands.set_auto_extend(tx, self.context, who.side, order.id, on)

    def keep(self, number: str | None, text: str, sender: str = "Service", **rest: Any) -> Kept:
        """T1 alone: the message is stored, nobody has looked at it."""
        with self.db.transaction() as tx:
            return receive(tx, self.context, self._inbound(number, text, sender, **rest))

    def sms(
        self, number: str | None, text: str = "Your code is 482913", sender: str = "Service", **rest: Any
    ) -> Kept:
        """T1 and T2: an SMS reached the number and was matched."""
        kept = self.keep(number, text, sender, **rest)
        self.settle(kept.id)
        return kept

    def settle(self, message: int) -> None:
        with self.db.transaction() as tx:
            settle(tx, self.context, message)

    def cancel(self, who: Customer, order: Order) -> Order:
        with self.db.transaction() as tx:
            return commands.cancel(tx, self.context, who.side, order.id)

    def finish(self, who: Customer, order: Order) -> Order:
        with self.db.transaction() as tx:
            return commands.finish(tx, self.context, who.side, order.id)

    def resend(self, who: Customer, order: Order) -> Order:
        with self.db.transaction() as tx:
            return commands.resend(tx, self.context, who.side, order.id)

    def wait(self, seconds: float) -> None:
        """Time passes, and the expiry worker looks around."""
        self.clock.advance(seconds)
        expire_round(self.db, self.context)

    def outlive(self) -> None:
        """Every activation ends, and every number has had its rest."""
        self.wait(WINDOW_S + DRAIN_S + 1)
        self.pass_time(COOLDOWN_S)

    def pass_time(self, seconds: float) -> None:
        """Time passes, and no worker looks."""
        self.clock.advance(seconds)

    def events(self, who: Customer, after: int = 0) -> list[str]:
        with self.db.transaction() as tx:
            return [row.type for row in outbox.page(tx, who.side, after, 1000).rows]

    def order(self, order: Order) -> Order:
        with self.db.transaction() as tx:
            return store.order(tx, order.id)

    def view(self, order: Order) -> dict[str, Any]:
        """As its owner would read it."""
        with self.db.transaction() as tx:
            return view.order_views(tx, self.context, [order.id])[0]

    def balance(self, who: Customer) -> Balance:
        with self.db.transaction() as tx:
            return ledger.balance(tx, who.side)

    def inbound_state(self, kept: Kept) -> str:
        with self.db.transaction() as tx:
            row = tx.one("select state from inbound where id = %(id)s", {"id": kept.id})
        assert row is not None
        return str(row.state)

    def assert_books_are_true(self, but: frozenset[str] = frozenset()) -> None:
        """`but`: what cannot hold because the test left something out."""
        with self.db.transaction() as tx:
            broken = {proof.id for proof in prove(tx, self.clock.now()) if proof.broken}
        assert broken == but

    def _inbound(
        self,
        number: str | None,
        text: str,
        sender: str,
        *,
        message_id: str | None = None,
        part: Part | None = None,
    ) -> Inbound:
        assert number is not None
        return Inbound(
            "sandbox", message_id or secrets.token_hex(8), number, sender, text, self.clock.now(), part
        )
