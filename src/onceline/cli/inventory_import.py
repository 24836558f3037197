"""Brings a file of numbers into a pool: 1,000 lines a transaction, so that it may be cut off anywhere and run again.

Promises that a number is added once however often and by how many its file is imported, that nothing of a refused line is
kept, and that every refusal is told with its line. A number of another pool stays there. Never holds the whole file.
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from onceline.cli.csv_lines import Fault, lines_of
from onceline.cli.inventory_csv import MOST_BYTES, MOST_LINES, Line, read
from onceline.core.clock import Clock
from onceline.core.db import Database, Transaction
from onceline.core.errors import Busy, InvalidInput
from onceline.core.inventory import store as inventory
from onceline.core.inventory.store import Provenance

BATCH = 1_000
_TRIES = 5
"""Of a batch that meets another import in the same rows."""
_PIECE = 1 << 20
_Place = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """An opened file that can be read again from its beginning."""

    file: BinaryIO
    digest: bytes


@dataclass(slots=True)
class Report:
    """`added` is what would be added when nothing is written."""

    added: int = 0
    known: int = 0
    refused: int = 0

    @property
    def lines(self) -> int:
        return self.added + self.known + self.refused


@dataclass(frozen=True, slots=True)
class Import:
    """What is imported where. `usual` stands for empty fields; `tell` hears every refusal, in the order of the lines of a
    batch."""

    db: Database
    clock: Clock
    pool: str
    usual: Mapping[str, str]
    said_by: str
    tell: Callable[[Fault], None]

    def look(self, source: Source) -> Report:
        """What `run` would do; writes nothing. Raises InvalidInput."""
        return self._each_batch(source, self._look_at)

    def run(self, source: Source) -> Report:
        """Raises InvalidInput, NotFound, Unavailable: then the batches before are kept, and the same again goes on."""
        return self._each_batch(source, lambda lines: self._write(lines, source.digest))

    def _each_batch(self, source: Source, step: Callable[[list[Line]], Report]) -> Report:
        source.file.seek(0)
        total, parsed = Report(), read(lines_of(source.file), self.usual)
        while batch := list(itertools.islice(parsed, BATCH)):
            lines = [one for one in batch if isinstance(one, Line)]
            done = step(lines) if lines else Report()
            faults = [one for one in batch if isinstance(one, Fault)]
            for fault in faults:
                self.tell(fault)
            total.added += done.added
            total.known += done.known
            total.refused += done.refused + len(faults)
        return total

    def _look_at(self, lines: list[Line]) -> Report:
        with self.db.transaction() as tx:
            pools = inventory.pools_of(tx, [line.number for line in lines])
        return self._sorted_out(lines, {line.number for line in lines} - pools.keys(), pools)

    def _write(self, lines: list[Line], digest: bytes) -> Report:
        for turn in itertools.count(1):
            try:
                with self.db.transaction() as tx:
                    added = self._add(tx, lines, digest)
                    rest = [line.number for line in lines if line.number not in added]
                    pools = inventory.pools_of(tx, rest) if rest else {}
                return self._sorted_out(lines, added, pools)
            except Busy:
                if turn == _TRIES:
                    raise
        raise AssertionError("unreachable")

    def _add(self, tx: Transaction, lines: list[Line], digest: bytes) -> set[str]:
        """Place by place in one order for all, so that two imports never wait for each other in a ring."""
        added: set[str] = set()
        for place, numbers in sorted(_by_place(lines).items()):
            country, network, kind, contract, consent = place
            added |= inventory.import_numbers(
                tx,
                pool=self.pool,
                country=country,
                network=network,
                provenance=Provenance(contract, kind, consent, digest, self.said_by),
                numbers=sorted(numbers),
                now=self.clock.now(),
            )
        return added

    def _sorted_out(self, lines: Sequence[Line], added: set[str], pools: Mapping[str, str]) -> Report:
        report = Report(added=len(added))
        for line in lines:
            if line.number in added:
                continue
            if pools.get(line.number) == self.pool:
                report.known += 1
                continue
            report.refused += 1
            where = pools.get(line.number, "another pool")
            self.tell(Fault(line.at, "other_pool", f"The number is in the pool {where}, and stays there."))
        return report


def _by_place(lines: Sequence[Line]) -> dict[_Place, list[str]]:
    places = defaultdict[_Place, list[str]](list)
    for line in lines:
        places[line.country, line.network, line.type, line.contract, line.consent].append(line.number)
    return places


@contextmanager
def opened(path: Path | None, standard_input: BinaryIO) -> Iterator[Source]:
    """A file, or standard input kept in a temporary one. Raises InvalidInput for one that cannot be read, or is too large."""
    with _readable(path) if path else tempfile.TemporaryFile() as file:
        if path is None:
            _copied(standard_input, file)
        yield Source(file, _digest(file))


def _readable(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as fault:
        raise InvalidInput(f"{path} cannot be read: {fault.strerror}.") from None


def writable(path: Path) -> TextIO:
    """A new text file in place of the old. Raises InvalidInput."""
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as fault:
        raise InvalidInput(f"{path} cannot be written: {fault.strerror}.") from None


def _copied(source: BinaryIO, file: BinaryIO) -> None:
    size = 0
    while piece := source.read(_PIECE):
        size += len(piece)
        if size > MOST_BYTES:
            raise InvalidInput(f"A file has at most {MOST_BYTES} bytes: split it.")
        file.write(piece)


def _digest(file: BinaryIO) -> bytes:
    digest, lines, size = hashlib.sha256(), 0, 0
    file.seek(0)
    while piece := file.read(_PIECE):
        digest.update(piece)
        lines += piece.count(b"\n")
        size += len(piece)
        if lines > MOST_LINES or size > MOST_BYTES:
            raise InvalidInput(f"A file has at most {MOST_LINES} lines and {MOST_BYTES} bytes: split it.")
    return digest.digest()
