"""Endpoints, their secrets and their deliveries in the tables. No decisions here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from onceline.core.db import Listing, Row, Transaction, load_queries, page_of
from onceline.core.errors import Erased, NotFound
from onceline.core.ids import random_id
from onceline.core.vault import Place, Vault, account_key
from onceline.core.webhooks.signing import Secret

Q = load_queries(__package__)

NEWEST = 2**62


class Owner(NamedTuple):
    """Whose endpoints: a side, and the account whose key seals them."""

    account: str
    side: int


class Sealed(NamedTuple):
    """What is sealed of an attempt, as JSON: what was sent, and what a stranger answered."""

    request_headers: dict[str, str]
    request_body: str
    answer_headers: list[tuple[str, str]]
    answer_text: str
    truncated: bool


def endpoint(tx: Transaction, side: int, webhook: str) -> Row:
    """Raises NotFound, also for another side's endpoint."""
    rows = tx.all(Q.listed, {"side": side, "id": webhook})
    if not rows:
        raise NotFound("webhook", webhook)
    return rows[0]


def endpoints(tx: Transaction, side: int) -> list[Row]:
    return tx.all(Q.listed, {"side": side, "id": None})


def lock(tx: Transaction, side: int, webhook: str) -> Row:
    """As `endpoint`; its row stays locked until the commit. Raises NotFound."""
    if tx.one(Q.lock, {"side": side, "id": webhook}) is None:
        raise NotFound("webhook", webhook)
    return endpoint(tx, side, webhook)


def seal_url(vault: Vault, account: str, webhook: str, url: str) -> bytes:
    return vault.seal(account_key(account), url.encode(), _url_place(webhook))


def url_of(vault: Vault, account: str, row: Row, webhook: str) -> str:
    """Raises Erased, also for one that was deleted."""
    if not row.url:
        raise Erased(webhook)
    return vault.open(account_key(account), row.url, _url_place(webhook)).decode()


def add_secret(
    tx: Transaction, vault: Vault, account: str, webhook: str, secret: Secret, now: datetime
) -> str:
    name = random_id("ws")
    tx.run(
        Q.add_secret,
        {
            "id": name,
            "webhook": webhook,
            "kind": secret.kind,
            "sealed": vault.seal(account_key(account), secret.raw, _secret_place(name)),
            "public": secret.public(),
            "now": now,
        },
    )
    return name


def secrets(tx: Transaction, webhooks: Sequence[str], now: datetime) -> list[Row]:
    """What signs now, newest first within each endpoint."""
    return tx.all(Q.secrets, {"webhooks": list(webhooks), "now": now})


def signers(vault: Vault, account: str, row: Row) -> list[Secret]:
    """The secrets of a row with `secret_ids`, `secret_kinds` and `secrets`, opened. Raises Erased."""
    found = zip(row.secret_ids or (), row.secret_kinds or (), row.secrets or (), strict=True)
    key = account_key(account)
    return [Secret(kind, vault.open(key, sealed, _secret_place(name))) for name, kind, sealed in found]


def deliveries(
    tx: Transaction, webhook: str, *, state: str | None, kind: str | None, before: int | None, limit: int
) -> Listing:
    """Newest first; the cursor is the row number of the last one seen."""
    params = {"webhook": webhook, "before": before or NEWEST, "type": kind, "limit": limit + 1}
    if state == "failed":
        return page_of(tx.all(Q.failed_deliveries, params), limit)
    return page_of(tx.all(Q.deliveries, {**params, "state": state}), limit)


def delivery(tx: Transaction, webhook: str, event: str) -> Row:
    """Raises NotFound."""
    row = tx.one(Q.delivery, {"webhook": webhook, "event": event})
    if row is None:
        raise NotFound("delivery", event)
    return row


def attempts(tx: Transaction, delivery_id: int) -> list[Row]:
    """Of one delivery, oldest first, at most 100."""
    return tx.all(Q.attempts, {"delivery": delivery_id})


def seal_attempt(vault: Vault, account: str, delivery_id: int, number: int, content: Sealed) -> bytes:
    """Raises Erased."""
    text = json.dumps(content._asdict(), separators=(",", ":")).encode()
    return vault.seal(account_key(account), text, _attempt_place(delivery_id, number))


def open_attempt(vault: Vault, account: str, row: Row) -> dict[str, Any]:
    """Raises Erased."""
    place = _attempt_place(row.delivery_id, row.number)
    found: dict[str, Any] = json.loads(vault.open(account_key(account), row.sealed, place))
    return found


def prune_deliveries(tx: Transaction, before: datetime, limit: int) -> int:
    return tx.run(Q.prune_deliveries, {"before": before, "limit": limit})


def prune_attempts(tx: Transaction, before: datetime, limit: int) -> int:
    return tx.run(Q.prune_attempts, {"before": before, "limit": limit})


def prune_secrets(tx: Transaction, now: datetime) -> int:
    """Those that sign no more."""
    return tx.run(Q.prune_secrets, {"now": now})


def prune_deleted(tx: Transaction, limit: int) -> int:
    """Deliveries of deleted endpoints with their attempts, then the endpoints themselves."""
    return tx.run(Q.prune_deleted, {"limit": limit}) + tx.run(Q.prune_endpoints)


def _url_place(webhook: str) -> Place:
    return Place("webhooks", "url", webhook)


def _secret_place(name: str) -> Place:
    return Place("webhook_secrets", "sealed", name)


def _attempt_place(delivery_id: int, number: int) -> Place:
    return Place("webhook_attempts", "sealed", f"{delivery_id}/{number}")
