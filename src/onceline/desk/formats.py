"""Money, times and durations as people read them, in their language and time zone. The only place that writes them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from django.utils import formats, timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from onceline.core.money import MICROS
from onceline.desk.house import house


def money(micros: int) -> str:
    """With its currency and two to six places, in the places of the language: `USD 1,234.50`."""
    return _money(micros, house().context.installation.currency, get_language())


@lru_cache(maxsize=4096)
def _money(micros: int, currency: str, _language: str | None) -> str:
    """A page has dozens of prices, and few different ones."""
    amount = Decimal(micros) / MICROS
    places = max(2, -int(amount.normalize().as_tuple().exponent) if amount else 2)
    return f"{currency}\u00a0{formats.number_format(amount, places)}"


def amount(text: str) -> str:
    """As `money`, from the decimal string of core's views."""
    return money(int(Decimal(text) * MICROS))


def moment(instant: datetime | str | None) -> str:
    """Date and time of day; a string is RFC 3339."""
    return formats.date_format(_local(instant), "SHORT_DATETIME_FORMAT") if instant else ""


def clock_time(instant: datetime | str) -> str:
    return formats.time_format(_local(instant), "H:i:s")


def day(instant: datetime | str | None) -> str:
    return formats.date_format(_local(instant), "SHORT_DATE_FORMAT") if instant else ""


def seconds(count: float) -> str:
    """Rounded to what matters: 48 seconds, 3 minutes, 2 hours, 30 days."""
    whole = round(count)
    if whole < 120:
        return ngettext("%(n)d second", "%(n)d seconds", whole) % {"n": whole}
    if whole < 7200:
        return ngettext("%(n)d minute", "%(n)d minutes", whole // 60) % {"n": whole // 60}
    if whole < 172_800:
        return ngettext("%(n)d hour", "%(n)d hours", whole // 3600) % {"n": whole // 3600}
    return ngettext("%(n)d day", "%(n)d days", whole // 86_400) % {"n": whole // 86_400}


def percent(share: float | None) -> str:
    """A share of 1; a dash where nothing is known."""
    return "–" if share is None else _("%(n)d %%") % {"n": round(share * 100)}


def percent_of_million(parts: int) -> str:
    """Exactly, with as many places as it takes: 2.9 %."""
    share = (Decimal(parts) / 10_000).normalize()
    places = max(0, -int(share.as_tuple().exponent))
    return _("%(n)s %%") % {"n": formats.number_format(share, places)}


def as_instant(instant: datetime | str) -> datetime:
    return datetime.fromisoformat(instant) if isinstance(instant, str) else instant


def _local(instant: datetime | str) -> datetime:
    return timezone.localtime(as_instant(instant))
