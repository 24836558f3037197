"""The desk's own tables: people, their sessions, invitations. No column holds an address of a client (promise P1)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

USERNAME_VALIDATORS = [
    RegexValidator(
        r"\A[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?\Z",
        _("Use small letters, digits, dots, dashes and underscores; begin and end with a letter or digit."),
    )
]


class Role(models.TextChoices):
    """What a person may do for the account: each role may also do what those after it may."""

    OWNER = "owner", _("Owner")
    BUYER = "buyer", _("Buyer")
    VIEWER = "viewer", _("Viewer")


RANK = {Role.VIEWER: 0, Role.BUYER: 1, Role.OWNER: 2}


class ColourMode(models.TextChoices):
    SYSTEM = "system", _("As the system")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


class People(BaseUserManager["Person"]):
    def get_by_natural_key(self, username: str | None) -> Person:
        return self.get(username=username)


class Person(AbstractBaseUser):
    """A human who logs in. `account` is core's id; none before the first log-in, and none once they were `removed`."""

    username = models.CharField(_("Username"), max_length=32, unique=True, validators=USERNAME_VALIDATORS)
    email = models.EmailField(_("E-mail address"), blank=True)
    account = models.CharField(max_length=24, default="", db_index=True)
    role = models.CharField(max_length=6, choices=Role, default=Role.OWNER)
    joined_on = models.DateField()
    removed = models.BooleanField(default=False)
    password_is_long = models.BooleanField(default=True)
    language = models.CharField(max_length=10, default="")
    colour_mode = models.CharField(max_length=6, choices=ColourMode, default=ColourMode.SYSTEM)
    time_zone = models.CharField(max_length=64, default="UTC")
    sound = models.BooleanField(default=False)
    confirms = models.BooleanField(default=True)

    last_login = None  # the time of a log-in is nothing that anybody gave us (promise P2)
    objects: ClassVar[People] = People()
    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "people"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["email"], condition=~models.Q(email=""), name="one_person_an_address"
            )
        ]

    @property
    def is_active(self) -> bool:  # type: ignore[override]  # Django asks this at every request
        return not self.removed

    def may(self, role: str) -> bool:
        return RANK[Role(self.role)] >= RANK[Role(role)]


class Session(AbstractBaseSession):
    """A browser that is logged in. The key stands here as a hash, the data sealed; days, never hours, for its person's eyes."""

    person = models.ForeignKey(Person, models.CASCADE, null=True, related_name="sessions")
    label = models.CharField(max_length=60, default="")
    opened_on = models.DateField(null=True)
    used_on = models.DateField(null=True)
    test_grant = models.BigIntegerField(null=True)
    live_grant = models.BigIntegerField(null=True)

    class Meta:
        db_table = "sessions"

    @classmethod
    def get_session_store_class(cls) -> type:
        from onceline.desk.people.sessions import SessionStore  # noqa: PLC0415 - the store needs this model

        return SessionStore

    def save(self, *args: Any, **how: Any) -> None:
        """What a request brings along never overwrites the label, which its person may change from another browser."""
        if how.get("force_update"):
            names = [field.name for field in self._meta.fields if field.name not in ("session_key", "label")]
            how["update_fields"] = names
        super().save(*args, **how)

    @property
    def grants(self) -> list[int]:
        return [grant for grant in (self.test_grant, self.live_grant) if grant is not None]


class Invitation(models.Model):
    """To an account, sent by mail; the key stands here as a hash. One for each address and account."""

    account = models.CharField(max_length=24)
    email = models.EmailField()
    role = models.CharField(max_length=6, choices=Role)
    key_hash = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()
    invited_by = models.ForeignKey(Person, models.CASCADE, related_name="invitations")

    class Meta:
        db_table = "invitations"
        constraints: ClassVar = [models.UniqueConstraint(fields=["account", "email"], name="invited_once")]


class UsedCode(models.Model):
    """The newest time step of an authenticator app whose code was accepted: no code of it or before works again."""

    person = models.OneToOneField(Person, models.CASCADE, primary_key=True, related_name="used_code")
    step = models.BigIntegerField()

    class Meta:
        db_table = "used_codes"


class Favourite(models.Model):
    """A service, or a service in a country, that a person wants to see first."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="favourites")
    service = models.CharField(max_length=64)
    country = models.CharField(max_length=2, default="")

    class Meta:
        db_table = "favourites"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["person", "service", "country"], name="favoured_once")
        ]
