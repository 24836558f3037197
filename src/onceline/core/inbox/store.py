"""Keep messages (T1), read what is kept, record what was decided (T2).

T1 is one insert under the unique key (supplier, supplier message id); only after its commit may a supplier be answered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

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


class Decision(NamedTuple):
    """What became of a stored message. Its sealed payload goes unless it is kept."""

    message: int
    state: str
    keep_payload: bool = False


def keep(tx: Transaction, vault: Vault, messages: Sequence[Inbound]) -> list[Kept]:
    """T1. Seals with the day's intake key; a duplicate returns the row that is there."""
    names = [(message.supplier, message.supplier_message_id) for message in messages]
    identities = {"suppliers": [one for one, _ in names], "names": [name for _, name in names]}
    parts = [message.part for message in messages]
    rows = tx.all(
        _Q.keep,
        identities
        | {
            "numbers": [message.number for message in messages],
            "received_at": [message.received_at for message in messages],
            "states": ["part" if part else "stored" for part in parts],
            "intake_keys": [intake_key(message.received_at) for message in messages],
            "payloads": [_payload(vault, message) for message in messages],
            "part_groups": [_part_group(message) for message in messages],
            "part_indexes": [part.index if part else None for part in parts],
            "part_totals": [part.total if part else None for part in parts],
        },
    )
    new = {_named(row): row for row in rows}
    known = {} if len(new) == len(names) else {_named(row): row for row in tx.all(_Q.kept, identities)}
    kept = []
    for name in names:
        row = new.pop(name, None)  # of two equal ones the first is new
        found = row or known[name]
        kept.append(Kept(found.id, found.number_id, is_new=row is not None))
    return kept


def read(vault: Vault, row: Row) -> Content | None:
    """What a kept row says; None when its key is gone or the row was tampered with."""
    try:
        packed = vault.open(row.intake_key, row.payload, _place(row.supplier, row.supplier_message_id))
    except (Erased, Forged):
        return None
    return Content(**json.loads(packed))


def ask_locked(tx: Transaction, messages: Sequence[int]) -> Answer:
    """Kept messages with their numbers' countries, read under the numbers' locks: nobody else can decide about them."""
    tx.send(_Q.lock_numbers, {"ids": list(messages)})
    return tx.ask(_Q.inbound, {"ids": list(messages)})


def stored_for(tx: Transaction, number: int, *, after: int = 0) -> list[Row]:
    """A page of the undecided messages of a number; read them under the number's lock."""
    return tx.all(_Q.stored_for, {"number": number, "after": after})


def oldest_stored(tx: Transaction, limit: int) -> list[int]:
    """Undecided messages of any number, for the sweeper."""
    return [row.id for row in tx.all(_Q.oldest_stored, {"limit": limit})]


def decide(tx: Transaction, decisions: Sequence[Decision]) -> None:
    """Record the verdicts about stored messages; the caller holds their numbers' locks."""
    if decisions:
        messages, states, keep_payload = map(list, zip(*decisions, strict=True))
        tx.send(_Q.decide, {"ids": messages, "states": states, "keep_payload": keep_payload})


def join_parts(tx: Transaction, vault: Vault, group: bytes, *, give_up: bool = False) -> int | None:
    """When a split message is whole, store it in its last part's row and return that row's number or None."""
    rows = tx.all(_Q.parts, {"group": group})
    if not rows:
        return None
    contents = {row.part_index: content for row in rows if (content := read(vault, row))}
    if not contents:
        decide(tx, [Decision(row.id, "unreadable") for row in rows])
        return None
    text = join(
        {index: content.text for index, content in contents.items()}, rows[-1].part_total, give_up=give_up
    )
    if text is None:
        return None
    last = rows[-1]
    decide(tx, [Decision(row.id, "joined") for row in rows[:-1]])
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


def _payload(vault: Vault, message: Inbound) -> bytes:
    content = Content(message.number, message.sender[:LONGEST_SENDER], message.text[:LONGEST_TEXT])
    place = _place(message.supplier, message.supplier_message_id)
    return vault.seal(intake_key(message.received_at), _pack(content), place)


def _named(row: Row) -> tuple[str, str]:
    return row.supplier, row.supplier_message_id


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
