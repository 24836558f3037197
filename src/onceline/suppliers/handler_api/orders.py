"""Buys, finishes and cancels over there, for the outbox of supplier calls. Each order buys at most once.

What was asked is written down and committed before it is asked. When no answer came, the server is not asked to sell again
but what it lists as active is read: one that no purchase of ours knows, for the same service and country, begun since, is
ours. Only when there is none for certain, the answer is no.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from onceline.core.money import format_amount
from onceline.suppliers import purchases
from onceline.suppliers.base import (
    Acquired,
    Call,
    Configured,
    NoNumbers,
    OutcomeUnknown,
    Surroundings,
)
from onceline.suppliers.handler_api import codes, wire
from onceline.suppliers.handler_api.client import Client, NoAnswer, NothingAsked
from onceline.suppliers.handler_api.messages import Listener
from onceline.suppliers.handler_api.settings import cost_micros
from onceline.suppliers.handler_api.wire import Bought, Nonsense, Said
from onceline.suppliers.purchases import Purchase

_LOG = structlog.get_logger(__name__)
FINISH, CANCEL, RESEND = "6", "8", "3"
SETTLES_WITHIN = timedelta(seconds=20)
"""Longer than any question of ours lasts: what a server did is in its list by then."""
SKEW = timedelta(minutes=2)
"""Between the server's clock and ours."""
LONGEST_LIFE = timedelta(minutes=75)
"""Of an activation whose server does not say when it ends: the longest known is an hour."""
PAGE = 100
MOST_PAGES = 10


