"""What an operator does for people from the command line: add one, list them, let somebody in again who lost their keys."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from onceline.core.access import commands as access
from onceline.core.errors import InvalidInput, NotFound
from onceline.desk.house import house
from onceline.desk.people import sessions
from onceline.desk.people.models import Person
from onceline.desk.people.passwords import LONG
from onceline.desk.people.signals import ensure_account


def add(username: str, email: str, password: str, *, account: str, role: str) -> Person:
    """A person whose address counts as proven; with no account named, the owner of a new one.

    Raises InvalidInput (what is wrong with which field), NotFound (the account).
    """
    if account:
        with house().db.transaction() as tx:
            account = access.find_account(tx, account).id
    person = Person(
        username=username.lower(),
        email=email.lower(),
        account=account,
        role=role,
        joined_on=house().clock.now().date(),
    )
    _set_password(person, password)
    if EmailAddress.objects.filter(email=person.email).exists():
        raise InvalidInput(f"email: {person.email} belongs to somebody already.")
    _check(person)
    with transaction.atomic():
        person.save()
        EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    ensure_account(person)
    return person


def listed(account: str | None, after: str, limit: int) -> list[dict[str, Any]]:
    """By username; `second_factor` says whether they have one."""
    found = Person.objects.filter(username__gt=after).order_by("username")
    if account is not None:
        found = found.filter(account=account)
    people = list(found[:limit])
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
    armed = set(
        Authenticator.objects.filter(user__in=people, type__in=kinds).values_list("user_id", flat=True)
    )
    return [
        {
            "username": one.username,
            "account": one.account,
            "role": one.role,
            "joined_on": one.joined_on.isoformat(),
            "second_factor": one.pk in armed,
        }
        for one in people
    ]


def set_password(username: str, password: str) -> None:
    """For who lost theirs and their mailbox. All of their sessions end. Raises NotFound, InvalidInput."""
    person = _named(username)
    _set_password(person, password)
    person.save(update_fields=["password", "password_is_long"])
    sessions.end_others(person, None)


def reset_second_factor(username: str) -> int:
    """For who lost theirs and the recovery codes: all of them go, and all of their sessions. Raises NotFound.

    Returns how many went. It is the operator's to know that it is really them who asks.
    """
    person = _named(username)
    gone: int
    gone, _ = Authenticator.objects.filter(user=person).delete()
    sessions.end_others(person, None)
    return gone


def _named(username: str) -> Person:
    person = Person.objects.filter(username=username.lower()).first()
    if person is None:
        raise NotFound("person", username)
    return person


def _set_password(person: Person, password: str) -> None:
    try:
        validate_password(password, person)
    except ValidationError as wrong:
        raise InvalidInput(f"password: {' '.join(wrong.messages)}") from wrong
    person.password_is_long = len(password) >= LONG
    person.set_password(password)


def _check(person: Person) -> None:
    try:
        person.full_clean(exclude={"account", "language"})
    except ValidationError as wrong:
        faults = (f"{field}: {' '.join(messages)}" for field, messages in wrong.message_dict.items())
        raise InvalidInput("; ".join(faults)) from wrong
