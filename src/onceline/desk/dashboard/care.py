"""What needs more than a role: a form that is done once, a secret that is shown once, a fresh proof of who it is.

Promises that a form that comes twice, also at the same instant and to two processes, does its work once; that what is
kept to be shown lies in the sealed session, for minutes, and goes with the first look. Never puts a secret in an address.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, cast

from allauth.account.decorators import reauthentication_required
from django.core.exceptions import BadRequest
from django.db import transaction

from onceline.core.clock import rfc3339
from onceline.core.errors import AccountSuspended, KeyRefused
from onceline.desk.dashboard.acting import Acting, Desked, View
from onceline.desk.house import house
from onceline.desk.people.models import Session
from onceline.desk.people.sessions import hashed

FIELD = "once"
"""The hidden field that every form carries whose work must not be done twice."""
LONGEST, _REMEMBERED = 64, 40
_DONE, _SHOWN = "forms_done", "shown_once"
_SHOWN_FOR = timedelta(minutes=10)


def form_mark() -> str:
    """A fresh value for FIELD."""
    return secrets.token_urlsafe(12)


@contextmanager
def doing(request: Desked) -> Iterator[bool]:
    """Around the work of a form: False when the same form was done before.

    The session's row stays locked meanwhile, so that of two at once one waits for the other. A refusal inside leaves the
    form undone. Raises BadRequest for a form without a mark.
    """
    mark = request.POST.get(FIELD, "")
    if not 0 < len(mark) <= LONGEST:
        raise BadRequest
    with transaction.atomic():
        _read_anew(request)
        done: list[str] = request.session.get(_DONE, [])
        yield mark not in done
        if mark not in done:
            request.session[_DONE] = [*done[1 - _REMEMBERED :], mark]
        request.session.save()


def show_later(request: Desked, name: str, what: dict[str, Any]) -> None:
    """Keep something for the page that the reader is sent to."""
    request.session[_SHOWN] = {"name": name, "at": rfc3339(house().clock.now()), "what": what}


def shown_once(request: Desked, name: str) -> dict[str, Any] | None:
    """What was kept under this name within the last minutes; gone after this."""
    kept = request.session.get(_SHOWN)
    if not kept or kept["name"] != name:
        return None
    del request.session[_SHOWN]
    fresh = house().clock.now() - datetime.fromisoformat(kept["at"]) < _SHOWN_FOR
    return cast(dict[str, Any], kept["what"]) if fresh else None


def freshly_proven(view: View) -> View:
    """For views behind `acts`: who did not prove who they are in the last minutes does so, and the form goes on then."""
    return cast(View, reauthentication_required(view))


def freshly_proven_for(is_grave: Callable[[Desked], bool]) -> Callable[[View], View]:
    """The same, for those requests alone of which this is said."""
    return cast(Callable[[View], View], reauthentication_required(enabled=is_grave))


def demand_open(acting: Acting) -> None:
    """Raises AccountSuspended: who is suspended sees, ends and takes out what is theirs, and begins nothing."""
    if acting.suspended:
        raise AccountSuspended("This account is not open.")


def _read_anew(request: Desked) -> None:
    """The session as it is now, under its lock; what another request wrote meanwhile is not overwritten."""
    key = request.session.session_key
    row = Session.objects.select_for_update().filter(session_key=hashed(key)).first() if key else None
    if row is None:
        raise KeyRefused("This session has ended; log in again.")
    fresh = request.session.decode(row.session_data)
    request.session.clear()
    request.session.update(fresh)
