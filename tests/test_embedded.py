"""The embedded database, with real processes: it runs while somebody uses it, and survives any of them being killed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from onceline import embedded, embedded_postgres
from onceline.embedded_postgres import Places

USER = """
import sys
from pathlib import Path
from onceline.embedded import serving
with serving(Path(sys.argv[1])) as conninfo:
    print(conninfo, flush=True)
    sys.stdin.read()
"""

Users = Callable[[Path], subprocess.Popen[str]]


@pytest.fixture
def users() -> Iterator[Users]:
    """Start processes that use a data folder until their standard input is closed, or until they are killed."""
    started: list[subprocess.Popen[str]] = []

    def start(folder: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", USER, str(folder)]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def short_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ol-", dir="/tmp"))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder)


def first_line(user: subprocess.Popen[str]) -> str:
    assert user.stdout is not None
    return user.stdout.readline().strip()


def ask(conninfo: str, statement: str) -> str:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
    return str(row[0]) if row else ""


def server_pid(folder: Path) -> int:
    return int((folder / "pg/data/postmaster.pid").read_text().splitlines()[0])


def supervisor_pid(folder: Path) -> int:
    return int(json.loads((folder / "pg/supervisor.lock").read_text())["pid"])


def lives(pid: int) -> bool:
    """Whether `pid` runs; a zombie nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(what: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def answers(conninfo: str, statement: str, expected: str) -> Callable[[], bool]:
    def check() -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            return ask(conninfo, statement) == expected
        return False

    return check


def test_what_was_committed_is_there_at_the_second_start(tmp_path: Path) -> None:
    with embedded.serving(tmp_path) as conninfo:
        ask(conninfo, "create table kept as select 42 as answer")
        first = server_pid(tmp_path)
    with embedded.serving(tmp_path) as conninfo:
        assert ask(conninfo, "select answer from kept") == "42"
        assert server_pid(tmp_path) != first


def test_no_tcp_port_is_open_and_the_safe_settings_hold(tmp_path: Path) -> None:
    expected = {"listen_addresses": "", "fsync": "on", "synchronous_commit": "on", "data_checksums": "on"}
    expected |= {
        "server_encoding": "UTF8",
        "wal_level": "replica",
        "max_connections": "200",
        "TimeZone": "UTC",
    }
    with embedded.serving(tmp_path) as conninfo:
        assert {name: ask(conninfo, f"show {name}") for name in expected} == expected
        assert ask(conninfo, "select count(*) from pg_hba_file_rules where type <> 'local'") == "0"
        assert (
            ask(conninfo, "select datlocale from pg_database where datname = current_database()") == "C.UTF-8"
        )


def test_settings_of_the_first_user_replace_the_defaults(tmp_path: Path) -> None:
    with (
        embedded.serving(tmp_path, {"synchronous_commit": "off", "shared_buffers": "16MB"}) as conninfo,
        embedded.serving(tmp_path, {"synchronous_commit": "on"}) as same,
    ):
        assert same == conninfo
        assert ask(conninfo, "show synchronous_commit") == "off"
        assert ask(conninfo, "show shared_buffers") == "16MB"


def test_the_log_holds_no_statement_and_no_value(tmp_path: Path) -> None:
    with embedded.serving(tmp_path) as conninfo:
        with pytest.raises(psycopg.DataError, match="hush-314159"):
            ask(conninfo, "select 'hush-314159'::int")
        ask(conninfo, "create table mails (mail text unique)")
        ask(conninfo, "insert into mails values ('hush-271828')")
        with pytest.raises(psycopg.IntegrityError):
            ask(conninfo, "insert into mails values ('hush-271828')")
    eventually(lambda: "is shut down" in (tmp_path / "logs/postgresql.log").read_text())
    assert "hush" not in (tmp_path / "logs/postgresql.log").read_text()


def test_four_processes_starting_at_once_share_one_server(tmp_path: Path, users: Users) -> None:
    together = [users(tmp_path) for _ in range(4)]
    conninfos = {first_line(user) for user in together}
    assert len(conninfos) == 1
    assert answers(conninfos.pop(), "select 1", "1")()
    assert (tmp_path / "logs/supervisor.log").read_text().count("started") == 2  # one supervisor, one server


def test_a_start_while_the_last_server_is_going_down_succeeds(tmp_path: Path) -> None:
    seen = set()
    for _ in range(4):
        with embedded.serving(tmp_path) as conninfo:
            seen.add(ask(conninfo, "select pg_postmaster_start_time()"))
        eventually(lambda: not (tmp_path / "pg/run/control.sock").exists())  # the way down has begun
    assert len(seen) == 4


def test_a_killed_server_comes_back_with_what_was_committed(tmp_path: Path) -> None:
    with embedded.serving(tmp_path) as conninfo:
        ask(conninfo, "create table kept as select 42 as answer")
        for _ in range(2):
            os.kill(server_pid(tmp_path), signal.SIGKILL)
            eventually(answers(conninfo, "select answer from kept", "42"))
    assert "ended with status -9" in (tmp_path / "logs/supervisor.log").read_text()


def test_a_server_killed_while_it_starts_is_started_again(tmp_path: Path, users: Users) -> None:
    with embedded.serving(tmp_path):
        supervisor = supervisor_pid(tmp_path)
    eventually(lambda: not lives(supervisor))
    user = users(tmp_path)
    pid_file = tmp_path / "pg/data/postmaster.pid"
    eventually(lambda: pid_file.exists() and "\n" in pid_file.read_text())
    os.kill(server_pid(tmp_path), signal.SIGKILL)
    eventually(answers(first_line(user), "select 1", "1"))
    assert "ended with status -9" in (tmp_path / "logs/supervisor.log").read_text()


def test_a_killed_user_leaves_no_server_behind(tmp_path: Path, users: Users) -> None:
    user = users(tmp_path)
    assert first_line(user)
    server, supervisor = server_pid(tmp_path), supervisor_pid(tmp_path)
    user.kill()
    eventually(lambda: not lives(server) and not lives(supervisor))
    assert not (tmp_path / "pg/data/postmaster.pid").exists()


def test_a_server_stays_while_one_of_two_users_is_left(tmp_path: Path, users: Users) -> None:
    user = users(tmp_path)
    first_line(user)
    with embedded.serving(tmp_path) as conninfo:
        started = ask(conninfo, "select pg_postmaster_start_time()")
        user.kill()
        user.wait()
        time.sleep(0.3)
        assert ask(conninfo, "select pg_postmaster_start_time()") == started


def test_a_killed_supervisor_takes_the_server_along_and_the_next_start_works(tmp_path: Path) -> None:
    with embedded.serving(tmp_path) as conninfo:
        ask(conninfo, "create table kept as select 42 as answer")
        old = server_pid(tmp_path)
        os.kill(supervisor_pid(tmp_path), signal.SIGKILL)
        with embedded.serving(tmp_path) as again:
            assert ask(again, "select answer from kept") == "42"
            assert not lives(old)


def test_a_server_that_outlived_its_supervisor_is_stopped_first(tmp_path: Path) -> None:
    with embedded.serving(tmp_path):
        supervisor = supervisor_pid(tmp_path)
    eventually(lambda: not lives(supervisor))
    places = Places(tmp_path)
    with embedded_postgres.launch(
        places, places.make_run_folder(), {}, embedded_postgres.command_prefix()
    ) as old:
        eventually(lambda: embedded_postgres.is_ready(places, old.pid))
        with embedded.serving(tmp_path) as conninfo:
            assert ask(conninfo, "select 1") == "1"
            assert old.wait(timeout=5) == 0
            assert server_pid(tmp_path) != old.pid


def test_a_stale_pid_of_another_program_is_ignored_and_never_signalled(tmp_path: Path) -> None:
    with embedded.serving(tmp_path):
        supervisor = supervisor_pid(tmp_path)
        stale = (tmp_path / "pg/data/postmaster.pid").read_text().splitlines()
    eventually(lambda: not lives(supervisor))
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path / "pg/data") as stranger:
        (tmp_path / "pg/data/postmaster.pid").write_text("\n".join([str(stranger.pid), *stale[1:]]) + "\n")
        with embedded.serving(tmp_path) as conninfo:
            assert ask(conninfo, "select 1") == "1"
        assert stranger.poll() is None
        stranger.kill()


