"""The offers of a service as a page shows them: sorted, in pages, each with a small histogram of how fast codes came.

Stock is read at most every few seconds for each service and process, and says of when it is.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from onceline.core.catalog import store as catalog
from onceline.core.catalog.store import Offer, OfferFilter
from onceline.core.errors import InvalidInput
from onceline.desk.dashboard.choosing import country_name
from onceline.desk.house import house

PER_PAGE = 20
FRESH_FOR = timedelta(seconds=5)
MOST_OFFERS = 2000
"""Of one service: every country in eight pools."""
_MOST_KEPT = 100
_BAR_STEP, _BAR_WIDTH, _BOX = 10, 8, 20
_SPLITS = "~"


class Stand(NamedTuple):
    offers: list[Offer]
    as_of: datetime


class Bar(NamedTuple):
    """A rectangle of the histogram, in its box of 60 × 20."""

    x: int
    y: int
    height: int
    is_median: bool


@dataclass(frozen=True, slots=True)
class Row:
    offer: Offer
    country_name: str
    pool_name: str
    bars: list[Bar]

    @property
    def value(self) -> str:
        """What its button sends: the price is part of it, so that nobody pays more than they saw."""
        one = self.offer
        return f"{one.service}:{one.country}:{one.pool}:{one.amount}"


class Page(NamedTuple):
    rows: list[Row]
    next: str | None
    as_of: datetime
    total: int


_Key = tuple[Any, ...]
SORTS: dict[str, Callable[[Offer], float]] = {
    "cheapest": lambda offer: offer.amount,
    "rate": lambda offer: -(offer.success_rate if offer.success_rate is not None else -1.0),
    "stock": lambda offer: -offer.stock,
}
_kept: OrderedDict[_Key, Stand] = OrderedDict()
_keeping = threading.Lock()


def page(
    wanted: OfferFilter,
    *,
    countries: frozenset[str] | None,
    sort: str,
    after: str,
    pools: Mapping[str, str],
) -> Page:
    """A page of what is leasable. Raises InvalidInput for a cursor that is none of ours."""
    stand = read(wanted)
    value = SORTS[sort]
    fitting = [one for one in stand.offers if countries is None or one.country in countries]
    ordered = sorted(fitting, key=lambda one: (value(one), country_name(one.country), one.pool))
    if after:
        place = _place(after)
        ordered = [one for one in ordered if (value(one), country_name(one.country), one.pool) > place]
    shown = ordered[:PER_PAGE]
    rows = [Row(one, country_name(one.country), pools.get(one.pool, one.pool), bars(one)) for one in shown]
    more = len(ordered) > PER_PAGE
    last = shown[-1] if more else None
    following = _SPLITS.join((repr(value(last)), country_name(last.country), last.pool)) if last else None
    return Page(rows, following, stand.as_of, len(fitting))


def read(wanted: OfferFilter) -> Stand:
    """At most FRESH_FOR old; what a person orders by is asked of the database again when they order."""
    key = (house().db.conninfo, wanted)
    now = house().clock.now()
    with _keeping:
        kept = _kept.get(key)
    if kept is not None and now - FRESH_FOR < kept.as_of <= now:
        return kept
    with house().db.statement() as tx:
        found = catalog.offers(tx, wanted, after=("", "", ""), limit=MOST_OFFERS, now=now)
    stand = Stand(found, now)
    with _keeping:
        _kept[key] = stand
        _kept.move_to_end(key)
        while len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return stand


def cheapest(wanted: OfferFilter) -> Offer | None:
    return min(read(wanted).offers, key=lambda one: (one.amount, -one.stock), default=None)


def bars(offer: Offer) -> list[Bar]:
    """The first six counts; what took longer is in the last bar."""
    counts = offer.seconds
    if not counts or not sum(counts):
        return []
    heights = [*counts[:5], sum(counts[5:])]
    tallest = max(heights)
    half, seen, median = sum(heights) / 2, 0, 0
    for place, count in enumerate(heights):
        seen += count
        if seen >= half:
            median = place
            break
    return [_bar(place, count, tallest, place == median) for place, count in enumerate(heights)]


def _bar(place: int, count: int, tallest: int, is_median: bool) -> Bar:
    height = max(1, round(_BOX * count / tallest)) if count else 0
    return Bar(place * _BAR_STEP, _BOX - height, height, is_median)


def _place(cursor: str) -> tuple[float, str, str]:
    parts = cursor.split(_SPLITS)
    try:
        value, country, pool = parts
        return float(value), country, pool
    except ValueError as error:
        raise InvalidInput("This page of the list does not exist; begin at its first one.") from error
