"""Everything that is stored about a person and their account, as tables to read and as files (promise P7).

The account's part is read by core's own export, section by section; the person's part is here. What only owners may see or
take elsewhere, only owners see or take here. Every column of the desk's
tables is in one of them, or left out for a reason that tests/desk/people/test_mydata.py writes down.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from onceline.core.access import commands as access
from onceline.core.clock import rfc3339
from onceline.core.db import Transaction
from onceline.core.errors import Refusal
from onceline.core.exports import commands as exports
from onceline.core.exports import sections
from onceline.core.exports.account import SECTIONS
from onceline.core.exports.model import Request
from onceline.core.exports.sections import Section, Wanted
from onceline.desk import refusals
from onceline.desk.dashboard import care
from onceline.desk.dashboard.acting import Desked, acts
from onceline.desk.house import house
from onceline.desk.people.models import Invitation, Person, Session
from onceline.desk.people.views import Personal

Rows = list[dict[str, Any]]
SHOWN_ROWS = 20
OWNERS_ONLY = frozenset({"webhooks", "deliveries", "notice_settings", "mails"})
"""Addresses that carry secrets, what was sent there with the codes in it, and where mails about the account go."""
MOST_ROWS = 1000
LONGEST_CELL = 300
SCHEMA = "onceline.person/1"

TITLES: dict[str, Promise] = {
    "person": gettext_lazy("You"),
    "email_addresses": gettext_lazy("Your e-mail addresses"),
    "second_factors": gettext_lazy("Your second steps at log-in"),
    "browsers": gettext_lazy("Browsers you are logged in with"),
    "invitations": gettext_lazy("Invitations you sent"),
    "favourites": gettext_lazy("Your favourites"),
    "account": gettext_lazy("The account"),
    "balances": gettext_lazy("Balances"),
    "keys": gettext_lazy("API keys"),
    "sessions": gettext_lazy("When people were logged in"),
    "orders": gettext_lazy("Orders"),
    "messages": gettext_lazy("Messages"),
    "transfers": gettext_lazy("Movements of money"),
    "deposits": gettext_lazy("Deposits"),
    "deposit_refunds": gettext_lazy("Deposits on their way back"),
    "disputes": gettext_lazy("Disputed payments"),
    "deposit_keys": gettext_lazy("Keys of requests for deposits"),
    "events": gettext_lazy("Events"),
    "idempotency_keys": gettext_lazy("Keys of requests"),
    "exports": gettext_lazy("Exports"),
    "webhooks": gettext_lazy("Webhooks"),
    "deliveries": gettext_lazy("Deliveries to webhooks"),
    "notice_settings": gettext_lazy("Settings of mails"),
    "notifications": gettext_lazy("Notifications"),
    "mails": gettext_lazy("Mails"),
    "spend_caps": gettext_lazy("Spending caps"),
}


class Table(NamedTuple):
    name: str
    title: str
    columns: list[str]
    rows: list[list[str]]
    is_cut: bool


@login_required
@require_GET
def my_data(request: Personal) -> HttpResponse:
    owner = request.user.may("owner")
    shown = [section for section in SECTIONS if owner or section.name not in OWNERS_ONLY]
    yours = [_table(name, rows) for name, rows in about(request.user, SHOWN_ROWS + 1).items()]
    with house().db.transaction() as tx:
        theirs = [_table(name, rows) for name, rows in _account(tx, request.user.account, shown)]
    seen = {"tab": "settings_data", "yours": yours, "theirs": theirs, "most": SHOWN_ROWS, "owner": owner}
    return render(request, "people/mydata.html", seen)


@login_required
@require_GET
def person_file(request: Personal) -> HttpResponse:
    """The person's part as a file; the account's is an export."""
    file = {"schema": SCHEMA, "as_of": rfc3339(house().clock.now()), **about(request.user)}
    text = json.dumps(file, ensure_ascii=False, indent=1)
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="onceline-person.json"'
    return response


@acts("owner")
@require_POST
@care.freshly_proven
def ask_export(request: Desked) -> HttpResponse:
    try:
        with house().db.transaction() as tx:
            exports.ask(tx, request.acting.grant, Request("account", "json"), house().clock.now())
    except Refusal as refusal:
        messages.error(request, refusals.sentence(refusal))
    else:
        messages.success(request, _("The file is being made. You find it under Exports in a moment."))
    return redirect("settings_data")


# The person's part ---------------------------------------------------------------------------------------------------


def about(person: Person, limit: int = MOST_ROWS) -> dict[str, Rows]:
    """Sections of the person's own file, each with its rows."""
    return {
        "person": [_person(person)],
        "email_addresses": [
            {"address": one.email, "proven": one.verified, "in_use": one.primary}
            for one in EmailAddress.objects.filter(user=person).order_by("pk")[:limit]
        ],
        "second_factors": [
            _factor(one) for one in Authenticator.objects.filter(user=person).order_by("pk")[:limit]
        ],
        "browsers": [_browser(one) for one in person.sessions.order_by("used_on", "pk")[:limit]],
        "invitations": [_invitation(one) for one in person.invitations.order_by("pk")[:limit]],
        "favourites": [
            {"service": one.service, "country": one.country}
            for one in person.favourites.order_by("pk")[:limit]
        ],
    }


def _person(person: Person) -> dict[str, Any]:
    names = (
        *("username", "email", "account", "role", "removed", "joined_on", "password_is_long"),
        *("language", "colour_mode", "time_zone", "sound", "confirms"),
    )
    return {name: _plain(getattr(person, name)) for name in names}


def _factor(one: Authenticator) -> dict[str, Any]:
    """Never a secret: what an app or a device keeps is theirs to show."""
    return {
        "kind": one.type,
        "name": one.data.get("name", ""),
        "added_on": _plain(one.created_at.date()),
        "last_used_on": _plain(one.last_used_at and one.last_used_at.date()),
    }


def _browser(one: Session) -> dict[str, Any]:
    return {
        "label": one.label,
        "opened_on": _plain(one.opened_on),
        "last_used_on": _plain(one.used_on),
        "ends_at": _plain(one.expire_date),
    }


def _invitation(one: Invitation) -> dict[str, Any]:
    return {"account": one.account, "address": one.email, "role": one.role, "made_at": _plain(one.made_at)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    return value.isoformat() if isinstance(value, date) else value


# The account's part --------------------------------------------------------------------------------------------------


def _account(tx: Transaction, account: str, shown: Sequence[Section]) -> Iterator[tuple[str, Rows]]:
    """Of each section the first rows, both sides together, and one more where there is one; the export holds all of them."""
    sides = {mode: access.side_of(tx, account, mode) for mode in ("test", "live")}
    for section in shown:
        rows: Rows = []
        for mode, side in sides.items() if section.of_side else [("", sides["test"])]:
            if len(rows) <= SHOWN_ROWS:
                found = section.read(tx, _wanted(account, side, SHOWN_ROWS + 1 - len(rows)), None).rows
                rows += [{"mode": mode, **row} for row in found] if mode else found
        yield section.name, rows


def _wanted(account: str, side: int, limit: int) -> Wanted:
    now = house().clock.now()
    return Wanted(house().context, account, side, None, sections.up_to(now, None), now, limit)


def _table(name: str, rows: Rows) -> Table:
    columns = list(dict.fromkeys(column for row in rows[:SHOWN_ROWS] for column in row))
    cells = [[_cell(row.get(column)) for column in columns] for row in rows[:SHOWN_ROWS]]
    return Table(name, str(TITLES.get(name, name)), columns, cells, len(rows) > SHOWN_ROWS)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"
