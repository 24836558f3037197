"""Vouchers in the words of the tests: print a batch, put it in force, type a code in, make void, look at the books."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from onceline.core.errors import NotFound
from onceline.core.money import MICROS
from onceline.core.vouchers import commands, store
from onceline.core.vouchers.commands import Asking, Made, Redeemed
from onceline.core.vouchers.model import Wanted, printed
from onceline.core.vouchers.store import Batch
from tests.shop import Customer, Shop

ANN, BEN = "Ann", "Ben"


@dataclass(frozen=True, slots=True)
class Kiosk:
    shop: Shop

    def draft(
        self, count: int = 1, dollars: int = 10, *, mode: str = "test", days: float | None = None
    ) -> Made:
        expires_at = self.shop.clock.now() + timedelta(days=days) if days else None
        wanted = Wanted(mode, "Corner shop", dollars * MICROS, count, expires_at)
        with self.shop.db.transaction() as tx:
            return commands.create(tx, self.secret, wanted, ANN, self.shop.clock.now())

    def approve(self, made: Made, staff: str = BEN) -> Batch:
        with self.shop.db.transaction() as tx:
            return commands.approve(tx, made.batch, staff, self.shop.clock.now())

    def codes(self, count: int = 1, dollars: int = 10, *, mode: str = "test") -> list[str]:
        """In force, as printed."""
        made = self.draft(count, dollars, mode=mode)
        self.approve(made)
        return [printed(code) for code in made.codes]

    def try_code(self, who: Customer, code: str, key: str | None = None) -> Redeemed:
        """As a door does it: a wrong one counts, then it is refused."""
        asking = Asking(who.account, who.side, code, key)
        with self.shop.db.transaction() as tx:
            redeemed = commands.redeem(tx, self.secret, asking, self.shop.clock.now())
        if redeemed is None:
            raise NotFound(commands.NO_VOUCHER)
        return redeemed

    def void(self, made: Made, number: int | None = None, staff: str = ANN) -> int:
        with self.shop.db.transaction() as tx:
            return commands.void(tx, made.batch, staff, self.shop.clock.now(), number)

    def look(self, made: Made) -> Batch:
        with self.shop.db.transaction() as tx:
            return store.batch(tx, made.batch)

    def dollars(self, who: Customer) -> float:
        return self.shop.balance(who).available / MICROS

    def owed(self, mode: str = "test") -> float:
        """What the house owes for vouchers, by its transfers."""
        statement = (
            "select coalesce(sum(case when credit = 'vouchers' then amount else -amount end), 0)"
            " from transfers where 'vouchers' in (debit, credit) and mode = %(mode)s"
        )
        return float(self.shop.value(statement, mode=mode)) / MICROS

    def exceptions(self) -> list[tuple[str, str, int]]:
        rows = self.shop.rows("select method, code, times from payment_exceptions order by id")
        return [(row.method, row.code, row.times) for row in rows]

    @property
    def secret(self) -> bytes:
        return self.shop.context.installation.secret
