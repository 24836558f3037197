"""What an agent is told: a small TOML file, and the environment over it.

    url = "https://sms.example.com/in/rack-1"     # ONCELINE_AGENT_URL
    secret_file = "/etc/onceline/agent.key"       # ONCELINE_AGENT_SECRET_FILE
    spool = "/var/spool/onceline"                 # ONCELINE_AGENT_SPOOL
    name = "rack-1"                               # ONCELINE_AGENT_NAME
    [numbers]                                     # device = its number
    modem-1 = "+447700900123"

The file is ONCELINE_AGENT_CONFIG, or /etc/onceline/agent.toml. Everything is checked when it is read.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onceline.agent.message import E164, MOST_FIELD

PREFIX = "ONCELINE_AGENT_"
DEFAULT_FILE = Path("/etc/onceline/agent.toml")
DEFAULT_SPOOL = Path("/var/spool/onceline")
LONGEST_SECRET_FILE = 4096
_URL = re.compile(
    r"(https?)://(\[::1\]|[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?/in/[a-z][a-z0-9-]{1,31}"
)
_OWN_HOSTS = ("127.0.0.1", "[::1]", "localhost")


class ConfigFault(Exception):
    """A setting that is missing or wrong; the text says which and what would be right."""


@dataclass(frozen=True, slots=True)
class Config:
    spool: Path
    url: str = ""
    secret_file: Path | None = None
    name: str = ""
    ca_file: Path | None = None
    spool_messages: int = 20_000
    spool_megabytes: int = 64
    numbers: Mapping[str, str] = field(default_factory=dict)

    def secret(self) -> bytes:
        """Read each time it is needed, so that a new one needs no restart. Raises ConfigFault."""
        if not self.secret_file:
            raise ConfigFault(
                f"set secret_file (or {PREFIX}SECRET_FILE) to the file that holds the signing key"
            )
        try:
            with self.secret_file.open("rb") as file:
                words = file.read(LONGEST_SECRET_FILE).strip()
        except OSError as fault:
            raise ConfigFault(f"secret_file {self.secret_file}: {fault.strerror or fault}") from None
        if not words or b"\n" in words:
            raise ConfigFault(f"secret_file {self.secret_file} has to hold one line, the signing key")
        return words


def load(environ: Mapping[str, str]) -> Config:
    """Raises ConfigFault."""
    found = _file(environ)
    numbers = found.pop("numbers", {})
    for name in ("url", "secret_file", "spool", "name", "ca_file", "spool_messages", "spool_megabytes"):
        if value := environ.get(PREFIX + name.upper()):
            found[name] = value
    return _checked(found, numbers)


def demand_way(config: Config) -> None:
    """What only the one who posts needs. Raises ConfigFault."""
    shape = _URL.fullmatch(config.url)
    if not shape:
        raise ConfigFault(f"set url (or {PREFIX}URL) to https://HOST/in/SUPPLIER, without a slash at its end")
    if shape[1] == "http" and shape[2] not in _OWN_HOSTS:
        raise ConfigFault(
            "url has to be https: codes would cross the network in clear (http is for this machine alone)"
        )
    if config.ca_file and not config.ca_file.is_file():
        raise ConfigFault(f"ca_file {config.ca_file} is no file")
    config.secret()


def _file(environ: Mapping[str, str]) -> dict[str, Any]:
    named = environ.get(PREFIX + "CONFIG")
    path = Path(named) if named else DEFAULT_FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise ConfigFault(f"{PREFIX}CONFIG names {path}, which does not exist") from None
        return {}
    except (OSError, ValueError) as fault:
        raise ConfigFault(f"{path}: {fault}") from None


def _checked(found: dict[str, Any], numbers: Any) -> Config:
    unknown = set(found) - {one for one in Config.__dataclass_fields__ if one != "numbers"}
    if unknown:
        raise ConfigFault(f"there is no setting {', '.join(sorted(unknown))}")
    ca_file, secret_file = _text(found, "ca_file"), _text(found, "secret_file")
    return Config(
        spool=Path(_text(found, "spool") or DEFAULT_SPOOL),
        url=_text(found, "url"),
        secret_file=Path(secret_file) if secret_file else None,
        name=_name(_text(found, "name") or os.uname().nodename),
        ca_file=Path(ca_file) if ca_file else None,
        spool_messages=_count(found, "spool_messages", 20_000),
        spool_megabytes=_count(found, "spool_megabytes", 64),
        numbers=_numbers(numbers),
    )


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name, "")
    if not isinstance(value, str):
        raise ConfigFault(f"{name} has to be text")
    return value


def _name(name: str) -> str:
    if len(name) > MOST_FIELD or not name.isprintable() or not name.isascii():
        raise ConfigFault(f"name has to be printable ASCII of {MOST_FIELD} characters at most")
    return name


def _count(found: dict[str, Any], name: str, default: int) -> int:
    value = str(found.get(name, default))
    if not re.fullmatch(r"[1-9][0-9]{0,6}", value):
        raise ConfigFault(f"{name} has to be a whole number from 1 to 9999999")
    return int(value)


def _numbers(found: Any) -> Mapping[str, str]:
    """Device to number; the device as its program names it."""
    if not isinstance(found, dict):
        raise ConfigFault(
            'numbers has to be a table: [numbers], then a line device = "+447700900123" for each'
        )
    for device, number in found.items():
        if not isinstance(number, str) or not E164.fullmatch(number):
            raise ConfigFault(f'numbers: {device} needs a number in E.164, such as "+447700900123"')
    return found
