"""Passwords: bcrypt of a keyed hash of any length (promise P3), made by few at a time.

The pre-hash is HMAC-SHA-384 in base64, 64 characters without a NUL: bcrypt reads no more than 72 bytes, and without the
key, which is not in the database, nobody can try passwords out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import bcrypt
from django.contrib.auth.hashers import BasePasswordHasher, mask_hash
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from onceline.desk.house import house
from onceline.desk.secret import derived

COST = 12
AT_ONCE = 2
WAIT_S = 10
LONG, SHORT = 15, 8
LONGEST = 256
_SHORTEST_UNIT = 6


class TooManyAtOnce(Exception):
    """More passwords are being checked than this machine can; try again in a moment."""


_slots = threading.BoundedSemaphore(AT_ONCE)
_counting = threading.Lock()
_inside = 0


def places() -> int:
    """How many may be hashed or wait for it together: half of the pages' threads, so that the rest answer everybody else."""
    return max(1, house().settings.desk_threads // 2)


@contextmanager
def _slot() -> Iterator[None]:
    """A flood of log-ins takes two threads of the processor and half of the pages', never all. Raises TooManyAtOnce."""
    with _place():
        if not _slots.acquire(timeout=WAIT_S):
            raise TooManyAtOnce
        try:
            yield
        finally:
            _slots.release()


@contextmanager
def _place() -> Iterator[None]:
    global _inside
    with _counting:
        if _inside >= places():
            raise TooManyAtOnce
        _inside += 1
    try:
        yield
    finally:
        with _counting:
            _inside -= 1


class KeyedBcrypt(BasePasswordHasher):
    """keyed_bcrypt$$2b$12$…"""

    algorithm = "keyed_bcrypt"
    cost = COST

    @cached_property
    def _key(self) -> bytes:
        return derived("passwords")

    def _prehashed(self, password: str) -> bytes:
        return base64.b64encode(hmac.digest(self._key, password.encode(), hashlib.sha384))

    def salt(self) -> str:
        return bcrypt.gensalt(self.cost).decode()

    def encode(self, password: str, salt: str) -> str:
        with _slot():
            return f"{self.algorithm}${bcrypt.hashpw(self._prehashed(password), salt.encode()).decode()}"

    def verify(self, password: str, encoded: str) -> bool:
        return constant_time_compare(encoded, self.encode(password, self._hash(encoded)))

    def decode(self, encoded: str) -> dict[str, Any]:
        _, _, cost, rest = self._hash(encoded).split("$", 3)
        return {
            "algorithm": self.algorithm,
            "work_factor": int(cost),
            "salt": rest[:22],
            "checksum": rest[22:],
        }

    def safe_summary(self, encoded: str) -> Any:
        return {"algorithm": self.algorithm, "checksum": mask_hash(self.decode(encoded)["checksum"])}

    def must_update(self, encoded: str) -> bool:
        return bool(self.decode(encoded)["work_factor"] < self.cost)

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Nothing: a cheaper hash of former times is renewed at the next log-in."""

    def _hash(self, encoded: str) -> str:
        algorithm, _, rest = encoded.partition("$")
        assert algorithm == self.algorithm, "one hasher made every password"
        return rest


class LongOrSecondFactor:
    """15 characters, or 8 with a second factor (NIST SP 800-63B-4)."""

    def validate(self, password: str, user: Any = None) -> None:
        least = SHORT if has_second_factor(user) else LONG
        if len(password) < least:
            raise ValidationError(
                ngettext("Use at least %(least)d character.", "Use at least %(least)d characters.", least)
                % {"least": least},
                code="password_too_short",
            )
        if len(password) > LONGEST:
            raise ValidationError(
                _("Use at most %(most)d characters.") % {"most": LONGEST}, code="password_too_long"
            )

    def get_help_text(self) -> str:
        return _("At least %(long)d characters, or %(short)d once you use a second factor.") % {
            "long": LONG,
            "short": SHORT,
        }


class NotCommon(CommonPasswordValidator):
    """Nor a common one written twice, a few characters over and over, or a walk along the alphabet."""

    def validate(self, password: str, user: Any = None) -> None:
        super().validate(password, user)
        lowered = password.lower()
        unit = lowered[: _period(lowered)]
        steps = {ord(after) - ord(before) for before, after in pairwise(lowered)}
        if (unit != lowered and (len(unit) < _SHORTEST_UNIT or unit in self.passwords)) or steps in (
            {1},
            {-1},
        ):
            raise ValidationError(
                _("This is easy to guess. A few words that only you put together are not."),
                code="password_too_common",
            )


def _period(text: str) -> int:
    """After how many characters it begins again, up to its end: 8 for passwordpasswordpass."""
    return next(
        (n for n in range(1, len(text) // 2 + 1) if text.startswith(text[n:])),
        len(text),
    )


def second_factors(person: Any) -> Any:
    """The authenticators of a person that stand by themselves; recovery codes do not."""
    from allauth.mfa.models import Authenticator  # noqa: PLC0415 - models exist only once Django is set up

    kinds = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
    return Authenticator.objects.filter(user=person, type__in=kinds)


def has_second_factor(person: Any) -> bool:
    return bool(person is not None and person.pk and second_factors(person).exists())
