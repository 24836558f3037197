"""What a customer does with endpoints: register, change, rotate secrets, test, replay, look.

Every command names the owner; another side's endpoint is not found. None of them speaks to the outside: what is asked
for is written down, and the deliverer hears of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from onceline.core.db import Row, Transaction
from onceline.core.errors import InvalidInput, LimitExceeded
from onceline.core.ids import random_id
from onceline.core.outbox.store import wake_word
from onceline.core.vault import Vault
from onceline.core.webhooks import model, signing, store
from onceline.core.webhooks.signing import Secret
from onceline.core.webhooks.store import Owner, Q

WEBHOOKS_WORD = "webhooks"
"""The wake-up that tells every deliverer that there are other endpoints now."""


class Wanted(NamedTuple):
    """What an owner says about an endpoint."""

    url: str
    description: str
    types: list[str] | None
    payload: str
    concurrency: int


def create(
    tx: Transaction, vault: Vault, owner: Owner, wanted: Wanted, kind: str, now: datetime
) -> tuple[str, Secret]:
    """A new endpoint and its first secret, which is shown this once. It starts with the side's next event.

    Raises LimitExceeded (webhooks), InvalidInput.
    """
    types = model.check_types(wanted.types)
    tx.run(Q.lock_side, {"side": owner.side})
    count = tx.one(Q.count, {"side": owner.side})
    if count and count.n >= model.ENDPOINTS_PER_SIDE:
        raise LimitExceeded("Delete a webhook before adding another.", limit="webhooks", retry_after_s=3600)
    webhook = random_id("we")
    sealed = store.seal_url(vault, owner.account, webhook, wanted.url)
    told = wanted._asdict() | {"id": webhook, "side": owner.side, "url": sealed, "types": types, "now": now}
    tx.run(Q.insert, told)
    secret = signing.new_secret(kind)
    store.add_secret(tx, vault, owner.account, webhook, secret, now)
    tx.wake(WEBHOOKS_WORD)
    return webhook, secret


def change(
    tx: Transaction, vault: Vault, owner: Owner, webhook: str, changes: dict[str, Any], now: datetime
) -> None:
    """Fields of Wanted, and `state`. Enabled again, it goes on with the side's next event.

    Raises NotFound, InvalidInput.
    """
    row = store.lock(tx, owner.side, webhook)
    told = {name: getattr(row, name) for name in Wanted._fields} | {"id": webhook}
    told |= {name: value for name, value in changes.items() if name in told}
    told["types"] = model.check_types(told["types"])
    if "url" in changes:
        told["url"] = store.seal_url(vault, owner.account, webhook, changes["url"])
        tx.run(Q.forgive, {"id": webhook})
    tx.run(Q.write, told)
    match changes.get("state"):
        case "enabled" if tx.run(Q.enable, {"id": webhook}):
            tx.run(Q.forgive, {"id": webhook})
        case "disabled":
            tx.run(Q.disable, {"id": webhook, "reason": "customer", "now": now})
    _wake(tx, owner)


def delete(tx: Transaction, owner: Owner, webhook: str, now: datetime) -> None:
    """Nothing more is sent; what was under way may still arrive. Raises NotFound."""
    store.lock(tx, owner.side, webhook)
    tx.run(Q.bury, {"id": webhook, "now": now})


def rotate(
    tx: Transaction, vault: Vault, owner: Owner, webhook: str, kind: str | None, overlap_s: int, now: datetime
) -> tuple[str, Secret]:
    """A new secret, of the kind of the newest unless named; the others sign beside it for `overlap_s`, and then no more.

    Raises NotFound, LimitExceeded (webhook secrets).
    """
    store.lock(tx, owner.side, webhook)
    active = store.secrets(tx, [webhook], now)
    if overlap_s and len(active) >= model.MOST_SECRETS:
        detail = "So many secrets sign at once already; rotate with overlap_s 0 to end them."
        raise LimitExceeded(detail, limit="webhook secrets", retry_after_s=3600)
    secret = signing.new_secret(kind or active[0].kind)
    tx.run(Q.expire_secrets, {"webhook": webhook, "at": now + timedelta(seconds=overlap_s)})
    tx.run(Q.drop_expired_secrets, {"webhook": webhook, "now": now})
    return store.add_secret(tx, vault, owner.account, webhook, secret, now), secret


def send_test(tx: Transaction, owner: Owner, webhook: str, now: datetime) -> str:
    """Deliver a test to this endpoint alone, also when it is disabled; returns the id it travels under.

    Raises NotFound, LimitExceeded (webhook tests).
    """
    store.lock(tx, owner.side, webhook)
    waiting = tx.one(Q.waiting_by_hand, {"webhook": webhook, "most": model.MOST_TESTS})
    if waiting and waiting.n >= model.MOST_TESTS:
        raise LimitExceeded("Wait for the tests before this one.", limit="webhook tests", retry_after_s=10)
    event = f"evt_{secrets.token_hex(10)}"
    tx.run(Q.add_test, {"webhook": webhook, "event": event, "type": model.TEST, "now": now})
    _probe(tx, owner, webhook)
    return event


def replay(tx: Transaction, owner: Owner, webhook: str, event: str, now: datetime) -> None:
    """Send one delivery again, under its own id; one that is on its way is left alone. Raises NotFound."""
    store.lock(tx, owner.side, webhook)
    store.delivery(tx, webhook, event)
    tx.run(Q.replay_one, {"webhook": webhook, "event": event, "now": now})
    _probe(tx, owner, webhook)


def replay_failed(tx: Transaction, owner: Owner, webhook: str, since: datetime, now: datetime) -> int:
    """Send again what failed for good since an instant, oldest first, at most MOST_REPLAYED. Raises NotFound."""
    store.lock(tx, owner.side, webhook)
    params = {"webhook": webhook, "since": since, "limit": model.MOST_REPLAYED, "now": now}
    sent = tx.run(Q.replay_failed, params)
    _probe(tx, owner, webhook)
    return sent


class Replayed(NamedTuple):
    """How many are sent, and the last seq that was looked at: go on from there when it is below the one asked for."""

    sent: int
    until_seq: int


def replay_range(
    tx: Transaction,
    owner: Owner,
    webhook: str,
    after_seq: int,
    until_seq: int,
    event_id: Callable[[int, int], str],
    now: datetime,
) -> Replayed:
    """Send the side's events after one seq up to another, as far as the endpoint wants them: also those that it never got.

    Raises NotFound, InvalidInput.
    """
    if until_seq <= after_seq:
        raise InvalidInput("until_seq must be above after_seq.")
    row = store.lock(tx, owner.side, webhook)
    bounds = {"side": owner.side, "after": after_seq, "until": until_seq, "limit": model.MOST_REPLAYED}
    events = tx.all(Q.events_between, bounds)
    wanted = [one for one in events if model.wants(webhook, row.types, one.type, one.subject)]
    names = [event_id(owner.side, one.seq) for one in wanted]
    sent = tx.run(Q.replay_events, {"webhook": webhook, "now": now, "events": names, **columns(wanted)})
    _probe(tx, owner, webhook)
    return Replayed(sent, events[-1].seq if len(events) == model.MOST_REPLAYED else until_seq)


def columns(events: Sequence[Row]) -> dict[str, list[Any]]:
    """Events as the arrays that statements take."""
    return {
        "seqs": [one.seq for one in events],
        "types": [one.type for one in events],
        "orders": [one.order_id for one in events],
        "at": [one.at for one in events],
    }


def _probe(tx: Transaction, owner: Owner, webhook: str) -> None:
    tx.run(Q.probe_now, {"id": webhook})
    _wake(tx, owner)


def _wake(tx: Transaction, owner: Owner) -> None:
    tx.wake(WEBHOOKS_WORD)
    tx.wake(wake_word(owner.side))
