"""A link that fetches one file without a key, for a while.

A link names its export, and carries the grant that made it and its own end, sealed under the account's data key for
this purpose and this export alone. So nobody can make or change one without the key store (a copy of the database is
not enough), none opens another account's file, and all of an account's are dead when its key is.
"""

from __future__ import annotations

import base64
import re
import secrets
import struct
from datetime import UTC, datetime
from typing import NamedTuple

from onceline.core.vault import Place, Vault, account_key
from onceline.core.vault.vault import Forged

_TEXT = re.compile(r"[A-Za-z0-9_-]{116}")
_ID_BYTES = 10
_SECRET = struct.Struct(">qq32s")
"""Its end in whole seconds, the grant, 256 random bits."""


class Link(NamedTuple):
    grant: int
    expires_at: datetime


def sign(vault: Vault, account: str, export_id: str, link: Link) -> str:
    """The text of a link. Its length is a multiple of four, so that every bit of it counts. Raises Erased."""
    secret = _SECRET.pack(int(link.expires_at.timestamp()), link.grant, secrets.token_bytes(32))
    sealed = vault.seal(account_key(account), secret, _purpose(export_id))
    return base64.urlsafe_b64encode(_bytes_of(export_id) + sealed).decode()


def named(text: str) -> str | None:
    """Which export a link says it is for, or None when it is no link. Nothing is known to be true yet."""
    if not _TEXT.fullmatch(text):
        return None
    return f"exp_{base64.b32encode(base64.urlsafe_b64decode(text)[:_ID_BYTES]).decode().lower()}"


def opened(vault: Vault, account: str, export_id: str, text: str) -> Link | None:
    """What a link carries, or None when it was not made here for this export. Raises Erased."""
    sealed = base64.urlsafe_b64decode(text)[_ID_BYTES:]
    try:
        seconds, grant, _ = _SECRET.unpack(vault.open(account_key(account), sealed, _purpose(export_id)))
    except Forged:
        return None
    return Link(grant, datetime.fromtimestamp(seconds, UTC))


def _purpose(export_id: str) -> Place:
    return Place("exports", "download", export_id)


def _bytes_of(export_id: str) -> bytes:
    return base64.b32decode(export_id.removeprefix("exp_").upper())
