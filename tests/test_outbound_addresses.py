"""Which addresses customers may give: every spelling of a private one is refused, and public is what the registries say."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onceline.core.errors import OutboundRefused
from onceline.outbound import CustomerDoor
from onceline.outbound_address import MOST_URL, CustomerUrl, check_url, is_public

GOOD = {
    "https://hooks.example.com": ("hooks.example.com", 443, "/"),
    "https://hooks.example.com/": ("hooks.example.com", 443, "/"),
    "https://hooks.example.com/a/b?c=d&e=%20": ("hooks.example.com", 443, "/a/b?c=d&e=%20"),
    "https://hooks.example.com?c=d": ("hooks.example.com", 443, "/?c=d"),
    "https://hooks.example.com:443/": ("hooks.example.com", 443, "/"),
    "https://hooks.example.com:8443/": ("hooks.example.com", 8443, "/"),
    "HTTPS://Hooks.Example.COM/Case": ("hooks.example.com", 443, "/Case"),
    "https://xn--bcher-kva.example.com/": ("xn--bcher-kva.example.com", 443, "/"),
    "https://example.xn--p1ai/": ("example.xn--p1ai", 443, "/"),
    "https://1.2.3.4.example.com/": ("1.2.3.4.example.com", 443, "/"),
    "https://0x7f.example.com/": ("0x7f.example.com", 443, "/"),
    "https://8.8.8.8/": ("8.8.8.8", 443, "/"),
    "https://[2606:4700::1111]:8443/": ("2606:4700::1111", 8443, "/"),
    "https://h.example.com/%0d%0a/../..//x": ("h.example.com", 443, "/%0d%0a/../..//x"),
}

NOT_PUBLIC = [
    *("127.0.0.1", "127.1.2.3", "127.255.255.255", "0.0.0.0", "0.1.2.3"),
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"),
    *("169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "100.127.255.255"),
    *("192.0.0.1", "192.0.0.192", "192.0.2.1", "198.51.100.7", "203.0.113.9", "168.63.129.16"),
    *("198.18.0.1", "198.19.255.255", "192.88.99.1", "192.31.196.1", "192.52.193.1", "192.175.48.1"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.254", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::ffff:7f00:1", "::ffff:808:808", "::ffff:0:7f00:1"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "100:0:0:1::1"),
    *("2001::1", "2001:0:53aa:64c::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1"),
    *("2002:7f00:1::", "2002:808:808::1", "3fff::1", "3fff:fff::1", "3ffe::1", "2620:4f:8000::1"),
    *("5f00::1", "4000::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1"),
]
PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255"),
    *("128.0.0.1", "169.253.255.255", "169.255.0.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.255"),
    *("2606:4700::1111", "2001:200::1", "2001:4860:4860::8888", "2a00:1450::1", "3fff:1000::1", "2003::1"),
]  # fmt: skip

OTHER_SPELLINGS = {
    "an octal address": "https://0177.0.0.1/",
    "an octal address of three figures": "https://127.000.000.001/",
    "an octal number": "https://017700000001/",
    "a decimal number": "https://2130706433/",
    "a hexadecimal number": "https://0x7f000001/",
    "a hexadecimal number in capitals": "https://0X7F000001/",
    "hexadecimal parts": "https://0x7f.0x0.0x0.0x1/",
    "a mixture": "https://0x7f.0.1/",
    "two parts": "https://127.1/",
    "three parts": "https://127.0.1/",
    "one part": "https://0/",
    "five parts": "https://127.0.0.0.1/",
    "a part above 255": "https://127.0.0.257/",
    "a public address in octal": "https://010.8.8.8/",
    "a public address in decimal": "https://134744072/",
    "an address with a final dot": "https://127.0.0.1./",
    "a public address with a final dot": "https://8.8.8.8./",
    "a name with a final dot": "https://example.com./",
    "a mapped address in dots": "https://[::ffff:127.0.0.1]/",
    "a compatible address in dots": "https://[::127.0.0.1]/",
    "an address written in full": "https://[0:0:0:0:0:0:0:1]/",
    "a public address written in full": "https://[2606:4700:0:0:0:0:0:1111]/",
    "a public address in capitals": "https://[2606:4700::ABCD]/",
    "a zone": "https://[fe80::1%25eth0]/",
    "a zone, plainly": "https://[2606:4700::1%eth0]/",
    "an IPv4 address in brackets": "https://[8.8.8.8]/",
    "a future address": "https://[v1.fe80::a]/",
    "empty brackets": "https://[]/",
    "an open bracket": "https://[::1/",
    "no brackets": "https://2606:4700::1111/",
    "full-width digits": "https://１２７.0.0.1/",
    "full-width dots": "https://127。0。0。1/",
    "circled digits": "https://①②⑦.0.0.1/",
    "Arabic digits": "https://١٢٧.0.0.1/",
    "letters that fold": "https://ｌocalhost/",
    "a U-label": "https://bücher.example.com/",
    "a soft hyphen": "https://local\u00adhost/",
    "a user": "https://user@example.com/",
    "a user and a password": "https://user:pass@example.com/",
    "a user that looks like a host": "https://example.com@127.0.0.1/",
    "a user behind a backslash": "https://example.com\\@127.0.0.1/",
    "an empty user": "https://@example.com/",
    "a percent-encoded host": "https://%31%32%37.0.0.1/",
    "a percent-encoded dot": "https://127%2e0.0.1/",
    "a percent-encoded at": "https://example.com%40127.0.0.1/",
    "a line feed in the path": "https://example.com/\nx",
    "CR and LF in the path": "https://example.com/ HTTP/1.1\r\nHost: x",
    "a final line feed": "https://example.com/\n",
    "a space before": " https://example.com/",
    "a space after": "https://example.com/ ",
    "a space in the host": "https://exam ple.com/",
    "a tab in the scheme": "ht\ttps://example.com/",
    "a zero byte": "https://example.com\x00.evil.com/",
    "a delete": "https://example.com/\x7f",
    "a backslash for a slash": "https:\\\\example.com\\",
    "a backslash in the path": "https://example.com/\\x",
    "a half escape": "https://example.com/%2",
    "an escape that is none": "https://example.com/%zz",
    "a bracket in the path": "https://example.com/[x]",
    "a fragment": "https://example.com/#x",
    "an empty fragment": "https://example.com#",
    "a fragment with a user": "https://example.com#@127.0.0.1/",
    "plain http": "http://example.com/",
    "plain http on 443": "http://example.com:443/",
    "another scheme": "ftp://example.com/",
    "a scheme that reads files": "file:///etc/passwd",
    "a scheme that speaks anything": "gopher://example.com/",
    "no scheme": "//example.com/",
    "a name alone": "example.com",
    "one slash": "https:/example.com/",
    "no host": "https:///x",
    "nothing": "",
    "port 80": "https://example.com:80/",
    "port 22": "https://example.com:22/",
    "port 0": "https://example.com:0/",
    "a port with a zero before": "https://example.com:0443/",
    "no port": "https://example.com:/",
    "a negative port": "https://example.com:-443/",
    "a port that wraps": "https://example.com:65979/",
    "a port in letters": "https://example.com:https/",
    "two ports": "https://example.com:443:443/",
    "localhost": "https://localhost/",
    "localhost in capitals": "https://LocalHost/",
    "localhost with a final dot": "https://localhost./",
    "below localhost": "https://a.localhost/",
    "one label": "https://metadata/",
    "a top label": "https://com/",
    ".local": "https://printer.local/",
    ".internal": "https://metadata.google.internal/",
    ".onion": "https://abcdefgh.onion/",
    ".home.arpa": "https://router.home.arpa/",
    ".lan in capitals": "https://router.LAN/",
    "an underscore": "https://my_host.example.com/",
    "an empty label": "https://example..com/",
    "a dot before": "https://.example.com/",
    "a hyphen before": "https://-a.example.com/",
    "a hyphen after": "https://a-.example.com/",
    "a label too long": f"https://{'a' * 64}.example.com/",
    "a name too long": f"https://{'a.' * 126}example.com/",
    "a URL too long": "https://example.com/".ljust(MOST_URL + 1, "a"),
}


class Answers:
    """A resolver that gives the same answers to everything, and counts."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers


