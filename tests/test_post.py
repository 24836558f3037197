"""Mail over real SMTP on the loopback: plain, with TLS, with a password, to servers that refuse, hang and drop."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from onceline.config import Settings
from onceline.mail_server import MailServer, Sender, Tls, parse_sender, parse_server
from onceline.post import MOST_FILES, FolderPost, Outcome, PostAway, SmtpPost

HERS = "alice@mail.example"
OURS = "notices@onceline.example"
NAME, PASSWORD = "onceline", "s3cret/with:marks"


class Server:
    """What aiosmtpd calls; a test says how it answers."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.rcpt = "250 OK"
        self.data = "250 OK"
        self.drop_in_data = False
        self.hang_s = 0.0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.hang_s)
        if self.drop_in_data:
            assert server.transport
            server.transport.close()
        if self.data.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.got.append(envelope.content)
        return self.data


def let_in(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
    right = (data.login, data.password) == (NAME.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


@contextmanager
def serving(server: Server, ssl_context: ssl.SSLContext | None = None, **options: Any) -> Iterator[int]:
    """aiosmtpd on a free port, in a loop of its own."""
    loop = asyncio.new_event_loop()
    factory = lambda: SMTP(server, hostname="mail.example", loop=loop, **options)  # noqa: E731 - a name for one line
    listening = loop.run_until_complete(loop.create_server(factory, "127.0.0.1", 0, ssl=ssl_context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_ended(listening), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _ended(listening: asyncio.Server) -> None:
    listening.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0.01)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificate of a test authority, and one for 127.0.0.1 and for other.example that it signed."""
    folder = tmp_path_factory.mktemp("authority")
    key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("Test authority", key, None, None)
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    for name in ("127.0.0.1", "other.example"):
        own = ec.generate_private_key(ec.SECP256R1())
        signed = _certificate(name, own, ca, key)
        secret = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{name}.pem").write_bytes(secret + signed.public_bytes(serialization.Encoding.PEM))
    return folder


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, ca: x509.Certificate | None, signer: ec.EllipticCurvePrivateKey | None
) -> x509.Certificate:  # fmt: skip
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    place = x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name.replace(" ", "-"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ca.subject if ca else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([place]), critical=False)
    )
    return builder.sign(signer or key, hashes.SHA256())


def tls(authority: Path, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / f"{name}.pem")
    return context


def mail(body: str = "Hello Élodie\n") -> EmailMessage:
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"], message["To"], message["Subject"] = OURS, HERS, "A notice"
    message["Message-ID"] = "<1@onceline.example>"
    message["Date"] = datetime(2026, 3, 1, tzinfo=UTC)
    message.set_content(body, cte="quoted-printable")
    return message


def post_to(port: int, how: Tls = "none", seconds: float = 5, step: float = 2, **login: str) -> SmtpPost:
    return SmtpPost(
        MailServer("127.0.0.1", port, how, **login), "onceline.example", seconds=seconds, step=step
    )


def send(post: SmtpPost, count: int = 1) -> list[Outcome]:
    with post.session() as session:
        return [session.send(mail(), OURS, HERS) for _ in range(count)]


def test_mails_travel_over_one_connection(server: Server) -> None:
    with serving(server) as port:
        assert send(post_to(port), 3) == ["sent"] * 3
    assert len(server.got) == 3
    assert b"Subject: A notice\r\n" in server.got[0]


def test_with_starttls_and_a_password(
    server: Server, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    options = {"tls_context": tls(authority), "authenticator": let_in, "auth_required": True}
    with serving(server, require_starttls=True, **options) as port:
        assert send(post_to(port, "starttls", user=NAME, password=PASSWORD)) == ["sent"]
        with pytest.raises(PostAway, match="SMTPAuthenticationError 535") as refused:
            send(post_to(port, "starttls", user=NAME, password="wrong"))
    assert "wrong" not in str(refused.value)


def test_with_tls_from_the_first_byte(
    server: Server, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    with serving(server, ssl_context=tls(authority)) as port:
        assert send(post_to(port, "implicit")) == ["sent"]


@pytest.mark.parametrize("how", ["starttls", "implicit"])
@pytest.mark.parametrize(("trusted", "name"), [(False, "127.0.0.1"), (True, "other.example")])
def test_a_certificate_that_does_not_hold_gets_no_mail(
    server: Server, authority: Path, monkeypatch: pytest.MonkeyPatch, how: Tls, trusted: bool, name: str
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    options = {"tls_context" if how == "starttls" else "ssl_context": tls(authority, name)}
    with serving(server, **options) as port, pytest.raises(PostAway, match="certificate does not hold"):
        send(post_to(port, how))
    assert server.got == []


def test_a_server_without_starttls_gets_no_mail_in_clear(server: Server) -> None:
    with serving(server) as port, pytest.raises(PostAway, match="SMTPNotSupportedError"):
        send(post_to(port, "starttls"))
    assert server.got == []


@pytest.mark.parametrize(
    ("rcpt", "data", "outcome"),
    [
        ("450 try later", "250 OK", "later"),
        ("550 5.1.1 no such user", "250 OK", "nobody"),
        ("550 no such user", "250 OK", "nobody"),
        ("550 5.7.1 your address is on a list", "250 OK", "refused"),
        ("250 OK", "451 busy", "later"),
        ("250 OK", "554 5.6.0 I do not like this mail", "refused"),
    ],
)
def test_what_a_server_says_decides_what_happens(
    server: Server, rcpt: str, data: str, outcome: Outcome
) -> None:
    server.rcpt, server.data = rcpt, data
    with serving(server) as port:
        assert send(post_to(port), 2) == [outcome] * 2
    assert server.got == []


def test_a_connection_that_drops_in_the_middle_is_not_used_again(server: Server) -> None:
    server.drop_in_data = True
    with serving(server) as port, post_to(port).session() as session:
        assert session.send(mail(), OURS, HERS) == "later"
        assert not session.usable


def test_a_server_that_hangs_costs_no_more_than_a_step(server: Server) -> None:
    server.hang_s = 30
    began = time.monotonic()
    with serving(server) as port, post_to(port, step=0.3).session() as session:
        assert session.send(mail(), OURS, HERS) == "later"
        assert time.monotonic() - began < 5


@contextmanager
def dripping(every_s: float) -> Iterator[int]:
    """A server that says hello letter by letter, and never ends the word."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                for _ in range(100):
                    if ended.wait(every_s):
                        return
                    connection.send(b"2")
            except OSError:
                return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        thread.join(5)
        listener.close()


@pytest.mark.parametrize("how", ["none", "implicit"])
def test_a_server_that_answers_drop_by_drop_is_left_in_time(how: Tls) -> None:
    began = time.monotonic()
    with dripping(0.05) as port, pytest.raises(PostAway):
        send(post_to(port, how, seconds=0.5))
    assert time.monotonic() - began < 3


def test_nobody_at_the_port_is_a_server_that_is_away() -> None:
    with serving(Server()) as port:
        pass
    with pytest.raises(PostAway):
        send(post_to(port))


def test_a_line_with_a_dot_alone_ends_no_mail(server: Server) -> None:
    with serving(server) as port, post_to(port).session() as session:
        assert session.send(mail("one\n.\nMAIL FROM:<x@mail.example>\n"), OURS, HERS) == "sent"
    assert len(server.got) == 1
    assert b"\r\n.\r\nMAIL FROM" in server.got[0]


# Settings, and the folder ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", MailServer("mail.example", 587, "starttls")),
        ("smtp://mail.example:25?tls=none", MailServer("mail.example", 25, "none")),
        ("smtps://u:p%2F%3A@mail.example", MailServer("mail.example", 465, "implicit", "u", "p/:")),
        ("smtp://u:p@[::1]:2525?tls=starttls", MailServer("::1", 2525, "starttls", "u", "p")),
    ],
)
def test_a_mail_server_is_one_url(url: str, server: MailServer) -> None:
    assert parse_server(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "", "mail.example", "http://mail.example", "smtp://", "smtp://mail.example/path", "smtp://mail.example:x",
        "smtp://u:topsecret@mail.example?tls=none", "smtp://u@mail.example", "smtp://mail.example?tls=maybe",
        "smtps://mail.example?tls=none", "smtp://u:topsecret@mail.example:99999",
    ],
)  # fmt: skip
def test_a_url_that_is_none_is_refused_without_its_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError) as refused:
        parse_server(url)
    assert "topsecret" not in str(refused.value)


def test_a_server_and_the_settings_show_no_password() -> None:
    settings = Settings(smtp_url="smtp://u:topsecret@mail.example", mail_from=OURS)
    assert "topsecret" not in repr(settings) + repr(settings.mail_server)
    assert settings.mail_sender == Sender("", OURS)


def test_a_server_needs_a_sender() -> None:
    with pytest.raises(ValueError, match="set it along"):
        Settings(smtp_url="smtp://mail.example")


@pytest.mark.parametrize("text", ["", "nobody", "A\r\nBcc: b@mail.example <a@mail.example>", "a@mail.example\n", "A" * 81 + " <a@b.example>"])  # fmt: skip
def test_a_sender_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_sender(text)


def test_without_a_server_mails_become_files_and_only_the_last_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    with FolderPost(folder).session() as session:
        for number in range(MOST_FILES + 5):
            message = mail()
            message.replace_header("Message-ID", f"<{number:04d}@onceline.example>")
            assert session.send(message, OURS, HERS) == "sent"
        assert session.send(message, OURS, HERS) == "sent"  # once more, the same
    files = sorted(folder.iterdir())
    assert len(files) == MOST_FILES
    assert files[-1].name.endswith("-0204.eml")
    assert files[-1].stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0
