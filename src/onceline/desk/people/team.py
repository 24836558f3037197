"""The people of an account: who belongs to it, who may join, who leaves. An account always has an owner.

Whatever changes who may do what locks the account's people first, so that two changes at once are one after the other,
and only then looks whether the actor is an owner: who was one a moment ago may be none.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core import ratelimit
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from onceline.core.access import commands as access
from onceline.core.ledger import store as ledger
from onceline.core.orders import store as orders
from onceline.core.orders.store import Wanted
from onceline.desk.house import house
from onceline.desk.people import sessions
from onceline.desk.people.entry import make_way_for
from onceline.desk.people.models import Invitation, Person, Role

MOST_PEOPLE, MOST_INVITATIONS = 20, 20
OPEN_FOR = timedelta(days=7)


class Refused(Exception):
    """What cannot be done, as a sentence for who asked."""


FULL = _("An account has at most 20 people.")
TOO_MANY = _("At most 20 invitations are open at once. Withdraw one first.")
ENOUGH = _("An account sends at most 20 invitations a day. Try again tomorrow.")
ALREADY = _("This person belongs to the account already.")
LAST_OWNER = _("An account needs an owner. Make somebody else an owner first.")
GONE = _("This person does not belong to the account any more.")
NO_OWNER = _("You are not an owner of this account any more.")
OVER = _("This invitation has ended, was used, or was withdrawn. Ask for another.")
HOLDS = _(
    "Your own account has orders or a balance, so you cannot leave it for another. Log in as somebody else."
)
YOURS = _("You belong to this account already.")
NOT_FOR_YOU = _(
    "Only the person with the invited e-mail address can join as an owner. Log in as that person."
)
TAKEN = _("Somebody else has this username. Choose another.")


def people_of(account: str) -> list[Person]:
    return list(Person.objects.filter(account=account).order_by("username")[:MOST_PEOPLE])


def open_invitations(account: str) -> list[Invitation]:
    return list(_open().filter(account=account).order_by("email")[:MOST_INVITATIONS])


def invite(request: HttpRequest, person: Person, email: str, role: str) -> None:
    """Writes to the address; whoever was invited before gets a new link, and the old one ends. Raises Refused."""
    with transaction.atomic():
        team = _led_by(person.account, person.pk)
        if any(one.email == email for one in team):
            raise Refused(ALREADY)
        Invitation.objects.filter(account=person.account, made_at__lte=_since()).delete()
        waiting = Invitation.objects.filter(account=person.account).exclude(email=email).count()
        if waiting >= MOST_INVITATIONS:
            raise Refused(TOO_MANY)
        if len(team) >= MOST_PEOPLE:
            raise Refused(FULL)
        if not ratelimit.consume(request, action="invite", key=person.account):
            raise Refused(ENOUGH)
        key = secrets.token_urlsafe(32)
        made = {"role": role, "key_hash": _hash(key), "made_at": house().clock.now(), "invited_by": person}
        Invitation.objects.update_or_create(account=person.account, email=email, defaults=made)
    link = request.build_absolute_uri(reverse("join", args=[key]))
    get_adapter(request).send_mail(
        "people/mail/invitation", email, {"inviter": person.username, "link": link}
    )


def withdraw(account: str, actor: int, pk: int) -> None:
    """Raises Refused."""
    with transaction.atomic():
        _led_by(account, actor)
        Invitation.objects.filter(account=account, pk=pk).delete()


def forget_over(limit: int = 200) -> None:
    """A few invitations whose time is over, for strangers' addresses stand in them; called at log-ins."""
    over = Invitation.objects.filter(made_at__lte=_since()).values_list("pk", flat=True)[:limit]
    Invitation.objects.filter(pk__in=list(over)).delete()


def invited(key: str) -> Invitation | None:
    """Only while who invited is an owner of that account."""
    by_owner = _open().filter(invited_by__account=F("account"), invited_by__role=Role.OWNER)
    return by_owner.filter(key_hash=_hash(key)).select_related("invited_by").first()


def choose_role(account: str, actor: int, pk: int, role: str) -> None:
    """Whom somebody invited as an owner does not join once they are none. Raises Refused."""
    with transaction.atomic():
        team = _led_by(account, actor)
        person = _one_of(team, pk)
        if role != Role.OWNER:
            _keep_an_owner(team, person)
            person.invitations.all().delete()
        person.role = role
        person.save(update_fields=["role"])


def remove(account: str, actor: int, pk: int) -> None:
    """Out of the account at once, with every session; what they ordered stays the account's. Raises Refused."""
    with transaction.atomic():
        _out(_led_by(account, actor), pk)


