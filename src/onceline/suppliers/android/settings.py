"""Which phones there are, which number is in which slot of each, and which Android they run."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from onceline.core.errors import InvalidInput
from onceline.core.phone import parse_e164
from onceline.suppliers.base import KindSettings

TOO_NEW = 17
"""Android 17 holds messages with codes back for about three hours from apps that merely read messages, so it says of itself
(developer.android.com/about/versions/17/behavior-changes-all, "SMS OTP protection")."""
TOO_NEW_API = 37


def _number(text: str) -> str:
    try:
        return parse_e164(text)
    except InvalidInput as bad:
        raise ValueError(str(bad)) from None


Number = Annotated[str, AfterValidator(_number)]
Slot = Annotated[str, StringConstraints(pattern="^[1-4]$")]
"""As the app counts them, from 1."""
DeviceId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Phone(BaseModel):
    """`android` is the version that the operator read in the phone's settings; the app does not say it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sims: Annotated[dict[Slot, Number], Field(min_length=1)]
    android: Annotated[int, Field(ge=5, le=99)] | None = None


class AndroidSettings(KindSettings):
    """`devices` by the id that the app shows as its device ID, as in
    {"tX6aQ": {"sims": {"1": "+447700900123"}, "android": 15}}."""

    devices: Annotated[dict[DeviceId, Phone], Field(min_length=1, max_length=500)]
