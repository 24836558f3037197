"""The storm of the laws from two processes at once: one database and one key store in PostgreSQL, and no memory shared.

Each process buys, sends, cancels and runs the workers' rounds, as two machines do; afterwards the books must be true.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from onceline.config import Settings
from onceline.core.db import Database
from onceline.core.orders.model import Terms
from tests.laws.test_storms import THREADS, _rage, _settle_down, _shop
from tests.laws.test_storms import _assert_all_is_well as assert_all_is_well
from tests.shop import Customer, Shop, numbers

_TERMS = Terms(window_s=2, cancel_lock_s=0, grace_s=1, cooldown_s=1, drain_s=0.05, live_orders=0)


@dataclass(frozen=True, slots=True)
class Place:
    """One machine: a folder of its own, and where the others are met."""

    folder: Path
    database_url: str
    keystore_url: str
    master: Path

    @contextmanager
    def shop(self) -> Iterator[Shop]:
        settings = Settings(data_dir=self.folder, keystore_url=self.keystore_url, keystore_master=self.master)
        with Database(self.database_url, size=THREADS + 2, name="storm") as db:
            shop = _shop(db, settings, _TERMS)
            with closing(shop.context.vault):
                yield shop


def _rage_at(place: Place, buyers: list[Customer], seconds: float) -> int:
    with place.shop() as shop:
        return _rage(shop, buyers, seconds)


def test_two_machines_sell_the_same_numbers_to_the_same_buyers(
    conninfo: str, keys_url: str, tmp_path: Path, soak: bool
) -> None:
    places = [Place(tmp_path / name, conninfo, keys_url, tmp_path / "master.key") for name in ("a", "b")]
    with places[0].shop() as shop:
        buyers = [shop.customer(f"buyer {n}", 2_000_000) for n in range(1000 if soak else 60)]
        shop.empty("GB")
        shop.stock("GB", numbers(100))
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as machines:
            placed = [machines.submit(_rage_at, place, buyers, 60 if soak else 4) for place in places]
            orders = sum(one.result() for one in placed)
        _settle_down(shop)
        assert_all_is_well(shop, orders)
