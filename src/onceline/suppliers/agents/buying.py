"""Orders that go to an agent: ask for a number, and say what became of it.

The protocol knows no reference of ours, so a question whose answer was lost must never be asked again: it may have been
heard. It is written down before it is asked, and not asked once nobody waits for it; when the answer stays out, the customer's money goes back, staff are told,
and a number that comes after all is cancelled. Promises: at most one question for an order and code; FINISH_ACTIVATION is
repeated until the agent has understood it, for a day.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from onceline.core.catalog.model import load_countries
from onceline.core.errors import InvalidInput, Unavailable
from onceline.core.phone import parse_e164
from onceline.suppliers import purchases
from onceline.suppliers.agents import places, wire
from onceline.suppliers.agents.line import Line, NoAnswer
from onceline.suppliers.agents.services import codes_of
from onceline.suppliers.agents.settings import AgentSettings
from onceline.suppliers.agents.wire import NotUnderstood
from onceline.suppliers.base import Acquired, Call, Configured, NoNumbers, OutcomeUnknown, Surroundings
from onceline.suppliers.purchases import Purchase

_LOG = structlog.get_logger(__name__)
ANSWER_S = 3.0
"""How long the protocol gives an agent for a number."""
MOST_CODES = 3
"""Codes of one service that are tried, one after the other."""
_ASKING = 4
_NOTED_AGAIN_S = (1.0, 2.0, 4.0, 8.0)
"""Pauses between tries to note what came late, while the database is away."""
_TOLD_FOR = timedelta(days=1)
_REFUSALS = frozenset(
    {"NO_NUMBERS", "ERROR", "NO_OPERATION", "NO_OP", "BAD_SERVICE", "IGNORED", "SERVICE_BAN"}
)
"""Definite answers that bought nothing; some hubs' dialects have words of their own."""


@dataclass(frozen=True, slots=True)
class Named:
    """What an agent gave. `number` is "" where it is none that the order could have."""

    activation: int
    number: str


