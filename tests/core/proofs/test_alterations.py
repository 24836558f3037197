"""A row of the ledger that somebody with every right has altered: a check says that, and which wallet or row it is.

There is no chain of hashes here. The transfers are held against what is written down apart from them: the figures of sides,
the deposits, the orders, and the sums of the house by day. What somebody changes in one of these, the others name.
"""

from __future__ import annotations

import pytest

from onceline.core.books import store as books
from onceline.core.money import MICROS
from onceline.core.proofs.checks import Proof, look, prove
from tests.personas import ALICE, CHARLIE
from tests.shop import CANCEL_LOCK_S, Customer, Shop


class Story:
    """Alice paid for one order, was given one back and holds one; Charlie did the same, before her."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.charlie, self.alice = shop.customer(CHARLIE), shop.customer(ALICE)
        for who in (self.charlie, self.alice):
            paid, cancelled = shop.place(who), shop.place(who)
            shop.sms(paid.e164)
            shop.pass_time(CANCEL_LOCK_S)
            shop.cancel(who, cancelled)
            shop.place(who)

    def wallet(self, who: Customer) -> int:
        return int(self.shop.value("select wallet from sides where id = %(side)s", side=who.side))

    def row(self, kind: str) -> int:
        """Alice's first transfer of a kind."""
        wanted = "select min(id) from transfers where kind = %(kind)s and wallet = %(wallet)s"
        return int(self.shop.value(wanted, kind=kind, wallet=self.wallet(self.alice)))

    def rolled(self) -> None:
        """The days of the house are summed; what was open has ended."""
        self.shop.wait(2 * 86400)
        with self.shop.db.transaction() as tx:
            assert books.roll(tx, self.shop.clock.now())

    def broken(self) -> dict[str, Proof]:
        with self.shop.db.transaction() as tx:
            return {one.id: one for one in prove(tx, self.shop.clock.now()) if one.broken}

    def named(self) -> set[str | None]:
        return {one.named for one in self.broken().values()}


@pytest.fixture
def story(shop: Shop) -> Story:
    story = Story(shop)
    assert story.broken() == {}
    return story


@pytest.mark.attack(40)
@pytest.mark.parametrize(
    ("kind", "damage", "check"),
    [
        ("deposit", "update transfers set amount = amount + 1 where id = %(row)s", "i8_deposits"),
        ("hold", "update transfers set amount = amount + 1 where id = %(row)s", "i1_sums"),
        ("capture", "update transfers set amount = amount + 1 where id = %(row)s", "i1_sums"),
        ("release", "update transfers set amount = amount - 1 where id = %(row)s", "i1_sums"),
        ("deposit", "update transfers set kind = 'bonus' where id = %(row)s", "i8_deposits"),
        ("hold", "update transfers set credit = 'disputed' where id = %(row)s", "i1_sums"),
        ("capture", "update transfers set credit = 'available' where id = %(row)s", "i1_sums"),
        ("capture", "update transfers set debit = 'available' where id = %(row)s", "i1_sums"),
        ("hold", "update transfers set debit = 'revenue' where id = %(row)s", "i1_sums"),
        ("deposit", "update transfers set wallet = null where id = %(row)s", "i1_sums"),
        ("hold", "update transfers set wallet = -1 where id = %(row)s", "i1_sums"),
        ("deposit", "delete from transfers where id = %(row)s", "i8_deposits"),
        ("hold", "delete from transfers where id = %(row)s", "i1_sums"),
        ("release", "delete from transfers where id = %(row)s", "i1_sums"),
        (
            "deposit",
            "insert into transfers (mode, kind, wallet, debit, credit, amount, made_at)"
            " select mode, kind, wallet, debit, credit, amount, made_at from transfers where id = %(row)s",
            "i8_deposits",
        ),
    ],
)  # fmt: skip
def test_the_wallet_of_an_altered_transfer_is_named(story: Story, kind: str, damage: str, check: str) -> None:
    """Also when its figures were altered to agree with the sums: see the next test."""
    assert story.shop.tamper(damage, row=story.row(kind)) == 1
    assert story.broken()[check].named == f"wallet {story.wallet(story.alice)}"


