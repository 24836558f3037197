"""Keep messages (T1), read what is kept, record what was decided (T2).

T1 is one insert under the unique key (supplier, supplier message id); only after its commit may a supplier be answered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from onceline.core.db import Answer, Row, Transaction, load_queries
from onceline.core.errors import Erased
from onceline.core.inbox.join import join, read_all
from onceline.core.inbox.model import LONGEST_SENDER, LONGEST_TEXT, Encoded, Inbound
from onceline.core.vault import Place, Vault, intake_key
from onceline.core.vault.vault import Forged

_Q = load_queries(__package__)

PART_WAIT_S = 120
"""How long parts wait for their sisters before the gap is shown."""
MOST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Kept:
    """`is_new` is False for a duplicate, which changes nothing. `is_leased`: somebody waits for it; False for a duplicate.

    `number` is None when it is not ours, or not that supplier's.
    """

    id: int
    number: int | None
    is_new: bool
    is_leased: bool


@dataclass(frozen=True, slots=True)
class Content:
    """`piece`: a text, or octets that nobody has decoded yet. `incomplete`: a part of it never came."""

    number: str
    sender: str
    piece: str | Encoded
    incomplete: bool = False
    waited_s: float = 0.0

    @property
    def text(self) -> str:
        return read_all([self.piece])


@dataclass(frozen=True, slots=True)
class Assembly:
    """Parts of one split message that one order (or nobody) is to get, oldest first, and what they say together."""

    rows: Sequence[Row]
    spares: Sequence[Row]
    content: Content
    is_whole: bool

    @property
    def shown_as(self) -> int | None:
        """The message as which some of them were shown before the others came."""
        return next((row.shown_as for row in self.rows if row.shown_as is not None), None)


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
        kept.append(Kept(found.id, found.number_id, row is not None, found.is_leased))
    return kept


def read(vault: Vault, row: Row) -> Content | None:
    """What a kept row says; None when its key is gone or the row was tampered with."""
    try:
        packed = vault.open(row.intake_key, row.payload, _place(row.supplier, row.supplier_message_id))
    except (Erased, Forged):
        return None
    return _unpacked(json.loads(packed))


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


def assemble(tx: Transaction, vault: Vault, group: bytes) -> Assembly | None:
    """What came of a split message, its rows locked; None when nothing of it waits, or can be read."""
    waiting = tx.all(_Q.parts, {"group": group})
    rows = [row for row in waiting if row.holder == waiting[-1].holder]  # no other lessee's
    read_rows = [(row, read(vault, row)) for row in rows]
    decide(tx, [Decision(row.id, "unreadable") for row, content in read_rows if content is None])
    taken: dict[int, tuple[Row, Content]] = {}
    spares = []
    for row, content in read_rows:
        if content is None:
            continue
        first = taken.setdefault(row.part_index, (row, content))
        if first[0] is not row and first[1].piece == content.piece:
            spares.append(row)  # the network sent the same part again; another text is another message's
    if not taken:
        return None
    total = waiting[-1].part_total
    pieces = {index: content.piece for index, (_, content) in taken.items()}
    is_whole = len(pieces) == total
    text = join(pieces, total, give_up=True) or ""
    one = next(iter(taken.values()))[1]
    waited_s = max(content.waited_s for _, content in taken.values())
    whole = Content(one.number, one.sender, text[:LONGEST_TEXT], not is_whole, waited_s)
    return Assembly(
        sorted((row for row, _ in taken.values()), key=lambda row: row.id), spares, whole, is_whole
    )


def store_joined(tx: Transaction, vault: Vault, joined: Assembly) -> Row:
    """The message takes the place of its last part; returns that row."""
    last = joined.rows[-1]
    decide(tx, [Decision(row.id, "joined") for row in (*joined.rows[:-1], *joined.spares)])
    sealed = vault.seal(
        last.intake_key, _pack(joined.content), _place(last.supplier, last.supplier_message_id)
    )
    tx.run(_Q.store_joined, {"id": last.id, "payload": sealed, "shown_as": joined.shown_as})
    return last


def note_shown(tx: Transaction, parts: Assembly, message: int) -> None:
    tx.run(_Q.note_shown, {"ids": [row.id for row in parts.rows], "shown_as": message})


def give_up_parts(tx: Transaction, vault: Vault, group: bytes) -> None:
    """The other parts never came: store what there is, its gaps marked."""
    tx.send(_Q.lock_part_numbers, {"group": group})  # first, as everywhere
    if found := assemble(tx, vault, group):
        store_joined(tx, vault, found)


def adopt(tx: Transaction, number: int, since: datetime) -> int:
    """Messages that came before we knew the number are those of the order that it was leased to since."""
    return tx.run(_Q.adopt, {"number": number, "since": since})


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
    content = Content(
        message.number, message.sender[:LONGEST_SENDER], _cut(message.text), waited_s=message.waited_s
    )
    place = _place(message.supplier, message.supplier_message_id)
    return vault.seal(intake_key(message.received_at), _pack(content), place)


def _named(row: Row) -> tuple[str, str]:
    return row.supplier, row.supplier_message_id


def _cut(text: str | Encoded) -> str | Encoded:
    if isinstance(text, str):
        return text[:LONGEST_TEXT]
    return Encoded(text.data[: LONGEST_TEXT * (2 if text.coding == "ucs2" else 1)], text.coding)


def _pack(content: Content) -> bytes:
    """ASCII JSON: lone surrogates and NUL survive as escapes."""
    piece = content.piece
    packed: dict[str, object] = {"number": content.number, "sender": content.sender}
    packed |= (
        {"text": piece} if isinstance(piece, str) else {"data": piece.data.hex(), "coding": piece.coding}
    )
    if content.incomplete:
        packed["incomplete"] = True
    if content.waited_s:
        packed["waited_s"] = content.waited_s
    return json.dumps(packed).encode()


def _unpacked(packed: dict[str, Any]) -> Content:
    data = packed.get("data")
    piece = packed["text"] if data is None else Encoded(bytes.fromhex(data), packed["coding"])
    rest = {name: packed[name] for name in ("incomplete", "waited_s") if name in packed}
    return Content(packed["number"], packed["sender"], piece, **rest)


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
