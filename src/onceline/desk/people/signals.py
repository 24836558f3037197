"""What follows from a log-in, a log-out, a changed password: an account, grants for sockets, and their end."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from allauth.account import signals as allauth
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import redirect

from onceline.core.access import commands as access
from onceline.core.db import Transaction
from onceline.core.deposits import commands as deposits
from onceline.core.ledger.model import SANDBOX
from onceline.core.money import MICROS
from onceline.desk.house import house
from onceline.desk.people import sessions, team
from onceline.desk.people.models import Person

UNPROVEN_FOR = timedelta(days=7)
TEST_MONEY = 100 * MICROS


def connect() -> None:
    user_logged_in.connect(_logged_in)
    user_logged_out.connect(_logged_out)
    for changed in (allauth.password_changed, allauth.password_reset, allauth.password_set):
        changed.connect(_password_changed)
    for touched in (mfa.authenticator_added, mfa.authenticator_used, mfa.authenticator_reset):
        touched.connect(_factor_touched)


def _logged_in(request: HttpRequest, user: Person, **_: Any) -> None:
    sessions.forget_expired()
    forget_unproven()
    team.forget_over()
    ensure_account(user)
    if not sessions.begin(request.session, user):
        logout(request)
        raise ImmediateHttpResponse(redirect("account_inactive"))
    sessions.forget_names(request.session)


def _factor_touched(authenticator: Authenticator, **_: Any) -> None:
    """Days, never hours: when somebody logged in is nothing that they gave us (promise P2)."""
    day = datetime.combine(house().clock.now().date(), time(), UTC)
    used = day if authenticator.last_used_at else None
    Authenticator.objects.filter(pk=authenticator.pk).update(
        last_used_at=used, created_at=day_of(authenticator)
    )


def day_of(authenticator: Authenticator) -> datetime:
    made: datetime = authenticator.created_at
    return made.replace(hour=0, minute=0, second=0, microsecond=0)


def _logged_out(request: HttpRequest, **_: Any) -> None:
    grants = sessions.grants_of(request.session)
    if grants:
        sessions.end([*grants])


def _password_changed(request: HttpRequest, user: Person, **_: Any) -> None:
    """Whoever knew the old one is out, on every other browser."""
    sessions.end_others(user, request.session.session_key)


def ensure_account(person: Person, test_money: int = TEST_MONEY) -> None:
    """A person who was not invited gets an account at the first log-in, when the e-mail address is proven.

    Its test side begins with so many micro-units of test money, so that a first code is a click away.

    It is not called by their username: that may change, and the old one is kept nowhere (promise P2).
    Under the person's lock: two first log-ins at once open one account. Dying between the two commits leaves an empty
    account that nobody has; it holds nothing.
    """
    if person.account:
        return
    with transaction.atomic():
        locked = Person.objects.select_for_update().get(pk=person.pk)
        if not locked.account:
            with house().db.transaction() as tx:
                locked.account = access.open_account(
                    tx, house().context.vault, f"person-{locked.pk}", house().clock.now()
                )
                _credit(tx, locked.account, test_money)
            locked.save(update_fields=["account"])
    person.account = locked.account


def _credit(tx: Transaction, account: str, amount: int) -> None:
    if not amount:
        return
    side, now = access.side_of(tx, account, "test"), house().clock.now()
    deposits.give(tx, side, amount, SANDBOX, now)


def forget_unproven(limit: int = 200) -> None:
    """A few of those who signed up and never proved their address; called at log-ins."""
    before = house().clock.now().date() - UNPROVEN_FOR
    unproven = Person.objects.filter(account="", removed=False, joined_on__lt=before)
    found = unproven.exclude(emailaddress__verified=True).values_list("pk", flat=True)[:limit]
    Person.objects.filter(pk__in=list(found)).delete()
