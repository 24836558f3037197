"""The one shape in which every supplier hands a message over. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

LONGEST_TEXT = 10_000
"""Characters; a real SMS of 255 parts is about 39,000 septets, but no service writes one. What is longer is cut."""
LONGEST_SENDER = 64


@dataclass(frozen=True, slots=True)
class Encoded:
    """Octets as they came over the air, not decoded: a character may be cut by the end of a part, so parts are joined first.

    `coding` is a name of `decoding.decode`.
    """

    data: bytes
    coding: str


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a split SMS: `index` counts from 1 to `total`; `reference` is the sender's.

    References of different sizes name different messages, so a 16-bit one is given with 0x10000 added, one of SAR TLVs with
    0x20000.
    """

    reference: int
    index: int
    total: int


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message as a supplier delivered it. `received_at` is our own stamp at first contact, never the supplier's.

    `supplier_message_id` with `supplier` is what duplicates are known by. `number` is E.164; one that is not ours, or not of
    that supplier, is kept apart. `waited_s`: how long before `received_at` it had come to a spool on its way.
    """

    supplier: str
    supplier_message_id: str
    number: str
    sender: str
    text: str | Encoded
    received_at: datetime
    part: Part | None = None
    waited_s: float = 0.0
