"""Webhooks: register endpoints, rotate their secrets, try them, look at deliveries, send again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query, Response
from fastapi.responses import JSONResponse

from onceline.core.access.model import Grant
from onceline.core.clock import rfc3339
from onceline.core.db import Row, Transaction
from onceline.core.errors import Erased, InvalidInput
from onceline.core.ids import OpaqueIds
from onceline.core.webhooks import commands, store
from onceline.core.webhooks.commands import Wanted
from onceline.core.webhooks.signing import Secret
from onceline.core.webhooks.store import Owner
from onceline.edge import webhook_shapes as shapes
from onceline.edge.api import router
from onceline.edge.api.paging import Cursor, Limit, foreign_cursor, read_cursor, write_cursor
from onceline.edge.auth import WebhooksManage
from onceline.edge.house import AnyHouse, House
from onceline.outbound import CustomerDoor

routes = router("webhooks")
Id = Annotated[str, Path(pattern=r"^we_[a-z2-7]{16}$")]
EventId = Annotated[
    str,
    Path(
        pattern=r"^(evt_[0-9a-f]{20}|[0-9]{1,18})$",
        description="The event's id (webhook-id), or its seq.",
    ),
]


@routes.post("/webhooks", status_code=201, response_model=shapes.NewWebhook)
async def create_webhook(house: AnyHouse, grant: WebhooksManage, asked: shapes.CreateWebhook) -> Response:
    """An endpoint that gets this side's events from the next one on. The secret of a v1 is shown this once."""
    await _check(house, asked.url)
    wanted = Wanted(asked.url, asked.description, asked.types, asked.payload, asked.concurrency)
    now = house.clock.now()

    def create(tx: Transaction) -> dict[str, Any]:
        owner, vault = _owner(grant), house.context.vault
        webhook, secret = commands.create(tx, vault, owner, wanted, asked.secret_kind, now)
        row = store.endpoint(tx, grant.side, webhook)
        (made,) = store.secrets(tx, [webhook], now)
        return {"webhook": _webhook(house, grant, row), "secret": _new_secret(made, secret)}

    return JSONResponse(await house.commands.run(create), 201)


@routes.get("/webhooks", response_model=shapes.Webhooks)
async def list_webhooks(house: AnyHouse, grant: WebhooksManage) -> dict[str, Any]:
    """The endpoints of this side with their health, oldest first."""
    rows = await house.commands.run(lambda tx: store.endpoints(tx, grant.side))
    return {"webhooks": [_webhook(house, grant, row) for row in rows]}


@routes.get("/webhooks/{webhook_id}", response_model=shapes.Webhook)
async def read_webhook(house: AnyHouse, grant: WebhooksManage, webhook_id: Id) -> dict[str, Any]:
    """One endpoint with its health."""
    row = await house.commands.run(lambda tx: store.endpoint(tx, grant.side, webhook_id))
    return _webhook(house, grant, row)


@routes.patch("/webhooks/{webhook_id}", response_model=shapes.Webhook)
async def change_webhook(
    house: AnyHouse, grant: WebhooksManage, webhook_id: Id, asked: shapes.ChangeWebhook
) -> dict[str, Any]:
    """What is left out stays. Enabled again, an endpoint gets the events from the next one on; replay what it missed."""
    changes = {name: getattr(asked, name) for name in asked.model_fields_set}
    for name, value in changes.items():
        if value is None and name != "types":
            raise InvalidInput(f"{name} cannot be null; leave it out.")
    if asked.url is not None:
        await _check(house, asked.url)
    now = house.clock.now()

    def change(tx: Transaction) -> Row:
        commands.change(tx, house.context.vault, _owner(grant), webhook_id, changes, now)
        return store.endpoint(tx, grant.side, webhook_id)

    return _webhook(house, grant, await house.commands.run(change))


@routes.delete("/webhooks/{webhook_id}", status_code=204)
async def delete_webhook(house: AnyHouse, grant: WebhooksManage, webhook_id: Id) -> Response:
    """Nothing more is sent, and its deliveries and secrets are destroyed."""
    now = house.clock.now()
    await house.commands.run(lambda tx: commands.delete(tx, _owner(grant), webhook_id, now))
    return Response(status_code=204)


