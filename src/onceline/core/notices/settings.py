"""Where a side's notices are mailed, and which: an address counts only once a code sent to it came back.

Settings belong to a side, as keys do: a test key can neither see nor turn where the live side's codes go.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from onceline.core.clock import rfc3339
from onceline.core.db import Row, Transaction, load_queries
from onceline.core.errors import Erased, LimitExceeded, NotFound
from onceline.core.money import format_amount
from onceline.core.notices.commands import MAILS_WORD, tell
from onceline.core.notices.model import (
    CODE_DIGITS,
    CODE_LENGTH,
    CONFIRM,
    CONFIRM_FOR,
    CONFIRM_MAILS_A_DAY,
    CONFIRM_TRIES,
    check_address,
    check_muted,
)
from onceline.core.vault import Place, Vault, account_key

_Q = load_queries(__package__)

Codes = Literal["off", "without_code", "with_code"]


class Owner(NamedTuple):
    """Whose settings: one side of an account."""

    account: str
    side: int
    mode: str


class Wanted(NamedTuple):
    address: str | None
    """None leaves the address as it is."""
    codes: Codes
    low_balance: int | None
    muted: list[str]


class Pending(NamedTuple):
    address: str
    code: str


def change(tx: Transaction, vault: Vault, owner: Owner, wanted: Wanted, now: datetime) -> None:
    """Set everything; a new address gets a code first. Raises InvalidInput, LimitExceeded."""
    muted = check_muted(wanted.muted)
    address = check_address(wanted.address) if wanted.address is not None else None
    tx.run(_Q.lock_account, {"account": owner.account})
    values = {**owner._asdict(), "muted": muted, "low_balance": wanted.low_balance}
    row = tx.one(_Q.change_settings, values)
    if wanted.codes == "off":
        tx.run(_Q.codes_off, {"side": owner.side})
    else:
        tx.run(_Q.codes_on, {"side": owner.side, "with_code": wanted.codes == "with_code"})
    if address is not None and not (row and row.confirmed_at and address_of(vault, row) == address):
        _ask(tx, vault, owner, address, now)


def _ask(tx: Transaction, vault: Vault, owner: Owner, address: str, now: datetime) -> None:
    """Send a code to an address. The account's counter is locked, so the day's mails are counted one by one."""
    day = {"account": owner.account, "kind": CONFIRM, "day": now - timedelta(days=1)}
    sent = tx.one(_Q.mails_since, day)
    if sent and sent.n >= CONFIRM_MAILS_A_DAY:
        raise LimitExceeded(
            f"{CONFIRM_MAILS_A_DAY} confirmation mails were asked for within a day; try again tomorrow.",
            limit="confirmation_mails",
            retry_after_s=3600,
        )
    code = "".join(secrets.choice(CODE_DIGITS) for _ in range(CODE_LENGTH))
    sealed = vault.seal(
        account_key(owner.account), json.dumps([address, code]).encode(), _place("pending", owner.side)
    )
    tell(tx, account=owner.account, kind="mail.asked", facts={}, now=now, mode=owner.mode)
    tx.run(_Q.set_pending, {"side": owner.side, "pending": sealed, "now": now})
    tx.run(_Q.confirm_mail, {**owner._asdict(), "asked": rfc3339(now), "now": now})
    tx.wake(MAILS_WORD)


def confirm(tx: Transaction, vault: Vault, owner: Owner, code: str, now: datetime) -> bool:
    """Whether the code was the one that was mailed. A wrong one is counted, so commit either way. Raises NotFound."""
    tx.run(_Q.lock_account, {"account": owner.account})
    row = tx.one(_Q.settings, {"side": owner.side})
    pending = pending_of(vault, row) if row else None
    if row is None or pending is None:
        raise NotFound("address that waits for a code")
    if now > row.pending_at + CONFIRM_FOR:
        return False
    if not secrets.compare_digest(pending.code.encode(), code.strip().upper().encode()):
        tx.run(_Q.wrong_code, {"side": owner.side, "most": CONFIRM_TRIES})
        return False
    tell(tx, account=owner.account, kind="mail.confirmed", facts={}, now=now, mode=owner.mode)
    sealed = vault.seal(account_key(owner.account), pending.address.encode(), _place("mailbox", owner.side))
    tx.run(_Q.confirm, {"side": owner.side, "mailbox": sealed, "now": now})
    return True


def remove(tx: Transaction, owner: Owner, now: datetime) -> None:
    """Forget the address and every choice; what waits to be mailed there is dropped."""
    tx.run(_Q.lock_account, {"account": owner.account})
    tx.run(_Q.codes_off, {"side": owner.side})
    if tx.run(_Q.remove_settings, {"side": owner.side}):
        tell(tx, account=owner.account, kind="mail.removed", facts={}, now=now, mode=owner.mode)


def overview(tx: Transaction, vault: Vault, owner: Owner) -> dict[str, Any]:
    """The settings as their owner sees them; everything off where there are none."""
    row = tx.one(_Q.settings, {"side": owner.side})
    if row is None:
        return {"address": None, "confirmed_at": None, "pending_address": None, "pending_until": None,
                "codes": "off", "low_balance": None, "muted": []}  # fmt: skip
    pending = pending_of(vault, row)
    return {
        "address": address_of(vault, row),
        "confirmed_at": rfc3339(row.confirmed_at) if row.confirmed_at else None,
        "pending_address": pending.address if pending else None,
        "pending_until": rfc3339(row.pending_at + CONFIRM_FOR) if pending else None,
        "codes": _codes(row.with_code),
        "low_balance": format_amount(row.low_balance) if row.low_balance else None,
        "muted": row.muted,
    }


def address_of(vault: Vault, row: Row) -> str | None:
    """The address of a row of settings, confirmed or not; None where there is none or its key is gone."""
    opened = _opened(vault, row.account_id, row.mailbox, _place("mailbox", row.side_id))
    return opened.decode() if opened else None


def pending_of(vault: Vault, row: Row) -> Pending | None:
    opened = _opened(vault, row.account_id, row.pending, _place("pending", row.side_id))
    return Pending(*json.loads(opened)) if opened else None


def _opened(vault: Vault, account: str, sealed: bytes | None, place: Place) -> bytes | None:
    if sealed is None:
        return None
    try:
        return vault.open(account_key(account), sealed, place)
    except Erased:
        return None


def _place(column: str, side: int) -> Place:
    return Place("notice_settings", column, str(side))


def _codes(with_code: bool | None) -> Codes:
    if with_code is None:
        return "off"
    return "with_code" if with_code else "without_code"
