"""What a delivery sends and what is kept of it: claims become signed requests, replies become results.

The body is rendered at each attempt, as every channel does, so it says what is true now; it is signed with all secrets that
are active now. What a server answers is a stranger's text: cut, sealed, never read for anything but status and Retry-After.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog

from onceline.core.clock import rfc3339
from onceline.core.db import Transaction
from onceline.core.errors import Erased, Unavailable
from onceline.core.orders.context import Context
from onceline.core.orders.view import event_views
from onceline.core.webhooks import model, signing, store
from onceline.core.webhooks.dispatch import Claim, Result
from onceline.core.webhooks.model import Outcome
from onceline.core.webhooks.signing import Secret
from onceline.core.webhooks.store import Sealed
from onceline.outbound import Reply

_LOG = structlog.get_logger(__name__)
AGENT = "Onceline-Webhooks/1"
KEPT_BYTES = 2048
"""Of an answer's body."""
KEPT_HEADERS, KEPT_HEADER_CHARS = 30, 200
_DICE = 1_000_000


class Parcel(NamedTuple):
    """A request that is ready to go, or why there is none."""

    claim: Claim
    at: datetime
    url: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""
    instead: Outcome | None = None


def packed(tx: Transaction, context: Context, claims: Sequence[Claim]) -> list[Parcel]:
    """Each claim's request. One that cannot be rendered spoils no other."""
    try:
        views = _views(tx, context, claims)
    except Unavailable:
        raise
    except Exception:
        if len(claims) > 1:
            return [parcel for claim in claims for parcel in packed(tx, context, [claim])]
        _LOG.exception("event could not be rendered", type=claims[0].type)
        return [Parcel(claims[0], context.clock.now(), instead=Outcome(model.UNRENDERABLE))]
    now = context.clock.now()
    return [_packed(context, claim, views.get(claim.event), now) for claim in claims]


def _views(tx: Transaction, context: Context, claims: Sequence[Claim]) -> dict[str, dict[str, Any]]:
    """Each event as every channel shows it, by its id."""
    known = list({claim.event: claim for claim in claims if claim.at is not None}.values())
    views = {view["id"]: view["event"] for view in event_views(tx, context, known)} if known else {}
    tests = (claim for claim in claims if claim.seq is None)
    return views | {
        claim.event: model.event_of_test(claim.webhook, rfc3339(claim.made_at)) for claim in tests
    }


def _packed(context: Context, claim: Claim, event: dict[str, Any] | None, now: datetime) -> Parcel:
    if event is None:
        return Parcel(claim, now, instead=Outcome(model.PRUNED, final=True))
    try:
        url = store.url_of(context.vault, claim.account, claim, claim.webhook)
        signers = store.signers(context.vault, claim.account, claim)
    except Erased:
        return Parcel(claim, now, instead=Outcome(model.ERASED, final=True))
    body = model.body_of(event, claim.seq, claim.payload, rfc3339(now))
    return _signed(claim, now, url, json.dumps(body, separators=(",", ":")).encode(), signers)


def _signed(claim: Claim, now: datetime, url: str, body: bytes, signers: Sequence[Secret]) -> Parcel:
    headers = {
        "content-type": "application/json",
        "user-agent": AGENT,
        **signing.headers_of(claim.event, int(now.timestamp()), body, signers),
    }
    return Parcel(claim, now, url, headers, body)


class Ended(NamedTuple):
    """An attempt that is over."""

    parcel: Parcel
    outcome: Outcome
    duration_ms: int
    reply: Reply | None = None


def result(context: Context, ended: Ended) -> Result:
    """What is written down: how the delivery goes on, and what was said, sealed."""
    parcel, claim = ended.parcel, ended.parcel.claim
    dice = secrets.randbelow(_DICE) / _DICE
    over = parcel.at + timedelta(milliseconds=ended.duration_ms)
    goes_on = model.after(ended.outcome, claim.tries, once=claim.once, now=over, dice=dice)
    return Result(claim, parcel.at, ended.duration_ms, ended.outcome, goes_on, _sealed(context, ended))


def _sealed(context: Context, ended: Ended) -> bytes | None:
    parcel, claim, reply = ended.parcel, ended.parcel.claim, ended.reply
    if parcel.instead:
        return None
    content = Sealed(
        dict(parcel.headers),
        parcel.body.decode(),
        [
            (name[:KEPT_HEADER_CHARS], value[:KEPT_HEADER_CHARS])
            for name, value in reply.headers[:KEPT_HEADERS]
        ]
        if reply
        else [],
        reply.body[:KEPT_BYTES].decode("utf-8", "replace") if reply else "",
        bool(reply and (reply.truncated or len(reply.body) > KEPT_BYTES)),
    )
    try:
        return store.seal_attempt(context.vault, claim.account, claim.id, claim.number, content)
    except Erased:
        return None


def header(reply: Reply, name: str) -> str | None:
    return next((value for one, value in reply.headers if one.lower() == name), None)