@pytest.mark.attack(40)
@pytest.mark.parametrize(
    ("kind", "damage", "check", "names"),
    [
        ("hold", "update transfers set mode = 'live' where id = %(row)s", "i1_balance", "hold"),
        ("capture", "update transfers set pending_id = -1 where id = %(row)s", "i6_holds", "hold"),
        ("capture", "update transfers set kind = 'release' where id = %(row)s", "i6_holds", "hold"),
    ],
)  # fmt: skip
def test_the_row_of_an_alteration_that_moves_no_figure_is_named(
    story: Story, kind: str, damage: str, check: str, names: str
) -> None:
    assert story.shop.tamper(damage, row=story.row(kind)) == 1
    assert story.broken()[check].named == f"transfer {story.row(names)}"


@pytest.mark.attack(40)
def test_a_transfer_that_was_moved_to_another_wallet_breaks_both(story: Story) -> None:
    story.shop.tamper(
        "update transfers set wallet = %(charlie)s where id = %(row)s",
        charlie=story.wallet(story.charlie),
        row=story.row("deposit"),
    )
    first = min(story.wallet(story.alice), story.wallet(story.charlie))
    for check in ("i1_sums", "i8_deposits"):
        assert (story.broken()[check].broken, story.broken()[check].named) == (2, f"wallet {first}")


@pytest.mark.attack(40)
@pytest.mark.parametrize(
    ("kind", "figure"), [("deposit", "available = available + 1"), ("hold", "available = available - 1, held = held + 1")]
)  # fmt: skip
def test_a_wallet_that_was_altered_with_its_transfer_is_named_all_the_same(
    story: Story, kind: str, figure: str
) -> None:
    """The sums agree again; what the deposits and the orders say does not."""
    story.shop.tamper("update transfers set amount = amount + 1 where id = %(row)s", row=story.row(kind))
    story.shop.tamper(f"update sides set {figure} where id = %(side)s", side=story.alice.side)
    assert "i1_sums" not in story.broken()
    assert f"wallet {story.wallet(story.alice)}" in story.named()


@pytest.mark.attack(40)
@pytest.mark.parametrize(
    ("kind", "damage", "account"),
    [
        ("deposit", "update transfers set debit = 'cash' where id = %(row)s", "cash"),
        ("capture", "update transfers set credit = 'fees' where id = %(row)s", "fees"),
    ],
)
def test_an_account_of_the_house_that_lost_a_transfer_to_another_is_named(
    story: Story, kind: str, damage: str, account: str
) -> None:
    """No wallet moves by it; it is seen once the day is summed."""
    story.rolled()
    story.shop.tamper(damage, row=story.row(kind))
    last = story.shop.value("select max(through) from house_days")
    assert story.broken()["i15_days"].named == f"account {account} up to transfer {last}"


@pytest.mark.attack(40)
def test_what_was_altered_everywhere_the_days_of_the_house_still_know(story: Story) -> None:
    """Transfer, side and deposit tell the same new story. Who alters the days too is found by the processor's report alone."""
    story.rolled()
    for damage in (
        "update transfers set amount = amount + 1 where id = %(row)s",
        "update sides set available = available + 1 where id = %(side)s",
        "update deposits set amount = amount + 1, credited = credited + 1 where side_id = %(side)s",
    ):
        story.shop.tamper(damage, row=story.row("deposit"), side=story.alice.side)
    broken = story.broken()
    assert set(broken) == {"i14_trial", "i15_days"}
    assert str(broken["i15_days"].named).startswith("account sandbox ")


@pytest.mark.attack(40)
def test_the_look_of_every_few_minutes_names_a_wallet_that_moved(story: Story) -> None:
    story.shop.tamper(
        "update transfers set amount = amount + %(more)s where id = %(row)s",
        more=MICROS,
        row=story.row("hold"),
    )
    with story.shop.db.transaction() as tx:
        found = {one.id: one for one in look(tx, story.shop.clock.now(), after=0)}
    assert found["i1_recent"].named == f"wallet {story.wallet(story.alice)}"
    assert found["i11_held"].named is None, "what orders hold was not altered"
