"""What operators decide about pools and prices: set, changed in integers, dropped; prohibited services never."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import ceil

import pytest

from onceline.core.catalog import rules
from onceline.core.catalog.rules import ACTIVATION, EVERY, PARTS, RENTAL, Changed, Rule, RuleFilter
from onceline.core.catalog.store import Pool
from onceline.core.db import Row
from onceline.core.errors import InvalidInput, NotFound, ProhibitedService
from onceline.core.money import LARGEST, MICROS
from tests.personas import ALICE
from tests.shop import FOUR_HOURS, Shop, numbers

OURS = RuleFilter("ours")


def rule(service: str = EVERY, country: str = EVERY, amount: int = MICROS // 4, **rest: object) -> Rule:
    fields = {"pool": "ours", "kind": ACTIVATION, "duration_s": 0} | rest
    return Rule(service=service, country=country, amount=amount, **fields)  # type: ignore[arg-type]  # of a test


def set_rules(shop: Shop, *made: Rule) -> None:
    with shop.db.transaction() as tx:
        rules.set_rules(tx, made)


def listed(shop: Shop, wanted: RuleFilter = OURS) -> list[Row]:
    with shop.db.transaction() as tx:
        return rules.rules(tx, wanted, limit=100)


def change(shop: Shop, factor: int, wanted: RuleFilter = OURS, *, write: bool = True) -> Changed:
    with shop.db.transaction() as tx:
        return rules.change(tx, wanted, factor, write=write)


@pytest.fixture(autouse=True)
def ours(shop: Shop) -> None:
    shop.pool("ours", supplier="acme")


def test_a_rule_prices_what_is_sold(shop: Shop) -> None:
    shop.stock("GB", numbers(2), pool="ours")
    set_rules(shop, rule(), rule("telegram", "GB", 333_300))
    alice = shop.customer(ALICE)
    assert shop.place(alice, pool="ours").price == 333_300
    assert shop.place(alice, "whatsapp", pool="ours").price == MICROS // 4


def test_a_rule_that_is_set_again_has_the_new_amount_and_the_last_of_a_file_counts(shop: Shop) -> None:
    set_rules(shop, rule("telegram"))
    set_rules(shop, rule("telegram", amount=1), rule("telegram", amount=2))
    assert [(row.service, row.country, row.amount) for row in listed(shop)] == [("telegram", EVERY, 2)]


@pytest.mark.promise("A1")
def test_a_prohibited_service_gets_no_price_and_neither_do_its_neighbours(shop: Shop) -> None:
    with pytest.raises(ProhibitedService):
        set_rules(shop, rule("telegram"), rule("bank-other"))
    assert listed(shop) == []


@pytest.mark.parametrize(
    "wrong",
    [
        rule("nobody-knows"), rule(country="ZZ"), rule(country="gb"), rule(pool="nobody"), rule(amount=0), rule(amount=LARGEST + 1),
        rule(kind=RENTAL), rule(duration_s=FOUR_HOURS), rule(kind="gift"), rule("full"), rule(kind=RENTAL, duration_s=401 * 86400),
    ],
    ids=lambda wrong: f"{wrong.kind} {wrong.service} {wrong.country} {wrong.amount} {wrong.duration_s} {wrong.pool}",
)  # fmt: skip
def test_a_rule_that_makes_no_sense_is_refused_and_nothing_is_written(shop: Shop, wrong: Rule) -> None:
    with pytest.raises((InvalidInput, NotFound)):
        set_rules(shop, rule("telegram"), wrong)
    assert listed(shop) == []


def test_a_filter_finds_its_rules(shop: Shop) -> None:
    rental = rule(kind=RENTAL, duration_s=FOUR_HOURS, amount=MICROS)
    set_rules(shop, rule(), rule("telegram", "GB"), rule("whatsapp", "DE"), rental)
    found = {
        "base": listed(shop, RuleFilter("ours", services=[EVERY])),
        "gb": listed(shop, RuleFilter("ours", countries=["GB"])),
        "rental": listed(shop, RuleFilter("ours", kind=RENTAL)),
        "four": listed(shop, RuleFilter("ours", duration_s=FOUR_HOURS)),
        "two": listed(shop, RuleFilter("ours", services=["telegram", "whatsapp"])),
    }
    assert {name: len(rows) for name, rows in found.items()} == {
        "base": 2,
        "gb": 1,
        "rental": 1,
        "four": 1,
        "two": 2,
    }


@pytest.mark.parametrize(
    "wanted", [RuleFilter("ours", services=["nope"]), RuleFilter("ours", countries=["ZZ"])]
)
def test_a_filter_that_names_nothing_is_refused_and_finds_not_everything(
    shop: Shop, wanted: RuleFilter
) -> None:
    set_rules(shop, rule())
    with pytest.raises(NotFound):
        change(shop, 2 * PARTS, wanted)
    assert [row.amount for row in listed(shop)] == [MICROS // 4]


def test_a_change_rounds_up_to_four_places(shop: Shop) -> None:
    set_rules(shop, rule("telegram", amount=333_300), rule("whatsapp", amount=1), rule("discord", amount=100))
    told = change(shop, PARTS + 1000, write=False)
    assert told == Changed(3, (1, 333_300), (100, 366_700))
    assert [row.amount for row in listed(shop)] == [333_300, 1, 100]
    assert change(shop, PARTS + 1000) == told
    assert [row.amount for row in listed(shop)] == [366_700, 100, 200]


def test_a_change_is_the_exact_fraction_rounded_up(shop: Shop) -> None:
    """Beyond 2**53 too, where a float would be off."""
    dice = random.Random(5)
    with shop.db.transaction() as tx:
        for _ in range(200):
            amount, factor = dice.randint(1, 10 ** dice.randint(1, 14)), dice.randint(1, 11 * PARTS)
            rules.set_rules(tx, [rule(amount=amount)])
            told = rules.change(tx, OURS, factor, write=True)
            assert told.after[0] == ceil(Fraction(amount * factor, PARTS) / 100) * 100


@pytest.mark.parametrize("factor", [0, -1, 11 * PARTS + 1])
def test_a_change_to_nothing_or_beyond_reason_is_refused(shop: Shop, factor: int) -> None:
    with pytest.raises(InvalidInput):
        change(shop, factor)


def test_a_change_that_would_be_too_large_changes_nothing(shop: Shop) -> None:
    set_rules(shop, rule("telegram", amount=LARGEST), rule())
    with pytest.raises(InvalidInput):
        change(shop, 2 * PARTS)
    assert [row.amount for row in listed(shop)] == [LARGEST, MICROS // 4]


def test_two_changes_at_once_both_count(shop: Shop) -> None:
    """The second waits for the first, and then counts from what that made."""
    set_rules(shop, rule("telegram", amount=1_000_000))
    with ThreadPoolExecutor(1) as pool:
        with shop.db.transaction() as tx:
            rules.change(tx, OURS, 2 * PARTS, write=True)
            second = pool.submit(change, shop, 2 * PARTS)
            time.sleep(0.3)
            assert not second.done()
        assert second.result(timeout=20).before == (2_000_000, 2_000_000)
    assert [row.amount for row in listed(shop)] == [4_000_000]


def test_a_dropped_rule_falls_back_to_the_general_one(shop: Shop) -> None:
    shop.stock("GB", numbers(1), pool="ours")
    set_rules(shop, rule(), rule("telegram", "GB", 333_300))
    with shop.db.transaction() as tx:
        assert rules.drop(tx, RuleFilter("ours", services=["telegram"])) == 1
    assert shop.place(shop.customer(ALICE), pool="ours").price == MICROS // 4


def test_a_pool_is_made_once(shop: Shop) -> None:
    pool = Pool("acme-gb", "Acme, Britain", "acme", "live")
    with shop.db.transaction() as tx:
        rules.add_pool(tx, pool)
        assert rules.pool(tx, "acme-gb").name == "Acme, Britain"
    with shop.db.transaction() as tx, pytest.raises(InvalidInput):
        rules.add_pool(tx, pool)


@pytest.mark.parametrize("slug", ["", "A", "a b", "-a", "x" * 41])
def test_a_pool_needs_a_slug(shop: Shop, slug: str) -> None:
    with shop.db.transaction() as tx, pytest.raises(InvalidInput):
        rules.add_pool(tx, Pool(slug, "name", "acme", "live"))


def test_a_disabled_pool_sells_nothing(shop: Shop) -> None:
    with shop.db.transaction() as tx:
        rules.enable_pool(tx, "ours", False)
        assert rules.pool(tx, "ours").enabled is False
    with shop.db.transaction() as tx, pytest.raises(NotFound):
        rules.enable_pool(tx, "nobody", True)
