"""Messages on disk: safe when acknowledged, private, bounded."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onceline.agent.config import Config
from onceline.agent.message import Message
from onceline.agent.spool import KEEPING, NEW, REFUSED, TMP, UNMAPPED, NotKept, Spool, Uptime, uptime
from onceline.core.clock import ManualClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Machine:
    """Its wall clock, and its time since a boot, which nobody sets."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.boot, self.us = "b0", 7_000_000

    def up(self) -> Uptime:
        return Uptime(self.boot, self.us)

    def runs(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.us += int(seconds * 1_000_000)

    def boots(self, off_s: float = 60) -> None:
        self.clock.advance(off_s)
        self.boot, self.us = self.boot + "1", 0

    def is_told_the_time(self, at: datetime) -> None:
        self.clock.advance((at - self.clock.now()).total_seconds())


@pytest.fixture
def machine(clock: ManualClock) -> Machine:
    return Machine(clock)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def spool(tmp_path: Path, machine: Machine) -> Spool:
    return Spool(Config(tmp_path / "spool"), machine.clock, machine.up)


def message(name: str = "a", *, to: str = "+447700900123", text: str = "Your code is 482913") -> Message:
    return Message(name, to, "Telegram", text, "now", "modem-1")


def names(spool: Spool, folder: str = NEW) -> list[str]:
    return [found.id for path in spool.oldest(folder, 100) if (found := spool.read(path))]


def test_what_was_put_is_read_again(spool: Spool) -> None:
    spool.put(message())
    (path,) = spool.oldest(NEW, 10)
    assert spool.read(path) == message()


def test_the_oldest_come_first(spool: Spool, clock: ManualClock) -> None:
    for name in "cab":
        spool.put(message(name))
        clock.advance(0.001)
    assert names(spool) == ["c", "a", "b"]
    assert len(spool.oldest(NEW, 2)) == 2


def test_nobody_else_may_read_it(spool: Spool, tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        spool.put(message())
    finally:
        os.umask(previous)
    folders = [tmp_path / "spool", *(tmp_path / "spool" / name for name in (*KEEPING, TMP))]
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}
    assert spool.oldest(NEW, 1)[0].stat().st_mode & 0o777 == 0o600


def test_a_folder_that_others_may_read_is_refused(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o755)
    with pytest.raises(NotKept, match="chmod 700"):
        spool.put(message())


def test_file_and_folder_are_synced_before_it_is_acknowledged(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of what would survive a power loss: the bytes, the name, the folder that holds it."""
    steps: list[str] = []
    sync, rename = os.fsync, Path.rename

    def fsync(handle: int) -> None:
        steps.append("sync " + ("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file"))
        sync(handle)

    def renamed(path: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(path, target)

    spool.put(message("first"))
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", renamed)
    spool.put(message())
    assert steps == ["sync file", "rename", "sync folder"]


def test_a_full_spool_refuses_and_keeps_what_it_has(tmp_path: Path, clock: ManualClock) -> None:
    spool = Spool(Config(tmp_path / "spool", spool_messages=2), clock)
    spool.put(message("a"))
    spool.put(message("b", to=""))
    assert spool.is_full()
    with pytest.raises(NotKept, match=r"full \(2 messages"):
        spool.put(message("c"))
    assert (names(spool), names(spool, UNMAPPED)) == (["a"], ["b"])


def test_it_is_full_by_bytes_too(tmp_path: Path, clock: ManualClock) -> None:
    spool = Spool(Config(tmp_path / "spool", spool_megabytes=1), clock)
    for at in range(20):
        if spool.is_full():
            break
        spool.put(message(str(at), text="\ud83d" * 10_000))
    assert 15 <= at <= 18
    with pytest.raises(NotKept, match="1048576 bytes"):
        spool.put(message("more"))


def test_what_was_refused_counts_against_the_limit(tmp_path: Path, clock: ManualClock) -> None:
    spool = Spool(Config(tmp_path / "spool", spool_messages=1), clock)
    spool.put(message())
    spool.set_aside(spool.oldest(NEW, 1)[0])
    assert (names(spool), names(spool, REFUSED), spool.is_full()) == ([], ["a"], True)


def test_a_spool_that_cannot_be_written_refuses(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "spool").write_text("a file is in the way")
    with pytest.raises(NotKept, match="cannot be written"):
        Spool(Config(tmp_path / "spool"), clock).put(message())


def test_a_disk_that_is_full_keeps_nothing_half(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spool.put(message("a"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotKept, match="No space left"):
        spool.put(message("b"))
    monkeypatch.undo()
    assert (names(spool), list((tmp_path / "spool" / TMP).iterdir())) == (["a"], [])


def test_a_file_that_was_spoilt_is_set_aside(spool: Spool) -> None:
    spool.put(message())
    (path,) = spool.oldest(NEW, 1)
    path.write_bytes(b'{"id": "a"')
    assert spool.read(path) is None
    assert (len(spool.oldest(NEW, 9)), len(spool.oldest(REFUSED, 9))) == (0, 1)


def test_a_file_that_is_gone_is_no_fault(spool: Spool) -> None:
    spool.put(message())
    (path,) = spool.oldest(NEW, 1)
    spool.remove(path)
    spool.remove(path)
    spool.set_aside(path)
    assert spool.read(path) is None


def test_a_message_whose_number_became_known_keeps_its_age(spool: Spool, machine: Machine) -> None:
    spool.put(message(to=""))
    machine.runs(90)
    (path,) = spool.oldest(UNMAPPED, 1)
    spool.adopt(path, message().for_number("+447700900124"))
    (path,) = spool.oldest(NEW, 1)
    assert (spool.read(path), spool.age_s(path)) == (message(to="+447700900124"), 90)
    assert spool.oldest(UNMAPPED, 1) == []


def test_the_depth_says_how_many_how_large_and_how_old(spool: Spool, machine: Machine) -> None:
    assert spool.depth(NEW).count == 0
    spool.put(message("a"))
    machine.runs(30)
    spool.put(message("b"))
    machine.runs(12)
    depth = spool.depth(NEW)
    assert (depth.count, depth.oldest_s) == (2, 42)
    assert depth.size == 2 * len(message("a").packed())


def test_a_clock_that_was_set_back_makes_no_negative_age(spool: Spool, clock: ManualClock) -> None:
    spool.put(message())
    clock.advance(-3600)
    assert spool.depth(NEW).oldest_s == 0


def age_s(spool: Spool) -> int:
    [path] = spool.oldest(NEW, 9)
    return spool.age_s(path)


@pytest.mark.parametrize(
    "wrong", [datetime(1970, 1, 1, tzinfo=UTC), NOON - timedelta(20), NOON + timedelta(1)]
)
def test_a_clock_that_is_set_right_makes_no_message_older(
    spool: Spool, machine: Machine, wrong: datetime
) -> None:
    machine.is_told_the_time(wrong)
    spool.put(message())
    machine.runs(5)
    machine.is_told_the_time(NOON)
    assert (age_s(spool), spool.depth(NEW).oldest_s) == (5, 5)


def test_the_age_of_a_message_of_an_earlier_boot_is_told_by_the_wall_clock(
    spool: Spool, machine: Machine
) -> None:
    spool.put(message())
    machine.runs(30)
    machine.boots(off_s=600)
    machine.runs(40)
    assert age_s(spool) == 670


@pytest.mark.parametrize(
    "wrong", [datetime(2024, 12, 31, tzinfo=UTC), NOON - timedelta(30), NOON + timedelta(1)]
)
def test_a_message_that_came_by_a_wrong_clock_before_the_boot_has_no_age(
    spool: Spool, machine: Machine, wrong: datetime
) -> None:
    machine.is_told_the_time(wrong)
    spool.put(message())
    machine.boots()
    machine.is_told_the_time(NOON)
    assert age_s(spool) == 0


@pytest.mark.parametrize(
    ("came", "age"),
    [(NOON - timedelta(seconds=75), 75), (NOON - timedelta(31), 0), (datetime(1970, 1, 1, tzinfo=UTC), 0)],
)
def test_a_file_of_an_older_release_is_as_old_as_the_wall_clock_plausibly_says(
    spool: Spool, came: datetime, age: int
) -> None:
    spool.put(message())
    [path] = spool.oldest(NEW, 9)
    path.rename(path.with_name(f"{int(came.timestamp()) * 1_000_000:017d}-00c0ffee00c0ffee.json"))
    assert (names(spool), age_s(spool)) == (["a"], age)


def test_a_file_that_a_person_named_has_no_age(spool: Spool) -> None:
    spool.put(message())
    [path] = spool.oldest(NEW, 9)
    path.rename(path.with_name("again-b0-x-y.json"))
    assert (names(spool), age_s(spool)) == (["a"], 0)


def test_this_machine_says_which_boot_it_is_and_its_time_runs() -> None:
    first, second = uptime(), uptime()
    assert first.boot == second.boot
    assert re.fullmatch("[0-9a-f]{32}", first.boot)
    assert 0 < first.us <= second.us


def test_what_was_half_written_before_the_boot_is_swept_whatever_the_clock_says(
    spool: Spool, machine: Machine, tmp_path: Path
) -> None:
    machine.is_told_the_time(datetime(1970, 1, 1, tzinfo=UTC))
    spool.put(message())
    [path] = spool.oldest(NEW, 1)
    path.rename(tmp_path / "spool" / TMP / path.name)
    machine.boots()
    spool.sweep()
    assert spool.oldest(TMP, 9) == []


def test_what_a_dead_writer_left_is_swept_and_what_a_living_one_writes_is_not(
    spool: Spool, machine: Machine, tmp_path: Path
) -> None:
    spool.put(message())
    (path,) = spool.oldest(NEW, 1)
    path.rename(tmp_path / "spool" / TMP / path.name)
    machine.runs(3600)
    spool.sweep()
    assert len(spool.oldest(TMP, 9)) == 1
    machine.runs(2)
    spool.sweep()
    assert spool.oldest(TMP, 9) == []


def test_one_agent_at_a_time_empties_a_spool(tmp_path: Path, clock: ManualClock) -> None:
    first, second = (Spool(Config(tmp_path / "spool"), clock) for _ in range(2))
    with first.owned(), pytest.raises(NotKept, match="another agent"), second.owned():
        pass
    with second.owned():
        assert (tmp_path / "spool" / "lock").exists()
