"""How the tests of the public pages speak: an operator who decides, a reader without a cookie, stock that is for sale."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

from onceline.core.catalog import store as catalog
from onceline.core.catalog.store import Pool
from onceline.core.money import MICROS
from onceline.desk.house import install
from tests.desk.visitors import Pages
from tests.shop import numbers

ENGLISH, CHINESE = "en", "zh-hans"
PUBLIC = (
    "/",
    "/prices/",
    "/docs/api/",
    "/policies/",
    "/policies/terms/",
    "/policies/acceptable-use/",
    "/policies/privacy/",
    "/policies/delivery/",
    "/policies/refunds/",
    "/policies/terms/1/",
    "/official/",
    "/processors/",
)
_TAG = re.compile(r"<[^>]*>")


def decide(pages: Pages, **settings: Any) -> None:
    """The operator starts this installation with other settings."""
    changed = pages.house.settings.model_copy(update=settings)
    install(replace(pages.house, settings=changed, context=replace(pages.house.context, terms=changed.terms)))


def read(pages: Pages, path: str, language: str = ENGLISH) -> str:
    """A page as somebody without a cookie gets it."""
    answer = pages.browser().get(path, headers={"accept-language": language})
    assert answer.status_code == 200, answer.content.decode()
    return str(answer.content.decode())


def words(pages: Pages, path: str, language: str = ENGLISH) -> str:
    """What is to be read on it, on one line."""
    text = html.unescape(_TAG.sub(" ", read(pages, path, language)))
    return " ".join(text.split())


def sell(
    pages: Pages,
    slug: str = "eu",
    *,
    price: int = MICROS,
    count: int = 3,
    first: int = 0,
    name: str = "",
    country: str = "GB",
) -> None:
    """A pool of the live side with so many numbers, for every service."""
    with pages.shop.db.transaction() as tx:
        pool = catalog.seed_pool(tx, Pool(slug, name or slug, "twilio-eu", "live"))
        catalog.set_price(tx, pool, price)
    pages.shop.stock(country, numbers(count, first), pool=slug)
