"""Messages on disk between their device and the platform: one file each, in a folder that only its owner reads.

    new/       what has to be posted, oldest first by name
    unmapped/  from devices whose number nobody has said yet
    refused/   what the platform could not read, for a person to look at
    tmp/       being written; nobody was told yet that these are safe

Promised: when `put` returns, the message survives kill -9 and power loss: file written, fsync, rename, fsync of the folder.
A full spool refuses; it never makes room.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from onceline.agent.config import Config
from onceline.agent.message import Message, unpack
from onceline.core.clock import Clock

NEW, UNMAPPED, REFUSED, TMP = "new", "unmapped", "refused", "tmp"
KEEPING = (NEW, UNMAPPED, REFUSED)
_TMP_S = 3600
"""After that long a file in tmp/ belongs to a writer that died before it told anybody."""


class NotKept(Exception):
    """Nothing was kept; the text says why and what would help."""


@dataclass(frozen=True, slots=True)
class Depth:
    """Messages of a folder: how many, how large together, and how old the oldest is."""

    count: int = 0
    size: int = 0
    oldest_s: int = 0


class Spool:
    """Its limits count all folders together; several writers at once may go over by one each."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._folder = config.spool
        self._most = config.spool_messages
        self._most_bytes = config.spool_megabytes * 1024 * 1024
        self._clock = clock

    def put(self, message: Message) -> None:
        """On disk when it returns. Raises NotKept."""
        try:
            self._make_folders()
            self._demand_room()
            self._write(message.packed(), NEW if message.to else UNMAPPED, self._new_name())
        except OSError as fault:
            raise NotKept(f"the spool {self._folder} cannot be written: {fault.strerror or fault}") from None

    def oldest(self, folder: str, count: int) -> list[Path]:
        """Names begin with the time, so that they sort by it."""
        return sorted(self._files(folder))[:count]

    def read(self, path: Path) -> Message | None:
        """None when another hand took it away, spoilt it or owns it; then it is set aside."""
        try:
            return unpack(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, PermissionError):
            self.set_aside(path)
            return None

    def remove(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            path.unlink()

    def set_aside(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            path.rename(self._folder / REFUSED / path.name)
            _sync_folder(self._folder / REFUSED)

    def adopt(self, path: Path, message: Message) -> None:
        """A message of unmapped/ whose number is known now: first it is in new/, under its old age, then it is not here."""
        self._write(message.packed(), NEW, path.name)
        self.remove(path)

    def age_s(self, path: Path) -> int:
        """For how long the message of a file has been here, by this machine's clock."""
        return self._age_s(path.name[:17])

    def depth(self, folder: str) -> Depth:
        count = size = 0
        oldest = ""
        for path in self._files(folder):
            with suppress(OSError):
                size += path.stat().st_size
                count += 1
                oldest = min(oldest or path.name, path.name)
        return Depth(count, size, self._age_s(oldest[:17]))

    def is_full(self) -> bool:
        depths = [self.depth(folder) for folder in KEEPING]
        return (
            sum(one.count for one in depths) >= self._most
            or sum(one.size for one in depths) >= self._most_bytes
        )

    def sweep(self) -> None:
        """Forget what writers left half written long ago."""
        for path in self._files(TMP):
            if self.age_s(path) > _TMP_S:
                self.remove(path)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """For the one who empties the spool. Raises NotKept when another does."""
        try:
            self._make_folders()
            held = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise NotKept(f"the spool {self._folder} cannot be used: {fault.strerror or fault}") from None
        with open(held, "rb"):
            if not _locked(held):
                raise NotKept(f"another agent already empties the spool {self._folder}")
            yield

    def note(self, words: bytes) -> None:
        """What the last round came to, for `status`; a file that may be lost."""
        with suppress(OSError):
            self._place(words, self._folder / "last.json", sync=False)

    def noted(self) -> bytes:
        try:
            return (self._folder / "last.json").read_bytes()
        except OSError:
            return b""

    def _make_folders(self) -> None:
        for folder in (self._folder, *(self._folder / name for name in (*KEEPING, TMP))):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, parents=folder == self._folder, exist_ok=True)
                _sync_folder(folder.parent)
        if stat.S_IMODE(self._folder.stat().st_mode) & 0o077:
            raise NotKept(f"the spool {self._folder} is open to others; set it right with chmod 700")

    def _demand_room(self) -> None:
        if self.is_full():
            raise NotKept(
                f"the spool {self._folder} is full ({self._most} messages or {self._most_bytes} bytes); "
                "see `onceline agent status`, and set spool_messages or spool_megabytes higher if the outage lasts"
            )

    def _write(self, data: bytes, folder: str, name: str) -> None:
        self._place(data, self._folder / folder / name, sync=True)

    def _place(self, data: bytes, path: Path, *, sync: bool) -> None:
        temporary = self._folder / TMP / self._new_name()
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(handle, "wb") as file:
                if os.geteuid() == 0:  # a hook run by root serves an agent that is not
                    owner = self._folder.stat()
                    os.fchown(handle, owner.st_uid, owner.st_gid)
                file.write(data)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            temporary.rename(path)
        except OSError:
            self.remove(temporary)
            raise
        if sync:
            _sync_folder(path.parent)

    def _files(self, folder: str) -> list[Path]:
        try:
            return [path for path in (self._folder / folder).iterdir() if path.suffix == ".json"]
        except FileNotFoundError:
            return []

    def _new_name(self) -> str:
        return f"{self._now_us():017d}-{os.urandom(8).hex()}.json"

    def _age_s(self, stamp: str) -> int:
        return max(self._now_us() - int(stamp), 0) // 1_000_000 if stamp.isdecimal() else 0

    def _now_us(self) -> int:
        return int(self._clock.now().timestamp() * 1_000_000)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