def refused(url: str, *answers: str, loopback: bool = False) -> bool:
    try:
        asyncio.run(CustomerDoor(Answers(*answers), loopback=loopback).check(url))
    except OutboundRefused as refusal:
        return bool(refusal.detail)
    return False


@pytest.mark.parametrize("url", GOOD)
def test_a_good_address_is_read_as_it_stands(url: str) -> None:
    host, port, target = GOOD[url]
    assert check_url(url) == CustomerUrl("https", host, port, target)


def test_the_longest_address_is_read() -> None:
    assert len(check_url("https://example.com/".ljust(MOST_URL, "a")).target) == MOST_URL - 19


@pytest.mark.parametrize("name", OTHER_SPELLINGS)
def test_every_other_spelling_is_refused_before_anything_is_looked_up(name: str) -> None:
    resolver = Answers("93.184.216.34")
    with pytest.raises(OutboundRefused) as refusal:
        asyncio.run(CustomerDoor(resolver).check(OTHER_SPELLINGS[name]))
    assert refusal.value.detail.endswith(".")
    assert resolver.asked == []


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused_as_a_literal_and_as_an_answer(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(OutboundRefused):
        check_url(f"https://{host}/")
    assert refused(f"https://{host}/")
    assert refused("https://hooks.example.com/", address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_taken_as_a_literal_and_as_an_answer(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert not refused(f"https://{host}/")
    assert not refused("https://hooks.example.com/", address)


def test_one_answer_that_is_not_public_refuses_all() -> None:
    assert not refused("https://hooks.example.com/", "93.184.216.34", "2606:4700::1111")
    assert refused("https://hooks.example.com/", "93.184.216.34", "10.0.0.1")
    assert refused("https://hooks.example.com/", "fd00::1", "93.184.216.34")
    assert refused("https://hooks.example.com/", *["93.184.216.34"] * 31, "::1")


def test_answers_that_cannot_be_read_or_have_a_zone_are_refused() -> None:
    for answer in ("not an address", "2606:4700::1%eth0", "fe80::1%2", "127.1", "", "93.184.216.34 "):
        assert refused("https://hooks.example.com/", answer), answer


def test_more_answers_than_anybody_needs_are_refused() -> None:
    many = [f"93.184.216.{last}" for last in range(40)]
    assert not refused("https://hooks.example.com/", *many[:32])
    assert refused("https://hooks.example.com/", *many)


def test_a_refusal_says_what_would_be_right() -> None:
    better = {
        "https://bücher.example.com/": "xn--",
        "https://example.com/ä": "percent-encoded",
        "https://example.com/#top": "fragment",
        "https://me:pw@example.com/": "user name",
        "http://example.com/": "https",
        "https://example.com:80/": "443 or 8443",
        "https://printer/": "full domain name",
        "https://printer.local/": ".local",
        "https://[2606:4700:0:0::1111]/": "2606:4700::1111",
        "https://10.0.0.1/": "public",
    }
    for url, word in better.items():
        with pytest.raises(OutboundRefused) as refusal:
            check_url(url)
        assert word in refusal.value.detail, url


def test_a_refusal_does_not_tell_what_a_name_leads_to() -> None:
    with pytest.raises(OutboundRefused) as refusal:
        asyncio.run(CustomerDoor(Answers("10.11.12.13")).check("https://hooks.example.com/"))
    assert "10.11" not in refusal.value.detail


def test_a_refusal_does_not_repeat_the_path_or_a_password() -> None:
    for url in (
        "https://u:hunter2@example.com/",
        "https://127.0.0.1/hunter2",
        "https://example.com/hunter2#",
    ):
        with pytest.raises(OutboundRefused) as refusal:
            check_url(url)
        assert "hunter2" not in refusal.value.detail


def test_loopback_opens_this_machine_by_any_port_and_plainly() -> None:
    for url in (
        "http://127.0.0.1:8000/",
        "http://127.3.2.1:22/",
        "http://[::1]:8000/",
        "https://127.0.0.1:9443/",
    ):
        assert refused(url)
        assert not refused(url, loopback=True)
    assert not refused("http://localhost:8000/", "127.0.0.1", "::1", loopback=True)
    assert not refused("https://hooks.example.com:9443/", "127.0.0.1", loopback=True)


def test_loopback_opens_nothing_else() -> None:
    for address in NOT_PUBLIC:
        if not ipaddress.ip_address(address).is_loopback:
            host = f"[{address}]" if ":" in address else address
            assert refused(f"https://{host}/", loopback=True), address
            assert refused(f"http://{host}:8000/", loopback=True), address
            assert refused("https://hooks.example.com/", "127.0.0.1", address, loopback=True), address
    for url in ("http://8.8.8.8/", "http://8.8.8.8:443/", "https://8.8.8.8:22/"):
        assert refused(url, loopback=True), url
    for url in (
        "http://hooks.example.com/",
        "http://hooks.example.com:443/",
        "https://hooks.example.com:22/",
    ):
        assert refused(url, "93.184.216.34", loopback=True), url
    for name, url in OTHER_SPELLINGS.items():
        if name not in ("localhost", "localhost in capitals"):
            assert refused(url, "93.184.216.34", loopback=True), name
    assert not refused("https://8.8.8.8/", loopback=True)


def _octal(address: IPv4Address) -> str:
    return ".".join(f"0{part:o}" for part in address.packed)


def _short(address: IPv4Address) -> str:
    first, rest = address.packed[0], int(address) & 0xFFFFFF
    return f"{first}.{rest}"


_FORMS: list[Callable[[IPv4Address], str]] = [
    str,
    _octal,
    _short,
    lambda address: str(int(address)),
    lambda address: f"{int(address):#x}",
    lambda address: f"{int(address):#X}",
    lambda address: f"0{int(address):o}",
    lambda address: ".".join(f"{part:#x}" for part in address.packed),
    lambda address: f"{address}.",
    lambda address: f"[::ffff:{address}]",
    lambda address: f"[::{address}]",
    lambda address: f"[{IPv6Address((0xFFFF << 32) + int(address))}]",
    lambda address: f"[64:ff9b::{address}]",
    lambda address: f"[{IPv6Address((0x2002 << 112) + (int(address) << 80))}]",
    lambda address: f"example.com@{address}",
    lambda address: str(address).replace(".", "。"),
    lambda address: str(address).translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)}),
    lambda address: "".join(f"%{ord(letter):02x}" for letter in str(address)),
]
_PRIVATE = st.one_of(
    st.ip_addresses(v=4, network="127.0.0.0/8"),
    st.ip_addresses(v=4, network="10.0.0.0/8"),
    st.ip_addresses(v=4, network="172.16.0.0/12"),
    st.ip_addresses(v=4, network="192.168.0.0/16"),
    st.ip_addresses(v=4, network="169.254.0.0/16"),
    st.ip_addresses(v=4, network="100.64.0.0/10"),
)


