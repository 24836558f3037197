"""Real gammu-smsd on its dummy phones: the database that the package's own script makes, and files that are SMS."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.suppliers.counterparts import need

SCHEMA = Path("/usr/share/doc/gammu-smsd/examples/pgsql.sql")
STAGGER_S = 1.5
"""All dummy phones have one IMEI, the key of gammu's table of phones: two that start at once collide."""
_FOLDERS = 5
_LINE = 200


@dataclass
class Phone:
    """A dummy phone and, while it runs, its daemon."""

    name: str
    folder: Path
    conninfo: str
    number: str
    process: subprocess.Popen[bytes] | None = None
    files: Iterator[int] = field(default_factory=lambda: iter(range(1, 100_000)))

    def start(self, wait_s: float = STAGGER_S) -> None:
        for one in range(1, _FOLDERS + 1):
            (self.folder / "sms" / str(one)).mkdir(parents=True, exist_ok=True)
        config = self.folder.parent / f"{self.name}.rc"
        config.write_text(self._config())
        log = subprocess.DEVNULL
        self.process = subprocess.Popen([need("gammu-smsd"), "-c", str(config)], stdout=log, stderr=log)
        time.sleep(wait_s)
        assert self.process.poll() is None, f"gammu-smsd of {self.name} ended"

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=15)
            self.process = None

    def receive(self, *files: str) -> None:
        """What the network brings: each file is whole before gammu can see it."""
        for text in files:
            name = next(self.files)
            written = self.folder.parent / f"{self.name}-{name}.new"
            written.write_text(text)
            written.rename(self.folder / "sms" / "1" / str(name))

    def _config(self) -> str:
        server = psycopg.conninfo.conninfo_to_dict(self.conninfo)
        return "\n".join(
            (
                "[gammu]",
                "model = dummy",
                "connection = none",
                f"device = {self.folder}",
                "[smsd]",
                "service = sql",
                "driver = native_pgsql",
                f"host = {server['host']}",
                f"user = {server['user']}",
                "password = none",
                f"database = {server['dbname']}",
                f"phoneid = {self.name}",
                "checksecurity = 0",
                "checknetwork = 1",
                "commtimeout = 1",
                "receivefrequency = 1",
                "loopsleep = 1",
                "multiparttimeout = 5",
                f"logfile = {self.folder.parent / self.name}.log",
                "",
            )
        )


def sms(sender: str, text: str) -> str:
    """A whole SMS, as a file of the dummy phone."""
    return _file(sender, text.encode("utf-16-be"))


def parts(sender: str, text: str, *, cut: int, reference: int = 0xA2) -> list[str]:
    """An SMS in parts of `cut` UTF-16 units each, wherever that cuts."""
    data = text.encode("utf-16-be")
    pieces = [data[at : at + 2 * cut] for at in range(0, len(data), 2 * cut)]
    return [
        _file(sender, piece, udh=f"050003{reference:02X}{len(pieces):02X}{index:02X}")
        for index, piece in enumerate(pieces, start=1)
    ]


def _file(sender: str, data: bytes, udh: str = "") -> str:
    digits = data.hex().upper()
    lines = [digits[at : at + _LINE] for at in range(0, len(digits), _LINE)]
    fields = {
        "PDU": "Deliver",
        "DateTime": "20260301T120000Z",
        "State": "UnRead",
        "Number": f'"{sender}"',
        "NumberUnicode": sender.encode("utf-16-be").hex().upper(),
        **({"UDH": udh} if udh else {}),
        **{f"Text{at:02}": line for at, line in enumerate(lines)},
        "Coding": "Unicode_No_Compression",
        "Folder": "1",
        "Length": str(len(data) // 2),
        "Class": "-1",
        "ReplySMSC": "False",
        "RejectDuplicates": "False",
        "ReplaceMessage": "0",
        "MessageReference": "0",
    }
    return "\n".join(["[SMSBackup000]", *(f"{name} = {value}" for name, value in fields.items()), ""])


@contextmanager
def database(server: str, name: str) -> Iterator[str]:
    """A database of gammu's own, as the package's script makes it (in the cluster's own encoding, which is UTF-8)."""
    need("gammu-smsd")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    conninfo = psycopg.conninfo.make_conninfo(server, dbname=name)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        script = SCHEMA.read_text().replace("CREATE LANGUAGE plpgsql;", "")  # every database has it since 9.0
        connection.execute(script.encode())
    yield conninfo
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database {name} (force)")


def await_true(what: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def kill_9(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
