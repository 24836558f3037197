"""Who acts, on which side, with which rights. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from onceline.core.errors import InvalidInput, ScopeMissing

SCOPES = (
    "orders:read",
    "orders:write",
    "balance:read",
    "deposits:write",
    "events:read",
    "keys:manage",
    "webhooks:manage",
    "notices:manage",
    "exports:manage",
    "test:messages",
)
PROTOCOL_SCOPES = ("orders:read", "orders:write", "balance:read")
"""What a key for the field's old protocols may do: they travel in query strings, so they can do less."""

SESSION = "session"


@dataclass(frozen=True, slots=True)
class Grant:
    """A key, or a person's session, that acts for one side of an account.

    `kind` is that of the key (api, protocol) or session; a session has no `key`. `cap`: the row of the key's spend cap.
    """

    id: int
    account: str
    side: int
    mode: str
    kind: str
    key: str
    scopes: frozenset[str]
    expires_at: datetime | None
    cap: int | None = None

    def demand(self, scope: str) -> None:
        if scope not in self.scopes:
            raise ScopeMissing(scope)


def as_grant(row: Any) -> Grant:
    """Of a row of grants with its side and key. A session has every right that a key can have."""
    return Grant(
        id=row.id,
        account=row.account_id,
        side=row.side,
        mode=row.mode,
        kind=row.kind,
        key=row.key,
        scopes=frozenset(SCOPES if row.kind == SESSION else row.scopes),
        expires_at=row.expires_at,
        cap=row.cap,
    )


def check_scopes(scopes: tuple[str, ...], kind: str) -> tuple[str, ...]:
    """The scopes in their usual order, all of the kind's when none is named. Raises InvalidInput."""
    allowed = PROTOCOL_SCOPES if kind == "protocol" else SCOPES
    if unknown := sorted(set(scopes) - set(allowed)):
        raise InvalidInput(
            f"{unknown[0][:40]!r} is not a scope of {kind} keys; choose from {', '.join(allowed)}."
        )
    return tuple(scope for scope in allowed if not scopes or scope in scopes)
