"""Keep messages (T1), read what is kept, record what was decided (T2).

T1 is one insert under the unique key (supplier, supplier message id); only after its commit may a supplier be answered.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from onceline.core.db import Answer, Row, Transaction, load_queries
from onceline.core.errors import Erased
from onceline.core.inbox.join import join
from onceline.core.inbox.model import LONGEST_SENDER, LONGEST_TEXT, Inbound
from onceline.core.vault import Place, Vault, intake_key
from onceline.core.vault.vault import Forged

_Q = load_queries(__package__)

PART_WAIT_S = 120
"""How long parts wait for their sisters before the gap is shown."""
MOST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Kept:
    """`is_new` is False for a duplicate, which changes nothing."""

    id: int
    number: int | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class Content:
    number: str
    sender: str
    text: str


def keep(tx: Transaction, vault: Vault, message: Inbound) -> Kept:
    """T1. Seals with the day's intake key; a duplicate returns the row that is there."""
    key = intake_key(message.received_at)
    content = Content(message.number, message.sender[:LONGEST_SENDER], message.text[:LONGEST_TEXT])
    identity = {"supplier": message.supplier, "supplier_message_id": message.supplier_message_id}
    row = tx.one(
        _Q.keep,
        identity
        | {
            "number": message.number,
            "received_at": message.received_at,
            "state": "part" if message.part else "stored",
            "intake_key": key,
            "payload": vault.seal(key, _pack(content), _place(**identity)),
            "part_group": _part_group(message),
            "part_index": message.part.index if message.part else None,
            "part_total": message.part.total if message.part else None,
        },
    )
    if row is not None:
        return Kept(row.id, row.number_id, is_new=True)
    known = tx.one(_Q.kept, identity)
    assert known is not None, "the conflicting row is there"
    return Kept(known.id, known.number_id, is_new=False)


def read(vault: Vault, row: Row) -> Content | None:
    """What a kept row says; None when its key is gone or the row was tampered with."""
    try:
        packed = vault.open(row.intake_key, row.payload, _place(row.supplier, row.supplier_message_id))
    except (Erased, Forged):
        return None
    return Content(**json.loads(packed))


def ask_locked(tx: Transaction, message: int) -> Answer:
    """A kept message with its number's country, read under the number's lock: nobody else can decide about it."""
    tx.send(_Q.lock_number, {"id": message})
    return tx.ask(_Q.inbound, {"id": message})


def stored_for(tx: Transaction, number: int, *, after: int = 0) -> list[Row]:
    """A page of the undecided messages of a number; read them under the number's lock."""
    return tx.all(_Q.stored_for, {"number": number, "after": after})


def oldest_stored(tx: Transaction, limit: int) -> list[int]:
    """Undecided messages of any number, for the sweeper."""
    return [row.id for row in tx.all(_Q.oldest_stored, {"limit": limit})]


def decide(tx: Transaction, row: int, state: str, *, keep_payload: bool = False) -> None:
    """Record the verdict about a stored message; the caller holds its number's lock."""
    tx.send(_Q.decide, {"id": row, "state": state, "keep_payload": keep_payload})


def join_parts(tx: Transaction, vault: Vault, group: bytes, *, give_up: bool = False) -> int | None:
    """When a split message is whole, store it in its last part's row and return that row's number or None."""
    rows = tx.all(_Q.parts, {"group": group})
    if not rows:
        return None
    contents = {row.part_index: content for row in rows if (content := read(vault, row))}
    if not contents:
        for row in rows:
            decide(tx, row.id, "unreadable")
        return None
    text = join(
        {index: content.text for index, content in contents.items()}, rows[-1].part_total, give_up=give_up
    )
    if text is None:
        return None
    last = rows[-1]
    for row in rows[:-1]:
        decide(tx, row.id, "joined")
    first = next(iter(contents.values()))
    whole = _pack(Content(first.number, first.sender, text[:LONGEST_TEXT]))
    sealed = vault.seal(last.intake_key, whole, _place(last.supplier, last.supplier_message_id))
    tx.run(_Q.store_joined, {"id": last.id, "payload": sealed})
    return int(last.id)


def old_part_groups(tx: Transaction, now: datetime, limit: int) -> list[bytes]:
    rows = tx.all(_Q.old_parts, {"before": now - timedelta(seconds=PART_WAIT_S), "limit": limit})
    return [bytes(row.part_group) for row in rows]


def record_failure(tx: Transaction, row: int) -> None:
    """A message that could not be settled; after MOST_ATTEMPTS it is set aside, so that it stops nobody's order."""
    tx.run(_Q.attempted, {"id": row, "most": MOST_ATTEMPTS})


def destroy_payloads(tx: Transaction, state: str, before: datetime, limit: int) -> int:
    return tx.run(_Q.destroy_payloads, {"state": state, "before": before, "limit": limit})


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    return tx.run(_Q.prune, {"before": before, "limit": limit})


def _place(supplier: str, supplier_message_id: str) -> Place:
    return Place("inbound", "payload", f"{supplier}|{supplier_message_id}")


def _pack(content: Content) -> bytes:
    """ASCII JSON: lone surrogates and NUL survive as escapes."""
    return json.dumps({"number": content.number, "sender": content.sender, "text": content.text}).encode()


def _part_group(message: Inbound) -> bytes | None:
    """Parts belong together by number, sender, reference and count (3GPP TS 23.040, 9.2.3.24.1)."""
    if message.part is None:
        return None
    text = "\x1f".join(
        (
            message.supplier,
            message.number,
            message.sender,
            str(message.part.reference),
            str(message.part.total),
        )
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
