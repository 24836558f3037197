"""What the server has and asks for it, brought over every half minute: prices with the mark-up, stock, and what is left there."""

from __future__ import annotations

import threading
from decimal import Decimal

import structlog

from onceline.core.catalog import store as catalog
from onceline.core.errors import Unavailable
from onceline.suppliers import purchases
from onceline.suppliers.base import Configured, Heartbeat, Surroundings
from onceline.suppliers.handler_api import codes, wire
from onceline.suppliers.handler_api.client import MOST_PRICES_BYTES, Client, NoAnswer
from onceline.suppliers.handler_api.settings import HandlerApiSettings
from onceline.suppliers.handler_api.wire import Said
from onceline.suppliers.purchases import Stock

_LOG = structlog.get_logger(__name__)
DEVICE = "account"
MOST_OFFERS = 200_000
"""More leaves than that are no price list."""

Place = tuple[str, str]
"""Country and service, as we name them."""


class Offers(dict[Place, tuple[int, int]]):
    """Our price in micro-units, and how many there are. `unread` counts the leaves that made no sense."""

    unread: int = 0


def offers(settings: HandlerApiSettings, said: Said) -> Offers | None:
    """Of what getPrices said, all that may be sold here; None when it is no price list."""
    leaves = wire.prices(said)
    if leaves is None:
        return None
    found = Offers()
    for at, (country_number, code, cost, count) in enumerate(leaves):
        if at >= MOST_OFFERS:
            return None
        country, service = codes.country_of(country_number), codes.service_of(code)
        if country is None or service is None or not settings.sells(country, service):
            continue
        price = settings.price_of(cost) if cost is not None else None
        if price is None:
            found.unread += count > 0
        else:
            found[country, service] = (price, count)
    return found


class Market:
    """The Session that keeps offers and balance up to date."""

    def __init__(self, configured: Configured, around: Surroundings) -> None:
        self._client = Client(configured, around)
        self._settings = self._client.settings
        self._supplier = configured.name
        self._around = around
        self._woken = threading.Event()
        self._prices: dict[Place, int] = {}
        self._trouble = ""

    @property
    def name(self) -> str:
        return f"{self._supplier}/market"

    def hear(self, words: frozenset[str]) -> None:
        """Nothing: the clock decides."""

    def wake(self) -> None:
        self._woken.set()

    def run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self.look()
            except Unavailable:
                self._say("the database is away")
            except Exception:
                _LOG.exception("market failed a round", supplier=self._supplier)
            self._woken.wait(self._settings.poll_s)
            self._woken.clear()

    def look(self) -> None:
        """One round. What cannot be read changes nothing: the stock goes when it is a minute old. Raises Unavailable."""
        try:
            balance = wire.balance(self._client.ask("getBalance"))
            said = self._client.ask("getPrices", most=MOST_PRICES_BYTES)
        except NoAnswer as fault:
            self._say(str(fault))
            return
        found = offers(self._settings, said)
        if found is None:
            self._say(said.word or "other JSON")
        else:
            self._bring_over(found)
        self._tell(balance, len(found or ()))

    def _bring_over(self, found: Offers) -> None:
        prices = {place: price for place, (price, _) in found.items()}
        changed = {place: price for place, price in prices.items() if self._prices.get(place) != price}
        stock = [Stock(country, service, count) for (country, service), (_, count) in found.items()]
        with self._around.db.transaction() as tx:
            if not purchases.feeds(tx, self._supplier, self._settings.pool):
                self._say("no such pool")
                return
            catalog.set_prices(tx, self._settings.pool, changed)
            purchases.set_stock(tx, self._settings.pool, stock, self._around.context.clock.now())
        self._prices = prices
        self._say("some prices cannot be read" if found.unread else "")

    def _tell(self, balance: Decimal | None, offered: int) -> None:
        low = self._settings.low_balance
        is_low = balance is not None and low is not None and balance < low
        facts = {"balance": None if balance is None else f"{balance:f}", "offers": offered}
        self._around.intake.beat(self._supplier, Heartbeat(DEVICE, facts, "balance_low" if is_low else ""))

    def _say(self, trouble: str) -> None:
        """Once, not every half minute: when the trouble changes."""
        if trouble and trouble != self._trouble:
            _LOG.warning("market not brought over", supplier=self._supplier, why=trouble)
            self._around.intake.alert(self._supplier, "market", trouble)
        self._trouble = trouble
