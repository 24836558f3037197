"""Sealed texts open at their place under their key, and nowhere else; without the key they are erased."""

from __future__ import annotations

import multiprocessing
import stat
import time
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from onceline.core.errors import Erased
from onceline.core.vault import FileKeyStore, Place, Vault, account_key, intake_key, vault
from onceline.core.vault.keystore import KeyStoreDamaged
from onceline.core.vault.vault import Forged

KEY = account_key("acc_alice")
PLACE = Place("messages", "sealed", "1")


@pytest.fixture
def store(tmp_path: Path) -> FileKeyStore:
    return FileKeyStore(tmp_path / "keys")


@pytest.fixture
def safe(store: FileKeyStore) -> Vault:
    made = Vault(store)
    made.create(KEY)
    return made


def test_a_sealed_text_opens_at_its_place(safe: Vault) -> None:
    sealed = safe.seal(KEY, b"482913", PLACE)
    assert b"482913" not in sealed
    assert safe.open(KEY, sealed, PLACE) == b"482913"


def test_the_same_text_is_never_sealed_alike(safe: Vault) -> None:
    assert safe.seal(KEY, b"482913", PLACE) != safe.seal(KEY, b"482913", PLACE)


@pytest.mark.parametrize(
    "elsewhere",
    [Place("inbound", "sealed", "1"), Place("messages", "text", "1"), Place("messages", "sealed", "2")],
)
def test_a_moved_text_does_not_open(safe: Vault, elsewhere: Place) -> None:
    sealed = safe.seal(KEY, b"482913", PLACE)
    with pytest.raises(Forged):
        safe.open(KEY, sealed, elsewhere)


def test_another_accounts_key_does_not_open_it(safe: Vault) -> None:
    safe.create(account_key("acc_charlie"))
    with pytest.raises(Forged):
        safe.open(account_key("acc_charlie"), safe.seal(KEY, b"482913", PLACE), PLACE)


@pytest.mark.parametrize("at", [0, 1, 20, -1])
def test_a_changed_text_does_not_open(safe: Vault, at: int) -> None:
    sealed = bytearray(safe.seal(KEY, b"482913", PLACE))
    sealed[at] ^= 1
    with pytest.raises(Forged):
        safe.open(KEY, bytes(sealed), PLACE)


@pytest.mark.parametrize("length", [0, 1, 5, 13, 20])
def test_a_cut_text_does_not_open(safe: Vault, length: int) -> None:
    with pytest.raises(Forged):
        safe.open(KEY, safe.seal(KEY, b"482913", PLACE)[:length], PLACE)


@pytest.mark.promise("P10")
def test_what_a_destroyed_key_sealed_is_erased(safe: Vault, tmp_path: Path) -> None:
    sealed = safe.seal(KEY, b"482913", PLACE)
    safe.destroy(KEY)
    with pytest.raises(Erased):
        safe.open(KEY, sealed, PLACE)
    with pytest.raises(Erased):
        safe.seal(KEY, b"more", PLACE)
    assert list((tmp_path / "keys" / "account").iterdir()) == []


def test_a_destroyed_key_is_overwritten_before_it_goes(safe: Vault, tmp_path: Path) -> None:
    """Another name of the same file sees what the disk keeps."""
    [file] = (tmp_path / "keys" / "account").iterdir()
    before, same = file.read_bytes(), tmp_path / "same"
    same.hardlink_to(file)
    safe.destroy(KEY)
    assert (len(same.read_bytes()), same.read_bytes() == before) == (len(before), False)


def test_a_key_can_be_destroyed_twice(safe: Vault) -> None:
    safe.destroy(KEY)
    safe.destroy(KEY)
    with pytest.raises(Erased):
        safe.seal(KEY, b"text", PLACE)


def test_an_unknown_accounts_text_is_never_sealed(safe: Vault) -> None:
    with pytest.raises(Erased):
        safe.seal(account_key("acc_nobody"), b"text", PLACE)


def test_the_key_of_a_day_is_made_when_it_is_first_needed(safe: Vault) -> None:
    day = intake_key(datetime(2026, 3, 1, 23, 59, tzinfo=UTC))
    assert day == "intake/2026-03-01"
    assert safe.open(day, safe.seal(day, b"text", PLACE), PLACE) == b"text"
    assert safe.intake_keys() == [day]


def test_a_cached_key_is_forgotten_after_a_minute(
    safe: Vault, store: FileKeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = safe.seal(KEY, b"text", PLACE)
    store.destroy(KEY)  # by another process
    assert safe.open(KEY, sealed, PLACE) == b"text"
    later = time.monotonic() + vault.CACHE_S + 0.1
    monkeypatch.setattr(vault.time, "monotonic", lambda: later)
    with pytest.raises(Erased):
        safe.open(KEY, sealed, PLACE)


def test_a_cached_key_is_forgotten_at_a_word(safe: Vault, store: FileKeyStore) -> None:
    sealed = safe.seal(KEY, b"text", PLACE)
    store.destroy(KEY)
    safe.forget(KEY)
    with pytest.raises(Erased):
        safe.open(KEY, sealed, PLACE)


def test_keys_are_for_their_owner_alone(safe: Vault, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    rights = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert {right for path, right in rights.items() if path.is_file()} == {0o600}
    assert {right for path, right in rights.items() if path.is_dir()} == {0o700}
    assert len(rights) == 4


def test_a_key_is_wrapped_by_the_master_key(store: FileKeyStore, tmp_path: Path) -> None:
    secret = store.create(KEY)
    assert secret not in (tmp_path / "keys" / f"{KEY}.key").read_bytes()
    assert FileKeyStore(tmp_path / "keys").get(KEY) == secret


def test_a_wrong_master_key_opens_nothing(store: FileKeyStore, tmp_path: Path) -> None:
    store.create(KEY)
    (tmp_path / "keys" / "master.key").unlink()
    with pytest.raises(KeyStoreDamaged):
        FileKeyStore(tmp_path / "keys").get(KEY)


def test_a_key_file_under_another_name_does_not_open(store: FileKeyStore, tmp_path: Path) -> None:
    store.create(KEY)
    folder = tmp_path / "keys" / "account"
    (folder / "acc_alice.key").rename(folder / "acc_bob.key")
    with pytest.raises(KeyStoreDamaged):
        store.get(account_key("acc_bob"))


@pytest.mark.parametrize(
    "name", ["account/../master", "account", "Account/one", "account/", "a/b/c", "account/x.key"]
)
def test_a_name_that_leaves_the_folder_is_refused(store: FileKeyStore, name: str) -> None:
    with pytest.raises(ValueError, match="not a key name"):
        store.create(name)


def test_processes_that_create_the_same_key_at_once_get_one_key(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier, answers = spawn.Barrier(3), spawn.SimpleQueue()
    processes = [spawn.Process(target=_create, args=(tmp_path, barrier, answers)) for _ in range(3)]
    for process in processes:
        process.start()
    secrets = {answers.get() for _ in processes}
    for process in processes:
        process.join(10)
    assert len(secrets) == 1
    assert {path.name for path in (tmp_path / "account").iterdir()} == {"acc_alice.key"}


def _create(folder: Path, barrier: Barrier, answers: multiprocessing.SimpleQueue[bytes]) -> None:
    barrier.wait(30)
    answers.put(FileKeyStore(folder).create(KEY))
