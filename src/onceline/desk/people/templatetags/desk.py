"""Filters and tags that every template has: money, times, letter tiles, icons, and outside text that stays text."""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from onceline.desk import formats

register = template.Library()
for _filter in (
    formats.money,
    formats.amount,
    formats.moment,
    formats.clock_time,
    formats.day,
    formats.seconds,
    formats.percent,
):
    register.filter(_filter.__name__, _filter)
register.filter("instant", formats.as_instant)
TILES = 12


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """A drawing of the sprite; it is silent, the words beside it speak."""
    source = static("desk/icons.svg")
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', source, name)


@register.simple_tag
@lru_cache(maxsize=4096)
def tile(slug: str, name: str) -> SafeString:
    """The first letters of a service on a colour that is always its own."""
    letters = "".join(word[0] for word in name.split()[:2] if word[0].isalnum()) or name[:1]
    return format_html(
        '<span class="tile tile-{}" aria-hidden="true">{}</span>',
        sum(slug.encode()) % TILES,
        letters[:2].upper(),
    )


@register.filter
def visible(text: str | None) -> str:
    """Outside text without what would reach beyond it: controls, and marks that turn the direction of writing."""
    return "".join(
        one
        for one in text or ""
        if one in "\n\t"
        or unicodedata.category(one) not in ("Cc", "Cf", "Co", "Cs")
        or one in "\u200d\u200c\ufe0f"
    )


@register.filter
def unlinked(name: str) -> str:
    """A username in a mail to a stranger: with spaces around its dots no mailbox makes it a link."""
    return name.replace(".", " . ")


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changed: Any) -> str:
    """The page's own query with these names changed; None drops one. For pagers and filters."""
    asked = context["request"].GET.copy()
    for name, value in changed.items():
        if value is None:
            asked.pop(name, None)
        else:
            asked[name] = str(value)
    return f"?{asked.urlencode()}" if asked else "?"
