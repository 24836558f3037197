"""What an operator sets for a gammu supplier: where its database is, and which phone has which number. Pure."""

from __future__ import annotations

import psycopg
from pydantic import Field, field_validator

from onceline.core.errors import InvalidInput
from onceline.core.phone import parse_e164
from onceline.suppliers.base import KindSettings

DAY_S = 86400
MOST_PHONES = 1000
_NEEDED = ("host", "dbname", "user")
_ALLOWED = {*_NEEDED, "port", "sslmode", "sslrootcert", "sslcert", "sslkey"}


class GammuSettings(KindSettings):
    """`phones`: gammu's PhoneID to E.164. `delete_after_s`: texts that we have read leave gammu's tables then; None keeps them."""

    dsn: str = Field(max_length=1000)
    phones: dict[str, str] = Field(min_length=1, max_length=MOST_PHONES)
    poll_s: float = Field(1, ge=0.1, le=60)
    delete_after_s: int | None = Field(DAY_S, ge=0, le=365 * DAY_S)

    @field_validator("dsn")
    @classmethod
    def _names_one_database(cls, dsn: str) -> str:
        try:
            given = psycopg.conninfo.conninfo_to_dict(dsn)
        except psycopg.Error as error:
            raise ValueError("write host=… port=… dbname=… user=… with spaces between") from error
        if "password" in given:
            raise ValueError("the password is no setting: give it as the secret `password`")
        if strange := given.keys() - _ALLOWED:
            raise ValueError(
                f"{', '.join(sorted(strange))} cannot be set here; what can: {', '.join(sorted(_ALLOWED))}"
            )
        if missing := [name for name in _NEEDED if not given.get(name)]:
            raise ValueError(f"{', '.join(missing)} is missing")
        return dsn

    @field_validator("phones")
    @classmethod
    def _each_number_once(cls, phones: dict[str, str]) -> dict[str, str]:
        for number in phones.values():
            try:
                parse_e164(number)
            except InvalidInput as error:
                raise ValueError(error.detail) from error
        if len(set(phones.values())) < len(phones):
            raise ValueError("one number stands at two phones: a SIM is in one phone only")
        return phones