class HandlerApi:
    """The Supplier of one configured server; used by several threads."""

    def __init__(self, configured: Configured, around: Surroundings) -> None:
        self._client = Client(configured, around)
        self._settings = self._client.settings
        self._name = configured.name
        self._around = around
        self._listener = Listener(self._client, around)

    # What the outbox calls.

    def acquire(self, call: Call) -> Acquired:
        """Raises NoNumbers, OutcomeUnknown."""
        wanted = self._wanted(call)
        begun = self._begin(call)
        if begun.is_new:
            return self._buy(call, begun.purchase, wanted)
        purchase = begun.purchase
        if purchase.state == "bought":
            return Acquired(purchase.number or "", purchase.network or "")
        if purchase.state in ("none", "ended", "unwanted"):
            raise NoNumbers
        return self._reconcile(call, purchase, wanted)

    def finish(self, call: Call) -> None:
        """Raises OutcomeUnknown."""
        if purchase := self._open(call):
            self._close(purchase, FINISH)

    def cancel(self, call: Call) -> None:
        """Raises OutcomeUnknown, also while the server says that it is too early."""
        if purchase := self._open(call):
            self._close(purchase, CANCEL)

    def resend(self, call: Call) -> None:
        """Raises OutcomeUnknown."""
        purchase = self._open(call)
        if purchase is None:
            return
        said = self._set_status(purchase, RESEND)
        if said.word in wire.CLOSED:
            self._end(purchase)
        elif said.word in ("ACCESS_RETRY_GET", "EMPTY"):
            self._listener.expect_another(purchase)
        else:
            _LOG.info("supplier refused a resend", supplier=self._name, word=said.word)

    # Buying.

    def _wanted(self, call: Call) -> dict[str, str]:
        """What the server is asked for. Raises NoNumbers for what it cannot be asked for."""
        number, code = codes.number_of(call.country), codes.code_of(call.service)
        most = self._settings.most_cost(call.price)
        sold = self._settings.sells(call.country, call.service) and call.network is None
        if number is None or code is None or most <= 0 or not sold:
            raise NoNumbers
        return {"service": code, "country": str(number), "maxPrice": format_amount(most)}

    def _begin(self, call: Call) -> purchases.Begun:
        now = self._now()
        with self._around.db.transaction() as tx:
            return purchases.begin(
                tx,
                call.reference,
                supplier=self._name,
                service=call.service,
                country=call.country,
                now=now,
                ends_at=now + LONGEST_LIFE,
            )

    def _buy(self, call: Call, purchase: Purchase, wanted: dict[str, str]) -> Acquired:
        try:
            said = self._client.ask_first_known(
                ("getNumberV2", "getNumber"), {"orderId": call.reference, **wanted}
            )
            bought = wire.bought(said)
        except NothingAsked as away:
            self._around.intake.alert(self._name, "unreachable", str(away))
            raise self._none(purchase) from None
        except (NoAnswer, Nonsense) as fault:
            raise self._unknown(purchase, str(fault)) from None
        if bought is not None:
            return self._take(call, purchase, bought)
        if said.word in wire.REFUSED or said.word in wire.UNKNOWN_ACTION:
            self._around.intake.alert(self._name, "refused", said.word)
            raise self._none(purchase)
        raise self._none(purchase) if said.word in wire.NO_STOCK else self._unknown(purchase, said.word)

    def _buy_again(self, call: Call, purchase: Purchase, wanted: dict[str, str]) -> Acquired:
        """Of a server that sells once under one orderId: what it sold before, or what it sells now. Only "none left" is a no."""
        try:
            said = self._client.ask("getNumberV2", {"orderId": call.reference, **wanted})
            bought = wire.bought(said)
        except (NoAnswer, Nonsense) as fault:
            raise self._unknown(purchase, str(fault)) from None
        if bought is not None:
            return self._take(call, purchase, bought)
        raise self._none(purchase) if said.word in wire.NO_STOCK else self._unknown(purchase, said.word)

    def _take(self, call: Call, purchase: Purchase, bought: Bought) -> Acquired:
        """Ours from here on. One that is of no use is noted as such, and the listener gives it back."""
        number = wire.e164(bought.phone, codes.calling_code(call.country))
        too_dear = _is_beyond(bought.cost, self._settings.most_cost(call.price))
        wanted = number is not None and not too_dear
        if not self._note(purchase, bought, number, wanted):
            self._note(purchase, bought, number, False)
            raise self._unknown(purchase, "an activation that was not expected")
        if number is None or too_dear:
            self._around.intake.alert(self._name, "too_dear" if too_dear else "unusable_number")
            raise NoNumbers
        return Acquired(number)

    def _note(self, purchase: Purchase, bought: Bought, number: str | None, wanted: bool) -> bool:
        now = self._now()
        with self._around.db.transaction() as tx:
            return purchases.bought(
                tx,
                purchase.reference,
                supplier_order_id=bought.supplier_order_id,
                number=number or wire.digits(bought.phone),
                network="",
                now=now,
                ends_at=now + (bought.lasts or LONGEST_LIFE),
                wanted=wanted,
            )

    # When no answer came.

    def _reconcile(self, call: Call, purchase: Purchase, wanted: dict[str, str]) -> Acquired:
        """Raises NoNumbers, OutcomeUnknown."""
        now = self._now()
        if purchase.state == "asking" and now < purchase.asked_at + SETTLES_WITHIN:
            raise OutcomeUnknown  # another worker may be asking at this moment
        if now >= purchase.ends_at:
            raise self._none(purchase)  # whatever was bought has run out over there, and was paid back
        found = self._strays(purchase, wanted)
        with self._around.db.transaction() as tx:
            in_doubt = purchases.in_doubt(tx, purchase)
        if found and len(found) <= in_doubt:
            return self._take(call, purchase, found[0])
        if found:
            self._around.intake.alert(self._name, "ambiguous_purchase", f"{len(found)} activations")
            raise OutcomeUnknown
        if self._settings.honours_order_id:
            return self._buy_again(call, purchase, wanted)
        if now < purchase.asked_at + SETTLES_WITHIN:
            raise OutcomeUnknown
        raise self._none(purchase)

    def _strays(self, purchase: Purchase, wanted: dict[str, str]) -> list[Bought]:
        """Active activations like the one that was asked for which no purchase knows. Raises OutcomeUnknown."""
        after, before = purchase.asked_at - SKEW, purchase.asked_at + SETTLES_WITHIN + SKEW
        alike = [
            one
            for one in self._active()
            if codes.service_of(one.service) == purchase.service
            and one.country in ("", wanted["country"])
            and wire.may_have_begun(one.begun, after, before)
        ]
        with self._around.db.transaction() as tx:
            known = purchases.known_remotes(tx, self._name, [one.supplier_order_id for one in alike])
        return [one for one in alike if one.supplier_order_id not in known]

    def _active(self) -> list[Bought]:
        """All that the server lists, page by page; each activation once. Raises OutcomeUnknown."""
        found: dict[str, Bought] = {}
        for page in range(MOST_PAGES):
            try:
                said = self._client.ask(
                    "getActiveActivations", {"start": str(page * PAGE), "limit": str(PAGE)}
                )
                rows = wire.active(said)
            except (NoAnswer, Nonsense):
                raise OutcomeUnknown from None
            if rows is None:
                self._around.intake.alert(self._name, "no_active_list", said.word)
                raise OutcomeUnknown
            before = len(found)
            found |= {row.supplier_order_id: row for row in rows}
            if len(rows) < PAGE or len(found) == before:
                return list(found.values())
        raise OutcomeUnknown

    # Ending.

    def _open(self, call: Call) -> Purchase | None:
        """The purchase of a call, None when nothing of it is open over there. Raises OutcomeUnknown."""
        with self._around.db.transaction() as tx:
            purchase = purchases.find(tx, call.reference)
        if purchase is None or purchase.state in ("none", "ended"):
            return None
        if purchase.supplier_order_id is None:
            raise OutcomeUnknown
        if self._now() >= purchase.ends_at:
            self._end(
                purchase
            )  # it ended there by itself: nothing is left to say, and perhaps nobody to say it to
            return None
        return purchase

    def _close(self, purchase: Purchase, status: str) -> None:
        said = self._set_status(purchase, status)
        if said.word in wire.HAS_CODE and status == CANCEL:
            self._listener.listen(purchase)
            said = self._set_status(purchase, FINISH)
        if said.word in wire.CLOSED or said.word == "EMPTY":
            self._end(purchase)
            return
        if said.word in wire.REFUSED:
            self._around.intake.alert(self._name, "refused", said.word)
        raise OutcomeUnknown

    def _set_status(self, purchase: Purchase, status: str) -> Said:
        try:
            return self._client.ask("setStatus", {"id": purchase.supplier_order_id or "", "status": status})
        except NoAnswer:
            raise OutcomeUnknown from None

    # Notes.

    def _end(self, purchase: Purchase) -> None:
        with self._around.db.transaction() as tx:
            purchases.ended(tx, purchase.reference)

    def _none(self, purchase: Purchase) -> NoNumbers:
        with self._around.db.transaction() as tx:
            purchases.none(tx, purchase.reference)
        return NoNumbers()

    def _unknown(self, purchase: Purchase, why: str) -> OutcomeUnknown:
        with self._around.db.transaction() as tx:
            purchases.unknown(tx, purchase.reference)
        _LOG.warning("purchase in doubt", supplier=self._name, reference=purchase.reference, why=why)
        return OutcomeUnknown()

    def _now(self) -> datetime:
        return self._around.context.clock.now()


def _is_beyond(cost: Decimal | None, most: int) -> bool:
    return cost is not None and cost_micros(cost) > most
