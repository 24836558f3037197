"""Seals and opens small texts with AES-256-GCM, bound to the place where they are stored.

The associated data names table, column, row and key, so that a sealed text moved elsewhere does not open. Keys are
cached for a minute at most; a destroyed one is dropped at once, here and, at a wake-up, in every other process.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from onceline.core.errors import Erased
from onceline.core.vault.keystore import KeyStore

CACHE_S = 60.0
KEY_WORD = "key:"
"""Begins the wake-up that tells every process to forget the key named after it."""
_VERSION = b"\x01"
_NONCE_BYTES = 12


class Place(NamedTuple):
    """Where a sealed text lives."""

    table: str
    column: str
    row: str


class Forged(Exception):
    """A sealed text does not open under its key at its place: it was changed or moved."""


def account_key(account: str) -> str:
    return f"account/{account}"


def intake_key(received_at: datetime) -> str:
    """The key of a UTC day, for what has no owner yet; destroyed 48 h after the day it was made for."""
    return f"intake/{received_at:%Y-%m-%d}"


class Vault:
    """`ring` tells words to the other processes, whose vaults `hear` them."""

    def __init__(self, keys: KeyStore, ring: Callable[[Iterable[str]], None] | None = None) -> None:
        self._keys = keys
        self._ring = ring
        self._cache: dict[str, tuple[float, AESGCM]] = {}
        self._lock = threading.Lock()
        self._forgotten = 0

    def close(self) -> None:
        self._keys.close()

    def create(self, key: str) -> None:
        """Make the key durable, before the first row that needs it is written."""
        self._keys.create(key)

    def seal(self, key: str, text: bytes, place: Place) -> bytes:
        """Raises Erased when an account's key is gone. An intake key is made when it is first needed."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return (
            _VERSION
            + nonce
            + self._cipher(key, make=key.startswith("intake/")).encrypt(nonce, text, _bound(key, place))
        )

    def open(self, key: str, sealed: bytes, place: Place) -> bytes:
        """Raises Erased when the key is gone, Forged when the text is not what was sealed here."""
        body = bytes(sealed)
        if len(body) < 1 + _NONCE_BYTES or body[:1] != _VERSION:
            raise Forged(f"{place} does not open")
        nonce, secret = body[1 : 1 + _NONCE_BYTES], body[1 + _NONCE_BYTES :]
        try:
            return self._cipher(key).decrypt(nonce, secret, _bound(key, place))
        except InvalidTag as error:
            raise Forged(f"{place} does not open") from error

    def digest(self, key: str, text: bytes) -> bytes:
        """16 bytes by which equal texts are known as long as the key lives; without it nobody can try texts out.

        A key of its own, drawn from the sealing one under the nonce of zeros, which no sealing uses but by a chance of 2**-96.
        """
        drawn = self._cipher(key, make=key.startswith("intake/")).encrypt(
            bytes(_NONCE_BYTES), b"digest", key.encode()
        )
        return hmac.digest(drawn, text, hashlib.sha256)[:16]

    def destroy(self, key: str) -> None:
        """Here and everywhere: who does not hear of it forgets within CACHE_S. Raises KeyStoreAway: then repeat it."""
        try:
            self._keys.destroy(key)
        finally:
            self.forget(key)
            if self._ring:
                self._ring((f"{KEY_WORD}{key}",))

    def forget(self, key: str) -> None:
        with self._lock:
            self._forgotten += 1
            self._cache.pop(key, None)

    def hear(self, words: frozenset[str]) -> None:
        """Called from any thread."""
        for word in words:
            if word.startswith(KEY_WORD):
                self.forget(word.removeprefix(KEY_WORD))

    def intake_keys(self) -> list[str]:
        return self._keys.names("intake")

    def _cipher(self, key: str, *, make: bool = False) -> AESGCM:
        cached = self._cache.get(key)
        if cached and time.monotonic() - cached[0] < CACHE_S:
            return cached[1]
        forgotten = self._forgotten
        secret = self._keys.create(key) if make else self._keys.get(key)
        if secret is None:
            self.forget(key)
            raise Erased(key)
        cipher = AESGCM(secret)
        with self._lock:
            if len(self._cache) > 10_000:
                self._cache.clear()
            if forgotten == self._forgotten:  # else it may be destroyed since we asked
                self._cache[key] = (time.monotonic(), cipher)
        return cipher


def _bound(key: str, place: Place) -> bytes:
    return "\x1f".join((key, *place)).encode()
