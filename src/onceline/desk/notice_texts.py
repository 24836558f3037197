"""What notifications say on the pages, in the reader's language: a title and a sentence for each kind that core tells.

Facts may hold what a customer or a stranger wrote: core's cleaning puts each on one line, cut and freed of what does not
show, and here each is isolated, so that its direction of writing ends with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, NamedTuple

from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from onceline.core.notices.texts import clean
from onceline.desk.dashboard.words import service_name
from onceline.desk.formats import amount, moment

_UNKNOWN = "–"
_ISOLATE, _END = "\u2068", "\u2069"


class Notice(NamedTuple):
    title: str
    body: str


SENTENCES: dict[str, tuple[Any, Any]] = {
    "key.created": (
        _("A key was made"),
        _("The key %(name)s (…%(last4)s) was made. If that was not you, revoke it."),
    ),
    "key.rotated": (
        _("A key was rotated"),
        _(
            "The key %(name)s (…%(last4)s) was replaced. It works until %(until)s. If that was not you, revoke both keys."
        ),
    ),
    "key.revoked": (_("A key was revoked"), _("The key %(name)s (…%(last4)s) was revoked.")),
    "webhook.failing": (
        _("A webhook fails"),
        _("What is sent to the endpoint %(endpoint)s does not arrive. It is tried again."),
    ),
    "webhook.disabled": (
        _("A webhook was switched off"),
        _(
            "What was sent to the endpoint %(endpoint)s did not arrive for too long, so it was switched off. Nothing is "
            "lost: events are kept for 30 days."
        ),
    ),
    "export.ready": (_("An export is ready"), _("You can download the export %(export)s.")),
    "export.failed": (_("An export failed"), _("The export %(export)s could not be made. Ask for it again.")),
    "balance.low": (
        _("The balance is low"),
        _("%(available)s can be spent, less than the %(threshold)s you wanted to be told of."),
    ),
    "rental.extension_failed": (
        _("A rental could not be extended"),
        _(
            "The rental %(order)s for %(service)s is to go on by itself, but could not be extended: %(reason)s. It ends "
            "at %(end)s; until then it is tried again every few minutes."
        ),
    ),
    "policy.changed": (
        _("%(policy)s changes on %(effective)s"),
        _("Version %(version)s takes effect on %(effective)s. %(summary)s"),
    ),
    "policy.edited": (
        _("%(policy)s was edited"),
        _("Version %(version)s takes effect on %(effective)s. %(summary)s"),
    ),
    "mail.asked": (
        _("A mail address waits to be confirmed"),
        _(
            "Somebody of this account asked for another address for notices. It is used once it is confirmed. If that "
            "was not you, revoke your keys and change your password."
        ),
    ),
    "mail.confirmed": (_("A mail address was confirmed"), _("Notices are mailed there from now on.")),
    "mail.removed": (
        _("Mail was switched off"),
        _("The address and the choices for notices were removed."),
    ),
    "mail.refused": (
        _("Your mail address was refused"),
        _(
            "The mail server says that the address for notices takes no mail. Nothing more is sent there until you "
            "confirm it again."
        ),
    ),
    "mail.limited": (
        _("Too many mails with codes"),
        _(
            "More than %(limit)s codes were to be mailed within a day, so some are not. All of them are in your history."
        ),
    ),
}
_REASONS: dict[str, Any] = {
    "insufficient_balance": _("the balance is too low"),
    "spend_cap_reached": _("the spending cap of its key is reached"),
    "account_suspended": _("the account is suspended"),
    "price_too_low": _(
        "it costs more now than when you switched this on; to agree to the new price, switch it off and on again"
    ),
}


def _date(text: str) -> str:
    """A day as such, in nobody's time zone."""
    return date_format(date.fromisoformat(text), "SHORT_DATE_FORMAT")


_WRITTEN: dict[str, Callable[[str], str]] = {
    "until": moment,
    "end": moment,
    "effective": _date,
    "service": lambda slug: clean(service_name(slug)),
    "reason": lambda code: clean(str(_REASONS.get(code, code))),
    "available": amount,
    "threshold": amount,
}


def written(kind: str, facts: Mapping[str, Any]) -> Notice:
    """Of a kind that is not known here (an older page, a newer core), its name alone."""
    if kind not in SENTENCES:
        return Notice(kind, "")
    values = _Facts({name: _fact(name, value) for name, value in facts.items()})
    title, body = SENTENCES[kind]
    return Notice(str(title) % values, str(body) % values)


def _fact(name: str, value: Any) -> str:
    """A figure that cannot be read is shown as it is."""
    try:
        text = _WRITTEN.get(name, clean)(str(value))
    except (ValueError, ArithmeticError):
        text = clean(str(value))
    return f"{_ISOLATE}{text}{_END}"


class _Facts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return _UNKNOWN
