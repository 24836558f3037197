"""Messages on disk: safe when acknowledged, private, bounded."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from onceline.agent.config import Config
from onceline.agent.message import Message
from onceline.agent.spool import KEEPING, NEW, REFUSED, TMP, UNMAPPED, NotKept, Spool
from onceline.core.clock import ManualClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def spool(tmp_path: Path, clock: ManualClock) -> Spool:
    return Spool(Config(tmp_path / "spool"), clock)


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


def test_a_message_whose_number_became_known_keeps_its_age(spool: Spool, clock: ManualClock) -> None:
    spool.put(message(to=""))
    clock.advance(90)
    (path,) = spool.oldest(UNMAPPED, 1)
    spool.adopt(path, message().for_number("+447700900124"))
    (path,) = spool.oldest(NEW, 1)
    assert (spool.read(path), spool.age_s(path)) == (message(to="+447700900124"), 90)
    assert spool.oldest(UNMAPPED, 1) == []


def test_the_depth_says_how_many_how_large_and_how_old(spool: Spool, clock: ManualClock) -> None:
    assert spool.depth(NEW).count == 0
    spool.put(message("a"))
    clock.advance(30)
    spool.put(message("b"))
    clock.advance(12)
    depth = spool.depth(NEW)
    assert (depth.count, depth.oldest_s) == (2, 42)
    assert depth.size == 2 * len(message("a").packed())


def test_a_clock_that_was_set_back_makes_no_negative_age(spool: Spool, clock: ManualClock) -> None:
    spool.put(message())
    clock.advance(-3600)
    assert spool.depth(NEW).oldest_s == 0


def test_what_a_dead_writer_left_is_swept_and_what_a_living_one_writes_is_not(
    spool: Spool, clock: ManualClock, tmp_path: Path
) -> None:
    spool.put(message())
    (path,) = spool.oldest(NEW, 1)
    path.rename(tmp_path / "spool" / TMP / path.name)
    clock.advance(3600)
    spool.sweep()
    assert len(spool.oldest(TMP, 9)) == 1
    clock.advance(2)
    spool.sweep()
    assert spool.oldest(TMP, 9) == []


def test_one_agent_at_a_time_empties_a_spool(tmp_path: Path, clock: ManualClock) -> None:
    first, second = (Spool(Config(tmp_path / "spool"), clock) for _ in range(2))
    with first.owned(), pytest.raises(NotKept, match="another agent"), second.owned():
        pass
    with second.owned():
        assert (tmp_path / "spool" / "lock").exists()
