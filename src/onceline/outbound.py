"""The one way to the outside: nothing else in Onceline opens a connection to another machine.

Two doors. `CustomerDoor` calls what customers name (webhooks): public addresses by https alone. `ConfiguredDoor` calls what
the operator named (gateways, payment processors, mail): those hosts alone, wherever they are.

Promised: a name is resolved once for each connection, every answer is checked, and what was checked is what is dialled, so
that an answer which changes meanwhile reaches nobody; Host, SNI and the certificate's check stay with the name. Every call
ends in time and every answer has a size.
Never: follows a redirect, uses a proxy, reads what the environment says of them, decodes a body, keeps a cookie, logs an
address.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import httpcore

from onceline.core.errors import OutboundRefused
from onceline.outbound_address import CustomerUrl, check_url, is_reachable, literal, parse

RESOLVE_S = 5.0
CONNECT_S = 5.0
TOTAL_S = 15.0
"""From the first look-up to the last byte of the answer."""
KEEP_ALIVE_S = 20.0
MOST_CONNECTIONS = 256
MOST_KEPT = 128
"""Hosts to which connections are kept, each at most four."""
MOST_KEPT_EACH = 4
LOOK_UPS = 16

MOST_ANSWERS = 32
MOST_HEADERS = 100
MOST_HEAD_BYTES = 16 * 1024
MOST_BODY_BYTES = 64 * 1024
MOST_CONFIGURED_BODY_BYTES = 1024 * 1024

Reason = Literal["refused_address", "dns", "connect", "tls", "timeout", "too_large", "protocol"]

logging.getLogger("httpcore").setLevel(logging.INFO)  # its debug lines hold hosts and what those answered
_THREADS = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="look-up")


class OutboundFailed(Exception):
    """A call that brought no whole answer. `detail` is for people: no path, no header, no byte of the answer."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail


class NotReached(OutboundFailed):
    """No connection came about, so the other side was asked nothing."""


class Resolver(Protocol):
    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a name as text, all of them; OSError when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """`headers` as they came, `body` undecoded and cut at the door's limit, which `truncated` tells."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    truncated: bool
    elapsed_ms: float


# From a name to addresses that may be dialled.


class SystemResolver:
    """What the machine itself would use. `absolute` keeps its search list out: a customer's name is whole as it is."""

    def __init__(self, *, absolute: bool = True) -> None:
        self._absolute = absolute

    async def resolve(self, host: str, port: int) -> list[str]:
        name = f"{host}." if self._absolute and "." in host else host
        return await asyncio.get_running_loop().run_in_executor(_THREADS, _look_up, name, port)


def _look_up(name: str, port: int) -> list[str]:
    found = socket.getaddrinfo(name.encode("ascii"), port, type=socket.SOCK_STREAM)
    return [str(place[4][0]) for place in found]


async def _answers(resolver: Resolver, host: str, port: int) -> list[str]:
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await resolver.resolve(host, port)
    except (OSError, UnicodeError):  # a TimeoutError is an OSError
        raise NotReached("dns", f"The name {host} could not be resolved.") from None
    if not found:
        raise NotReached("dns", f"The name {host} has no address.")
    return found


def _checked(answers: list[str], port: int, loopback: bool) -> list[str]:
    """The answers in canonical form; one that may not be reached refuses all. Never says which: names inside are nobody's business."""
    try:
        addresses = [ip_address(answer) for answer in dict.fromkeys(answers[: MOST_ANSWERS + 1])]
    except ValueError:
        addresses = []
    fit = all(is_reachable(address, port, loopback) for address in addresses)
    if not addresses or len(answers) > MOST_ANSWERS or not fit:
        raise NotReached("refused_address", "The host does not lead to public addresses alone.")
    return [str(address) for address in addresses]


# The network under the HTTP client.


