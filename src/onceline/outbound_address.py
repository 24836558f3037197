"""Which addresses customers may give: how they are spelt, and which networks are public. Pure; nothing is looked up here.

Promised: a URL is read by one parser alone, stricter than RFC 3986, so that no two readers can differ about its host; an
address is public only by an explicit rule. Never: mends a spelling, except for the case of scheme and name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from onceline.core.errors import OutboundRefused

MOST_URL = 2048
PORTS = (443, 8443)
"""Where customers may be called."""

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class CustomerUrl:
    """`host` is a name in lower case or the canonical text of an address, without brackets."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What stands in the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


# Which addresses are public.

_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # shared by carriers (RFC 6598); metadata of one cloud
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # the host agent of one cloud, in public space
        "169.254.0.0/16",  # link-local (RFC 3927), metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments (RFC 6890); metadata of one cloud
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.31.196.0/24",  # AS112 (RFC 7535): an anycast sink
        "192.52.193.0/24",  # multicast tunnels (RFC 7450)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112 (RFC 7534)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved (RFC 1112), with the broadcast address
    )
)
_UNICAST_6 = IPv6Network("2000::/3")
"""The only global unicast space (RFC 4291): mapped, NAT64, ULA, link-local, site-local, SRv6, discard, multicast lie outside."""
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments (RFC 2928): Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 3056): an IPv4 address in disguise
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # the old 6bone, given back (RFC 3701)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""`ipaddress.is_global` is no substitute: Python 3.11 says True of 224.0.0.1, 2002:7f00:1:: and 64:ff9b::7f00:1."""


def is_public(address: Address) -> bool:
    """Whether an address is global unicast. IPv4 by what is denied, IPv6 by what is allowed and then denied."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    plain = address in _UNICAST_6 and address.scope_id is None
    return plain and not any(address in network for network in _NOT_PUBLIC_6)


def is_reachable(address: Address, port: int, loopback: bool) -> bool:
    """`loopback` opens this machine's own addresses, by any port; every other one stays as it was."""
    if loopback and address.is_loopback and getattr(address, "ipv4_mapped", None) is None:
        return True
    return port in PORTS and is_public(address)


# Which URLs are well spelt.

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_SHAPE = re.compile(r"(?P<scheme>[A-Za-z]{1,8})://(?P<authority>[^/?]+)(?P<target>.*)")
_AUTHORITY = re.compile(
    r"(?:\[(?P<six>(?=[^\]]*:)[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_TARGET = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TOP_LABEL = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,58}[a-z0-9]")
_NOT_PUBLIC_TOPS = frozenset(
    ("alt", "arpa", "corp", "home", "i2p", "internal", "intranet", "invalid", "lan", "local", "localdomain", "localhost", "onion", "private")
)  # fmt: skip
"""Last labels that mean something on one network only (RFC 6761, 6762, 7686, 9476, and habit)."""


def check_url(url: str, *, loopback: bool = False) -> CustomerUrl:
    """Syntax alone, no look-up. Raises OutboundRefused."""
    found = parse(url)
    _check_way(found, loopback)
    address = literal(found.host)
    if address is None:
        _check_name(found.host, loopback)
    elif not is_reachable(address, found.port, loopback):
        raise OutboundRefused("That address is not public; give one that anybody on the internet can reach.")
    elif str(address) != found.host:
        raise OutboundRefused(f"Write that address as {address}, in its usual form.")
    return found


def parse(url: str) -> CustomerUrl:
    """The parts of any http or https URL; whose host it may be is for others to say. Raises OutboundRefused."""
    if len(url) > MOST_URL:
        raise OutboundRefused(f"The address is longer than {MOST_URL} characters.")
    if not _PRINTABLE.fullmatch(url):
        raise OutboundRefused(
            "An address has printable ASCII characters alone: write a name with other letters in its xn-- form, "
            "and anything else percent-encoded."
        )
    if "#" in url:
        raise OutboundRefused("Leave out the fragment (# and what follows): it is never sent.")
    shape = _SHAPE.fullmatch(url)
    if not shape:
        raise OutboundRefused("Write the address as https://host/path.")
    if "@" in shape["authority"]:
        raise OutboundRefused("Leave out the user name and password before the host.")
    where = _AUTHORITY.fullmatch(shape["authority"])
    if not where:
        raise OutboundRefused("The host is no plain name or address, or the port is no plain number.")
    if not _TARGET.fullmatch(shape["target"]):
        raise OutboundRefused("The path holds a character that must be percent-encoded.")
    return _parts(shape, where)


def _parts(shape: re.Match[str], where: re.Match[str]) -> CustomerUrl:
    scheme, target = shape["scheme"].lower(), shape["target"]
    if scheme not in _DEFAULT_PORTS:
        raise OutboundRefused("Write the address as https://host/path.")
    port = int(where["port"] or _DEFAULT_PORTS[scheme])
    if port > 65535:
        raise OutboundRefused("There is no such port.")
    host = where["six"] or where["host"].lower()
    return CustomerUrl(scheme, host, port, target if target.startswith("/") else f"/{target}")


def _check_way(found: CustomerUrl, loopback: bool) -> None:
    """On a port that is open to loopback alone, `is_reachable` sees to it that nothing else is reached."""
    if found.scheme == "http" and not (loopback and found.port not in PORTS):
        raise OutboundRefused("The scheme must be https, with a certificate that anybody can check.")
    if found.port not in PORTS and not loopback:
        raise OutboundRefused("The port must be 443 or 8443.")


def literal(host: str) -> Address | None:
    """The address that a host spells; None for a name. Octal, short and decimal forms are names here, and no good ones."""
    try:
        return ip_address(host)
    except ValueError:
        if ":" in host:
            raise OutboundRefused("What stands between the brackets is no IPv6 address.") from None
        return None


def _check_name(host: str, loopback: bool) -> None:
    if host == "localhost" and loopback:
        return
    labels = host.split(".")
    spelt = all(_LABEL.fullmatch(label) for label in labels) and _TOP_LABEL.fullmatch(labels[-1])
    if not spelt or len(labels) < 2 or len(host) > 253:
        raise OutboundRefused(
            "The host must be a full domain name, such as hooks.example.com, without a final dot."
        )
    if labels[-1] in _NOT_PUBLIC_TOPS:
        raise OutboundRefused(
            f"Names that end in .{labels[-1]} mean nothing on the internet; give a public one."
        )
