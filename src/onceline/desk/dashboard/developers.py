"""Where programmers begin: the first steps as programs with the reader's own test key, and the ways from there.

The first key is made by one click, on the test side, with the few rights that the examples need; it is shown once, inside
them. Because it can spend nothing and take nothing out, it asks for no fresh proof of who makes it.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from onceline.core.access import commands as access
from onceline.core.db import Row, Transaction
from onceline.desk.dashboard import care
from onceline.desk.dashboard.acting import Acting, Desked, acts
from onceline.desk.dashboard.examples import first_steps
from onceline.desk.house import house

FIRST_KEY = "first key"
FIRST_SCOPES = ("orders:read", "orders:write", "balance:read", "events:read", "test:messages")


@acts()
def developers(request: Desked) -> HttpResponse:
    with house().db.statement() as tx:
        known = _test_key(tx, request.acting)
    shown = care.shown_once(request, FIRST_KEY)
    key = shown["key"] if shown else f"ol_test_…{known.last4}" if known else "ol_test_…"
    facts = {
        "examples": first_steps(base_address(request), key),
        "shown": bool(shown),
        "known": known,
        "mark": care.form_mark(),
    }
    return render(request, "dashboard/developers/developers.html", facts)


@acts("owner")
@require_POST
def create_first_key(request: Desked) -> HttpResponse:
    """Does nothing where there is a working test key already."""
    acting = request.acting
    care.demand_open(acting)
    with care.doing(request) as is_new:
        if is_new:
            with house().db.transaction() as tx:
                made = None if _test_key(tx, acting) else _make(tx, acting)
            if made:
                care.show_later(request, FIRST_KEY, {"key": made})
    return redirect("developers", mode=acting.mode)


def base_address(request: HttpRequest) -> str:
    """How the outside reaches this installation."""
    return house().settings.public_url or f"{request.scheme}://{request.get_host()}"


def _test_key(tx: Transaction, acting: Acting) -> Row | None:
    """The newest working key for the API on the account's test side."""
    now = house().clock.now()
    rows = access.keys(tx, access.side_of(tx, acting.account, "test"))
    works = (row for row in rows if not row.revoked_at and (not row.expires_at or row.expires_at > now))
    return next((row for row in works if row.kind == "api"), None)


def _make(tx: Transaction, acting: Acting) -> str:
    _id, key = access.create_key(
        tx,
        side=access.side_of(tx, acting.account, "test"),
        mode="test",
        kind="api",
        name=FIRST_KEY,
        scopes=FIRST_SCOPES,
        expires_at=None,
        now=house().clock.now(),
    )
    return key
