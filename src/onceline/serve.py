"""Runs the doors: `up` serves everything, with the pages and the workers as children; `edge`, `desk` and `work` one door each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import structlog
import uvicorn
from prometheus_client import start_http_server
from starlette.types import ASGIApp

from onceline.accesslog import AccessLog
from onceline.config import Settings
from onceline.core.clock import SystemClock
from onceline.core.db import Database
from onceline.core.orders.context import Context
from onceline.desk import door as desk_door
from onceline.desk.house import House as DeskHouse
from onceline.doors import Doors, Whole
from onceline.edge.app import create_app
from onceline.edge.hub import SEND_S
from onceline.edge.server import EdgeServer, EdgeSocket
from onceline.relay import Relay, meeting
from onceline.suppliers.intake import DirectIntake
from onceline.wiring import database, open_context, open_post, prepare
from onceline.workers.run import run_until, workers

_LOG = structlog.get_logger(__name__)
_RESTART_S = 1.0
_STOP_S = 20
WORKER_CONNECTIONS = 12
FRAME_BYTES = 4096
"""A client's one frame is its ticket."""


def up(settings: Settings) -> None:
    """Everything: the database if it is ours, the workers and the pages as children, the edge here. Returns after SIGTERM."""
    with database(settings) as conninfo:
        prepare(conninfo, settings, SystemClock())
        migrate_desk(conninfo, settings)
        with (
            meeting() as (path, listening),
            _child(settings, "work"),
            _child(settings, "desk", socket=listening.fileno()),
        ):
            _serve_edge(settings, conninfo, Relay(path))


def edge(settings: Settings) -> None:
    with database(settings) as conninfo:
        _serve_edge(settings, conninfo, None)


def desk(settings: Settings, *, parents_socket: int | None) -> None:
    """The pages alone: at our own port, or for a parent that relays requests to this listening socket while it lives."""
    if parents_socket is not None:
        threading.Thread(target=_await_orphanhood, args=(_end_ourselves,), daemon=True).start()
    with (
        database(settings) as conninfo,
        _open(settings, conninfo, "onceline-desk", size=settings.desk_threads) as (db, context),
        _logging(settings) as log,
        figures(settings.desk_metrics_port),
    ):
        pages = Whole(desk_door.open_desk(DeskHouse(settings, db, context, log)))
        _run(uvicorn.Server(_configured(settings, pages, parents_socket)))


@contextmanager
def opened_desk(settings: Settings) -> Iterator[None]:
    """The desk for a command, migrated: Django is set up inside."""
    with database(settings) as conninfo:
        prepare(conninfo, settings, SystemClock())
        with _open(settings, conninfo, "onceline-desk") as (db, context), _logging(settings) as log:
            desk_door.migrate(DeskHouse(settings, db, context, log))
            yield


def migrate_desk(conninfo: str, settings: Settings) -> list[str]:
    """Bring the desk's own tables up to this version; returns what was applied. After `prepare`."""
    with _open(settings, conninfo, "onceline-prepare") as (db, context), _logging(settings) as log:
        return desk_door.migrate(DeskHouse(settings, db, context, log))


def work(settings: Settings, *, with_parent: bool) -> None:
    """The workers, until SIGTERM or, with a parent, until it is gone."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not set here: the signal may come while this thread holds the event's own lock, for ever then.
        signal.signal(number, lambda *_: threading.Thread(target=stopping.set).start())
    if with_parent:
        threading.Thread(target=_await_orphanhood, args=(stopping.set,), daemon=True).start()
    clock = SystemClock()
    with (
        database(settings) as conninfo,
        Database(conninfo, size=WORKER_CONNECTIONS, name="onceline-work") as db,
    ):
        context = open_context(db, settings, clock)
        with (
            closing(context.vault),
            closing(DirectIntake(db, context)) as intake,
            figures(settings.work_metrics_port),
        ):
            running = workers(db, context, intake, open_post(settings), settings)
            run_until(stopping, db, running)


@contextmanager
def figures(port: int | None) -> Iterator[None]:
    """Figures of a process without `/metrics`: at a port of this machine, if one is named."""
    if port is None:
        yield
        return
    server, thread = start_http_server(port, addr="127.0.0.1")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _serve_edge(settings: Settings, conninfo: str, pages: ASGIApp | None) -> None:
    with _open(settings, conninfo, "onceline-edge") as (db, context):
        api = create_app(settings, db, context)
        app = Doors(api, Whole(pages)) if pages else api
        _run(EdgeServer(_configured(settings, app), api.state.house.hub))


@contextmanager
def _open(
    settings: Settings, conninfo: str, name: str, *, size: int | None = None
) -> Iterator[tuple[Database, Context]]:
    with Database(conninfo, size=size or settings.pool_size, name=name) as db:
        context = open_context(db, settings, SystemClock())
        with closing(context.vault):
            yield db, context


@contextmanager
def _logging(settings: Settings) -> Iterator[AccessLog]:
    with closing(AccessLog(settings.logs, SystemClock())) as log:
        yield log


def _configured(settings: Settings, app: ASGIApp, parents_socket: int | None = None) -> uvicorn.Config:
    trusted = settings.trusted_proxies if parents_socket is None else "*"
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        fd=parents_socket,
        loop="uvloop",
        http="httptools",
        ws=EdgeSocket,
        ws_max_size=FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=40,
        ws_ping_timeout=20,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(trusted),
        forwarded_allow_ips=trusted or None,
        timeout_graceful_shutdown=int(SEND_S),
        backlog=4096,
    )


def _run(server: uvicorn.Server) -> None:
    # uvicorn raises the signal that stopped it once more; what is open around us must still be closed in order.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run()


@contextmanager
def _child(settings: Settings, door: str, *, socket: int | None = None) -> Iterator[None]:
    """A process for one door, that is started again when it dies, and that ends with us however we end."""
    stopping = threading.Event()
    child = _start_child(settings, door, socket)

    def supervise() -> None:
        nonlocal child
        while not stopping.is_set():
            code = child.poll()
            if code is None:
                stopping.wait(0.2)
                continue
            _LOG.warning("child ended, starting it again", door=door, code=code)
            stopping.wait(_RESTART_S)
            if not stopping.is_set():
                child = _start_child(settings, door, socket)

    watch = threading.Thread(target=supervise, daemon=True)
    watch.start()
    try:
        yield
    finally:
        stopping.set()
        watch.join()
        _stop(child)


def _start_child(settings: Settings, door: str, socket: int | None) -> subprocess.Popen[bytes]:
    told = ["--with-parent"] if socket is None else ["--parents-socket", str(socket)]
    return subprocess.Popen(  # noqa: S603  our own program, run by our own interpreter
        [sys.executable, "-m", "onceline", door, *told],
        stdin=subprocess.PIPE,
        env=_environment(settings),
        start_new_session=True,  # Ctrl-C in a terminal is for us; we tell the child
        pass_fds=() if socket is None else (socket,),
    )


def _environment(settings: Settings) -> dict[str, str]:
    """Our own environment, with what this process decided itself (a command line option, a default)."""
    told = {f"ONCELINE_{name.upper()}": value for name, value in settings.model_dump(mode="json").items()}
    return {**os.environ, **{name: str(value) for name, value in told.items() if value is not None}}


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(timeout=_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdin:
        child.stdin.close()


def _await_orphanhood(end: Callable[[], None]) -> None:
    """The parent holds the other end of our standard input and never writes: its end is the parent's end."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    end()


def _end_ourselves() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
