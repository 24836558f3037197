"""The database that comes with Onceline: an embedded PostgreSQL that runs exactly while somebody uses it.

`with serving(data_dir) as conninfo:` is all there is to it. Behind it, one detached *supervisor* per data folder
(`python -m onceline.embedded <data_dir>`) owns the server. Every user holds a *lease*: an open connection to the
supervisor's control socket, which the kernel closes however the user ends. After the last lease the supervisor
stops the server and ends too.

Promises: one supervisor per folder (it holds a file lock); all users of a folder share one server, whoever came
first; a server that dies is started again; a supervisor that dies takes the server along, and the next `serving`
starts anew; no wait without a deadline, and errors name the log.
Never: opens a TCP port, touches the rights of a folder, or leaves anything outside the data folder (but for a private
folder of sockets under the temporary folder while the server runs, when the data folder's path is too long).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from io import BufferedReader
from logging.handlers import RotatingFileHandler
from pathlib import Path

from onceline.embedded_postgres import (
    DATABASE,
    IMMEDIATE_SECONDS,
    START_SECONDS,
    STOP_SECONDS,
    USER,
    EmbeddedError,
    NoBinariesError,
    Places,
    PrivateFolderError,
    RootRefusedError,
    StartError,
    WrongMajorVersionError,
    check_private,
    clear_leftovers,
    command_prefix,
    ensure_cluster,
    is_ready,
    launch,
)

__all__ = [
    "EmbeddedError",
    "NoBinariesError",
    "PrivateFolderError",
    "RootRefusedError",
    "StartError",
    "WrongMajorVersionError",
    "serving",
]

CONTROL_NAME = "control.sock"
LONGEST_GREETING = 64 * 1024
MOST_LEASES = 500
LOG_BYTES = 1024 * 1024
LOG_FILES = 2
LAST_READS = 16
FIRST_LEASE_SECONDS = 10.0
# Replaying the log after a crash may outlast the patience of one user. It goes on meanwhile, for the next one.
RECOVERY_SECONDS = 600.0
SHORTEST_DELAY = 0.1
LONGEST_DELAY = 5.0
STEADY_SECONDS = 60.0
# The exit status of a would-be supervisor that says on stderr, as JSON, which of our errors it met.
REFUSED = 3

_KINDS: dict[str, type[EmbeddedError]] = {
    kind.__name__: kind
    for kind in (NoBinariesError, PrivateFolderError, RootRefusedError, StartError, WrongMajorVersionError)
}


# What a user of the database runs.


@contextlib.contextmanager
def serving(data_dir: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Hold the server of `data_dir`, started if need be, and yield a conninfo string for psycopg.

    `settings` are server settings that count only if this call is the one that starts the server. Raises the errors
    of `onceline.embedded_postgres`, StartError after 60 s at the latest. A supervisor that dies meanwhile is started anew.
    """
    places = Places(data_dir.resolve())
    places.make()
    lease, conninfo = _lease(places, settings or {})
    told, ears = socket.socketpair()
    keeper = threading.Thread(target=_keep_lease, args=(places, settings or {}, lease, ears), daemon=True)
    keeper.start()
    try:
        yield conninfo
    finally:
        told.close()
        keeper.join(timeout=IMMEDIATE_SECONDS)


def _keep_lease(
    places: Places, settings: Mapping[str, str], lease: socket.socket, ears: socket.socket
) -> None:
    """Hold the lease until the user lets go. A supervisor that was killed is replaced, under the same address."""
    with ears:
        while True:
            with lease, selectors.DefaultSelector() as waiting:
                for source in (lease, ears):
                    waiting.register(source, selectors.EVENT_READ)
                if any(key.fileobj is ears for key, _ in waiting.select()):
                    return
            try:
                lease, _ = _lease(places, settings)
            except (EmbeddedError, OSError):
                # The log of the supervisor says why; the user sees a database that is away, and we try again.
                lease, other = socket.socketpair()
                other.close()
                time.sleep(LONGEST_DELAY)


