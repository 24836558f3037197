"""Secrets and signatures of webhooks, as Standard Webhooks 1.0.0 writes them. Pure but for the making of secrets.

Signed is `id.timestamp.body`. `v1` is HMAC-SHA256 under a shared secret (`whsec_` + base64 of 32 bytes); `v1a` is Ed25519,
whose private half never leaves the house and whose public half (`whpk_` + base64) may be known to everybody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Literal, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Kind = Literal["v1", "v1a"]
SECRET_BYTES = 32


class Secret(NamedTuple):
    """What signs: the HMAC key of a v1, the seed of a v1a."""

    kind: str
    raw: bytes

    def shown(self) -> str | None:
        """What its owner needs to check signatures, if that is a secret; shown once."""
        return f"whsec_{_text(self.raw)}" if self.kind == "v1" else None

    def public(self) -> str | None:
        """What its owner needs to check signatures, if that is no secret."""
        if self.kind == "v1":
            return None
        return f"whpk_{_text(Ed25519PrivateKey.from_private_bytes(self.raw).public_key().public_bytes_raw())}"


def new_secret(kind: str) -> Secret:
    return Secret(kind, secrets.token_bytes(SECRET_BYTES))


def headers_of(event: str, at: int, body: bytes, signers: Sequence[Secret]) -> dict[str, str]:
    """The three headers; one signature of each secret, in their order. `at`: whole seconds since 1970."""
    signed = f"{event}.{at}.".encode() + body
    return {
        "webhook-id": event,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(_signature(one, signed) for one in signers),
    }


def _signature(secret: Secret, signed: bytes) -> str:
    if secret.kind == "v1":
        return f"v1,{_text(hmac.new(secret.raw, signed, hashlib.sha256).digest())}"
    return f"v1a,{_text(Ed25519PrivateKey.from_private_bytes(secret.raw).sign(signed))}"


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
