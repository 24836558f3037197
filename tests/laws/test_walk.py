"""Random walks over every command: whatever is done in whatever order, the invariants hold after each step.

Beside I1 to I4, I6 and I7 (`prove`), after each command of the walk:
- what a customer sees of an order changes only with an event that names the order (snapshot plus events is a fresh
  snapshot);
- no unflagged code with the money returned, no money kept without a valid message;
- no message is visible to an account whose order was over and out of its grace when the message came, or whose number
  it was not then. By the order of things: after the clock was set back, an order can end "before" its own messages.

The clock is set back by up to an hour and forward by up to a day, between the commands and inside the workers' rounds.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from onceline.core.errors import Refusal
from onceline.core.orders import commands, store, view
from onceline.core.orders.commands import OrderRequest
from onceline.core.outbox import store as outbox
from onceline.core.proofs.checks import LATE
from onceline.workers.expire import expire_round
from onceline.workers.sweep import sweep_round
from tests.laws.conftest import FreshShop
from tests.personas import ALICE, BOB, CHARLIE
from tests.shop import GRACE_S, Customer, Shop

_TEXTS = (
    "Your code is 482913",
    "482913",
    "Hello, this message has no code at all.",
    "Telegram code: 48291",
    "WhatsApp code 123-456",
    "",
)
_SENDERS = ("Service", "Telegram", "WhatsApp", "PayPal")
_JUMPS = (-3600, -1500, -600, -30, 30, 3600, 86400)
"""Seconds by which somebody, or a time server, sets the clock."""
_TIME_BOUND = ("can_cancel", "can_resend", "can_finish", "state")
"""What a reader sees change by the clock alone: an order is over from its end on."""


class Walk(RuleBasedStateMachine):
    shop: Shop
    orders = Bundle("orders")

    @initialize()
    def open_the_shop(self) -> None:
        country = "GB"
        self.shop.empty(country)
        self.shop.stock(country, [f"+99{one:09d}" for one in range(4)])
        self.customers = [self.shop.customer(name, 3_000_000) for name in (ALICE, BOB, CHARLIE)]
        self.placed: dict[int, Customer] = {}
        self.seen: dict[int, dict[str, Any]] = {}
        self.came_to: dict[str, str] = {}
        self.came_while_open: dict[str, int] = {}
        self.caps = [self.shop.capped_key(who, 1_500_000).cap for who in self.customers]
        self.cursors = {who.side: self._seq(who) for who in self.customers}

    @rule(
        target=orders,
        who=st.integers(0, 2),
        service=st.sampled_from(["telegram", "whatsapp", "other"]),
        capped=st.booleans(),
    )
    def place(self, who: int, service: str, capped: bool) -> int:
        return self._place(who, OrderRequest(service, "GB"), capped)

    @rule(
        target=orders,
        who=st.integers(0, 2),
        service=st.sampled_from(["telegram", "full"]),
        capped=st.booleans(),
    )
    def rent(self, who: int, service: str, capped: bool) -> int:
        return self._place(who, OrderRequest(service, "GB", kind="rental", duration_s=4 * 3600), capped)

    @rule(order=orders, text=st.sampled_from(_TEXTS), sender=st.sampled_from(_SENDERS), settle=st.booleans())
    def an_sms_comes(self, order: int, text: str, sender: str, settle: bool) -> None:
        number = self._number(order)
        if number is None:
            return
        holder = self._holder(number)
        kept = self.shop.keep(number, text, sender)
        public = self.shop.context.installation.message_ids.public(kept.id)
        self.came_to[public] = str(holder.account_id)
        if holder.closed_at is None:
            self.came_while_open[public] = holder.id
        if settle:
            self.shop.settle(kept.id)

    @rule(order=orders, step=st.sampled_from(["cancel", "finish", "resend", "extend"]), capped=st.booleans())
    def the_customer_acts(self, order: int, step: str, capped: bool) -> None:
        if order not in self.placed:
            return
        side = self.placed[order].side
        cap = self.caps[self.customers.index(self.placed[order])] if capped else None
        try:
            with self.shop.db.transaction() as tx:
                if step == "extend":
                    commands.extend(tx, self.shop.context, side, order, 4 * 3600, secrets.token_hex(8), cap)
                else:
                    getattr(commands, step)(tx, self.shop.context, side, order)
        except Refusal:
            return

    @rule(seconds=st.sampled_from([1, 60, 130, 600, 1201, 1803, 3600, 5 * 3600, 50 * 86400]))
    def time_passes(self, seconds: int) -> None:
        self.shop.clock.advance(seconds)

    @rule(seconds=st.sampled_from(_JUMPS))
    def the_clock_jumps(self, seconds: int) -> None:
        self.shop.clock.advance(seconds)

    @rule()
    def the_workers_come_by(self) -> None:
        expire_round(self.shop.db, self.shop.context)
        sweep_round(self.shop.db, self.shop.context)

    @rule(jumps=st.lists(st.sampled_from((0, *_JUMPS)), min_size=1, max_size=8))
    def the_clock_jumps_while_the_workers_look(self, jumps: list[int]) -> None:
        self.shop.clock.jumps = jumps
        self.the_workers_come_by()
        self.shop.clock.jumps = []

    @invariant()
    def the_books_are_true(self) -> None:
        if hasattr(self, "customers"):
            self.shop.assert_books_are_true(
                frozenset({"i12_ends"}) if self._is_any_overdue() else frozenset()
            )

    @invariant()
    def nothing_changes_without_an_event(self) -> None:
        if not hasattr(self, "customers"):
            return
        for who in self.customers:
            named = self._named_since_last_look(who)
            for order, owner in self.placed.items():
                if owner is not who:
                    continue
                fresh = self._stored_view(order)
                if fresh != self.seen.get(order):
                    assert order in named, f"order {order} changed without an event"
                self.seen[order] = fresh

    @invariant()
    def code_and_money_agree(self) -> None:
        for order, owner in getattr(self, "placed", {}).items():
            found = self._view(order)
            unflagged = [one for one in found["messages"] if one["code"] and not one["late"]]
            if found["closed_at"] and unflagged:
                assert found["charged"], f"an unflagged code for free: {found}"
            if found["charged"] and found["kind"] == "activation":
                assert unflagged, f"money kept without a code in time: {found}"
            if found["charged"] and found["kind"] == "rental":
                assert any(not one["late"] for one in found["messages"]), found
            if found["state"] == "expired" and found["closed_at"]:
                assert found["closed_at"] >= found["expires_at"], f"ended before its time: {found}"
            self._assert_covered(found)
            self._assert_its_own(found, owner.account)

    def _assert_its_own(self, found: dict[str, Any], account: str) -> None:
        """By the order of things, whatever the clock says: whose the number was when the message came."""
        for message in found["messages"]:
            assert self.came_to[message["id"]] == account, f"somebody else's: {found}"

    def _is_any_overdue(self) -> bool:
        """No worker has come by for so long that what an order holds is held too long."""
        now = self.shop.clock.now()
        with self.shop.db.transaction() as tx:
            orders = [store.order(tx, order) for order in self.placed]
        return any(one.is_live and one.money == "held" and one.expires_at < now - LATE for one in orders)

    def _holder(self, number: str) -> Any:
        """Who ordered it last, and when that order ended."""
        with self.shop.db.transaction() as tx:
            return tx.one(
                "select o.id, d.account_id, o.closed_at from orders o join sides d on d.id = o.side_id"
                " where o.e164 = %(number)s order by o.serial desc limit 1",
                {"number": number},
            )

    def _assert_covered(self, found: dict[str, Any]) -> None:
        closed = found["closed_at"] and datetime.fromisoformat(found["closed_at"])
        for message in found["messages"]:
            received = datetime.fromisoformat(message["received_at"])
            if closed and self.came_while_open.get(message["id"]) != found["id"]:
                assert received <= closed + timedelta(seconds=GRACE_S)

    def _place(self, who: int, wanted: OrderRequest, capped: bool) -> int:
        buyer, cap = self.customers[who], self.caps[who] if capped else None
        try:
            with self.shop.db.transaction() as tx:
                placed = commands.place(
                    tx, self.shop.context, buyer.side, [wanted], secrets.token_hex(8), cap
                )
        except Refusal:
            return 0
        order = placed.ids[0]
        self.placed[order] = buyer
        return order

    def _number(self, order: int) -> str | None:
        if order not in self.placed:
            return None
        with self.shop.db.transaction() as tx:
            return store.order(tx, order).e164

    def _seq(self, who: Customer) -> int:
        with self.shop.db.transaction() as tx:
            return outbox.horizon(tx, who.side).seq

    def _named_since_last_look(self, who: Customer) -> set[int]:
        with self.shop.db.transaction() as tx:
            rows = outbox.page(tx, who.side, self.cursors[who.side], 1000).rows
        if rows:
            self.cursors[who.side] = rows[-1].seq
        return {row.order_id for row in rows}

    def _view(self, order: int) -> dict[str, Any]:
        with self.shop.db.transaction() as tx:
            return view.order_views(tx, self.shop.context, [order])[0]

    def _stored_view(self, order: int) -> dict[str, Any]:
        return {name: value for name, value in self._view(order).items() if name not in _TIME_BOUND}


def test_the_invariants_hold_on_every_walk(fresh_shop: FreshShop, soak: bool) -> None:
    walk(fresh_shop, walks=400 if soak else 12, steps=50 if soak else 30)


def walk(fresh_shop: FreshShop, *, walks: int, steps: int) -> None:
    class WalkOnAFreshDatabase(Walk):
        def __init__(self) -> None:
            super().__init__()
            self.opened = fresh_shop()
            self.shop = self.opened.shop

        def teardown(self) -> None:
            self.opened.close()

    run_state_machine_as_test(
        WalkOnAFreshDatabase,
        settings=settings(
            max_examples=walks,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
