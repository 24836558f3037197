"""Ways to pay in words for people: what they are, whether and where money goes back, and who learns what.

The same words stand on the page before a payment, on the deposit, in the refund policy and in the list of processors, so that
they cannot differ. A test holds them against the kinds of processor that there are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _

from onceline.core.deposits.commands import GIVEN
from onceline.core.deposits.model import REFUND_FOR, Terms
from onceline.desk.formats import money, percent_of_million, seconds
from onceline.payments.registry import KINDS

SANDBOX = "sandbox"


class Words(NamedTuple):
    """`back` is said before payment; %(period)s in it is how long. `task` and `data` are of whoever runs it; of ours, none."""

    title: Any
    back: Any
    task: Any = ""
    data: Any = ""


_OURS: Any = _("It cannot go back: it did not come through a processor. Ask the operator.")
WORDS: dict[str, Words] = {
    "sandbox": Words(
        _("Test payment"),
        _("Within %(period)s, if nothing of it was spent, it can go back in full. No real money moves."),
    ),
    "stripe": Words(
        _("Card, by Stripe"),
        _("Within %(period)s, if nothing of it was spent, it can go back in full, to the card or account that paid."),
        _("Takes payments by card (Stripe)"),
        _(
            "The amount, the currency, and a deposit reference that says nothing about you. What you write on its own page, "
            "such as card and name, goes to it alone, never to us."
        ),
    ),
    "cryptomus": Words(
        _("Crypto-currency, by Cryptomus"),
        _(
            "Within %(period)s, if nothing of it was spent, it can go back in full, and only to the address that it came "
            "from. From an exchange's wallet, from several inputs, or inside the processor it cannot go back: there is no "
            "one address that it came from."
        ),
        _("Takes payments in crypto-currency (Cryptomus)"),
        _(
            "The amount, the currency, and a deposit reference that says nothing about you. It sees the address that pays, "
            "and whatever you write on its own page."
        ),
    ),
    "btcpay": Words(
        _("Crypto-currency, by our own BTCPay Server"),
        _(
            "It cannot go back. This kind of server has whoever is paid back name an address, and we send crypto-currency "
            "only to the address that it came from."
        ),
        _("Takes payments in crypto-currency (BTCPay Server)"),
        _(
            "The amount, the currency, and a deposit reference that says nothing about you. It runs for this installation "
            "alone; the payment itself is public in its network."
        ),
    ),
}  # fmt: skip
"""By the kind of processor."""
METHODS: dict[str, Words] = {
    "cash": Words(_("Cash"), _OURS),
    "voucher": Words(
        _("Voucher"),
        _("It cannot go back: the money for the voucher was paid to whoever sold it."),
    ),
    GIVEN: Words(_("Given by the house"), _("It cannot go back: nobody paid it.")),
}
"""Of deposits that no processor knows."""


class Shown(NamedTuple):
    """A way to pay as a page shows it. `name` is the operator's own word, of which there is one for each way."""

    name: str
    title: Any
    least: int
    most: int
    fee: str
    bonus: str
    back: str


def title_of(method: str, kind: str | None) -> Any:
    """Of a deposit. A processor that was taken out is known by its name alone."""
    found = METHODS.get(method) or WORDS.get(kind or "")
    return found.title if found else method


def back_of(method: str, kind: str | None) -> str:
    found = METHODS.get(method) or WORDS.get(kind or "")
    return str(found.back) % {"period": seconds(REFUND_FOR.total_seconds())} if found else ""


def shown(name: str, kind: str, terms: Terms) -> Shown:
    return Shown(
        name, title_of(name, kind), terms.least, terms.most, _fee(terms), _bonus(terms), back_of(name, kind)
    )


def is_outside(kind: str) -> bool:
    """Whether somebody else than this program learns of a payment."""
    return kind in KINDS and kind != SANDBOX


def _fee(terms: Terms) -> str:
    figures = {"fixed": money(terms.fee), "share": percent_of_million(terms.fee_ppm)}
    if terms.fee and terms.fee_ppm:
        return str(_("The fee is %(fixed)s and %(share)s of the amount, on top of it.")) % figures
    if terms.fee:
        return str(_("The fee is %(fixed)s, on top of the amount.")) % figures
    if terms.fee_ppm:
        return str(_("The fee is %(share)s of the amount, on top of it.")) % figures
    return str(_("There is no fee."))


def _bonus(terms: Terms) -> str:
    if not terms.bonus_ppm:
        return ""
    text = _("You get %(share)s of the amount as a bonus. If the deposit goes back, the bonus goes too.")
    return str(text) % {"share": percent_of_million(terms.bonus_ppm)}
