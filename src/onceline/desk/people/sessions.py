"""Sessions in the database, in a form that lets nobody in: the key is stored as its hash, the data sealed.

A session of a person carries two grants of core (test and live), which its sockets hang on; they end with it.
"""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from datetime import date, timedelta
from typing import Any

from allauth.account.internal.flows import reauthentication
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import transaction
from django.db.models import QuerySet

from onceline.core.access import sessions as access
from onceline.core.access.sessions import SessionGrants
from onceline.core.errors import KeyRefused
from onceline.core.vault import Place
from onceline.core.vault.vault import Forged
from onceline.desk import secret
from onceline.desk.house import house
from onceline.desk.people.models import Person, Session

LONGEST = timedelta(days=90)
"""After this even a browser that is used daily logs in again."""
MOST_LISTED = 50
_OF_A_REQUEST = {"REQUEST_METHOD", "CONTENT_TYPE", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "CSRF_COOKIE"}
_PERSON, _GRANTS, _OPENED, _USED = "_auth_user_id", "grants", "opened_on", "used_on"


def hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:40]


class SessionStore(db.SessionStore):
    """Django's store, with hashed keys and sealed data. Of two requests at once neither undoes what the other wrote."""

    _read: dict[str, Any] | None = None
    """What was in the row when this request read or wrote it."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        plain = self.session_key
        if plain is None:
            return None
        found = self.model.objects.filter(
            session_key=hashed(plain), expire_date__gt=house().clock.now()
        ).first()
        if found is None:
            self._session_key = None
        return found

    def load(self) -> dict[str, Any]:
        data: dict[str, Any] = super().load()
        self._read = deepcopy(data)
        return data

    def save(self, must_create: bool = False) -> None:
        """Under the row's lock, and only what this request changed: the rest stays as others wrote it meanwhile."""
        if self.session_key is None or must_create:
            super().save(must_create=must_create)
        else:
            with transaction.atomic():
                self._session_cache = self._merged()
                super().save()
        self._read = deepcopy(self._session_cache)

    def _merged(self) -> dict[str, Any]:
        row = Session.objects.select_for_update().filter(session_key=self._hashed()).first()
        if row is None:
            raise UpdateError
        stored, mine = self.decode(row.session_data), self._get_session()  # type: ignore[attr-defined]  # the stubs lack it
        read = stored if self._read is None else self._read
        changed = {name: value for name, value in mine.items() if name not in read or read[name] != value}
        gone = {name for name in read.keys() - mine.keys() if stored.get(name) == read[name]}
        return {name: value for name, value in stored.items() if name not in gone} | changed

    def exists(self, session_key: str) -> bool:
        return self.model.objects.filter(session_key=hashed(session_key)).exists()

    def delete(self, session_key: str | None = None) -> None:
        plain = session_key or self.session_key
        if plain is not None:
            self.model.objects.filter(session_key=hashed(plain)).delete()

    def cycle_key(self) -> None:
        """A new key for the same session, as after a change of password; its label goes with it."""
        before = Session.objects.filter(session_key=hashed(self.session_key or "")).first()
        super().cycle_key()
        if before is not None:
            Session.objects.filter(session_key=self._hashed()).update(label=before.label)

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        grants = data.get(_GRANTS, {})
        return Session(
            session_key=self._hashed(),
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(modification=house().clock.now()),
            person_id=data.get(_PERSON),
            opened_on=data.get(_OPENED),
            used_on=data.get(_USED),
            test_grant=grants.get("test"),
            live_grant=grants.get("live"),
        )

    def encode(self, session_dict: dict[str, Any]) -> str:
        return secret.seal(json.dumps(session_dict).encode(), self._place()).hex()

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """What does not open is no session: a row that somebody moved or made."""
        try:
            data: dict[str, Any] = json.loads(
                secret.open_sealed(bytes.fromhex(str(session_data)), self._place())
            )
        except (Forged, ValueError):
            return {}
        return data

    def _place(self) -> Place:
        return Place("sessions", "session_data", self._hashed())

    def _hashed(self) -> str:
        return hashed(self._get_or_create_session_key())  # type: ignore[attr-defined]  # the stubs do not know it


