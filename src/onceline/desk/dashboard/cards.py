"""An order as its card shows it: the words, figures and instants that the template needs beside core's own view.

Buttons follow the capabilities that core's view names, and what the person may do; the server decides again when they come.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import phonenumbers
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from onceline.core.db import Transaction
from onceline.core.errors import NotFound
from onceline.core.money import parse_amount
from onceline.core.orders import store
from onceline.core.orders.model import CLOSED, LIVE, RENTAL
from onceline.core.orders.store import Wanted
from onceline.core.orders.view import OfSide, order_views, views_of
from onceline.desk import formats
from onceline.desk.dashboard.acting import Acting
from onceline.desk.dashboard.choosing import country_name, service_name
from onceline.desk.house import house

SHOWN = 50
ENDED_SHOWN = 10
ENDED_FOR = timedelta(minutes=10)
_STARTED_FOR = timedelta(hours=3)
SOON_S = 120
FIRST = 3
STATES: dict[str, str | Promise] = {
    "placing": gettext_lazy("Fetching a number"),
    "waiting": gettext_lazy("Waiting"),
    "received": gettext_lazy("Received"),
    "resend_pending": gettext_lazy("Waiting for another"),
    "finished": gettext_lazy("Finished"),
    "cancelled": gettext_lazy("Cancelled"),
    "expired": gettext_lazy("Expired"),
    "failed": gettext_lazy("No number"),
}
_WITHOUT_CODE: dict[str, str | Promise] = {
    "placing": gettext_lazy("Fetching a number"),
    "waiting": gettext_lazy("Waiting for the message"),
    "received": gettext_lazy("A message came, without a code"),
    "resend_pending": gettext_lazy("Waiting for another message"),
    "finished": gettext_lazy("Finished, without a code"),
    "cancelled": gettext_lazy("Cancelled. Nothing was charged."),
    "expired": gettext_lazy("No code came. Nothing was charged."),
    "failed": gettext_lazy("No number could be had. Nothing was charged."),
}


@dataclass(frozen=True, slots=True)
class Card:
    """`view` is core's; `now` is the instant it was read at."""

    view: dict[str, Any]
    acting: Acting
    now: datetime

    @property
    def id(self) -> int:
        return int(self.view["id"])

    @property
    def id_text(self) -> str:
        """Without the thousands separators that a template gives to a number."""
        return str(self.id)

    @property
    def service_name(self) -> str:
        return service_name(self.view["service"])

    @property
    def country_name(self) -> str:
        return country_name(self.view["country"])

    @property
    def number(self) -> str:
        return spaced(self.view["number"])

    @property
    def state(self) -> str | Promise:
        return STATES[self.view["state"]]

    @property
    def is_live(self) -> bool:
        return self.view["state"] in LIVE

    @property
    def is_rental(self) -> bool:
        return bool(self.view["kind"] == RENTAL)

    @property
    def code(self) -> str | None:
        """None while another one is awaited, so that nobody takes the old one for it."""
        return None if self.view["state"] == "resend_pending" else self.view["code"]

    @property
    def code_is_late(self) -> bool:
        return bool(self.code) and all(one["late"] for one in self.view["messages"] if one["code"])

    @property
    def without_code(self) -> str | Promise:
        return _WITHOUT_CODE[self.view["state"]]

    @property
    def latest(self) -> dict[str, Any] | None:
        messages: list[dict[str, Any]] = self.view["messages"]
        return messages[-1] if messages else None

    @property
    def count(self) -> int:
        return len(self.view["messages"])

    @property
    def codes(self) -> int:
        """How many have come: a second one may equal the first."""
        return sum(bool(one["code"]) for one in self.view["messages"])

    @property
    def span_s(self) -> int:
        return max(1, round((self._instant("expires_at") - self._instant("created_at")).total_seconds()))

    @property
    def left_s(self) -> int:
        end = self._instant("expires_at") if self.is_live else self.now
        return max(0, round((end - self.now).total_seconds()))

    @property
    def left(self) -> str:
        return countdown(self.left_s)

    @property
    def is_soon(self) -> bool:
        return self.is_live and self.left_s <= SOON_S

    @property
    def ends_another_day(self) -> bool:
        return self.left_s > 86_400 / 2

    @property
    def cancel_is_locked(self) -> bool:
        """Cancelling becomes possible at a known instant that is still ahead."""
        early = self.now < self._instant("cancel_available_at")
        return bool(self.view["state"] == "waiting" and not self.view["messages"] and early)

    @property
    def may_act(self) -> bool:
        return self.acting.may("buyer")

    @property
    def may_spend(self) -> bool:
        return self.may_act and not self.acting.suspended

    @property
    def can_send(self) -> bool:
        """A test number takes messages from its owner's own page."""
        return self.acting.mode == "test" and bool(self.view["number"]) and self.may_act

    @property
    def again(self) -> str:
        """What the button to order the same once more sends; never above what this one cost."""
        one = self.view
        return f"{one['service']}:{one['country']}::{parse_amount(one['price']['amount'])}"

    @property
    def announcement(self) -> str:
        """For screen readers and the page's title."""
        words = {"service": self.service_name, "code": self.code}
        return _("Code for %(service)s: %(code)s") % words if self.code else ""

    @property
    def test_code(self) -> str:
        return f"{secrets.randbelow(900_000) + 100_000}"

    @property
    def fresh_key(self) -> str:
        return new_key()

    @property
    def tag(self) -> str:
        """The same as long as the card would say the same."""
        return digest([self.view, self.cancel_is_locked])

    def _instant(self, name: str) -> datetime:
        return formats.as_instant(self.view[name])


