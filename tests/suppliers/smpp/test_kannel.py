"""Kannel on the same SMSC reads what we read; where it does not, its reading is written down beside the vector."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.edge.door import eventually
from tests.suppliers.smpp.kannel import kannel, receiving
from tests.suppliers.smpp.smsc import smsc
from tests.suppliers.smpp.vectors import VECTORS, addressed

PASSWORD = "eight678"
"""Kannel sends no more than the standard's 8 characters."""


def test_kannel_reads_the_vectors_as_we_do(tmp_path: Path) -> None:
    numbers = {
        vector.name: [f"+44790{2 * at + place:07d}" for place in (0, 1)] for at, vector in enumerate(VECTORS)
    }
    texts: dict[str, list[str]] = defaultdict(list)

    def heard(message: dict[str, bytes]) -> None:
        texts["+" + message["to"].decode().removeprefix("+")].append(
            message["text"].decode("utf-8", "surrogateescape")
        )

    with (
        smsc(password=PASSWORD) as carrier,
        receiving(heard) as http,
        kannel(tmp_path, smsc=carrier.port, http=http, password=PASSWORD),
    ):
        carrier.wait("bind", lambda event: event["status"] == 0)
        carrier.queue(
            addressed(pdu, numbers[vector.name], f"{vector.name} {place}")
            for vector in VECTORS
            for place, pdu in enumerate(vector.pdus)
        )
        carrier.wait("drained")

        def all_read() -> bool:
            for vector in VECTORS:
                wanted = vector.kannel or vector.texts
                for number, expected in zip(numbers[vector.name], wanted, strict=False):
                    assert sorted(texts[number]) == sorted(expected), vector.name
            return True

        eventually(all_read, seconds=40)
