"""The order form: what was typed, what it asks of core, and what to say beside it when core refuses.

Promises that an order never costs more than the price on the button that was pressed, or the highest price that was typed,
and that a form sent twice orders once. Loses nothing that was typed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from onceline.core.catalog.model import Service
from onceline.core.catalog.store import OfferFilter
from onceline.core.errors import AccountSuspended, InvalidInput, NotFound, OncelineError, PriceTooLow
from onceline.core.money import parse_amount
from onceline.core.orders import commands
from onceline.core.orders.commands import OrderRequest, Placed
from onceline.core.orders.model import ACTIVATION, RENTAL
from onceline.desk import refusals
from onceline.desk.dashboard import choosing
from onceline.desk.dashboard.acting import Acting
from onceline.desk.dashboard.offers import SORTS
from onceline.desk.house import house

MOST_AT_ONCE = 10
_KEY = re.compile(r"desk-[0-9a-f]{32}")
_NUMBER = re.compile(r"\+[1-9][0-9]{4,14}")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_LONGEST = 80
SORT_NAMES: dict[str, str | Promise] = {
    "cheapest": _("Cheapest first"),
    "rate": _("Best rate first"),
    "stock": _("Most in stock first"),
}


class Fault(Exception):
    """What is wrong with a field, and what would be right; `field` is its name."""

    def __init__(self, field: str, text: str | Promise) -> None:
        super().__init__(field)
        self.field = field
        self.text = text


@dataclass(frozen=True, slots=True)
class Typed:
    """Everything in the form as it was typed, so that an answer can show it again."""

    kind: str = ACTIVATION
    q: str = ""
    chosen: str = ""
    service: str = ""
    country: str = ""
    sort: str = "cheapest"
    pool: str = ""
    network: str = ""
    duration: str = ""
    after: str = ""
    max_price: str = ""
    quantity: str = "1"

    @classmethod
    def of(cls, data: QueryDict, kind: str) -> Typed:
        asked = {name: data.get(name, "")[:_LONGEST] for name in cls.__slots__ if name != "kind"}
        sort = asked["sort"] if asked["sort"] in SORTS else "cheapest"
        pool = asked["pool"] if _SLUG.fullmatch(asked["pool"]) else ""
        network = asked["network"] if re.fullmatch(r"[0-9]{5,6}", asked["network"]) else ""
        quantity = asked["quantity"] or "1"
        return cls(kind, **asked | {"sort": sort, "pool": pool, "network": network, "quantity": quantity})

    def meant(self, mode: str) -> Service | None:
        """The service that is meant; what is typed counts before a link. `chosen` tells services of one name apart."""
        if self.q:
            picked = choosing.exactly(self.chosen, mode, self.kind)
            if picked and picked.name.casefold() == self.q.strip().casefold():
                return picked
            named = choosing.exactly(self.q, mode, self.kind)
            if named:
                return named
            found = choosing.search(self.q, mode, 2, self.kind)
            return found[0] if len(found) == 1 else None
        wanted = self.service or (choosing.ALL_MESSAGES if self.kind == RENTAL else "")
        return choosing.exactly(wanted, mode, self.kind) if wanted else None

    def duration_s(self, sold: list[int]) -> int:
        """For rentals one that is sold, the shortest where none was chosen; 0 for activations."""
        if self.kind != RENTAL or not sold:
            return 0
        wanted = int(self.duration) if re.fullmatch(r"[0-9]{1,9}", self.duration) else 0
        return wanted if wanted in sold else sold[0]

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What the order form carries, so that its answer shows the same list again."""
        return [
            (name, value)
            for name in ("q", "service", "country", "sort", "pool", "duration")
            if (value := getattr(self, name))
        ]

    def filter(self, mode: str, service: str, duration_s: int) -> OfferFilter:
        """Of all countries: the reading is shared by everybody who looks at this service."""
        return OfferFilter(
            mode, self.kind, service, None, self.pool or None, self.network or None, duration_s
        )


