"""The one way to the outside, against a real TLS server on loopback: what it dials, what it sends, where it stops."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from onceline import outbound
from onceline.core.errors import OutboundRefused
from onceline.outbound import ConfiguredDoor, CustomerDoor, OutboundFailed, Reply, check_customer

HOOK = "https://hooks.example.com/in?token=hunter2"
PUBLIC = "93.184.216.34"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


# A server with certificates of its own.


@dataclass(frozen=True)
class Authority:
    """An authority nobody else trusts, and certificates of its hand."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    root: x509.Certificate

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def server(self, name: str = "hooks.example.com", days: int = 30) -> ssl.SSLContext:
        """A server's side of TLS for a name or address; with `days` below 0 its certificate has ended."""
        key = ec.generate_private_key(ec.SECP256R1())
        place = x509.DNSName(name)
        certificate = _certificate(
            name, key, self.root.subject, self.key, days, x509.SubjectAlternativeName([place])
        )
        path = self.folder / f"{name}{days}.pem"
        path.write_bytes(_pem(certificate) + _key_pem(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name | None,
    signer: ec.EllipticCurvePrivateKey,
    days: int,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer or subject, subject, key.public_key(), x509.random_serial_number()
    )
    builder = builder.not_valid_before(now - timedelta(days=60)).not_valid_after(now + timedelta(days=days))
    return builder.add_extension(extension, critical=issuer is None).sign(signer, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, form, serialization.NoEncryption())


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    key, folder = ec.generate_private_key(ec.SECP256R1()), tmp_path_factory.mktemp("authority")
    root = _certificate("Onceline tests", key, None, key, 90, x509.BasicConstraints(ca=True, path_length=0))
    made = Authority(folder, key, root)
    made.file.write_bytes(_pem(root))
    return made


@dataclass
class Server:
    """What came: connections, names asked for by SNI, and each request as it stood on the wire."""

    port: int = 0
    connections: int = 0
    names: list[str | None] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def header(self, name: str, at: int = -1) -> list[str]:
        lines = [line.partition(": ") for line in self.heads[at].split("\r\n")[1:]]
        return [value for key, _, value in lines if key.lower() == name.lower()]


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None, script: Script) -> AsyncIterator[Server]:
    seen = Server()
    if tls:
        tls.sni_callback = lambda _, name, __: seen.names.append(name)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                seen.heads.append(head)
                length = next(
                    (line[15:] for line in head.split("\r\n") if line.lower().startswith("content-length")),
                    "0",
                )
                seen.bodies.append(await reader.readexactly(int(length)))
                await script(writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        await asyncio.sleep(0.01)


def saying(*pieces: bytes, end: bool = False, pause: float = 0.0) -> Script:
    async def say(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if end:
            writer.close()

    return say


# A resolver that is told what to say, and a network whose dialling is watched.


class Answers:
    """Each look-up takes the next list of answers; the last stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class Wire:
    """Stands where the network is dialled: notes every address, and leads all of them to one port of loopback."""

    dialled: list[tuple[str, int]] = field(default_factory=list)
    port: int = 0
    dead: tuple[str, ...] = ()

    async def dial(self, address: str, port: int, seconds: float) -> httpcore.AsyncNetworkStream:
        self.dialled.append((address, port))
        if address in self.dead:
            raise httpcore.ConnectError
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.port, seconds)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire()
    monkeypatch.setattr(outbound, "_dial", wire.dial)
    return wire


@dataclass
class Told:
    """How a call ended, and what the server saw of it."""

    server: Server
    reply: Reply | None = None
    failure: OutboundFailed | None = None

    @property
    def answered(self) -> Reply:
        assert self.reply, self.failure
        return self.reply

    @property
    def reason(self) -> str:
        assert self.failure, self.reply
        assert "hunter2" not in self.failure.detail
        return self.failure.reason


def call(
    authority: Authority,
    wire: Wire,
    script: Script,
    tls: ssl.SSLContext | None = None,
    *,
    url: str = HOOK,
    resolver: Answers | None = None,
    headers: dict[str, str] | None = None,
) -> Told:
    """One post to a public name, whose dialling ends at a server of ours."""

    async def story() -> Told:
        async with serving(tls or authority.server(), script) as server:
            wire.port = server.port
            async with CustomerDoor(resolver or Answers([PUBLIC]), ca_file=authority.file) as door:
                try:
                    return Told(server, await door.post(url, headers=headers or {}, body=b'{"a":1}'))
                except OutboundFailed as failure:
                    return Told(server, failure=failure)

    return asyncio.run(story())


# What is dialled.


def test_the_checked_address_is_dialled_and_the_name_stays_in_host_and_sni(
    authority: Authority, wire: Wire
) -> None:
    resolver = Answers([PUBLIC])
    told = call(authority, wire, saying(OK), resolver=resolver, headers={"X-Own": "yes"})
    assert (told.answered.status, told.answered.body, told.answered.truncated) == (200, b"ok", False)
    assert told.answered.headers == (("Content-Length", "2"),)
    assert told.answered.elapsed_ms > 0
    assert resolver.asked == [("hooks.example.com", 443)]
    assert wire.dialled == [(PUBLIC, 443)]
    assert told.server.names == ["hooks.example.com"]
    assert told.server.heads[0].startswith("POST /in?token=hunter2 HTTP/1.1\r\n")
    assert told.server.header("Host") == ["hooks.example.com"]
    assert told.server.header("X-Own") == ["yes"]
    assert told.server.bodies == [b'{"a":1}']


def test_another_port_stands_in_host(authority: Authority, wire: Wire) -> None:
    told = call(authority, wire, saying(OK), url="https://Hooks.Example.com:8443/")
    assert told.server.header("Host") == ["hooks.example.com:8443"]
    assert wire.dialled == [(PUBLIC, 8443)]


def test_a_name_that_turns_to_loopback_after_its_check_reaches_nobody(
    authority: Authority, wire: Wire
) -> None:
    resolver = Answers([PUBLIC], ["127.0.0.1"])

    async def story() -> str:
        async with CustomerDoor(resolver, ca_file=authority.file) as door:
            await door.check(HOOK)
            with pytest.raises(OutboundFailed) as failure:
                await door.post(HOOK, headers={}, body=b"")
            return failure.value.reason

    assert asyncio.run(story()) == "refused_address"
    assert len(resolver.asked) == 2
    assert wire.dialled == []


def test_a_name_that_turns_to_loopback_between_check_and_dialling_does_not_matter(
    authority: Authority, wire: Wire
) -> None:
    told = call(authority, wire, saying(OK), resolver=Answers([PUBLIC], ["127.0.0.1"]))
    assert told.answered.status == 200
    assert wire.dialled == [(PUBLIC, 443)]


def test_one_private_answer_among_public_ones_reaches_nobody(authority: Authority, wire: Wire) -> None:
    told = call(authority, wire, saying(OK), resolver=Answers([PUBLIC, "10.0.0.1"]))
    assert told.reason == "refused_address"
    assert wire.dialled == []


def test_the_next_checked_address_is_tried_when_one_is_dead(authority: Authority, wire: Wire) -> None:
    wire.dead = ("2606:4700::1111",)
    told = call(authority, wire, saying(OK), resolver=Answers(["2606:4700:0::1111", PUBLIC]))
    assert told.answered.status == 200
    assert wire.dialled == [("2606:4700::1111", 443), (PUBLIC, 443)]


def test_a_dead_host_is_told_as_such(authority: Authority, wire: Wire) -> None:
    wire.dead = (PUBLIC,)
    assert call(authority, wire, saying(OK)).reason == "connect"


def test_an_address_is_dialled_without_a_look_up(authority: Authority, wire: Wire) -> None:
    resolver = Answers(["127.0.0.1"])
    told = call(authority, wire, saying(OK), url="https://8.8.8.8/", resolver=resolver)
    assert told.reason == "tls", "the certificate is not for that address"
    assert resolver.asked == []
    assert wire.dialled == [("8.8.8.8", 443)]
    assert told.server.names == [None]


def test_a_url_that_is_no_good_is_refused_at_the_call_too(authority: Authority, wire: Wire) -> None:
    for url in ("https://127.1/", "https://example.com:22/", "http://example.com/", "https://u@example.com/"):
        with pytest.raises(OutboundRefused):
            call(authority, wire, saying(OK), url=url)
    assert wire.dialled == []


def test_a_kept_connection_serves_its_own_name_alone(authority: Authority, wire: Wire) -> None:
    resolver = Answers([PUBLIC], ["127.0.0.1"])

    async def story() -> tuple[Server, str]:
        async with serving(authority.server(), saying(OK)) as server:
            wire.port = server.port
            async with CustomerDoor(resolver, ca_file=authority.file) as door:
                for _ in range(3):
                    await door.post(HOOK, headers={}, body=b"")
                with pytest.raises(OutboundFailed) as failure:
                    await door.post("https://other.example.com/", headers={}, body=b"")
                return server, failure.value.reason

    server, reason = asyncio.run(story())
    assert (server.connections, len(server.heads), reason) == (1, 3, "refused_address")
    assert resolver.asked == [("hooks.example.com", 443), ("other.example.com", 443)]
    assert wire.dialled == [(PUBLIC, 443)]


def test_connections_are_kept_few_and_fresh(
    authority: Authority, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(script: Script, most: int, pause: float) -> tuple[int, int]:
        """Connections and requests, after ten posts at once and ten in turn with a pause before each."""
        async with serving(authority.server(), script) as server:
            wire.port = server.port
            async with CustomerDoor(Answers([PUBLIC]), ca_file=authority.file) as door:
                await asyncio.gather(*[door.post(HOOK, headers={}, body=b"") for _ in range(10)])
                for _ in range(10):
                    await asyncio.sleep(pause)
                    await door.post(HOOK, headers={}, body=b"")
                assert door._connections
                assert sum(len(kept) for kept in door._connections._kept.values()) <= most
                return server.connections, len(server.heads)

    assert asyncio.run(story(saying(OK), 4, 0)) == (10, 20)
    assert asyncio.run(story(saying(OK, end=True), 1, 0.02)) == (20, 20), "the server closed each"
    monkeypatch.setattr(outbound, "KEEP_ALIVE_S", 0.01)
    assert asyncio.run(story(saying(OK), 4, 0.03)) == (20, 20)


def test_a_name_without_an_answer_is_told_as_such(authority: Authority, wire: Wire) -> None:
    class Silent(Answers):
        async def resolve(self, host: str, port: int) -> list[str]:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")

    assert call(authority, wire, saying(OK), resolver=Silent([])).reason == "dns"
    assert call(authority, wire, saying(OK), resolver=Answers([])).reason == "dns"
    with pytest.raises(OutboundRefused, match="could not be resolved"):
        asyncio.run(CustomerDoor(Silent([])).check(HOOK))


def test_the_systems_resolver_is_asked_for_the_whole_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def look_up(name: bytes, port: int, **_: Any) -> list[Any]:
        asked.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    check_customer(HOOK)
    assert asked == [b"hooks.example.com."], "with a final dot, the machine's search list is left out"


# TLS.


def test_a_certificate_of_another_name_is_refused(authority: Authority, wire: Wire) -> None:
    told = call(authority, wire, saying(OK), authority.server("other.example.com"))
    assert told.reason == "tls"
    assert told.failure
    assert "ostname mismatch" in told.failure.detail
    assert told.server.heads == []


def test_a_certificate_that_has_ended_is_refused(authority: Authority, wire: Wire) -> None:
    told = call(authority, wire, saying(OK), authority.server(days=-1))
    assert (told.reason, told.server.heads) == ("tls", [])
    assert told.failure
    assert "expired" in told.failure.detail


def test_a_certificate_that_nobody_vouches_for_is_refused(authority: Authority, wire: Wire) -> None:
    async def story() -> None:
        async with serving(authority.server(), saying(OK)) as server:
            wire.port = server.port
            async with CustomerDoor(Answers([PUBLIC])) as door:
                await door.post(HOOK, headers={}, body=b"")

    with pytest.raises(OutboundFailed) as failure:
        asyncio.run(story())
    assert failure.value.reason == "tls"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_before_1_2_is_refused(authority: Authority, wire: Wire) -> None:
    old = authority.server()
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    told = call(authority, wire, saying(OK), old)
    assert (told.reason, told.server.heads) == ("tls", [])
    assert outbound._trust(None).minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_server_without_tls_is_refused(authority: Authority, wire: Wire) -> None:
    async def plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def story() -> None:
        async with await asyncio.start_server(plainly, "127.0.0.1", 0) as server:
            wire.port = server.sockets[0].getsockname()[1]
            async with CustomerDoor(Answers([PUBLIC]), ca_file=authority.file) as door:
                await door.post(HOOK, headers={}, body=b"")

    with pytest.raises(OutboundFailed) as failure:
        asyncio.run(story())
    assert failure.value.reason == "tls"


# What comes back.


def test_a_redirect_is_an_answer_and_is_not_followed(authority: Authority, wire: Wire) -> None:
    location = b"HTTP/1.1 302 Found\r\nLocation: https://hooks.example.com/next\r\nContent-Length: 0\r\n\r\n"
    told = call(authority, wire, saying(location))
    assert told.answered.status == 302
    assert ("Location", "https://hooks.example.com/next") in told.answered.headers
    assert len(told.server.heads) == 1


def test_a_body_is_never_unpacked(authority: Authority, wire: Wire) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
    told = call(authority, wire, saying(head.encode() + bomb), headers={"Accept-Encoding": "gzip"})
    assert told.server.header("Accept-Encoding") == ["identity"]
    assert told.answered.body == bomb[: outbound.MOST_BODY_BYTES]


def test_a_long_body_is_cut_and_its_rest_is_not_read(authority: Authority, wire: Wire) -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while True:
            writer.write(bytes(100_000))
            await writer.drain()
            sent += 100_000

    told = call(authority, wire, endless)
    assert told.answered.truncated
    assert len(told.answered.body) == 64 * 1024
    assert sent < 30_000_000, "the connection was closed"


def test_a_body_of_just_the_limit_is_whole(authority: Authority, wire: Wire) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n"
    told = call(authority, wire, saying(head + bytes(65536)))
    assert (len(told.answered.body), told.answered.truncated) == (65536, False)


def test_a_body_in_a_million_crumbs_is_cut(authority: Authority, wire: Wire) -> None:
    """Each byte in a chunk with a long extension: little body, much to read."""
    crumb = b"1;" + b"x" * 1000 + b"\r\na\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    told = call(authority, wire, saying(head, *[crumb * 100] * 50))
    assert told.answered.truncated
    assert len(told.answered.body) < 1000


@pytest.mark.parametrize(
    "flood",
    [
        b"X-A: " + b"a" * 300_000 + b"\r\n",
        b"".join(b"X-%d: %s\r\n" % (at, b"a" * 1000) for at in range(60)),
        b"".join(b"X-%d: a\r\n" % at for at in range(500)),
    ],
    ids=["one long", "60 of 1 KB", "500 small"],
)
def test_a_flood_of_headers_is_refused(authority: Authority, wire: Wire, flood: bytes) -> None:
    told = call(authority, wire, saying(b"HTTP/1.1 200 OK\r\n" + flood + b"Content-Length: 0\r\n\r\n"))
    assert told.reason == "too_large"


def test_interim_answers_without_end_are_refused(authority: Authority, wire: Wire) -> None:
    told = call(authority, wire, saying(*[b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 1000] * 50))
    assert told.reason == "too_large"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 hunter2\r\n\r\n",
    ],
    ids=["nothing", "a short body", "another protocol", "no length", "two lengths", "a switch", "no status"],
)
def test_what_is_no_answer_is_told_as_such(authority: Authority, wire: Wire, answer: bytes) -> None:
    assert call(authority, wire, saying(answer, end=True)).reason == "protocol"


def test_an_answer_that_drips_is_cut_at_the_total(
    authority: Authority, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "TOTAL_S", 0.6)
    slow_head = saying(b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 100, pause=0.05)
    slow_body = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"a"] * 100, pause=0.05)
    for script in (slow_head, slow_body, saying(pause=30)):
        began = time.monotonic()
        assert call(authority, wire, script).reason == "timeout"
        assert 0.5 < time.monotonic() - began < 2


def test_a_host_that_does_not_take_the_connection_is_given_up(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(address: str, port: int, seconds: float) -> httpcore.AsyncNetworkStream:
        await asyncio.sleep(seconds)
        raise httpcore.ConnectTimeout

    monkeypatch.setattr(outbound, "CONNECT_S", 0.3)
    monkeypatch.setattr(outbound, "_dial", hang)
    began = time.monotonic()
    resolver = Answers([PUBLIC, "8.8.8.8", "1.1.1.1"])
    assert call(authority, Wire(), saying(OK), resolver=resolver).reason == "timeout"
    assert 0.25 < time.monotonic() - began < 1


def test_a_host_that_says_nothing_to_tls_is_given_up(
    authority: Authority, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "CONNECT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as deaf:

        async def story() -> None:
            wire.port = deaf.getsockname()[1]
            async with CustomerDoor(Answers([PUBLIC]), ca_file=authority.file) as door:
                await door.post(HOOK, headers={}, body=b"")

        began = time.monotonic()
        with pytest.raises(OutboundFailed) as failure:
            asyncio.run(story())
    assert failure.value.reason == "timeout"
    assert time.monotonic() - began < 2


def test_a_handshake_that_is_cut_off_leaves_no_connection(
    authority: Authority, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "TOTAL_S", 0.3)

    async def story() -> tuple[str, bool]:
        ended = asyncio.Event()

        async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()  # up to the end of the connection
            writer.close()
            ended.set()

        async with await asyncio.start_server(deaf, "127.0.0.1", 0) as server:
            wire.port = server.sockets[0].getsockname()[1]
            async with CustomerDoor(Answers([PUBLIC]), ca_file=authority.file) as door:
                with pytest.raises(OutboundFailed) as failure:
                    await door.post(HOOK, headers={}, body=b"")
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), 2)
            return failure.value.reason, ended.is_set()

    assert asyncio.run(story()) == ("timeout", True)


def test_a_resolver_that_hangs_is_given_up(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(Answers):
        async def resolve(self, host: str, port: int) -> list[str]:
            await asyncio.sleep(30)
            return []

    monkeypatch.setattr(outbound, "RESOLVE_S", 0.2)
    began = time.monotonic()
    with pytest.raises(OutboundRefused):
        check_customer(HOOK, resolver=Hanging([]))
    assert time.monotonic() - began < 1


# What is never sent, and never used.


def test_a_caller_does_not_decide_what_is_on_the_wire(authority: Authority, wire: Wire) -> None:
    headers = {
        "host": "evil.example.com",
        "Transfer-Encoding": "chunked",
        "content-length": "1",
        "Upgrade": "x",
    }
    told = call(authority, wire, saying(OK), headers=headers)
    assert told.server.header("Host") == ["hooks.example.com"]
    assert told.server.header("Content-Length") == ["7"]
    assert told.server.header("Transfer-Encoding") + told.server.header("Upgrade") == []


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b"])
def test_a_header_of_two_lines_is_not_sent(authority: Authority, wire: Wire, value: str) -> None:
    told = call(authority, wire, saying(OK), headers={"X-Own": value})
    assert (told.reason, told.server.heads) == ("protocol", [])


def test_what_the_environment_says_of_proxies_is_not_heard(
    authority: Authority, wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    told = call(authority, wire, saying(OK))
    assert told.answered.status == 200
    assert told.server.heads[0].startswith("POST /in?")
    assert not (tmp_path / "keys.log").exists()


def test_the_log_never_holds_a_host_a_path_or_a_header(
    authority: Authority, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert call(authority, wire, saying(OK), headers={"X-Own": "hunter3"}).answered.status == 200
    assert "hunter" not in caplog.text
    assert "hooks.example.com" not in caplog.text
    assert "Content-Length" not in caplog.text


def test_a_cookie_is_not_kept(authority: Authority, wire: Wire) -> None:
    async def story() -> Server:
        answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
        async with serving(authority.server(), saying(answer)) as server:
            wire.port = server.port
            async with CustomerDoor(Answers([PUBLIC]), ca_file=authority.file) as door:
                for _ in range(2):
                    await door.post(HOOK, headers={}, body=b"")
        return server

    server = asyncio.run(story())
    assert len(server.heads) == 2
    assert server.header("Cookie") == []


# Loopback, as tests and development use it: the same server, reached without any stand-in.


def test_loopback_reaches_a_server_on_this_machine(authority: Authority) -> None:
    async def story(loopback: bool, tls: bool) -> Server:
        async with serving(authority.server() if tls else None, saying(OK)) as server:
            url = f"https://hooks.example.com:{server.port}/" if tls else f"http://127.0.0.1:{server.port}/"
            resolver = Answers(["127.0.0.1"])
            async with CustomerDoor(resolver, loopback=loopback, ca_file=authority.file) as door:
                try:
                    assert (await door.post(url, headers={}, body=b"")).status == 200
                except OutboundRefused:
                    assert not loopback
            return server

    for tls in (True, False):
        assert len(asyncio.run(story(True, tls)).heads) == 1
        assert asyncio.run(story(False, tls)).connections == 0


def test_check_customer_serves_threads_without_a_loop() -> None:
    check_customer(HOOK, resolver=Answers([PUBLIC]))
    with pytest.raises(OutboundRefused):
        check_customer(HOOK, resolver=Answers(["127.0.0.1"]))
    with pytest.raises(OutboundRefused):
        check_customer("http://127.0.0.1:1/")
    check_customer("http://127.0.0.1:1/", loopback=True)


# Hosts that the operator named.


@contextmanager
def gateway(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server in a thread of its own: the door for configured hosts waits where it is called."""
    up: list[Server] = []
    ready, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def story() -> None:
        async with serving(tls, script) as server:
            up.append(server)
            ready.set()
            await stop.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(story())

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(5)
    try:
        yield up[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)


def test_a_configured_host_is_reached_wherever_it_is() -> None:
    with gateway(saying(OK)) as server:
        door = ConfiguredDoor([f"127.0.0.1:{server.port}"])
        reply = door.request("GET", f"http://127.0.0.1:{server.port}/status", {"X-Own": "yes"})
        assert (reply.status, reply.body) == (200, b"ok")
        assert server.heads[0].startswith("GET /status HTTP/1.1\r\n")
        assert server.header("Host") == [f"127.0.0.1:{server.port}"]
        assert ConfiguredDoor(["LocalHost"]).request("PUT", f"http://localhost:{server.port}/").status == 200


def test_a_configured_host_is_reached_by_tls_with_a_certificate(authority: Authority) -> None:
    with gateway(saying(OK), authority.server("localhost")) as server:
        url = f"https://localhost:{server.port}/"
        assert ConfiguredDoor(["localhost"], ca_file=authority.file).request("GET", url).status == 200
        with pytest.raises(OutboundFailed) as failure:
            ConfiguredDoor(["localhost"]).request("GET", url)
    assert failure.value.reason == "tls"
    assert server.names[0] == "localhost"


def test_a_host_that_is_not_configured_is_refused() -> None:
    with gateway(saying(OK)) as server:
        door = ConfiguredDoor(["127.0.0.1:1", "gateway", f"localhost.:{server.port}", "[::1]:25"])
        for url in (
            f"http://127.0.0.1:{server.port}/",
            f"http://localhost:{server.port}/",
            f"http://gateway@127.0.0.1:{server.port}/",
            f"http://[::1]:{server.port}/",
            "http://gateway.evil.example.com/",
            "ftp://gateway/",
        ):
            with pytest.raises(OutboundRefused):
                door.request("GET", url)
        with pytest.raises(OutboundRefused):
            door.connect("127.0.0.1", server.port).close()
    assert server.connections == 0


def test_a_configured_host_gets_a_plain_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mail:
        port = mail.getsockname()[1]
        with ConfiguredDoor([f"localhost:{port}"]).connect("localhost", port, 3) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)
            assert connection.gettimeout() == 3
    with pytest.raises(OutboundFailed) as failure:
        ConfiguredDoor(["127.0.0.1"]).connect("127.0.0.1", port)
    assert failure.value.reason == "connect"


def test_a_configured_host_is_not_followed_elsewhere_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with gateway(
        saying(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")
    ) as server:
        assert ConfiguredDoor(["127.0.0.1"]).request("GET", f"http://127.0.0.1:{server.port}/").status == 302
    monkeypatch.setattr(outbound, "TOTAL_S", 0.3)
    with gateway(saying(pause=2)) as server, pytest.raises(OutboundFailed) as failure:
        ConfiguredDoor(["127.0.0.1"]).request("GET", f"http://127.0.0.1:{server.port}/")
    assert failure.value.reason == "timeout"
