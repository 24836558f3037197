"""Hands mails over: to the configured SMTP server, or to a folder where none is configured.

Promised: certificates are checked; every step and every mail has a deadline, also against a server that answers drop by
drop. Never logs an address, a password, or what a server wrote.
"""

from __future__ import annotations

import contextlib
import os
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Literal, Protocol

import structlog

from onceline.core.errors import OutboundRefused
from onceline.mail_server import MailServer
from onceline.outbound import ConfiguredDoor, OutboundFailed

_LOG = structlog.get_logger(__name__)
Outcome = Literal["sent", "later", "refused", "nobody"]
"""`refused`: this mail, for good. `nobody`: the server says for good that the address takes no mail."""

STEP_S = 10.0
MAIL_S = 60.0
"""For one mail, or for opening a session, whatever the server does."""
MOST_FILES = 200
_BROKEN = (smtplib.SMTPException, OSError, ValueError)


class PostAway(Exception):
    """No session could be opened; `reason` is for logs: no address, nothing that the server wrote."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Session(Protocol):
    usable: bool
    """False once the connection broke: open another."""

    def send(self, mail: EmailMessage, sender: str, recipient: str) -> Outcome: ...


class Post(Protocol):
    def session(self) -> contextlib.AbstractContextManager[Session]:
        """Raises PostAway."""
        ...


class SmtpPost:
    """`seconds` bounds one mail, `step` one answer; tests make them short."""

    def __init__(
        self, server: MailServer, our_name: str, *, seconds: float = MAIL_S, step: float = STEP_S
    ) -> None:
        self._server = server
        self._our_name = our_name
        self._seconds = seconds
        self._step = step
        self._door = ConfiguredDoor([f"{server.host}:{server.port}"])

    @contextmanager
    def session(self) -> Iterator[Session]:
        smtp = _Smtp(self._server, self._our_name, self._door, self._step)
        try:
            with smtp.within(self._seconds):
                smtp.begin(self._server)
        except (OutboundFailed, OutboundRefused) as failed:
            raise PostAway(failed.detail) from None
        except _BROKEN as broken:
            smtp.hang_up()
            raise PostAway(_reason(broken)) from None
        try:
            yield _SmtpSession(smtp, self._seconds)
        finally:
            with contextlib.suppress(*_BROKEN), smtp.within(self._step):
                smtp.quit()
            smtp.hang_up()


def _reason(broken: BaseException) -> str:
    """What broke, without what the server wrote: that may quote anything."""
    if isinstance(broken, smtplib.SMTPResponseException):
        return f"{type(broken).__name__} {broken.smtp_code}"
    if isinstance(broken, ssl.SSLCertVerificationError):
        return f"the certificate does not hold: {broken.verify_message}"
    return type(broken).__name__


class _Smtp(smtplib.SMTP):
    """smtplib over our own door. `_wire` is a second handle on the connection, which a deadline shuts under it."""

    def __init__(self, server: MailServer, our_name: str, door: ConfiguredDoor, step: float) -> None:
        super().__init__(local_hostname=our_name, timeout=step)
        self._host = server.host  # what STARTTLS checks the certificate against
        self._door = door
        self._implicit = server.tls == "implicit"
        self._wire: socket.socket | None = None
        self._late = False

    def begin(self, server: MailServer) -> None:
        code, _ = self.connect(server.host, server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, "")
        if server.tls == "starttls":
            self.starttls(context=_trust())
        self.ehlo_or_helo_if_needed()
        if server.user is not None and server.password is not None:
            self.login(server.user, server.password)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = self._door.connect(host, port, timeout)
        self._wire = connection.dup()
        self._shut_if_late()
        return _trust().wrap_socket(connection, server_hostname=host) if self._implicit else connection

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What is not over after `seconds` finds its connection shut."""
        timer = threading.Timer(seconds, self._shut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _shut(self) -> None:
        self._late = True
        self._shut_if_late()

    def _shut_if_late(self) -> None:
        if self._late and self._wire:
            with contextlib.suppress(OSError):
                self._wire.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self.close()
        if self._wire:
            self._wire.close()


class _SmtpSession:
    def __init__(self, smtp: _Smtp, seconds: float) -> None:
        self._smtp = smtp
        self._seconds = seconds
        self.usable = True

    def send(self, mail: EmailMessage, sender: str, recipient: str) -> Outcome:
        try:
            with self._smtp.within(self._seconds):
                self._smtp.sendmail(sender, [recipient], mail.as_bytes())
        except smtplib.SMTPRecipientsRefused as refused:
            return self._refused(*refused.recipients[recipient])
        except smtplib.SMTPDataError as refused:
            return "refused" if refused.smtp_code >= 500 else "later"
        except smtplib.SMTPSenderRefused:
            return "later"  # the operator has to mend the sender; the customer's mail waits for it
        except _BROKEN:
            self.usable = False
            return "later"
        return "sent"

    def _refused(self, code: int, answer: bytes) -> Outcome:
        """RFC 3463: 5.7.x is about policy, so about us or this mail; any other 5xx is about the mailbox."""
        if code == 421:
            self.usable = False
        if code < 500:
            return "later"
        return "refused" if answer.startswith(b"5.7.") else "nobody"


def _trust() -> ssl.SSLContext:
    """The system's authorities, or those of SSL_CERT_FILE. By hand: the default one may log keys for the environment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    return context


class FolderPost:
    """For development: mails become files that only we may read, the last 200 of them."""

    usable = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told = False

    @contextmanager
    def session(self) -> Iterator[Session]:
        if not self._told:  # with the first mail: whoever sends none needs no server
            _LOG.warning("no mail server is set: mails become files", folder=str(self._folder))
            self._told = True
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield self
        for old in sorted(self._folder.glob("*.eml"))[:-MOST_FILES]:
            old.unlink(missing_ok=True)

    def send(self, mail: EmailMessage, sender: str, recipient: str) -> Outcome:  # noqa: ARG002 - the mail names both
        """A file named after date and Message-ID, so that one sent again replaces itself."""
        date = mail["Date"].datetime
        place = self._folder / f"{date:%Y%m%dT%H%M%S}-{mail['Message-ID'].strip('<>').partition('@')[0]}.eml"
        fresh = place.with_suffix(".part")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(mail.as_bytes())
        fresh.replace(place)
        return "sent"