class Wish(NamedTuple):
    """What a pressed button asks for."""

    request: OrderRequest
    quantity: int
    key: str


class Refused(NamedTuple):
    """What to say beside the form. `agreed`: the value of a button that orders at the lowest price that works."""

    text: str | Promise
    status: int
    code: str = ""
    field: str = ""
    agreed: str = ""
    lowest: int = 0


def wish(data: QueryDict, typed: Typed) -> Wish:
    """Raises Fault."""
    agreed = data.get("agreed", "")
    service, country, pool, amount = _button(agreed or data.get("offer") or data.get("first", ""))
    number = data.get("number", "")
    if number and not _NUMBER.fullmatch(number):
        raise Fault("", _("This page is too old. Reload it and try again."))
    request = OrderRequest(
        service=service,
        country=country,
        kind=typed.kind,
        pool=pool or None,
        network=typed.network or None,
        max_price=amount if agreed else _limit(typed.max_price, amount),
        duration_s=_duration(typed),
        number=number or None,
    )
    return Wish(request, 1 if number else _quantity(typed.quantity), _key(data))


def place(acting: Acting, wanted: Wish) -> Placed:
    """All or none. Raises as core's command, and AccountSuspended."""
    if acting.suspended:
        raise AccountSuspended("This account is suspended.")
    with house().db.transaction() as tx:
        requests = [wanted.request] * wanted.quantity
        return commands.place(tx, house().context, acting.side, requests, wanted.key)


def refused(error: OncelineError | Fault, wanted: Wish | None) -> Refused:
    if isinstance(error, Fault):
        return Refused(error.text, 422, "invalid_input", error.field)
    if isinstance(error, NotFound | InvalidInput):
        return Refused(_("This is not offered any more. Choose again from the list."), 409, error.code)
    told = Refused(refusals.sentence(error), refusals.status_of(error), error.code)
    if isinstance(error, PriceTooLow) and wanted is not None:
        lowest = error.facts["lowest_price"]
        return told._replace(agreed=_value(wanted.request, lowest), lowest=lowest)
    return told


def _value(request: OrderRequest, amount: int) -> str:
    return f"{request.service}:{request.country}:{request.pool or ''}:{amount}"


def _button(value: str) -> tuple[str, str, str, int]:
    """Service, country, pool and price of an offer as its button names them."""
    found = re.fullmatch(r"([a-z0-9-]{1,64}):([A-Z]{2}):([a-z0-9-]{0,64}):([0-9]{1,16})", value)
    if not found:
        raise Fault("", _("Choose an offer from the list first."))
    service, country, pool, amount = found.groups()
    return service, country, pool, int(amount)


def _limit(typed: str, shown: int) -> int:
    """The highest price that was typed, else the price that was shown."""
    if not typed.strip():
        return shown
    try:
        return parse_amount(typed.strip().replace(",", "."))
    except InvalidInput as error:
        raise Fault("max_price", _("Write the highest price in digits, such as 0.25.")) from error


def _quantity(typed: str) -> int:
    if not re.fullmatch(r"[0-9]{1,2}", typed) or not 1 <= int(typed) <= MOST_AT_ONCE:
        raise Fault("quantity", _("Order 1 to 10 numbers at once."))
    return int(typed)


def _duration(typed: Typed) -> int:
    if typed.kind != RENTAL:
        return 0
    if not re.fullmatch(r"[1-9][0-9]{0,8}", typed.duration):
        raise Fault("duration", _("Choose for how long you want to rent."))
    return int(typed.duration)


def _key(data: QueryDict) -> str:
    key = data.get("key", "")
    if not _KEY.fullmatch(key):
        raise Fault("", _("This page is too old. Reload it and try again."))
    return key


def context_of(typed: Typed) -> dict[str, Any]:
    return {"typed": typed, "sorts": SORT_NAMES}