@routes.get("/webhooks/{webhook_id}/secrets", response_model=shapes.Secrets)
async def list_secrets(house: AnyHouse, grant: WebhooksManage, webhook_id: Id) -> dict[str, Any]:
    """What signs now. A v1 secret is never shown again; the public key of a v1a always is."""
    now = house.clock.now()

    def read(tx: Transaction) -> list[Row]:
        store.endpoint(tx, grant.side, webhook_id)
        return store.secrets(tx, [webhook_id], now)

    return {"secrets": [_secret(row) for row in await house.commands.run(read)]}


@routes.post("/webhooks/{webhook_id}/secrets", status_code=201, response_model=shapes.NewSecret)
async def rotate_secret(
    house: AnyHouse, grant: WebhooksManage, webhook_id: Id, asked: shapes.RotateSecret
) -> Response:
    """A new secret; those before it sign beside it for `overlap_s`, each delivery then having one signature of each."""
    now = house.clock.now()

    def rotate(tx: Transaction) -> dict[str, Any]:
        owner, vault = _owner(grant), house.context.vault
        name, secret = commands.rotate(tx, vault, owner, webhook_id, asked.kind, asked.overlap_s, now)
        (made,) = (row for row in store.secrets(tx, [webhook_id], now) if row.id == name)
        return _new_secret(made, secret)

    return JSONResponse(await house.commands.run(rotate), 201)


@routes.post("/webhooks/{webhook_id}/test", status_code=202, response_model=shapes.Underway)
async def try_webhook(house: AnyHouse, grant: WebhooksManage, webhook_id: Id) -> Response:
    """Send a `webhook.test` to this endpoint alone, also when it is disabled. Not counted in its health."""
    now = house.clock.now()
    event = await house.commands.run(lambda tx: commands.send_test(tx, _owner(grant), webhook_id, now))
    return JSONResponse({"event": event}, 202)


@routes.post("/webhooks/{webhook_id}/replay", status_code=202, response_model=shapes.Replayed)
async def replay_many(
    house: AnyHouse, grant: WebhooksManage, webhook_id: Id, asked: shapes.Replay
) -> Response:
    """Send again, at most 10,000 in a call: a range of seqs, also what the endpoint never got, or what failed for good.

    Under the events' own ids, signed with the secrets of now, after whatever is new; also when it is disabled.
    """
    now = house.clock.now()
    range_asked = asked.after_seq is not None and asked.until_seq is not None
    if range_asked == asked.failed_only or (asked.since is not None) != asked.failed_only:
        raise InvalidInput("Send after_seq and until_seq, or failed_only true and since.")
    since = _instant(asked.since) if asked.since else now

    def replay(tx: Transaction) -> dict[str, Any]:
        owner = _owner(grant)
        if asked.failed_only:
            sent = commands.replay_failed(tx, owner, webhook_id, since, now)
            return {"sent": sent, "until_seq": None}
        after_seq, until_seq = asked.after_seq or 0, asked.until_seq or 0
        event_id = house.context.installation.event_id
        return commands.replay_range(tx, owner, webhook_id, after_seq, until_seq, event_id, now)._asdict()

    return JSONResponse(await house.commands.run(replay), 202)


