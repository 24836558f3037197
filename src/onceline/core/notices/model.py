"""What accounts are told: each kind and its ways, what an address may look like, how long things hold. Pure."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from onceline.core.errors import InvalidInput


class Kind(NamedTuple):
    in_site: bool
    mail: bool
    optional: bool = False
    """Whether its mail can be switched off."""


CONFIRM, CODE = "mail.confirm", "code.received"
KINDS = MappingProxyType(
    {
        "key.created": Kind(in_site=True, mail=True),
        "key.rotated": Kind(in_site=True, mail=True),
        "key.revoked": Kind(in_site=True, mail=True),
        "webhook.failing": Kind(in_site=True, mail=True, optional=True),
        "webhook.disabled": Kind(in_site=True, mail=True),
        "export.ready": Kind(in_site=True, mail=True, optional=True),
        "export.failed": Kind(in_site=True, mail=True, optional=True),
        "balance.low": Kind(in_site=True, mail=True, optional=True),
        "rental.extension_failed": Kind(in_site=True, mail=True, optional=True),
        "policy.changed": Kind(in_site=True, mail=True),
        "policy.edited": Kind(in_site=True, mail=False),
        "mail.asked": Kind(in_site=True, mail=True),
        "mail.confirmed": Kind(in_site=True, mail=False),
        "mail.removed": Kind(in_site=True, mail=False),
        "mail.refused": Kind(in_site=True, mail=False),
        "mail.limited": Kind(in_site=True, mail=False),
        CONFIRM: Kind(in_site=False, mail=True),
        CODE: Kind(in_site=False, mail=True),
    }
)
"""Security kinds cannot be switched off. policy.edited is a change that is not significant. mail.confirm and
code.received are made where they arise, never by `tell`."""

OPTIONAL = tuple(name for name, kind in KINDS.items() if kind.optional)

CONFIRM_FOR = timedelta(hours=1)
CONFIRM_TRIES = 5
CONFIRM_MAILS_A_DAY = 5
"""So that nobody can fill a stranger's mailbox through us."""
CODE_MAILS_A_DAY = 500
"""Of one side: a thousand mails an hour to one mailbox would brand the installation's mail as spam for everybody."""
MAILS_A_DAY = 1000
"""Of one account, whatever they say; beyond it there is the notification in the house alone."""
LATE_AFTER = timedelta(minutes=10)
"""A code this long after its order's window helps nobody any more, so it is not mailed."""
NOTIFICATIONS_FOR = timedelta(days=90)
MAILS_FOR = timedelta(days=30)
LOW_AGAIN_AFTER = timedelta(hours=1)
"""A balance that hovers around its threshold is told of no more often."""
NOTICE_DAYS = 14
"""Between announcement and effect of a significant change: as long as an unspent deposit can be refunded (M4), so
that whoever disagrees can leave with the money; and longer than any mail of ours waits to be sent."""
MOST_UNREAD = 100
"""Counted no further; 100 means as many or more."""

CODE_LENGTH = 8
CODE_DIGITS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0, O, 1 and I."""

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}){0,31}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
LONGEST_ADDRESS = 254


def check_address(text: str) -> str:
    """The address with its domain in lower case. Raises InvalidInput.

    RFC 5321 as mailboxes use it: an ASCII dot-atom of at most 64, a domain name of two labels or more. No quotes, no
    comments, no address literals, no control characters: nothing that could be read as more than one address.
    """
    local, at, domain = text.rpartition("@")
    labels = domain.split(".")
    fits = len(text) <= LONGEST_ADDRESS and at and len(local) <= 64 and len(labels) >= 2
    if not fits or not _LOCAL.fullmatch(local) or not all(_LABEL.fullmatch(one) for one in labels):
        raise InvalidInput("address is not an e-mail address that we can write to.")
    if labels[-1].isdigit():
        raise InvalidInput("address ends in a number; write a domain name.")
    return f"{local}@{domain.lower()}"


def check_muted(kinds: list[str]) -> list[str]:
    """Raises InvalidInput for a kind whose mail cannot be switched off."""
    for kind in kinds:
        if kind not in OPTIONAL:
            raise InvalidInput(f"mail about {kind[:40]!r} cannot be switched off; {', '.join(OPTIONAL)} can.")
    return sorted(set(kinds))


def check_effective(effective_on: date, significant: bool, today: date) -> None:
    """Raises InvalidInput when customers would learn of a policy after, or too shortly before, it takes effect."""
    first = today + timedelta(days=NOTICE_DAYS if significant else 1)
    if effective_on < first:
        raise InvalidInput(f"This change can take effect on {first.isoformat()} at the earliest.")


def is_too_late(window_end: datetime, now: datetime) -> bool:
    return now > window_end + LATE_AFTER


def masked(number: str | None) -> str:
    """Enough to tell one's own numbers apart: the first three and the last two characters."""
    return f"{number[:3]}{'•' * (len(number) - 5)}{number[-2:]}" if number and len(number) > 5 else "–"
