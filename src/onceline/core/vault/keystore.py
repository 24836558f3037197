"""Where data keys live: outside the database and its backups, each wrapped by one master key.

`create` is durable before it returns, because the row that needs the key is written after it. `destroy` makes the key
unreadable for everybody who asks this store from then on. An absent key means erased, so a store that cannot say
whether it has a key must raise, and never answer None.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from onceline.core.vault.master import KeyStoreDamaged, MasterKey, sync_folder, write_once

__all__ = ["FileKeyStore", "KeyStore", "KeyStoreDamaged", "checked"]

_NAME = re.compile(r"[a-z]{1,16}/[a-z0-9_-]{1,64}")


class KeyStore(Protocol):
    """Every method may raise KeyStoreAway, and KeyStoreDamaged where a key is read."""

    def create(self, name: str) -> bytes:
        """A new key, or the one of that name when somebody was faster."""

    def get(self, name: str) -> bytes | None:
        """None when the key was destroyed, or never made."""

    def destroy(self, name: str) -> None: ...

    def names(self, kind: str) -> list[str]:
        """Names of one kind (the part before the slash), sorted."""

    def close(self) -> None: ...


def checked(name: str) -> str:
    """The name, if it is one."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a key name: {name!r}")
    return name


class FileKeyStore:
    """One small file per key under `folder`, for an installation on one machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._master = MasterKey.made(folder / "master.key")

    def create(self, name: str) -> bytes:
        path = self._path(name)
        if not path.parent.is_dir():
            path.parent.mkdir(exist_ok=True, mode=0o700)
            sync_folder(self._folder)
        return self._master.unwrap(name, write_once(path, self._master.new_key(name)))

    def get(self, name: str) -> bytes | None:
        try:
            wrapped = self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        return self._master.unwrap(name, wrapped)

    def destroy(self, name: str) -> None:
        """Overwritten before it is unlinked."""
        path = self._path(name)
        with contextlib.suppress(FileNotFoundError):
            with path.open("r+b") as file:
                file.write(secrets.token_bytes(path.stat().st_size))
                os.fsync(file.fileno())
            path.unlink()
            sync_folder(path.parent)

    def names(self, kind: str) -> list[str]:
        return sorted(f"{kind}/{path.stem}" for path in (self._folder / kind).glob("*.key"))

    def wrapped(self) -> Iterator[tuple[str, bytes]]:
        """Every key of every kind by its name, as it lies in its file."""
        for path in sorted(self._folder.glob("*/*.key")):
            yield f"{path.parent.name}/{path.stem}", path.read_bytes()

    def close(self) -> None:
        """Nothing is held open."""

    def _path(self, name: str) -> Path:
        return self._folder / f"{checked(name)}.key"
