"""The published policies and their versions (promise P15): which is in force, which is to come, which were before.

The first version of each holds from the day it was written. Any later one holds from the day that its announcement
named (`onceline announce`), so that nothing takes effect of which the customers were not told. Texts of former versions
stay readable.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from django.template.loader import render_to_string
from django.utils.translation import gettext, gettext_noop

from onceline.core.notices import commands as notices
from onceline.desk.house import house
from onceline.desk.pages import official
from onceline.desk.pages.figures import figures
from onceline.desk.pages.kept import Kept

_HEADING = re.compile(r'<h2 id="([a-z0-9-]{1,60})">([^<]{1,200})</h2>')


@dataclass(frozen=True, slots=True)
class Version:
    """`note`: what changed, in a sentence or two. Its text is the template pages/policies/<slug>/<number>.html."""

    number: int
    written_on: date
    note: str
    significant: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """`name` in English, as announcements call it; `versions` in order, the first is 1."""

    slug: str
    name: str
    summary: str
    versions: tuple[Version, ...]

    @property
    def title(self) -> str:
        return gettext(self.name)

    @property
    def lead(self) -> str:
        return gettext(self.summary)


@dataclass(frozen=True, slots=True)
class Edition:
    """A version as this installation has it. `since`: from when it holds, or will hold."""

    version: Version
    since: date
    state: str
    """former, current or coming."""

    @property
    def note(self) -> str:
        return gettext(self.version.note)


class Entry(NamedTuple):
    """A line of a table of contents."""

    anchor: str
    title: str


_FIRST = Version(1, date(2026, 11, 21), gettext_noop("The first version."))
POLICIES: tuple[Policy, ...] = (
    Policy(
        "terms",
        gettext_noop("Terms of service"),
        gettext_noop(
            "What you get, what it costs, and what holds between you and whoever runs this installation."
        ),
        (_FIRST,),
    ),
    Policy(
        "acceptable-use",
        gettext_noop("Acceptable use"),
        gettext_noop("What numbers from here may be used for, and what happens when they are misused."),
        (_FIRST,),
    ),
    Policy(
        "privacy",
        gettext_noop("Privacy policy"),
        gettext_noop(
            "What is stored about you, for how long, who else sees it, and what you can do about it."
        ),
        (_FIRST,),
    ),
    Policy(
        "delivery",
        gettext_noop("Delivery policy"),
        gettext_noop(
            "How fast numbers and messages reach you, what counts as in time, and how you can read them."
        ),
        (_FIRST,),
    ),
    Policy(
        "refunds",
        gettext_noop("Refund policy"),
        gettext_noop("When you pay nothing, and how money that you paid in comes back to you."),
        (_FIRST,),
    ),
)


def find(slug: str) -> Policy | None:
    return next((policy for policy in POLICIES if policy.slug == slug), None)


def editions(policy: Policy) -> list[Edition]:
    """Every version that was announced here, and the first one; the newest first. Exactly one is current."""
    told, now = _announced.get(policy.name)
    known = [
        (version, since)
        for version in policy.versions
        if (since := version.written_on if version.number == 1 else told.get(str(version.number)))
    ]
    current = max((version.number for version, since in known if since <= now.date()), default=1)
    return [
        Edition(version, since, _state(version.number, current))
        for version, since in sorted(known, key=_number, reverse=True)
    ]


def body(policy: Policy, edition: Edition) -> str:
    """The text with this installation's own figures, as safe HTML."""
    facts = {
        **figures(),
        "processors": official.processors(),
        "takes_payments": official.takes_payments(),
        "ways_back": official.ways_back(),
    }
    return render_to_string(f"pages/policies/{policy.slug}/{edition.version.number}.html", facts)


def contents(body: str) -> list[Entry]:
    """The headings of a text of ours."""
    return [Entry(anchor, html.unescape(title)) for anchor, title in _HEADING.findall(body)]


def _number(known: tuple[Version, date]) -> int:
    return known[0].number


def _state(number: int, current: int) -> str:
    return "current" if number == current else "former" if number < current else "coming"


def _read_announced(name: str, _: datetime) -> dict[str, date]:
    with house().db.statement() as tx:
        return {row.version: row.effective_on for row in notices.announcements(tx, name)}


_announced: Kept[str, dict[str, date]] = Kept(_read_announced, len(POLICIES) + 1)


def to_announce(slug: str, number: str) -> tuple[Policy, Version] | None:
    """The shipped version that is meant; None where `slug` is no policy of ours. Raises ValueError for a version that is none."""
    policy = find(slug)
    if policy is None:
        return None
    for version in _announceable(policy):
        if str(version.number) == number:
            return policy, version
    raise ValueError(f"{slug} has no version {number} to announce; {_listed(_announceable(policy))}")


def _announceable(policy: Policy) -> Sequence[Version]:
    return [version for version in policy.versions if version.number > 1]


def _listed(versions: Sequence[Version]) -> str:
    numbers = ", ".join(str(version.number) for version in versions)
    return (
        f"there are {numbers}" if numbers else "the first version holds by itself, and there is no later one"
    )
