"""Signatures as Standard Webhooks 1.0.0 writes them, checked by others' code."""

from __future__ import annotations

import base64
import json
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from onceline.core.webhooks.signing import Secret, headers_of, new_secret

EVENT, BODY = "evt_5a0c6a1e0c9be4a1f2d0", json.dumps({"type": "order.message", "text": "код 482913"}).encode()


def now() -> int:
    return int(time.time())


def verifier(secret: Secret) -> Webhook:
    shown = secret.shown()
    assert shown is not None
    return Webhook(shown)


def test_the_published_library_accepts_what_we_sign() -> None:
    secret = new_secret("v1")
    verifier(secret).verify(BODY, headers_of(EVENT, now(), BODY, [secret]))


@pytest.mark.parametrize("changed", ["id", "timestamp", "body", "secret"])
def test_a_signature_covers_id_timestamp_and_body(changed: str) -> None:
    secret, at = new_secret("v1"), now()
    headers = headers_of(EVENT, at, BODY, [secret])
    if changed == "id":
        headers["webhook-id"] = EVENT[:-1] + "1"
    if changed == "timestamp":
        headers["webhook-timestamp"] = str(at - 1)
    with pytest.raises(WebhookVerificationError):
        verifier(new_secret("v1") if changed == "secret" else secret).verify(
            BODY + b" " if changed == "body" else BODY, headers
        )


def test_a_secret_is_32_bytes_that_differ_each_time() -> None:
    shown = str(new_secret("v1").shown())
    assert shown.startswith("whsec_")
    assert len(base64.b64decode(shown.removeprefix("whsec_"))) == 32
    assert shown != new_secret("v1").shown()
    assert new_secret("v1").public() is None


def test_an_ed25519_signature_is_checked_with_the_public_key_alone() -> None:
    secret, at = new_secret("v1a"), now()
    headers = headers_of(EVENT, at, BODY, [secret])
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(str(secret.public()).removeprefix("whpk_")))
    version, _, signature = headers["webhook-signature"].partition(",")
    assert version == "v1a"
    key.verify(base64.b64decode(signature), f"{EVENT}.{at}.".encode() + BODY)
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(signature), f"{EVENT}.{at + 1}.".encode() + BODY)
    assert secret.shown() is None


def test_several_secrets_sign_side_by_side_the_newest_first() -> None:
    old, new, other = new_secret("v1"), new_secret("v1"), new_secret("v1a")
    headers = headers_of(EVENT, now(), BODY, [other, new, old])
    versions = [one.partition(",")[0] for one in headers["webhook-signature"].split(" ")]
    assert versions == ["v1a", "v1", "v1"]
    verifier(old).verify(BODY, headers)
    verifier(new).verify(BODY, headers)
    assert headers["webhook-signature"].split(" ")[1:] == [
        headers_of(EVENT, int(headers["webhook-timestamp"]), BODY, [one])["webhook-signature"]
        for one in (new, old)
    ]


def test_id_and_timestamp_hold_no_full_stop() -> None:
    headers = headers_of(EVENT, now(), BODY, [new_secret("v1")])
    assert "." not in headers["webhook-id"] + headers["webhook-timestamp"]
