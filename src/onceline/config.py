"""Every setting: name, type, default, unit, danger. Read from the environment (ONCELINE_…), checked once at the start.

docs/reference/settings.md describes each; a test holds the two together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from onceline.core.orders.model import Terms


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
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    trusted_proxies: str = Field(
        "", description="Addresses of reverse proxies whose X-Forwarded-For is believed, separated by commas."
    )
    currency: str = Field(
        "USD", pattern=r"^[A-Z]{3}$", description="The books' currency; fixed at the first start."
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
    access_log_days: int = Field(7, ge=1, le=7, description="Days that access logs are kept (promise P1).")
    metrics_token: str | None = Field(
        None, description="Bearer token that /metrics asks for; open when unset."
    )

    @property
    def keystore(self) -> Path:
        return self.keystore_dir or self.data_dir / "keys"

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"

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
