"""The master key: it wraps every data key, and never leaves its file.

A wrapped key is bound to its name, so that one stored under another name does not open.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES = 32
_NONCE_BYTES = 12


class KeyStoreRefused(Exception):
    """This key store must not be used as it is set up."""


class KeyStoreDamaged(KeyStoreRefused):
    """A key does not open under this master key: the wrong master key, or a changed key."""


class MasterKey:
    def __init__(self, secret: bytes) -> None:
        if len(secret) != _KEY_BYTES:
            raise KeyStoreRefused(f"a master key has {_KEY_BYTES} bytes, and this one {len(secret)}")
        self._cipher = AESGCM(secret)

    @classmethod
    def made(cls, path: Path) -> MasterKey:
        """The one in the file, which is written if it is not there. Two who are at it at once get the same."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(write_once(path, secrets.token_bytes(_KEY_BYTES)))

    @classmethod
    def found(cls, path: Path) -> MasterKey:
        """The one in the file. Raises KeyStoreRefused when it is not there."""
        try:
            return cls(path.read_bytes())
        except FileNotFoundError as error:
            raise KeyStoreRefused(
                f"there is no master key at {path}: copy the one that this key store was made with"
            ) from error

    def new_key(self, name: str) -> bytes:
        """A fresh data key, wrapped."""
        return self.wrap(name, secrets.token_bytes(_KEY_BYTES))

    def wrap(self, name: str, secret: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, name.encode())

    def unwrap(self, name: str, wrapped: bytes) -> bytes:
        """Raises KeyStoreDamaged."""
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError) as error:
            raise KeyStoreDamaged(f"the key {name} does not open under this master key") from error


def write_once(path: Path, content: bytes) -> bytes:
    """Write `content` durably unless the file exists already; return what the file holds."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)  # fails when another process linked its own first: then that one counts
    draft.unlink()
    sync_folder(path.parent)
    return path.read_bytes()


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