@given(_PRIVATE, st.sampled_from(_FORMS), st.sampled_from(["", ":443", ":8443"]))
def test_no_spelling_of_a_private_address_is_taken(
    address: IPv4Address, form: Callable[[IPv4Address], str], port: str
) -> None:
    assert refused(f"https://{form(address)}{port}/", "93.184.216.34")


@given(st.text(alphabet=st.sampled_from("0123456789abcdefxX.:[]%@\\/?#-_。０１ lo\t"), max_size=40))
@example("0x7f.1")
@example("127.0.0.1:443@8.8.8.8")
def test_what_the_machine_itself_reads_as_an_address_is_never_taken_for_a_name(host: str) -> None:
    """The C library reads more spellings than anybody lists: what it reads must be public and canonical, or refused."""
    try:
        found = check_url(f"https://{host}/")
    except OutboundRefused:
        return
    try:
        read = ipaddress.ip_address(socket.inet_ntoa(socket.inet_aton(found.host)))
    except OSError:
        return
    assert str(read) == found.host
    assert _naive_public(read)


# The registries of special-purpose addresses, read independently: prefixes as bits.

_REGISTRY_4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
]
_REGISTRY_6 = [
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001::/32",
    "2001:2::/48",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:30::/28",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
    "3ffe::/16",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]


