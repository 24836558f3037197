"""What suppliers' signatures have in common: comparing without telling how much was right, freshness, what a check says.

Never logs or repeats a secret.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from datetime import datetime

from onceline.suppliers.base import Configured, Finding, NotAuthentic, NotConfigured

FRESH_FOR_S = 300


def equals_any(given: str, expected: Iterable[str]) -> bool:
    """Each is compared, so that the time says nothing of which one fitted."""
    octets = given.encode("utf-8", "replace")
    return any([hmac.compare_digest(octets, one.encode("utf-8", "replace")) for one in expected])


def require_fresh(at: float, now: datetime, tolerance_s: int = FRESH_FOR_S) -> None:
    """`at`: seconds since 1970, whole or not, of any size. Raises NotAuthentic."""
    if not abs(at - int(now.timestamp())) <= tolerance_s:  # so that NaN is stale too
        raise NotAuthentic("stale")


def unix_seconds(text: str) -> int:
    """Raises NotAuthentic."""
    if text.isascii() and text.isdigit() and len(text) <= 12:
        return int(text)
    raise NotAuthentic("wrong")


def active(configured: Configured, name: str) -> tuple[str, ...]:
    """Every secret of that name that is active, at least one. Raises NotConfigured."""
    configured.secret(name)
    return tuple(configured.secrets[name])


def public_url(configured: Configured) -> str:
    """For suppliers that sign the address. Raises NotConfigured."""
    if configured.url is None:
        raise NotConfigured(
            f"supplier {configured.name} signs the address that it calls, so it has to be known: set ONCELINE_PUBLIC_URL to "
            "where this installation is reached from outside, as in https://sms.example.com"
        )
    return configured.url


# What `onceline suppliers check` can look at without calling anybody ---------------------------------------------------


def check_address(configured: Configured) -> Finding:
    what = "public address"
    if configured.url is None:
        words = "unknown; set ONCELINE_PUBLIC_URL to where this installation is reached, as in https://sms.example.com"
        return Finding(what, ok=False, words=words)
    if not configured.url.startswith("https://"):
        words = "not https: messages would travel in clear; put a proxy with a certificate before this installation"
        return Finding(what, ok=False, words=words)
    return Finding(what, ok=True)


def check_secrets(configured: Configured, name: str, fits: Callable[[str], bool], right: str) -> Finding:
    """`right` says what one looks like, and where it is found."""
    values = configured.secrets.get(name, ())
    misfits = sum(not fits(value) for value in values)
    if not values:
        return Finding(name, ok=False, words=f"not set; it is {right}")
    if misfits:
        return Finding(name, ok=False, words=f"{misfits} of {len(values)} cannot be right; it is {right}")
    return Finding(name, ok=True)