class Buyer:
    def __init__(self, configured: Configured, around: Surroundings) -> None:
        self._name = configured.name
        self._settings: AgentSettings = configured.settings
        self._around = around
        self._line = Line(configured, around.door)
        self._asking = ThreadPoolExecutor(_ASKING, thread_name_prefix=f"agent-{self._name}")

    def acquire(self, call: Call) -> Acquired:
        country = places.word(call.country, self._settings.countries)
        codes, price = codes_of(call.service)[:MOST_CODES], self._settings.sum_of(call.price)
        if country is None or not codes or price <= 0:
            raise NoNumbers
        begun = self._begin(call)
        if not begun.is_new:
            return self._again(begun.purchase)
        fields = {"country": country, "operator": "any", "currency": self._settings.currency_number}
        end = time.monotonic() + ANSWER_S
        asking = self._asking.submit(self._ask, call, codes, fields, f"{price:f}", end)
        try:
            named = asking.result(ANSWER_S)
        except Late:
            raise self._gave_up(call.reference, asking) from None
        except NoAnswer as lost:
            raise self._lost(call.reference, lost) from None
        return self._take(call, named)

    def finish(self, call: Call) -> None:
        self._close(call.reference, wire.SOLD)

    def cancel(self, call: Call) -> None:
        """A number that no order has is one that we had to refuse: held, resting, or used for that service."""
        self._close(call.reference, wire.CANCELLED if call.number else wire.DO_NOT_OFFER)

    def resend(self, call: Call) -> None:
        """The protocol has no word for it: an agent pushes whatever comes until it is told to stop."""

    # The question.

    def _begin(self, call: Call) -> purchases.Begun:
        now = self._around.context.clock.now()
        with self._around.db.transaction() as tx:
            return purchases.begin(
                tx,
                call.reference,
                supplier=self._name,
                service=call.service,
                country=call.country,
                now=now,
                ends_at=now + _TOLD_FOR,
            )

    def _again(self, known: Purchase) -> Acquired:
        """The same call once more: the same answer, and no question."""
        if known.state == "bought" and known.number:
            return Acquired(known.number, known.network or "")
        if known.state == "asking":
            self._doubt(known.reference, "asked_before")
        raise NoNumbers

    def _ask(
        self, call: Call, codes: tuple[str, ...], fields: dict[str, Any], price: str, end: float
    ) -> Named | None:
        """One code after the other, as long as the answers are definite and the caller waits. Raises NoAnswer."""
        for code in codes:
            if time.monotonic() >= end:
                return None
            answer = self._line.ask(
                "GET_NUMBER", {"sum": price}, service=code, exceptionPhoneSet=[], **fields
            )
            named = _named(answer, call.country)
            if named:
                return named
        return None

    def _take(self, call: Call, named: Named | None) -> Acquired:
        if named is None:
            self._none(call.reference)
            raise NoNumbers
        if not self._note(call.reference, named, wanted=bool(named.number)):
            self._doubt(call.reference, "activation_known")
            raise NoNumbers
        if not named.number:
            self._alert("purchase_unusable")
            raise NoNumbers
        return Acquired(named.number)

    def _note(self, reference: str, named: Named, *, wanted: bool) -> bool:
        now = self._around.context.clock.now()
        with self._around.db.transaction() as tx:
            return purchases.bought(
                tx,
                reference,
                supplier_order_id=str(named.activation),
                number=named.number,
                network="",
                now=now,
                ends_at=now + _TOLD_FOR,
                wanted=wanted,
            )

    # What went wrong.

    def _gave_up(self, reference: str, asking: Future[Named | None]) -> Exception:
        """A question that still waited for its turn was never asked; of another nobody knows until it ends."""
        if asking.cancel():
            self._none(reference)
            return NoNumbers()
        try:
            self._doubt(reference, "timeout")
        finally:
            asking.add_done_callback(lambda late: self._came_late(reference, late))
        return NoNumbers()

    def _lost(self, reference: str, lost: NoAnswer) -> Exception:
        """The question never left, or nobody knows."""
        if lost.asked:
            self._doubt(reference, str(lost))
        else:
            self._alert("agent_unreachable")
            self._none(reference)
        return NoNumbers()

    def _none(self, reference: str) -> None:
        with self._around.db.transaction() as tx:
            purchases.none(tx, reference)

    def _doubt(self, reference: str, why: str) -> None:
        with self._around.db.transaction() as tx:
            purchases.unknown(tx, reference)
        _LOG.warning("purchase with unknown outcome", supplier=self._name, reference=reference, why=why)
        self._alert("purchase_unknown", reference)

    def _came_late(self, reference: str, late: Future[Named | None]) -> None:
        """Nobody waits any more, and nobody would hear a fault: while the database is away it is tried again."""
        if late.exception() is not None:
            return
        named = late.result()
        for pause_s in (*_NOTED_AGAIN_S, 0.0):
            try:
                self._note_late(reference, named)
                return
            except Unavailable:
                time.sleep(pause_s)
        activation = named.activation if named else 0
        _LOG.error("late answer not noted", supplier=self._name, reference=reference, activation=activation)

    def _note_late(self, reference: str, named: Named | None) -> None:
        """The number is noted to be cancelled, or the doubt is gone. Raises Unavailable."""
        if named:
            self._note(reference, named, wanted=False)
        else:
            self._none(reference)

    def _alert(self, code: str, subject: str = "") -> None:
        self._around.intake.alert(self._name, code, subject)

    # What became of a number.

    def _close(self, reference: str, status: int) -> None:
        with self._around.db.transaction() as tx:
            purchase = purchases.find(tx, reference)
        if purchase is not None and purchase.state in ("bought", "unwanted"):
            tell(self._line, self._around, purchase, status)


def tell(line: Line, around: Surroundings, purchase: Purchase, status: int) -> None:
    """What became of a number. Raises OutcomeUnknown, until a day after the purchase: then staff are told instead."""
    assert purchase.supplier_order_id is not None, "what was bought has a name over there"
    try:
        answer = line.ask("FINISH_ACTIVATION", activationId=int(purchase.supplier_order_id), status=status)
        understood = answer["status"] == wire.SUCCESS
    except NoAnswer:
        understood = False
    if not understood and around.context.clock.now() < purchase.ends_at:
        raise OutcomeUnknown
    if not understood:
        around.intake.alert(purchase.supplier, "finish_refused", purchase.reference)
    with around.db.transaction() as tx:
        purchases.ended(tx, purchase.reference)


def _named(answer: dict[str, Any], country: str) -> Named | None:
    """What an answer to GET_NUMBER gives; None for a definite no. Raises NoAnswer: it may have sold us something."""
    if answer["status"] in _REFUSALS:
        return None
    if answer["status"] != wire.SUCCESS:
        raise NoAnswer("not_understood")
    try:
        activation = wire.ulong(answer, "activationId")
    except NotUnderstood:
        raise NoAnswer("not_understood") from None
    return Named(activation, _number(answer, country))


def _number(answer: dict[str, Any], country: str) -> str:
    """With its plus; "" for what is no number, or of another country than was asked for."""
    try:
        number = parse_e164(f"+{wire.ulong(answer, 'number')}")
    except (NotUnderstood, InvalidInput):
        return ""
    calling = next(one.calling_code for one in load_countries() if one.iso2 == country)
    return number if number.startswith(f"+{calling}") else ""