class _Metered(httpcore.AsyncNetworkStream):
    """A stream that gives at most `most` bytes for a request, whatever they are: 1xx answers and chunk framing count too."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, most: int) -> None:
        self._inner = inner
        self._most = most
        self._left = most

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's interface
        if self._left <= 0:
            raise OutboundFailed("too_large", "The answer is too long.")
        data = await self._inner.read(max_bytes, timeout)
        self._left -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's interface
        self._left = self._most
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
    ) -> httpcore.AsyncNetworkStream:
        try:
            inner = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        except httpcore.ConnectTimeout:
            raise NotReached("timeout", "The TLS handshake took too long.") from None
        except httpcore.ConnectError as fault:
            raise NotReached("tls", f"TLS failed: {_tls_fault(fault.__cause__)}.") from None
        except asyncio.CancelledError:  # the client closes what failed, not what was cut off
            await self._inner.aclose()
            raise
        return _Metered(inner, self._most)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _tls_fault(fault: BaseException | None) -> str:
    if isinstance(fault, ssl.SSLCertVerificationError):
        return fault.verify_message.rstrip(".")
    if isinstance(fault, ssl.SSLError) and fault.reason:
        return fault.reason.lower().replace("_", " ")
    return "the other side hung up"


class _Network(httpcore.AsyncNetworkBackend):
    """Dials what `addresses` gives for a host, in its order; the client above knows the name alone."""

    def __init__(self, addresses: Callable[[str, int], Awaitable[list[str]]], most: int) -> None:
        self._addresses = addresses
        self._most = most

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        addresses = await self._addresses(host, port)
        return _Metered(await _dial_any(addresses, port), self._most)


async def _dial_any(addresses: list[str], port: int) -> httpcore.AsyncNetworkStream:
    """The first that answers. Each has an equal share of what is left of the time, so that a dead one leaves some."""
    end, reason = time.monotonic() + CONNECT_S, "connect"
    for at, address in enumerate(addresses):
        share = (end - time.monotonic()) / (len(addresses) - at)
        try:
            return await _dial(address, port, max(share, 0.01))
        except httpcore.ConnectTimeout:
            reason = "timeout"
        except httpcore.ConnectError:
            reason = "connect"
    if reason == "timeout":
        raise NotReached("timeout", "The host did not take the connection in time.")
    raise NotReached("connect", "The host did not take the connection.")


async def _dial(address: str, port: int, seconds: float) -> httpcore.AsyncNetworkStream:
    """`address` is an address as text, never a name: nothing is looked up here."""
    return await httpcore.AnyIOBackend().connect_tcp(address, port, seconds)


# One request, one answer.


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """The system's authorities, or those of `ca_file` alone. Made by hand: the default one may log keys for the environment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca_file)
    return context


_Origin = tuple[str, str, int]


class _Connections:
    """Connections kept by scheme, name and port, so that none ever serves another name than it was checked for.

    Our own, because the client's pool looks at every connection for every request: 64 kept ones cost 4 ms.
    """

    def __init__(self, network: _Network, trust: ssl.SSLContext) -> None:
        self._network = network
        self._trust = trust
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)
        self._kept: OrderedDict[_Origin, list[httpcore.AsyncHTTPConnection]] = OrderedDict()
        """By last use, the longest ago first."""

    async def aclose(self) -> None:
        while self._kept:
            await self._drop_oldest()

    @contextlib.asynccontextmanager
    async def lent(self, origin: _Origin) -> AsyncIterator[httpcore.AsyncHTTPConnection]:
        async with self._places:
            connection = await self._take(origin) or self._new(origin)
            try:
                yield connection
            finally:
                await self._give_back(origin, connection)

    async def _take(self, origin: _Origin) -> httpcore.AsyncHTTPConnection | None:
        while kept := self._kept.get(origin):
            connection = kept.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    def _new(self, origin: _Origin) -> httpcore.AsyncHTTPConnection:
        scheme, host, port = origin
        return httpcore.AsyncHTTPConnection(
            httpcore.Origin(scheme.encode(), host.encode(), port),
            ssl_context=self._trust,
            keepalive_expiry=KEEP_ALIVE_S,
            network_backend=self._network,
        )

    async def _give_back(self, origin: _Origin, connection: httpcore.AsyncHTTPConnection) -> None:
        """Kept if its answer was read to the end and it can be used again; else closed."""
        kept = self._kept.setdefault(origin, [])
        self._kept.move_to_end(origin)
        if connection.is_available() and len(kept) < MOST_KEPT_EACH:
            kept.append(connection)
        else:
            await connection.aclose()
        while self._kept and (len(self._kept) > MOST_KEPT or self._oldest_has_expired()):
            await self._drop_oldest()

    def _oldest_has_expired(self) -> bool:
        return all(connection.has_expired() for connection in next(iter(self._kept.values())))

    async def _drop_oldest(self) -> None:
        _, connections = self._kept.popitem(last=False)
        for connection in connections:
            await connection.aclose()