def test_a_supervisor_told_to_stop_stops_its_server_at_once(tmp_path: Path) -> None:
    with embedded.serving(tmp_path) as conninfo:
        server, supervisor = server_pid(tmp_path), supervisor_pid(tmp_path)
        os.kill(supervisor, signal.SIGINT)  # Ctrl-C is not for it
        assert ask(conninfo, "select 1") == "1"
        os.kill(supervisor, signal.SIGTERM)
        eventually(lambda: not lives(server) and not lives(supervisor))


def test_a_kill_while_the_cluster_is_made_leaves_no_half_cluster(tmp_path: Path, users: Users) -> None:
    user = users(tmp_path)
    eventually(lambda: any(tmp_path.glob("pg/new-*/base")))
    os.kill(supervisor_pid(tmp_path), signal.SIGKILL)
    user.kill()
    assert not (tmp_path / "pg/data").exists()
    with embedded.serving(tmp_path) as conninfo:
        assert ask(conninfo, "select 1") == "1"
        assert not list(tmp_path.glob("pg/new-*"))


def test_a_data_folder_with_a_long_name_has_its_sockets_elsewhere(
    tmp_path: Path, short_temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("long, it's" * 9)
    with embedded.serving(folder) as conninfo:
        supervisor = supervisor_pid(folder)
        [sockets] = short_temporary_folder.iterdir()
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        monkeypatch.delenv("TMPDIR")  # another user of the folder need not see the same environment
        with embedded.serving(folder) as same:
            assert same == conninfo
            assert ask(same, "select 1") == "1"
    eventually(lambda: not lives(supervisor))
    assert not list(short_temporary_folder.iterdir())


def test_a_folder_of_sockets_that_others_may_enter_is_refused(
    tmp_path: Path, short_temporary_folder: Path
) -> None:
    folder = tmp_path / ("long" * 25)
    with embedded.serving(folder):
        [sockets] = short_temporary_folder.iterdir()
        supervisor = supervisor_pid(folder)
    eventually(lambda: not lives(supervisor))
    sockets.mkdir(mode=0o755)
    with (
        pytest.raises(embedded.PrivateFolderError, match="must be a folder of mode 0700"),
        embedded.serving(folder),
    ):
        pass


def test_a_cluster_of_another_major_version_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "pg/data").mkdir(parents=True)
    (tmp_path / "pg/data/PG_VERSION").write_text("17\n")
    with (
        pytest.raises(embedded.WrongMajorVersionError, match=r"PostgreSQL 17.*dump"),
        embedded.serving(tmp_path),
    ):
        pass
    assert (tmp_path / "pg/data/PG_VERSION").read_text() == "17\n"


def test_a_server_that_cannot_start_is_an_error_that_names_the_log(tmp_path: Path) -> None:
    with (
        pytest.raises(embedded.StartError, match=r"postgresql\.log"),
        embedded.serving(tmp_path, {"fsync": "maybe"}),
    ):
        pass
    assert 'parameter "fsync"' in (tmp_path / "logs/postgresql.log").read_text()
    with embedded.serving(tmp_path) as conninfo:
        assert ask(conninfo, "select 1") == "1"


def test_root_without_user_namespaces_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(embedded.RootRefusedError, match=r"plain user.*ONCELINE_DATABASE_URL"):
        embedded_postgres.command_prefix()


def test_no_folder_changes_its_rights(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    tmp_path.chmod(0o711)
    watched = [folder, *folder.parents]
    before = [(path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in watched]
    with embedded.serving(folder):
        pass
    assert [(path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in watched] == before
