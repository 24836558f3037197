"""Every window, day count and limit that a page quotes, as text, from where it is decided: settings, terms, constants.

A page never holds such a figure itself, so what it says is what the program does.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings as django_settings
from django.utils import formats as django_formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from onceline.core.access.commands import KEYS_PER_SIDE
from onceline.core.catalog.model import load_services
from onceline.core.catalog.store import RECORD_DAYS, USUAL_WINDOW_S
from onceline.core.deposits import model as deposits
from onceline.core.exports import model as exports
from onceline.core.notices import model as notices
from onceline.core.retention import commands as retention
from onceline.desk.house import house
from onceline.desk.pages import promised
from onceline.desk.pages.kept import FRESH_FOR
from onceline.desk.people import passwords

_DAY, _HOUR, _MINUTE = 86_400, 3600, 60


def figures() -> dict[str, Any]:
    return {**_of_orders(), **_of_keeping(), **_of_people(), **_promised(), **_of_the_operator()}


def exactly(length: timedelta | float) -> str:
    """In the largest unit that is not rounded: 20 minutes, 150 seconds, 24 hours, 45 days."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds != int(seconds):
        return _("%(n)s seconds") % {"n": django_formats.number_format(seconds)}
    whole = int(seconds)
    if whole >= 2 * _DAY and whole % _DAY == 0:
        return ngettext("%(n)d day", "%(n)d days", whole // _DAY) % {"n": whole // _DAY}
    if whole >= 2 * _HOUR and whole % _HOUR == 0:
        return ngettext("%(n)d hour", "%(n)d hours", whole // _HOUR) % {"n": whole // _HOUR}
    if whole >= 2 * _MINUTE and whole % _MINUTE == 0:
        return ngettext("%(n)d minute", "%(n)d minutes", whole // _MINUTE) % {"n": whole // _MINUTE}
    return ngettext("%(n)d second", "%(n)d seconds", whole) % {"n": whole}


def _of_orders() -> dict[str, Any]:
    ours, terms = house().settings, house().settings.terms
    return {
        "currency": house().context.installation.currency,
        "window": exactly(terms.window_s),
        "longest_window": exactly(terms.window_s * _longest_factor()),
        "cancel_lock": exactly(terms.cancel_lock_s),
        "rental_cancel": exactly(terms.rental_cancel_s),
        "grace": exactly(terms.effective_grace_s),
        "cooldown": exactly(terms.cooldown_s),
        "rental_cooldown": exactly(terms.rental_cooldown_s),
        "drain": exactly(terms.drain_s),
        "limited": ours.limits == "on",
        "live_orders": ours.live_orders,
        "requests_per_s": ours.requests_per_s,
        "request_burst": ours.request_burst,
        "keys_per_side": KEYS_PER_SIDE,
        "figures_age": exactly(FRESH_FOR),
        "record_days": exactly(timedelta(days=RECORD_DAYS)),
    }


def _longest_factor() -> int:
    """Of any service; the database keeps the same factors."""
    return max(-(-(service.window_s or USUAL_WINDOW_S) // USUAL_WINDOW_S) for service in load_services())


def _of_keeping() -> dict[str, Any]:
    kept = {
        "withheld_for": retention.WITHHELD_FOR,
        "unowned_for": retention.UNOWNED_FOR,
        "number_link_for": retention.NUMBER_LINK_FOR,
        "arrivals_for": retention.INBOUND_ROWS_FOR,
        "events_for": retention.EVENTS_FOR,
        "retry_keys_for": retention.IDEMPOTENCY_FOR,
        "ended_sessions_for": retention.SESSIONS_FOR,
        "notifications_for": notices.NOTIFICATIONS_FOR,
        "mails_for": notices.MAILS_FOR,
        "letters_for": retention.UNOWNED_FOR,
        "policy_notice": timedelta(days=notices.NOTICE_DAYS),
        "exports_for": exports.KEPT_FOR,
        "export_rows_for": exports.ROWS_FOR,
        "export_link_for": timedelta(seconds=exports.LINK_S),
        "access_logs_for": timedelta(days=house().settings.access_log_days),
    }
    return {name: exactly(length) for name, length in kept.items()}


def _of_people() -> dict[str, Any]:
    from onceline.desk.people import sessions, team  # noqa: PLC0415 - their models exist only once Django is set up

    return {
        "session_for": exactly(django_settings.SESSION_COOKIE_AGE),
        "session_longest": exactly(sessions.LONGEST),
        "invitation_for": exactly(team.OPEN_FOR),
        "language_for": exactly(django_settings.LANGUAGE_COOKIE_AGE),
        "password_least": passwords.LONG,
        "password_least_with_second": passwords.SHORT,
        "password_cost": passwords.COST,
        "sign_up_open": house().settings.sign_up == "open",
    }


def _promised() -> dict[str, Any]:
    per_cent = django_formats.number_format(promised.UPTIME_PER_MILLE / 10, 1)
    milliseconds = promised.SHARE_MEDIAN_MS
    return {
        "deposit_refund_for": exactly(deposits.REFUND_FOR),
        "uptime": _("%(n)s %%") % {"n": per_cent},
        "maintenance_notice": exactly(promised.MAINTENANCE_NOTICE),
        "share_median": ngettext("%(n)d millisecond", "%(n)d milliseconds", milliseconds)
        % {"n": milliseconds},
        "share_p99": exactly(promised.SHARE_P99),
        "route_median": exactly(promised.ROUTE_MEDIAN),
        "route_p95": exactly(promised.ROUTE_P95),
    }


def _of_the_operator() -> dict[str, Any]:
    ours = house().settings
    return {
        "operator_name": ours.operator_name,
        "operator_contact": ours.operator_contact,
        "operator_address": ours.operator_address,
        "operator_law": ours.operator_law,
        "public_url": ours.public_url,
    }
