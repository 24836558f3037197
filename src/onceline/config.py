"""Every setting: name, type, default, unit, danger. Read from the environment (ONCELINE_…), checked once at the start.

docs/reference/settings.md describes each; a test holds the two together.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from onceline.core.deposits.limits import Limits
from onceline.core.errors import InvalidInput
from onceline.core.money import parse_amount
from onceline.core.orders.model import Terms
from onceline.mail_server import MailServer, Sender, parse_sender, parse_server


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ONCELINE_", extra="ignore")

    data_dir: Path = Field(
        Path("var"), description="Where the embedded database, the key store and the logs live."
    )
    database_url: str | None = Field(
        None,
        description="Any PostgreSQL from 15 on, as a libpq URI; the embedded one serves when this is unset.",
    )
    keystore_dir: Path | None = Field(
        None,
        description="Where data keys live; DATA_DIR/keys when unset. Keep it out of database backups: "
        "whoever has both can read everything, and without it nothing sealed can be read.",
    )
    keystore_url: str | None = Field(
        None,
        description="A second PostgreSQL server for the data keys, as a libpq URI, for doors on several machines; "
        "files in KEYSTORE_DIR when this is unset. Never the main database's server, and never in its backups.",
    )
    keystore_master: Path | None = Field(
        None,
        description="The master key's file for KEYSTORE_URL, the same on every machine; "
        "master.key in KEYSTORE_DIR when unset. Whoever has it and the key store has the keys.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#\s]+$",
        description="How the outside reaches this installation, as in https://otp.example.com, without a path. Suppliers "
        "sign the address that they call, so a wrong one makes their messages fail.",
    )
    trusted_proxies: str = Field(
        "", description="Addresses of reverse proxies whose X-Forwarded-For is believed, separated by commas."
    )
    sign_up: Literal["open", "invited"] = Field(
        "open",
        description="Who may open an account on the pages: anybody, or only who was invited by a person of one.",
    )
    desk_threads: int = Field(
        6,
        ge=1,
        le=64,
        description="Pages that one process makes at once, each with two connections of its own.",
    )
    currency: str = Field(
        "USD", pattern=r"^[A-Z]{3}$", description="The books' currency; fixed at the first start."
    )
    cash_per_day: str = Field(
        "1000",
        description="Cash that one member of staff may record, and may approve, within 24 hours; decimal text, in the "
        "books' currency.",
    )
    pool_size: int = Field(12, ge=2, le=100, description="Connections and command threads of one process.")
    activation_window_s: int = Field(
        1200, ge=1, le=86400, description="How long an activation waits for its code."
    )
    cancel_lock_s: int = Field(120, ge=0, le=3600, description="How long a fresh order cannot be cancelled.")
    rental_cancel_s: int = Field(
        1200, ge=0, le=86400, description="Until when a rental without a message can be cancelled."
    )
    grace_s: int = Field(
        600, ge=0, le=86400, description="How long a closed order still listens for late messages."
    )
    cooldown_s: int = Field(
        1800,
        ge=0,
        le=30 * 86400,
        description="How long a number rests after an activation. Short times risk that a "
        "former lessee's late message meets the next lessee's order.",
    )
    rental_cooldown_s: int = Field(
        45 * 86400, ge=0, le=400 * 86400, description="How long a number rests after a rental."
    )
    drain_s: float = Field(
        2.0, ge=0, le=60, description="How long after its end an order waits for messages on their way."
    )
    limits: Literal["on", "off"] = Field(
        "on", description="Request rates and live orders per account. Off is for load tests only."
    )
    live_orders: int = Field(200, ge=1, description="Live orders that one side of an account may have.")
    requests_per_s: int = Field(50, ge=1, description="Requests a second that one key may send, averaged.")
    request_burst: int = Field(200, ge=1, description="Requests that one key may send at once.")
    new_account_days: int = Field(
        30, ge=0, le=366, description="Days for which an account counts as new; its limits are lower."
    )
    new_account_deposits: int = Field(
        10, ge=1, le=1000, description="Deposits that a new account may begin within a day."
    )
    new_account_deposited: str = Field(
        "200", description="What a new account may pay in within a day; decimal text, in the books' currency."
    )
    refund_approval_above: str = Field(
        "100",
        description="Refunds of deposits above it need two persons of the staff; decimal text, in the books' currency.",
    )
    access_log_days: int = Field(7, ge=1, le=7, description="Days that access logs are kept (promise P1).")
    metrics_token: str | None = Field(
        None, description="Bearer token that /metrics asks for; open when unset."
    )
    work_metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port on 127.0.0.1 where a worker shows its figures; none when unset.",
    )
    desk_metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port on 127.0.0.1 where the process that makes pages shows its figures; none when unset.",
    )
    smtp_url: str | None = Field(
        None,
        repr=False,
        description="Server for outgoing mail: smtp://user:password@host:587 (STARTTLS; ?tls=none without TLS, for "
        "servers that ask no password) or smtps://…; files in DATA_DIR/mail when unset.",
    )
    mail_from: str | None = Field(
        None,
        validate_default=True,
        description="Who mails come from: an address, or Name <address>. Needed with SMTP_URL.",
    )
    webhook_loopback: bool = Field(
        False,
        description="For tests and development only: lets webhooks reach this machine. DANGER: whoever may make "
        "a webhook then calls every service that listens on this machine's loopback addresses.",
    )

    operator_name: str = Field(
        "", max_length=200, description="Who runs this installation, as its terms name them."
    )
    operator_contact: str = Field(
        "", description="E-mail address for customers, for reports of abuse and of weaknesses; public."
    )
    operator_address: str = Field(
        "", max_length=500, description="Postal address of who runs this installation; public."
    )
    operator_law: str = Field(
        "", max_length=200, description="Whose law governs the terms, as in: the Federal Republic of Germany."
    )
    official_addresses: str = Field(
        "",
        max_length=2000,
        description="Further addresses that are really yours (sites, mailboxes, channels), separated by commas; listed "
        "beside PUBLIC_URL and the mail sender.",
    )

    @field_validator("smtp_url")
    @classmethod
    def _smtp_url(cls, url: str | None) -> str | None:
        if url is not None:
            parse_server(url)
        return url

    @field_validator("mail_from")
    @classmethod
    def _mail_from(cls, text: str | None, others: ValidationInfo) -> str | None:
        if text is not None:
            parse_sender(text)
        elif others.data.get("smtp_url"):
            raise ValueError("set it along with ONCELINE_SMTP_URL")
        return text

    @field_validator("new_account_deposited", "refund_approval_above", "cash_per_day")
    @classmethod
    def _amount(cls, text: str) -> str:
        try:
            parse_amount(text)
        except InvalidInput as wrong:
            raise ValueError(wrong.detail) from None
        return text

    @field_validator("operator_contact")
    @classmethod
    def _operator_contact(cls, text: str) -> str:
        return parse_sender(text).address if text else text

    @property
    def mail_server(self) -> MailServer | None:
        return parse_server(self.smtp_url) if self.smtp_url else None

    @property
    def mail_sender(self) -> Sender:
        return parse_sender(self.mail_from or "Onceline <noreply@onceline.invalid>")

    @property
    def mail_folder(self) -> Path:
        return self.data_dir / "mail"

    @property
    def keystore(self) -> Path:
        return self.keystore_dir or self.data_dir / "keys"

    @property
    def master_key(self) -> Path:
        return self.keystore_master or self.keystore / "master.key"

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"

    @property
    def deposit_limits(self) -> Limits:
        return Limits(
            new_for=timedelta(days=self.new_account_days),
            begun=self.new_account_deposits,
            credited=parse_amount(self.new_account_deposited),
            approval_above=parse_amount(self.refund_approval_above),
        )

    @property
    def cash_limit(self) -> int:
        """Micro-units."""
        return parse_amount(self.cash_per_day)

    @property
    def terms(self) -> Terms:
        return Terms(
            window_s=self.activation_window_s,
            cancel_lock_s=self.cancel_lock_s,
            rental_cancel_s=self.rental_cancel_s,
            grace_s=self.grace_s,
            cooldown_s=self.cooldown_s,
            rental_cooldown_s=self.rental_cooldown_s,
            drain_s=self.drain_s,
            live_orders=self.live_orders if self.limits == "on" else 0,
        )
