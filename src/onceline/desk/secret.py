"""Keys that the desk signs and seals with. They live in the key store, so a copy of the database forges nothing."""

from __future__ import annotations

from onceline.core.vault import Place
from onceline.desk.house import house

KEY = "house/desk"


def make_key() -> None:
    """Before the first use; safe to repeat."""
    house().context.vault.create(KEY)


def derived(purpose: str) -> bytes:
    """16 bytes for one purpose, the same as long as the key lives."""
    return house().context.vault.digest(KEY, purpose.encode())


def seal(text: bytes, place: Place) -> bytes:
    return house().context.vault.seal(KEY, text, place)


def open_sealed(sealed: bytes, place: Place) -> bytes:
    """Raises Forged."""
    return house().context.vault.open(KEY, sealed, place)