def begin(session: SessionBase, person: Person) -> bool:
    """At a log-in: grants for the sockets, and the day; False, and nothing, for who is removed.

    The person is read anew, under lock: between the caller's look and this one lies a password's hash, time enough to
    move to another account.
    """
    with transaction.atomic():
        present = Person.objects.select_for_update().filter(pk=person.pk, removed=False).first()
        if present is None:
            return False
        now = house().clock.now()
        with house().db.transaction() as tx:
            grants = access.open_session(tx, present.account, now, now + LONGEST)
    session[_GRANTS] = grants._asdict()
    session[_OPENED] = session[_USED] = now.date().isoformat()
    return True


def goes_on(session: SessionBase, person: Person) -> bool:
    """Whether a logged-in session may; looked up on the first request of a day, which also moves the expiry on."""
    today = house().clock.now().date()
    if _OPENED not in session or today - date.fromisoformat(session[_OPENED]) > LONGEST:
        return False
    if session.get(_USED) != today.isoformat():
        if not _has_grant(session, person):
            return False
        session[_USED] = today.isoformat()
    return True


def _has_grant(session: SessionBase, person: Person) -> bool:
    """One stands for both: they are opened and ended together."""
    grants = grants_of(session)
    if grants is None:
        return False
    try:
        with house().db.statement() as tx:
            grant, _ = access.session_of(tx, grants.test, house().clock.now())
    except KeyRefused:
        return False
    return grant.account == person.account


def forget_whence(session: SessionBase) -> None:
    """Of a request that waits for its person's password, what it asked for is kept, and not where it came from."""
    waiting = session.get(reauthentication.STATE_SESSION_KEY, {})
    if "request" not in waiting:
        return
    request = json.loads(waiting["request"])
    kept = {name: value for name, value in request["META"].items() if name in _OF_A_REQUEST}
    if kept != request["META"]:
        session[reauthentication.STATE_SESSION_KEY] = {"request": json.dumps({**request, "META": kept})}


def forget_names(session: SessionBase) -> None:
    """How somebody logged in stays for a while, the name or address that they typed does not (promise P2)."""
    session.pop("mailed_to", None)
    records = session.get(AUTHENTICATION_METHODS_SESSION_KEY, [])
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [
        {name: value for name, value in one.items() if name not in ("email", "username")} for one in records
    ]


def grants_of(session: SessionBase) -> SessionGrants | None:
    grants = session.get(_GRANTS)
    return SessionGrants(**grants) if grants else None


def end(grants: list[int]) -> None:
    """Their sockets close within a second."""
    with house().db.transaction() as tx:
        access.end_grants(tx, grants, house().clock.now())


def end_others(person: Person, kept: str | None) -> int:
    """Every session of the person but the one with this key; returns how many."""
    return _end_all(person.sessions.exclude(session_key=hashed(kept) if kept else ""))


def end_one(person: Person, name: str) -> int:
    """The session of that name in the person's list; 0 where there is none any more."""
    return _end_all(person.sessions.filter(session_key=name))


def rename(person: Person, name: str, label: str) -> int:
    return person.sessions.filter(session_key=name).update(label=label)


def listed(person: Person) -> list[Session]:
    """The newest use first; as many as anybody reads."""
    now = house().clock.now()
    return list(person.sessions.filter(expire_date__gt=now).order_by("-used_on", "session_key")[:MOST_LISTED])


def _end_all(chosen: QuerySet[Session]) -> int:
    ended = list(chosen)
    if not ended:
        return 0
    end([grant for one in ended for grant in one.grants])
    Session.objects.filter(pk__in=[one.pk for one in ended]).delete()
    return len(ended)


def forget_expired(limit: int = 200) -> None:
    """A few of those whose time is over, with their sockets; called at log-ins, so that nothing piles up."""
    _end_all(Session.objects.filter(expire_date__lt=house().clock.now())[:limit])
