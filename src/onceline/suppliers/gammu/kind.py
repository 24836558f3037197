"""What the registry knows of gammu: its settings, its session, how it sends a self-test, and what `check` looks at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from onceline.core.db import load_queries
from onceline.suppliers.base import Configured, Finding, Kind
from onceline.suppliers.gammu.line import Line, LineAway
from onceline.suppliers.gammu.session import GammuSession
from onceline.suppliers.gammu.settings import MOST_PHONES, GammuSettings

_Q = load_queries(__package__)
CREATOR = "onceline"
"""How gammu's tables tell our messages from those of others."""
OLDEST_LAYOUT = 15
_DATABASE_WORDS = (
    "gammu's database must answer at the dsn, to this user, with the tables that gammu's pgsql.sql makes"
)


class NoSuchPhone(Exception):
    """No phone of this supplier has the number."""


class GammuSender:
    """Puts a message into gammu's outbox, for the daemon of the phone that has the number.

    At most one of ours waits for a phone: what it could not send for a day is not sent all at once later.
    """

    def __init__(self, configured: Configured) -> None:
        self._configured = configured
        self._phones = {number: phone for phone, number in configured.settings.phones.items()}

    def send(self, number_from: str, number_to: str, text: str) -> None:
        """Raises NoSuchPhone, LineAway."""
        phone = self._phones.get(number_from)
        if phone is None:
            raise NoSuchPhone
        ours = {"creator": CREATOR, "phone": phone}
        with closing(Line(self._configured)) as line:
            line.run(_Q.forget_unsent, ours)
            line.run(_Q.forget_sent, ours)
            line.run(_Q.send, ours | {"number": number_to, "text": text})


def check(configured: Configured) -> Sequence[Finding]:
    with closing(Line(configured)) as line:
        try:
            return _findings(configured, line)
        except LineAway as away:
            return [Finding("database", ok=False, words=f"{away}: {_DATABASE_WORDS}")]


def _findings(configured: Configured, line: Line) -> list[Finding]:
    version = max((row.version for row in line.all(_Q.version)), default=0)
    rights = line.all(_Q.rights)[0]
    seen = line.all(_Q.phones, {"limit": MOST_PHONES}) if rights.sees_phones else []
    missing = sorted(configured.settings.phones.keys() - {row.phone for row in seen})
    looked_at = [
        ("layout", version >= OLDEST_LAYOUT, f"gammu's tables must be of layout {OLDEST_LAYOUT} or later"),
        ("inbox", rights.reads, "the user needs select on inbox and update of its column Processed"),
        ("deleting", rights.deletes, "the user needs delete on inbox, or set delete_after_s to null"),
        ("phones", rights.sees_phones, "the user needs select on phones"),
        (
            "sending",
            rights.sends,
            "self-tests need rights on outbox, its sequence and sentitems, as docs/howto/gammu.md lists them",
        ),
        ("daemons", not missing, f"no daemon has reported these phones yet: {', '.join(missing[:10])}"),
    ]
    return [Finding("database", ok=True)] + [
        Finding(what, ok, "" if ok else words) for what, ok, words in looked_at
    ]


KIND = Kind(
    name="gammu",
    settings=GammuSettings,
    secrets={"password": "of the user of gammu's database; none where the server asks for none"},
    sessions=lambda configured, around: [GammuSession(configured, around)],
    send=lambda configured, _: GammuSender(configured),
    check=lambda configured, _: check(configured),
)