def _lease(places: Places, settings: Mapping[str, str]) -> tuple[socket.socket, str]:
    deadline = time.monotonic() + START_SECONDS
    pause = 0.02
    while True:
        # Nobody there, or one that is just going down: start a supervisor, and try again.
        with contextlib.suppress(OSError, ValueError):
            return _ask_for_lease(places, deadline)
        if time.monotonic() > deadline:
            raise StartError(
                f"no answer from the supervisor for {START_SECONDS:.0f} s: see {places.supervisor_log}"
            )
        _start_supervisor(places, settings)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def _ask_for_lease(places: Places, deadline: float) -> tuple[socket.socket, str]:
    """Connect and wait for the greeting. Raises OSError or ValueError when there is no supervisor to talk to."""
    run = _run_folder(places)
    check_private(run)
    lease = socket.socket(socket.AF_UNIX)
    try:
        lease.settimeout(max(0.1, deadline - time.monotonic()))
        lease.connect(str(run / CONTROL_NAME))
        greeting = _greeting(lease, places)
    except BaseException:
        lease.close()
        raise
    if "error" in greeting:
        lease.close()
        raise _error_told(greeting)
    return lease, greeting["conninfo"]


def _run_folder(places: Places) -> Path:
    """Where the supervisor that wrote the lock file has its sockets."""
    told = json.loads(places.lock.read_bytes()[:LONGEST_GREETING] or b"{}")
    if "run" not in told:
        raise ValueError("no supervisor has told its place yet")
    return Path(told["run"])


def _greeting(lease: socket.socket, places: Places) -> dict[str, str]:
    received = b""
    while not received.endswith(b"\n") and len(received) < LONGEST_GREETING:
        try:
            part = lease.recv(4096)
        except TimeoutError:
            raise StartError(
                f"the database was not ready after {START_SECONDS:.0f} s (it may still be recovering, then try again): "
                f"see {places.server_log} and {places.supervisor_log}"
            ) from None
        if not part:
            raise ConnectionResetError("the supervisor went away")
        received += part
    return {str(name): str(value) for name, value in json.loads(received).items()}


def _error_told(told: dict[str, str]) -> EmbeddedError:
    return _KINDS.get(told["error"], StartError)(told["detail"])


