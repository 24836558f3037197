"""What an operator sets for a connection to an SMSC."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from onceline.suppliers.base import KindSettings

_Ascii = r"[\x20-\x7e]"


class SmppSettings(KindSettings):
    """`system_id` and `system_type` as the other side gave them; 15 and 12 characters by the standard, often more."""

    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")]
    port: int = Field(default=2775, ge=1, le=65535)
    system_id: Annotated[str, StringConstraints(pattern=rf"^{_Ascii}{{1,64}}$")]
    system_type: Annotated[str, StringConstraints(pattern=rf"^{_Ascii}{{0,12}}$")] = ""
    bind: Literal["transceiver", "receiver"] = "transceiver"
    binds: int = Field(default=1, ge=1, le=8)
    default_alphabet: Literal["gsm7", "latin-1", "ascii", "utf-8"] = "gsm7"
    enquire_link_s: int = Field(default=30, ge=5, le=600)
    window: int = Field(default=100, ge=1, le=1000)
    tls: bool = False
    ca_file: str | None = None
    calling_code: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]{0,2})?$")] = ""

    @property
    def alphabet(self) -> str:
        """As a name of `decoding`: "octets" is UTF-8, and Latin-1 where it cannot be that."""
        return "octets" if self.default_alphabet == "utf-8" else self.default_alphabet