def leave(account: str, pk: int) -> None:
    """As `remove`, by who goes. Raises Refused."""
    with transaction.atomic():
        _out(_locked(account), pk)


def _out(team: list[Person], pk: int) -> None:
    person = _one_of(team, pk)
    _keep_an_owner(team, person)
    person.account, person.role, person.removed = "", Role.VIEWER, True
    person.save(update_fields=["account", "role", "removed"])
    person.invitations.all().delete()
    sessions.end_others(person, None)


# Joining -------------------------------------------------------------------------------------------------------------


def join_as_new(key: str, username: str, password: str) -> Person:
    """A new person, whose address the link has proven. Raises Refused."""
    try:
        with transaction.atomic():
            invitation = _taken(key)
            make_way_for(invitation.email)
            if Person.objects.filter(email=invitation.email).exists():
                raise Refused(OVER)
            person = Person(username=username, email=invitation.email, joined_on=house().clock.now().date())
            person.account, person.role = invitation.account, invitation.role
            person.set_password(password)
            person.save()
            _prove(person)
    except IntegrityError:
        raise Refused(TAKEN) from None
    return person


def rejoin(key: str) -> Person:
    """Who was removed from an account belongs to this one; they log in as they used to. Raises Refused."""
    with transaction.atomic():
        invitation = _taken(key)
        person = Person.objects.filter(email=invitation.email, removed=True).select_for_update().first()
        if person is None:
            raise Refused(OVER)
        _move(person, invitation)
    return person


def join_as(key: str, person: Person, kept: str | None) -> None:
    """From an account that holds nothing into this one; the empty one is closed. Raises Refused.

    `kept`: the key of the session that goes on, with grants that the caller has to renew.
    """
    with transaction.atomic():
        invitation = _taken(key)
        if person.account == invitation.account:
            raise Refused(YOURS)
        team = _locked(person.account)
        person = _one_of(team, person.pk)
        if invitation.role == Role.OWNER and invitation.email != person.email:
            raise Refused(NOT_FOR_YOU)
        if len(team) > 1:
            _keep_an_owner(team, person)
        elif holds_something(person.account):
            raise Refused(HOLDS)
        else:
            with house().db.transaction() as tx:
                access.set_account_state(tx, person.account, "closed")
        sessions.end_others(person, kept)
        person.invitations.all().delete()
        _move(person, invitation)


def holds_something(account: str) -> bool:
    """Money or orders, on the live side: what is tested is worth nothing."""
    with house().db.statement() as tx:
        side = access.side_of(tx, account, "live")
        balance = ledger.balance(tx, side)
        return bool(balance.available or balance.held) or bool(
            orders.listed(tx, side, Wanted(house().clock.now()), before=None, limit=1).rows
        )


def _taken(key: str) -> Invitation:
    """For one of those who follow the link at once; the account is locked, so that it never overflows."""
    found = _open().filter(key_hash=_hash(key)).select_for_update().first()
    if found is None:
        raise Refused(OVER)
    team = _locked(found.account)
    if not _is_owner(team, found.invited_by_id):
        raise Refused(OVER)
    if len(team) >= MOST_PEOPLE:
        raise Refused(FULL)
    found.delete()
    return found


def _move(person: Person, invitation: Invitation) -> None:
    person.account, person.role, person.removed = invitation.account, invitation.role, False
    person.save(update_fields=["account", "role", "removed"])


def _prove(person: Person) -> None:
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)


def _locked(account: str) -> list[Person]:
    """Read once more after the wait: who joined meanwhile was not there when it began."""
    team = Person.objects.filter(account=account).order_by("pk")
    list(team.select_for_update())
    return list(team)


def _led_by(account: str, actor: int) -> list[Person]:
    """The locked people of an account that the actor owns at this moment."""
    team = _locked(account)
    if not _is_owner(team, actor):
        raise Refused(NO_OWNER)
    return team


def _is_owner(team: list[Person], pk: int) -> bool:
    return any(one.pk == pk and one.role == Role.OWNER for one in team)


def _one_of(team: list[Person], pk: int) -> Person:
    for person in team:
        if person.pk == pk:
            return person
    raise Refused(GONE)


def _keep_an_owner(team: list[Person], leaving: Person) -> None:
    if not any(one.role == Role.OWNER and one.pk != leaving.pk for one in team):
        raise Refused(LAST_OWNER)


def _open() -> QuerySet[Invitation]:
    return Invitation.objects.filter(made_at__gt=_since())


def _since() -> datetime:
    return house().clock.now() - OPEN_FOR


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
