"""Messages on disk between their device and the platform: one file each, in a folder that only its owner reads.

    new/       what has to be posted, oldest first by name
    unmapped/  from devices whose number nobody has said yet
    refused/   what the platform could not read, for a person to look at
    tmp/       being written; nobody was told yet that these are safe

Promised: when `put` returns, the message survives kill -9 and power loss: file written, fsync, rename, fsync of the folder.
A full spool refuses; it never makes room.

A file's name says when it came: `{wall clock}-{boot}-{time since that boot}-{chance}.json`, in microseconds. Without the middle
two it is of an older release.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from onceline.agent.config import Config
from onceline.agent.message import Message, unpack
from onceline.core.clock import Clock

NEW, UNMAPPED, REFUSED, TMP = "new", "unmapped", "refused", "tmp"
KEEPING = (NEW, UNMAPPED, REFUSED)
_TMP_S = 3600
"""After that long a file in tmp/ belongs to a writer that died before it told anybody."""
_EARLIEST_US = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_OLDEST_S = 30 * 86400
"""Before the one no clock is right; beyond the other no age across boots is believed."""


class Uptime(NamedTuple):
    """Which boot of the machine this is, "" when it does not say, and for how long it has been up, sleep included."""

    boot: str
    us: int


def uptime() -> Uptime:
    return Uptime(_boot(), time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000)


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

    def __init__(self, config: Config, clock: Clock, up: Callable[[], Uptime] = uptime) -> None:
        self._folder = config.spool
        self._most = config.spool_messages
        self._most_bytes = config.spool_megabytes * 1024 * 1024
        self._clock = clock
        self._up = up

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
        """For how long the message of a file has been here; 0 where no clock can tell.

        Within one boot by the time since it. Across boots by the wall clock, which a machine without a battery has wrong until
        somebody tells it: what is not plausible would make a fresh message older than its order.
        """
        stamp, up = _read_name(path.name)
        here = self._up()
        if up.boot and up.boot == here.boot:
            return max(here.us - up.us, 0) // 1_000_000
        age_s = (self._now_us() - stamp) // 1_000_000
        return age_s if stamp >= _EARLIEST_US and 0 <= age_s < _OLDEST_S else 0

    def depth(self, folder: str) -> Depth:
        count = size = 0
        oldest: Path | None = None
        for path in self._files(folder):
            with suppress(OSError):
                size += path.stat().st_size
                count += 1
                oldest = min(oldest or path, path)
        return Depth(count, size, self.age_s(oldest) if oldest else 0)

    def is_full(self) -> bool:
        depths = [self.depth(folder) for folder in KEEPING]
        return (
            sum(one.count for one in depths) >= self._most
            or sum(one.size for one in depths) >= self._most_bytes
        )

    def sweep(self) -> None:
        """Forget what writers left half written long ago, or before the machine's last boot."""
        for path in self._files(TMP):
            if self.age_s(path) > _TMP_S or _read_name(path.name)[1].boot != self._up().boot:
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
        up = self._up()
        return f"{self._now_us():017d}-{up.boot}-{up.us}-{os.urandom(8).hex()}.json"

    def _now_us(self) -> int:
        return int(self._clock.now().timestamp() * 1_000_000)


def _read_name(name: str) -> tuple[int, Uptime]:
    """When a file came, by both clocks; zeros for what is no name of ours, no boot for that of an older release."""
    stamp, *rest = name.removesuffix(".json").split("-")
    boot, us = rest[:2] if len(rest) == 3 and rest[1].isdecimal() else ("", "0")
    return int(stamp) if stamp.isdecimal() else 0, Uptime(boot, int(us))


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    except OSError:
        return ""


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
