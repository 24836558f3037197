"""Nobody says where money goes back to (M4): no door has a field for it, and what is sent all the same changes nothing."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from onceline.cli import app as command_line
from onceline.core.deposits import refunds
from onceline.payments.base import SendBack
from onceline.payments.registry import KINDS
from onceline.payments.till import Till
from tests.command import CommandLine
from tests.counterparts.cryptomus.process import PAYER, FakeCryptomus
from tests.payments.counter import Counter
from tests.payments.crypto import COINS, THIEF, live, pay
from tests.personas import ALICE
from tests.shop import Shop

WORDS = {
    "address", "addresses", "beneficiary", "bic", "card", "destination", "from", "iban", "origin", "payout", "receiver",
    "recipient", "refund", "sender", "target", "to", "wallet",
}  # fmt: skip
"""Of which a field for the place that money goes to would be made."""


def suspect(name: str) -> bool:
    return bool(set(re.findall(r"[a-z]+", name.lower().replace("_", " "))) & WORDS)