class LiveList(NamedTuple):
    """`older`: the cursor of the page after this one."""

    cards: list[Card]
    older: int | None
    has_any: bool

    @property
    def tag(self) -> str:
        return digest([[card.id, card.tag] for card in self.cards])


def live_list(acting: Acting, *, kind: str | None = None, before: int | None = None) -> LiveList:
    """What is live, newest first, then what has just ended: its last words should not vanish unread."""
    now = house().clock.now()
    with house().db.statement() as tx:
        wanted = Wanted(now, sorted(LIVE), kind=kind)
        page = store.listed(tx, acting.side, wanted, before=_own(tx, acting, before), limit=SHOWN)
        ended = [] if before else _ended(tx, acting, now, kind)
        views = order_views(tx, house().context, [*(row.id for row in page.rows), *ended])
    cards = [Card(view, acting, now) for view in views]
    return LiveList([card for card in cards if card.is_live or _just_ended(card)], page.next, bool(cards))


def card_of(acting: Acting, order_id: int) -> Card:
    """Raises NotFound, also for another account's."""
    with house().db.statement() as tx:
        found = views_of(tx, house().context, [OfSide(order_id, acting.side)])[0]
    if isinstance(found, NotFound):
        raise found
    return Card(found, acting, house().clock.now())


def cards_of(acting: Acting, ids: Sequence[int]) -> list[Card]:
    with house().db.statement() as tx:
        views = order_views(tx, house().context, ids)
    return [Card(view, acting, house().clock.now()) for view in views]


def first_orders(tx: Transaction, acting: Acting) -> list[dict[str, Any]] | None:
    """The orders of somebody who has just begun; None once there are more than FIRST."""
    rows = store.listed(tx, acting.side, Wanted(house().clock.now()), before=None, limit=FIRST + 1).rows
    return order_views(tx, house().context, [row.id for row in rows]) if len(rows) <= FIRST else None


def countdown(left_s: int) -> str:
    """As the script writes it too: minutes and seconds, hours before them, days alone."""
    if left_s >= 172_800:
        return formats.seconds(left_s)
    minutes, second = divmod(left_s, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


@lru_cache(maxsize=2000)
def spaced(number: str | None) -> str:
    """As its country writes it after the dial code; as it is where nobody knows."""
    if not number:
        return ""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL))


def new_key() -> str:
    """For one rendering of a form: sent twice, it acts once."""
    return f"desk-{secrets.token_hex(16)}"


def digest(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, default=str).encode(), digest_size=12).hexdigest()


def _ended(tx: Transaction, acting: Acting, now: datetime, kind: str | None) -> list[int]:
    """Short orders by their start; rentals, which began long ago, by their end, of the latest SHOWN that are over."""
    wanted = Wanted(now, sorted(CLOSED), kind=kind, since=now - _STARTED_FOR)
    begun = store.listed(tx, acting.side, wanted, before=None, limit=ENDED_SHOWN).rows
    rented = store.listed(
        tx, acting.side, Wanted(now, sorted(CLOSED), kind=RENTAL), before=None, limit=SHOWN
    ).rows
    over = store.orders(tx, [row.id for row in rented], acting.side) if rented else {}
    ends = {row.id: over[row.id].closed_at or over[row.id].expires_at for row in rented}
    just = [one for one, end in ends.items() if end > now - ENDED_FOR]
    return list(dict.fromkeys([*(row.id for row in begun), *just[:ENDED_SHOWN]]))


def _just_ended(card: Card) -> bool:
    ended = formats.as_instant(card.view["closed_at"] or card.view["expires_at"])
    return ended > card.now - ENDED_FOR


def _own(tx: Transaction, acting: Acting, order_id: int | None) -> int | None:
    """A cursor is an order of one's own. Raises NotFound."""
    return store.order(tx, order_id, acting.side).id if order_id else None
