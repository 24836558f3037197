"""Where data keys live: outside the database and its backups, each wrapped by one master key.

`create` is durable before it returns, because the row that needs the key is written after it. `destroy` overwrites the
file before unlinking it; the master key never leaves its file.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NAME = re.compile(r"[a-z]{1,16}/[a-z0-9_-]{1,64}")
_KEY_BYTES = 32
_NONCE_BYTES = 12


class KeyStore(Protocol):
    def create(self, name: str) -> bytes:
        """A new key, or the one of that name when somebody was faster."""

    def get(self, name: str) -> bytes | None: ...

    def destroy(self, name: str) -> None: ...

    def names(self, kind: str) -> list[str]:
        """Names of one kind (the part before the slash), sorted."""


class KeyStoreDamaged(Exception):
    """A key file does not open under this master key: the wrong master key, or a changed file."""


class FileKeyStore:
    """One small file per key under `folder`, for an installation on one machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._master = AESGCM(self._exclusive(folder / "master.key", AESGCM.generate_key(256)))

    def create(self, name: str) -> bytes:
        path = self._path(name)
        if not path.parent.is_dir():
            path.parent.mkdir(exist_ok=True, mode=0o700)
            _sync_folder(self._folder)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        wrapped = nonce + self._master.encrypt(nonce, secrets.token_bytes(_KEY_BYTES), name.encode())
        return self._unwrap(name, self._exclusive(path, wrapped))

    def get(self, name: str) -> bytes | None:
        try:
            wrapped = self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        return self._unwrap(name, wrapped)

    def destroy(self, name: str) -> None:
        path = self._path(name)
        with contextlib.suppress(FileNotFoundError):
            with path.open("r+b") as file:
                file.write(secrets.token_bytes(path.stat().st_size))
                os.fsync(file.fileno())
            path.unlink()
            _sync_folder(path.parent)

    def names(self, kind: str) -> list[str]:
        return sorted(f"{kind}/{path.stem}" for path in (self._folder / kind).glob("*.key"))

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a key name: {name!r}")
        return self._folder / f"{name}.key"

    def _unwrap(self, name: str, wrapped: bytes) -> bytes:
        try:
            return self._master.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], name.encode())
        except InvalidTag as error:
            raise KeyStoreDamaged(f"the key {name} does not open under this master key") from error

    def _exclusive(self, path: Path, content: bytes) -> bytes:
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
        _sync_folder(path.parent)
        return path.read_bytes()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
