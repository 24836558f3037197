"""What the settings for outgoing mail say: which server, how it is secured, who we are. Pure.

A password goes over TLS alone, and stands in no text that this module raises or shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Literal, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from onceline.core.notices.model import check_address

Tls = Literal["starttls", "implicit", "none"]
_PORTS: dict[Tls, int] = {"starttls": 587, "implicit": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class MailServer:
    host: str
    port: int
    tls: Tls
    user: str | None = None
    password: str | None = field(default=None, repr=False)


class Sender(NamedTuple):
    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def parse_server(url: str) -> MailServer:
    """smtp://user:password@host:587?tls=starttls|none, or smtps://… for TLS from the first byte. Raises ValueError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("write smtp://user:password@host:587 or smtps://user:password@host") from None
    if parts.scheme not in ("smtp", "smtps") or not host or parts.path not in ("", "/"):
        raise ValueError("write smtp://user:password@host:587 or smtps://user:password@host")
    tls = _tls(parts.scheme, parts.query)
    if parts.password and tls == "none":
        raise ValueError("a password is sent over TLS alone; leave tls=none out")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("user and password come together")
    return MailServer(
        host,
        port or _PORTS[tls],
        tls,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


def _tls(scheme: str, query: str) -> Tls:
    chosen = parse_qs(query, keep_blank_values=True)
    if scheme == "smtps" and not chosen:
        return "implicit"
    if scheme == "smtp" and chosen in ({}, {"tls": ["starttls"]}):
        return "starttls"
    if scheme == "smtp" and chosen == {"tls": ["none"]}:
        return "none"
    raise ValueError("the only option is tls=starttls or tls=none, of smtp://")


def parse_sender(text: str) -> Sender:
    """`Name <address>` or an address alone. Raises ValueError."""
    name, address = parseaddr(text)
    if not text.isprintable() or not address or len(name) > 80:
        raise ValueError("write an address, or Name <address>")
    try:
        return Sender(name, check_address(address))
    except Exception as refused:
        raise ValueError(str(refused)) from None