@routes.get("/webhooks/{webhook_id}/deliveries", response_model=shapes.Deliveries)
async def list_deliveries(
    house: AnyHouse,
    grant: WebhooksManage,
    webhook_id: Id,
    state: shapes.State | None = None,
    type: Annotated[str | None, Query(max_length=65, pattern=r"^[a-z]+\.[a-z_]+$")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Newest first; of the last 30 days."""
    ids = OpaqueIds("dlv_", house.context.installation.secret)
    place = read_cursor(cursor, str)
    before = ids.row(str(place[0])) if place else None
    if place and before is None:
        raise foreign_cursor()

    def read(tx: Transaction) -> dict[str, Any]:
        store.endpoint(tx, grant.side, webhook_id)
        page = store.deliveries(tx, webhook_id, state=state, kind=type, before=before, limit=limit)
        following = write_cursor(ids.public(page.next)) if page.next else None
        return {"deliveries": [_delivery(row) for row in page.rows], "next": following}

    return await house.commands.run(read)


@routes.get("/webhooks/{webhook_id}/deliveries/{event}", response_model=shapes.DeliveryWithAttempts)
async def read_delivery(house: AnyHouse, grant: WebhooksManage, webhook_id: Id, event: EventId) -> Response:
    """One delivery with every attempt: what was sent, and what was answered."""

    def read(tx: Transaction) -> dict[str, Any]:
        store.endpoint(tx, grant.side, webhook_id)
        row = store.delivery(tx, webhook_id, _event(house, grant, event))
        attempts = store.attempts(tx, row.id)
        return {"delivery": _delivery(row), "attempts": [_attempt(house, grant, one) for one in attempts]}

    return JSONResponse(await house.commands.run(read))


@routes.post(
    "/webhooks/{webhook_id}/deliveries/{event}/replay", status_code=202, response_model=shapes.Underway
)
async def replay_one(house: AnyHouse, grant: WebhooksManage, webhook_id: Id, event: EventId) -> Response:
    """Send one delivery again under its own id, also when the endpoint is disabled. Not counted in its health."""
    name, now = _event(house, grant, event), house.clock.now()
    await house.commands.run(lambda tx: commands.replay(tx, _owner(grant), webhook_id, name, now))
    return JSONResponse({"event": name}, 202)


async def _check(house: House, url: str) -> None:
    """Where it leads now; it is looked at again at every attempt. Raises OutboundRefused."""
    await CustomerDoor(loopback=house.settings.webhook_loopback).check(url)


def _owner(grant: Grant) -> Owner:
    return Owner(grant.account, grant.side)


def _event(house: House, grant: Grant, text: str) -> str:
    """The id of a seq of the side, or the id itself."""
    return house.context.installation.event_id(grant.side, int(text)) if text.isdigit() else text


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("since is no instant; write one such as 2026-11-21T00:00:00Z.") from None
    if instant.tzinfo is None:
        raise InvalidInput("since needs its offset from UTC, such as Z.")
    return instant


def _webhook(house: House, grant: Grant, row: Row) -> dict[str, Any]:
    try:
        url = store.url_of(house.context.vault, grant.account, row, row.id)
    except Erased:
        url = None
    return {
        "id": row.id,
        "url": url,
        **{name: getattr(row, name) for name in ("description", "types", "payload", "concurrency", "state")},
        "disabled_reason": row.disabled_reason,
        "disabled_at": _text(row.disabled_at),
        "created_at": _text(row.created_at),
        "health": {
            "failing_since": _text(row.failing_since),
            "failed_attempts": row.failed_attempts,
            "last_success_at": _text(row.last_success_at),
            "last_attempt_at": _text(row.last_attempt_at),
            "paused_until": _text(row.open_until),
            "pending": row.pending,
        },
    }


def _secret(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "public_key": row.public,
        "created_at": _text(row.created_at),
        "expires_at": _text(row.expires_at),
    }


def _new_secret(row: Row, secret: Secret) -> dict[str, Any]:
    return {**_secret(row), "secret": secret.shown()}


def _delivery(row: Row) -> dict[str, Any]:
    return {
        "id": row.event,
        "seq": row.seq,
        "type": row.type,
        "order": row.order_id,
        "state": row.state,
        "by_hand": row.manual,
        "attempts": row.attempts,
        "next_attempt_at": _text(row.next_at),
        "event_at": _text(row.made_at),
    }


def _attempt(house: House, grant: Grant, row: Row) -> dict[str, Any]:
    try:
        said = store.open_attempt(house.context.vault, grant.account, row) if row.sealed else None
    except Erased:
        said = None
    request = said and {"headers": said["request_headers"], "body": said["request_body"]}
    answer = said and {
        "headers": said["answer_headers"],
        "text": said["answer_text"],
        "truncated": said["truncated"],
    }
    return {
        "number": row.number,
        "at": _text(row.at),
        "status": row.status,
        "outcome": row.outcome,
        "duration_ms": row.duration_ms,
        "request": request,
        "answer": answer if row.status is not None else None,
    }


def _text(instant: datetime | None) -> str | None:
    return rfc3339(instant) if instant else None
