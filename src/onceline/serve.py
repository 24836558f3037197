"""Runs the doors: `up` serves everything from one process and a worker child, `edge`, `desk` and `work` one door each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

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
from onceline.suppliers.intake import DirectIntake
from onceline.wiring import database, open_context, open_post, prepare
from onceline.workers.run import run_until, workers

_LOG = structlog.get_logger(__name__)
_RESTART_S = 1.0
_STOP_S = 20
WORKER_CONNECTIONS = 12
SWITCH_S = 0.0005
"""How long one thread may keep the others from the interpreter: the loop and the command threads hand over often."""
FRAME_BYTES = 4096
"""A client's one frame is its ticket."""


def up(settings: Settings) -> None:
    """Everything: the database if it is ours, the workers as a child, the edge here. Returns after SIGTERM."""
    with database(settings) as conninfo:
        prepare(conninfo, settings, SystemClock())
        migrate_desk(conninfo, settings)
        with _worker_child(settings):
            _serve_edge(settings, conninfo, with_desk=True)


def edge(settings: Settings) -> None:
    with database(settings) as conninfo:
        _serve_edge(settings, conninfo, with_desk=False)


def desk(settings: Settings) -> None:
    """The pages alone."""
    with (
        database(settings) as conninfo,
        _open(settings, conninfo, "onceline-desk") as (db, context),
        _desk_of(settings, db, context) as pages,
    ):
        _run(uvicorn.Server(_configured(settings, pages)))


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
        threading.Thread(target=_await_orphanhood, args=(stopping,), daemon=True).start()
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
    """A worker has no door of its own: its metrics stand at a port of this machine, if one is named."""
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


def _serve_edge(settings: Settings, conninfo: str, *, with_desk: bool) -> None:
    sys.setswitchinterval(SWITCH_S)
    with ExitStack() as stack:
        db, context = stack.enter_context(_open(settings, conninfo, "onceline-edge"))
        api = create_app(settings, db, context)
        app: ASGIApp = api
        if with_desk:
            own = Database(conninfo, size=settings.desk_threads, name="onceline-desk")
            pages = stack.enter_context(_desk_of(settings, stack.enter_context(own), context))
            app = Doors(api, pages)
        _run(EdgeServer(_configured(settings, app), api.state.house.hub))


@contextmanager
def _open(settings: Settings, conninfo: str, name: str) -> Iterator[tuple[Database, Context]]:
    with Database(conninfo, size=settings.pool_size, name=name) as db:
        context = open_context(db, settings, SystemClock())
        with closing(context.vault):
            yield db, context


@contextmanager
def _desk_of(settings: Settings, db: Database, context: Context) -> Iterator[ASGIApp]:
    with _logging(settings) as log:
        yield Whole(desk_door.open_desk(DeskHouse(settings, db, context, log)))


@contextmanager
def _logging(settings: Settings) -> Iterator[AccessLog]:
    with closing(AccessLog(settings.logs, SystemClock())) as log:
        yield log


def _configured(settings: Settings, app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
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
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        timeout_graceful_shutdown=int(SEND_S),
        backlog=4096,
    )


def _run(server: uvicorn.Server) -> None:
    # uvicorn raises the signal that stopped it once more; what is open around us must still be closed in order.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run()


@contextmanager
def _worker_child(settings: Settings) -> Iterator[None]:
    """A worker process that is started again when it dies, and that ends with us however we end."""
    stopping = threading.Event()
    child = _start_child(settings)

    def supervise() -> None:
        nonlocal child
        while not stopping.is_set():
            code = child.poll()
            if code is None:
                stopping.wait(0.2)
                continue
            _LOG.warning("worker ended, starting it again", code=code)
            stopping.wait(_RESTART_S)
            if not stopping.is_set():
                child = _start_child(settings)

    watch = threading.Thread(target=supervise, daemon=True)
    watch.start()
    try:
        yield
    finally:
        stopping.set()
        watch.join()
        _stop(child)


def _start_child(settings: Settings) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "onceline", "work", "--with-parent"],
        stdin=subprocess.PIPE,
        env=_environment(settings),
        start_new_session=True,  # Ctrl-C in a terminal is for us; we tell the child
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


def _await_orphanhood(stopping: threading.Event) -> None:
    """The parent holds the other end of our standard input and never writes: its end is the parent's end."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    stopping.set()
