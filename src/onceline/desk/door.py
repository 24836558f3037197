"""Opens the desk: Django as a WSGI application behind a bridge for the ASGI server, and its own tables brought up to date."""

from __future__ import annotations

import logging
import os
from contextlib import closing
from typing import Any, cast

import django
import psycopg
from a2wsgi import WSGIMiddleware
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.signals import got_request_exception
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from onceline.desk import faults, secret
from onceline.desk.database.base import SCHEMA
from onceline.desk.house import House, install
from onceline.desk.settings import decided_by

SETTINGS = "onceline.desk.settings"
_LOCK = 0x0DE5C
_TALKATIVE = (
    "django.request",
    "django.security.csrf",
    "django.security.DisallowedHost",
    "django.security.SuspiciousOperation",
    "django.security.TooManyFieldsSent",
    "django.security.RequestDataTooBig",
)
"""Django's own lines name paths and values; ours (faults.note) say where, and the access log says how often."""


def open_desk(house: House) -> Any:
    """An ASGI application, without Starlette's types. As many requests at once as `desk_threads`, each with a connection of Django's."""
    _set_up(house)
    return WSGIMiddleware(cast(Any, WSGIHandler()), workers=house.settings.desk_threads)


def migrate(house: House) -> list[str]:
    """Bring the desk's tables up to this version; returns the names applied. Safe from several processes at once."""
    with closing(psycopg.connect(house.db.conninfo, connect_timeout=5, autocommit=True)) as lock:
        lock.execute("select pg_advisory_lock(%s)", (_LOCK,))
        lock.execute(f"create schema if not exists {SCHEMA}")
        _set_up(house)
        before = _applied()
        call_command("migrate", interactive=False, verbosity=0)
        applied = sorted(_applied() - before)
        connections.close_all()
    return applied


def _set_up(house: House) -> None:
    install(house)
    secret.make_key()
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    for name, value in decided_by(house.settings, secret.derived("django").hex()).items():
        setattr(settings, name, value)
    django.setup(set_prefix=False)
    for name in _TALKATIVE:
        logging.getLogger(name).disabled = True
    got_request_exception.connect(faults.note, dispatch_uid="faults")


def _applied() -> set[str]:
    done: dict[tuple[str, str], Any] = MigrationRecorder(connections["default"]).applied_migrations()
    return {f"{app}.{name}" for app, name in done}
