"""Who this installation is to the outside: its addresses, its processors (P16, P17), security.txt and robots.txt.

Everything comes from the configuration; nothing of a supplier or a processor of payments but its name and kind is ever
shown.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.translation import gettext as _

from onceline.core.clock import rfc3339
from onceline.core.processors import store as payments
from onceline.core.suppliers import store as suppliers
from onceline.desk import ways_to_pay
from onceline.desk.house import house
from onceline.desk.pages.kept import Kept

SECURITY_TXT_FOR = timedelta(days=90)
"""RFC 9116 asks for less than a year."""
PRIVATE = ("/account/", "/live/", "/test/", "/api/")


class Address(NamedTuple):
    what: str
    address: str


class Processor(NamedTuple):
    """Somebody else who gets data of customers. `name` is the operator's own word or a host."""

    name: str
    task: str
    data: str


def addresses() -> list[Address]:
    ours = house().settings
    found = []
    if ours.public_url:
        found.append(Address(_("This site"), ours.public_url))
        found.append(Address(_("The API"), f"{ours.public_url}/api/v1"))
    if ours.mail_from:
        found.append(Address(_("Mail from us comes from"), ours.mail_sender.address))
    if ours.operator_contact:
        found.append(Address(_("You can write to"), ours.operator_contact))
    further = (one.strip() for one in ours.official_addresses.split(","))
    return found + [Address(_("Also ours"), one) for one in further if one]


class _Taker(NamedTuple):
    """A processor of payments that is switched on."""

    name: str
    kind: str
    mode: str


class WayBack(NamedTuple):
    """A way to pay of the live side, and whether and where its money goes back."""

    title: Any
    name: str
    back: str


def processors() -> list[Processor]:
    suppliers_here = [_supplier(name, kind) for name, kind in _suppliers.get(None)[0]]
    return [*_mail(), *suppliers_here, *(_payments(one.name, one.kind) for one in _paid_by.get(None)[0])]


def takes_payments() -> bool:
    """Whether anybody else than the operator can be paid here."""
    return bool(_paid_by.get(None)[0])


def ways_back() -> list[WayBack]:
    return [
        WayBack(ways_to_pay.title_of(name, kind), name, ways_to_pay.back_of(name, kind))
        for name, kind, mode in _paid_by.get(None)[0]
        if mode == "live"
    ]


def _mail() -> list[Processor]:
    server = house().settings.mail_server
    if server is None:
        return []
    data = _("Your e-mail address and the text of the mail. A code is in it only if you chose so.")
    return [Processor(server.host, _("Delivers our mail"), data)]


def _supplier(name: str, kind: str) -> Processor:
    task = _("Supplies numbers and passes on their messages (%(kind)s)") % {"kind": kind}
    data = _(
        "The number, the messages that it receives, the service, the country, and an order reference that says nothing "
        "about you. Never your name, your address or your account."
    )
    return Processor(name, task, data)


def _payments(name: str, kind: str) -> Processor:
    words = ways_to_pay.WORDS[kind]
    return Processor(name, words.task, words.data)


def _read_suppliers(_: None, __: datetime) -> list[tuple[str, str]]:
    with house().db.statement() as tx:
        return [(row.name, row.kind) for row in suppliers.records(tx) if row.enabled]


def _read_paid_by(_: None, __: datetime) -> list[_Taker]:
    with house().db.statement() as tx:
        rows = [row for row in payments.records(tx) if row.enabled and ways_to_pay.is_outside(row.kind)]
    return [_Taker(row.name, row.kind, row.mode) for row in rows]


_paid_by: Kept[None, list[_Taker]] = Kept(_read_paid_by, 1)
_suppliers: Kept[None, list[tuple[str, str]]] = Kept(_read_suppliers, 1)


def security_txt() -> str | None:
    """RFC 9116; None while nobody can be written to."""
    ours = house().settings
    if not ours.operator_contact:
        return None
    midnight = house().clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [
        f"Contact: mailto:{ours.operator_contact}",
        f"Expires: {rfc3339(midnight + SECURITY_TXT_FOR)}",
        "Preferred-Languages: en, zh",
    ]
    if ours.public_url and ours.public_url.startswith("https://"):
        lines.append(f"Canonical: {ours.public_url}{reverse('security_txt')}")
        lines.append(f"Policy: {ours.public_url}{reverse('official')}#weaknesses")
    return "\n".join([*lines, ""])


def robots_txt() -> str:
    return "\n".join(["User-agent: *", *(f"Disallow: {path}" for path in PRIVATE), ""])