def _start_supervisor(places: Places, settings: Mapping[str, str]) -> None:
    """Start a supervisor and return when it listens, or when it found another one in its place."""
    source = str(Path(__file__).resolve().parents[1])
    # Secrets of the application are not the database's business, and PG* variables would change its settings.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ONCELINE_", "PG"))}
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-P", "-m", "onceline.embedded", str(places.root), json.dumps(dict(settings))]
    try:
        done = subprocess.run(  # noqa: S603  our own module, run by our own interpreter
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            env={**kept, "PYTHONPATH": path},
            start_new_session=True,
            timeout=START_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartError(f"the supervisor did not start: {error}") from error
    if done.returncode == REFUSED:
        raise _error_told(json.loads(done.stderr))
    if done.returncode != 0:
        raise StartError(
            f"the supervisor did not start: {done.stderr.decode(errors='replace').strip()[-600:]}"
        )


# What the supervisor runs.


def main(arguments: list[str]) -> int:
    """Become the supervisor of a data folder, detached from whoever called; return at once if there is one."""
    places = Places(Path(arguments[0]).resolve())
    settings: dict[str, str] = json.loads(arguments[1]) if len(arguments) > 1 else {}
    os.umask(0o077)
    places.make()
    lock = os.open(places.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    try:
        supervisor = _Supervisor(places, places.make_run_folder(), settings, lock)
    except EmbeddedError as error:
        sys.stderr.write(json.dumps(_as_told(error)))
        return REFUSED
    if os.fork() == 0:
        supervisor.detach()
        supervisor.work()
    return 0


def _as_told(error: EmbeddedError) -> dict[str, str]:
    return {"error": type(error).__name__, "detail": str(error)}


def _bounded_log(name: str, path: Path, layout: str) -> logging.Logger:
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8")
    handler.setFormatter(logging.Formatter(layout))
    log = logging.getLogger(f"onceline.embedded.{name}")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.addHandler(handler)
    return log


class _Supervisor:
    """One thread, one loop: leases, the server's log, the server's end and signals are all file descriptors."""

    def __init__(self, places: Places, run: Path, settings: Mapping[str, str], lock: int) -> None:
        self.places, self.run, self.settings, self.lock = places, run, settings, lock
        self.log = _bounded_log("supervisor", places.supervisor_log, "%(asctime)s [%(process)d] %(message)s")
        self.server_log = _bounded_log("server", places.server_log, "%(message)s")
        self.leases: set[socket.socket] = set()
        self.waiting: set[socket.socket] = set()
        self.had_a_lease = False
        self.stop_asked = False
        self.ending = False
        self.prefix: list[str] = []
        self.server: subprocess.Popen[bytes] | None = None
        self.ready = False
        self.was_ready = False
        self.delay = SHORTEST_DELAY
        self.began = self.changed = time.monotonic()
        self.listener = socket.socket(socket.AF_UNIX)
        (run / CONTROL_NAME).unlink(missing_ok=True)
        self.listener.bind(str(run / CONTROL_NAME))
        self.listener.listen(128)
        self.listener.setblocking(False)

    def detach(self) -> None:
        """Let go of the caller's terminal and pipes, tell where we are, and listen to signals."""
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.wake_reader, self.wake_writer = socket.socketpair()
        self.wake_reader.setblocking(False)
        self.wake_writer.setblocking(False)
        self.selector.register(self.wake_reader, selectors.EVENT_READ, self._woken)
        signal.set_wakeup_fd(self.wake_writer.fileno())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._asked_to_stop)
        self._write_lock({"pid": os.getpid(), "run": str(self.run)})

    def work(self) -> None:
        """Serve until the last lease is gone, we are told to stop, or the server cannot start at all."""
        self.log.info("supervisor of %s started", self.places.root)
        try:
            self.prefix = command_prefix()
            ensure_cluster(self.places, self.prefix)
            self._start()
            while not self._finished():
                self._turn(self._patience())
                self._advance()
        except EmbeddedError as error:
            self._refuse(error)
        except Exception as error:
            # Whatever it was, the users learn of it and the server does not stay behind.
            self.log.exception("unexpected")
            kind = type(error).__name__
            self._refuse(StartError(f"the supervisor failed ({kind}): see {self.places.supervisor_log}"))
        self._shut_down()

    def _turn(self, patience: float | None) -> None:
        for key, _ in self.selector.select(patience):
            handle: Callable[[object], None] = key.data
            handle(key.fileobj)

    def _patience(self) -> float | None:
        if self.server is None:
            return max(0.0, self.changed + self.delay - time.monotonic())
        if not self.ready:
            return 0.03
        return None if self.had_a_lease else FIRST_LEASE_SECONDS

    def _finished(self) -> bool:
        """Nobody needs us. A start in progress is seen through: cut off, recovery would begin from the front again."""
        if self.stop_asked:
            return True
        if self.leases or (self.server is not None and not self.ready):
            return False
        self._accept(self.listener)
        in_grace = not self.had_a_lease and time.monotonic() < self.began + FIRST_LEASE_SECONDS
        return not self.leases and not in_grace

    def _advance(self) -> None:
        now = time.monotonic()
        if self.server is None:
            if now >= self.changed + self.delay:
                self._start_again()
        elif not self.ready:
            if is_ready(self.places, self.server.pid):
                self._greet_all()
            elif now > self.changed + RECOVERY_SECONDS:
                self.log.error(
                    "server %d is not ready after %.0f s: killed", self.server.pid, RECOVERY_SECONDS
                )
                self.server.kill()

    # Leases.

    def _accept(self, _: object) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                lease, _address = self.listener.accept()
                self._take(lease)

    def _take(self, lease: socket.socket) -> None:
        lease.setblocking(False)
        if len(self.leases) >= MOST_LEASES:
            self.log.error("a lease was refused: %d are held", MOST_LEASES)
            self._send(lease, _as_told(StartError(f"more than {MOST_LEASES} users of one database")))
            lease.close()
            return
        self.had_a_lease = True
        self.leases.add(lease)
        self.waiting.add(lease)
        self.selector.register(lease, selectors.EVENT_READ, self._lease_moved)
        if self.ready:
            self._greet_all()

    def _lease_moved(self, lease: object) -> None:
        # A user never writes, so anything readable is the end (or a stranger, who is shown the door as well).
        assert isinstance(lease, socket.socket)
        self.selector.unregister(lease)
        self.leases.discard(lease)
        self.waiting.discard(lease)
        lease.close()

    def _greet_all(self) -> None:
        if not self.ready:
            self.ready = self.was_ready = True
            self.changed = time.monotonic()
            self.log.info("server ready")
        host = str(self.run).replace("\\", "\\\\").replace("'", "\\'")
        for lease in self.waiting:
            self._send(lease, {"conninfo": f"host='{host}' port=5432 dbname={DATABASE} user={USER}"})
        self.waiting.clear()

    def _refuse(self, error: EmbeddedError) -> None:
        """Tell the users, of whom the first may still be on its way."""
        self.log.error("%s: %s", type(error).__name__, error)
        self.ending = True
        deadline = self.began + FIRST_LEASE_SECONDS
        while not (self.had_a_lease or self.stop_asked) and (left := deadline - time.monotonic()) > 0:
            self._turn(left)
        self._accept(self.listener)
        for lease in self.waiting:
            self._send(lease, _as_told(error))

    def _send(self, lease: socket.socket, greeting: dict[str, str]) -> None:
        with contextlib.suppress(OSError):  # gone already: the selector will tell
            lease.sendall(json.dumps(greeting).encode() + b"\n")

    # The server.

    def _start(self) -> None:
        clear_leftovers(self.places, self.run, self.log)
        self.server = launch(self.places, self.run, self.settings, self.prefix)
        self.ready, self.changed = False, time.monotonic()
        assert self.server.stdout is not None
        os.set_blocking(self.server.stdout.fileno(), False)
        self.selector.register(self.server.stdout, selectors.EVENT_READ, self._copy_log)
        self.selector.register(os.pidfd_open(self.server.pid), selectors.EVENT_READ, self._server_ended)
        self.log.info("server %d started", self.server.pid)

    def _start_again(self) -> None:
        try:
            self._start()
        except (EmbeddedError, OSError) as error:
            self.log.error("not started again yet: %s", error)
            self.delay, self.changed = min(self.delay * 2, LONGEST_DELAY), time.monotonic()

    def _copy_log(self, pipe: object) -> None:
        assert isinstance(pipe, BufferedReader)
        chunk = os.read(pipe.fileno(), 64 * 1024)
        for line in chunk.decode(errors="replace").splitlines():
            self.server_log.info("%s", line)
        if not chunk:
            self.selector.unregister(pipe)
            pipe.close()

    def _server_ended(self, handle: object) -> None:
        assert isinstance(handle, int)
        assert self.server is not None
        self.selector.unregister(handle)
        os.close(handle)
        status = self.server.wait()
        self.log.warning("server %d ended with status %d", self.server.pid, status)
        steady = self.ready and time.monotonic() > self.changed + STEADY_SECONDS
        self.delay = SHORTEST_DELAY if steady else min(self.delay * 2, LONGEST_DELAY)
        self.server, self.ready, self.changed = None, False, time.monotonic()
        # One that gave up by itself at the first start would do so again; one that was killed may well succeed.
        if status >= 0 and not self.was_ready and not self.ending:
            raise StartError(
                f"the database ended with status {status} while starting: see {self.places.server_log}"
            )

    # The end.

    def _asked_to_stop(self, *_: object) -> None:
        self.stop_asked = True

    def _woken(self, _: object) -> None:
        with contextlib.suppress(BlockingIOError):
            self.wake_reader.recv(4096)

    def _shut_down(self) -> None:
        self.log.info("stopping")
        self.ending = True
        self.selector.unregister(self.listener)
        self.listener.close()
        (self.run / CONTROL_NAME).unlink(missing_ok=True)
        self._stop_server(signal.SIGINT, STOP_SECONDS)
        self._stop_server(signal.SIGQUIT, IMMEDIATE_SECONDS)
        self._stop_server(signal.SIGKILL, IMMEDIATE_SECONDS)
        for _ in range(LAST_READS):  # what the server said last is still in the pipe
            self._turn(0)
        if self.run.parent != self.places.pg:
            with contextlib.suppress(OSError):
                self.run.rmdir()
        self._write_lock({})
        self.log.info("stopped")

    def _stop_server(self, number: int, patience: float) -> None:
        deadline = time.monotonic() + patience
        if self.server is not None:
            self.log.info("sending signal %d to server %d", number, self.server.pid)
            self.server.send_signal(number)
        while self.server is not None and (left := deadline - time.monotonic()) > 0:
            self._turn(left)

    def _write_lock(self, content: dict[str, object]) -> None:
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, json.dumps(content).encode(), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