_OURS = frozenset(
    ("host", "accept-encoding", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect")
)  # fmt: skip
"""Headers that decide what is on the wire; a caller's are left out."""


async def _exchange(
    connections: _Connections,
    method: str,
    url: CustomerUrl,
    headers: Mapping[str, str],
    body: bytes,
    most: int,
) -> Reply:
    began = time.monotonic()
    sent = [("Host", url.authority), ("Accept-Encoding", "identity")]
    sent += [(name, value) for name, value in headers.items() if name.lower() not in _OURS]
    where = httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target)
    limits = {"timeout": {"connect": CONNECT_S}}
    origin = (url.scheme, url.host, url.port)
    async with (
        _told(),
        asyncio.timeout(TOTAL_S),
        connections.lent(origin) as connection,
        connection.stream(method, where, headers=sent, content=body, extensions=limits) as answer,
    ):
        head = _head(answer)
        read, truncated = await _body(answer, most)
    return Reply(answer.status, head, read, truncated, (time.monotonic() - began) * 1000)


def _head(answer: httpcore.Response) -> tuple[tuple[str, str], ...]:
    size = sum(len(name) + len(value) for name, value in answer.headers)
    if size > MOST_HEAD_BYTES or len(answer.headers) > MOST_HEADERS:
        raise OutboundFailed("too_large", "The answer's headers are too long.")
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers)


async def _body(answer: httpcore.Response, most: int) -> tuple[bytes, bool]:
    """At most `most` bytes; what is left over is not read, and closes the connection."""
    read = bytearray()
    try:
        async with contextlib.aclosing(answer.aiter_stream()) as chunks:  # type: ignore[type-var]  # it is a generator
            async for chunk in chunks:
                read += chunk
                if len(read) > most:
                    return bytes(read[:most]), True
    except OutboundFailed as failed:
        if failed.reason != "too_large":
            raise
        return bytes(read), True
    return bytes(read), False


@contextlib.asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """Every fault of the client as one of our reasons, without what the other side wrote."""
    try:
        yield
    except (TimeoutError, httpcore.TimeoutException):
        raise OutboundFailed("timeout", "The answer took too long.") from None
    except httpcore.ProtocolError as fault:
        if any(getattr(cause, "error_status_hint", 0) == 431 for cause in fault.args):
            raise OutboundFailed("too_large", "The answer's headers are too long.") from None
        raise OutboundFailed("protocol", "What came back is no whole HTTP answer.") from None
    except ssl.SSLError as fault:
        raise OutboundFailed("tls", f"TLS failed: {_tls_fault(fault)}.") from None
    except (httpcore.NetworkError, OSError):
        raise OutboundFailed("connect", "The connection broke.") from None


# The two doors.