def _bits(text: str) -> str:
    family, width = (socket.AF_INET6, 128) if ":" in text else (socket.AF_INET, 32)
    return f"{int.from_bytes(socket.inet_pton(family, text)):0{width}b}"


def _prefix(network: str) -> str:
    address, length = network.split("/")
    return _bits(address)[: int(length)]


_PREFIXES = {4: [_prefix(one) for one in _REGISTRY_4], 6: [_prefix(one) for one in _REGISTRY_6]}


def _naive_public(address: IPv4Address | IPv6Address) -> bool:
    bits = _bits(str(address))
    special = any(bits.startswith(prefix) for prefix in _PREFIXES[address.version])
    return not special and (address.version == 4 or bits.startswith("001"))


def _edges(version: int) -> list[IPv4Address | IPv6Address]:
    """The first and last address of each special network, and their neighbours outside."""
    found: list[IPv4Address | IPv6Address] = []
    for text in _REGISTRY_4 if version == 4 else _REGISTRY_6:
        network = ipaddress.ip_network(text)
        first, last = int(network[0]), int(network[-1])
        top = 2**network.max_prefixlen - 1
        near = (max(first - 1, 0), first, last, min(last + 1, top))
        found += [IPv4Address(one) if version == 4 else IPv6Address(one) for one in near]
    return found


@given(st.one_of(st.ip_addresses(), st.sampled_from(_edges(4)), st.sampled_from(_edges(6)), st.ip_addresses(v=6, network="2000::/3")))  # fmt: skip
def test_public_is_what_the_registries_leave(address: IPv4Address | IPv6Address) -> None:
    assert is_public(address) == _naive_public(address)


def test_public_ends_where_each_special_network_begins() -> None:
    wrong = [str(one) for one in (*_edges(4), *_edges(6)) if is_public(one) != _naive_public(one)]
    assert wrong == []
