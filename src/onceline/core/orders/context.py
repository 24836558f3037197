"""What every command on orders needs beside the open transaction, gathered once at a door's start."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from onceline.core.catalog.model import Service, load_services
from onceline.core.clock import Clock
from onceline.core.db import Database, load_queries
from onceline.core.ids import OpaqueIds
from onceline.core.inbox.recognise import ServiceBook
from onceline.core.orders.model import Terms
from onceline.core.vault import Vault

_Q = load_queries(__package__)


@dataclass(frozen=True, slots=True)
class Installation:
    """The row that names this installation. `secret` keys hashes and permutations."""

    currency: str
    secret: bytes
    order_key: int

    @property
    def message_ids(self) -> OpaqueIds:
        return OpaqueIds("msg_", self.secret)

    @property
    def transfer_ids(self) -> OpaqueIds:
        return OpaqueIds("tr_", self.secret)

    def event_id(self, side: int, seq: int) -> str:
        """The same on every channel, however often the event is read or sent."""
        name = hashlib.blake2s(f"event {side} {seq}".encode(), key=self.secret, digest_size=10)
        return f"evt_{name.hexdigest()}"


@dataclass(frozen=True, slots=True)
class Context:
    clock: Clock
    vault: Vault
    terms: Terms
    installation: Installation
    book: ServiceBook
    prohibited: frozenset[str] = field(default_factory=lambda: _slugs(lambda service: service.prohibited))
    unburnable: frozenset[str] = field(
        default_factory=lambda: _slugs(lambda service: service.category == "test")
    )
    """Test services belong to nobody, so a number that served one may serve it again."""


def _slugs(chosen: Callable[[Service], bool]) -> frozenset[str]:
    return frozenset(service.slug for service in load_services() if chosen(service))


def load_installation(db: Database) -> Installation:
    with db.transaction() as tx:
        row = tx.one(_Q.installation)
    assert row is not None, "migrate writes it"
    return Installation(row.currency, bytes(row.message_key), row.order_key)
