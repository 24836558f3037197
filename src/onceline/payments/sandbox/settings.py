"""What an operator sets for the sandbox: nothing."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SandboxSettings(BaseModel):
    """Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