class CustomerDoor:
    """Calls addresses that customers gave. One for each event loop, entered before `post`; `check` works without.

    `loopback` is for tests and development: it adds this machine's own addresses, by any port and by plain http, and
    loosens nothing else. `ca_file` is trusted instead of the system's authorities.
    """

    def __init__(
        self, resolver: Resolver | None = None, *, loopback: bool = False, ca_file: Path | None = None
    ) -> None:
        self._resolver = resolver or SystemResolver()
        self._loopback = loopback
        self._ca_file = ca_file
        self._connections: _Connections | None = None

    async def __aenter__(self) -> Self:
        network = _Network(self._addresses, MOST_HEAD_BYTES + 4 * MOST_BODY_BYTES)
        self._connections = _Connections(network, _trust(self._ca_file))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connections:
            await self._connections.aclose()

    def check_url(self, url: str) -> None:
        """Syntax alone. Raises OutboundRefused."""
        check_url(url, loopback=self._loopback)

    async def check(self, url: str) -> None:
        """Syntax, and where the host leads right now. Raises OutboundRefused, also when it leads nowhere."""
        found = check_url(url, loopback=self._loopback)
        try:
            await self._addresses(found.host, found.port)
        except OutboundFailed as failed:
            raise OutboundRefused(failed.detail) from None

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Reply:
        """One attempt. Any answer is a Reply, a redirect too.

        Raises OutboundRefused when the URL itself is no good, OutboundFailed for everything that came later:
        `refused_address` when the host leads where we do not go.
        """
        assert self._connections, "enter the door first"
        found = check_url(url, loopback=self._loopback)
        return await _exchange(self._connections, "POST", found, headers, body, MOST_BODY_BYTES)

    async def _addresses(self, host: str, port: int) -> list[str]:
        answers = [host] if literal(host) else await _answers(self._resolver, host, port)
        return _checked(answers, port, self._loopback)


def check_customer(url: str, *, resolver: Resolver | None = None, loopback: bool = False) -> None:
    """`CustomerDoor.check` for a thread without an event loop, bounded by RESOLVE_S. Raises OutboundRefused."""
    asyncio.run(CustomerDoor(resolver, loopback=loopback).check(url))


class ConfiguredDoor:
    """Calls hosts that the operator named, as `host` (any port) or `host:port`, and no other; for threads without a loop."""

    def __init__(self, hosts: Iterable[str], *, ca_file: Path | None = None) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._ca_file = ca_file

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        return _trust(self._ca_file)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        most: int = MOST_CONFIGURED_BODY_BYTES,
    ) -> Reply:
        """http and https; of the answer `most` bytes. Raises OutboundRefused for another host, NotReached when nothing was
        asked, else OutboundFailed for what went wrong on the way."""
        found = parse(url)
        self._demand(found.host, found.port)
        return asyncio.run(self._request(method, found, headers or {}, body, most))

    def connect(self, host: str, port: int, timeout: float = CONNECT_S) -> socket.socket:
        """A plain TCP connection (SMTP, SMPP) with `timeout` set on it. Raises as `request` does."""
        self._demand(host, port)
        try:
            addresses = _THREADS.submit(_look_up, host, port).result(RESOLVE_S)
        except (OSError, UnicodeError):
            raise OutboundFailed("dns", f"The name {host} could not be resolved.") from None
        return _first_connection(addresses[:MOST_ANSWERS], port, timeout)

    async def _request(
        self, method: str, url: CustomerUrl, headers: Mapping[str, str], body: bytes, most: int
    ) -> Reply:
        network = _Network(self._addresses, MOST_HEAD_BYTES + 4 * most)
        async with contextlib.aclosing(_Connections(network, self._trusted)) as connections:
            return await _exchange(connections, method, url, headers, body, most)

    async def _addresses(self, host: str, port: int) -> list[str]:
        self._demand(host, port)
        return await _answers(SystemResolver(absolute=False), host, port)

    def _demand(self, host: str, port: int) -> None:
        name = host.lower()
        if self._hosts.isdisjoint((name, f"{name}:{port}", f"[{name}]:{port}")):
            raise OutboundRefused(f"{name}:{port} is no host that the configuration names.")


def _first_connection(addresses: list[str], port: int, seconds: float) -> socket.socket:
    end = time.monotonic() + seconds
    for at, address in enumerate(addresses):
        share = (end - time.monotonic()) / (len(addresses) - at)
        with contextlib.suppress(OSError):
            connection = socket.create_connection((address, port), max(share, 0.01))
            connection.settimeout(seconds)
            return connection
    raise OutboundFailed("connect", "The host did not take the connection.")
