"""What belongs to the account's side: balance, statement, keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Path, Response
from fastapi.responses import JSONResponse

from onceline.core.access import commands as access
from onceline.core.access.model import Grant, check_scopes
from onceline.core.clock import rfc3339
from onceline.core.db import Row, Transaction
from onceline.core.ledger import store as ledger
from onceline.core.money import format_amount, parse_amount
from onceline.core.orders import view
from onceline.edge import shapes
from onceline.edge.api import router
from onceline.edge.api.paging import Cursor, Limit, foreign_cursor, read_cursor, write_cursor
from onceline.edge.auth import BalanceRead, KeysManage
from onceline.edge.house import AnyHouse

routes = router("account")
KeyId = Annotated[str, Path(pattern=r"^key_[a-z2-7]{16}$")]


@routes.get("/balance", response_model=shapes.Balance)
async def balance(house: AnyHouse, grant: BalanceRead) -> dict[str, str]:
    """`available` can be spent, `held` waits for codes."""
    found = await house.commands.run(lambda tx: ledger.balance(tx, grant.side))
    return {
        "available": format_amount(found.available),
        "held": format_amount(found.held),
        "refund_pending": format_amount(found.refund_pending),
        "disputed": format_amount(found.disputed),
        "debt": format_amount(found.debt),
        "currency": found.currency,
        "mode": found.mode,
    }


@routes.get("/statement", response_model=shapes.Statement)
async def statement(
    house: AnyHouse, grant: BalanceRead, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Every transfer, newest first. A hold that was released cost nothing."""
    place = read_cursor(cursor, str)
    ids = house.context.installation.transfer_ids
    before = ids.row(str(place[0])) if place else None
    if place and before is None:
        raise foreign_cursor()
    page = await house.commands.run(lambda tx: ledger.statement(tx, grant.side, before=before, limit=limit))
    return {
        "transfers": [view.transfer_view(house.context, row) for row in page.rows],
        "next": write_cursor(ids.public(page.next)) if page.next else None,
    }


@routes.get("/keys", response_model=shapes.Keys)
async def list_keys(house: AnyHouse, grant: KeysManage) -> dict[str, Any]:
    """The keys of this side, newest first. The keys themselves are not kept."""
    rows = await house.commands.run(lambda tx: access.keys(tx, grant.side))
    return {"keys": [_key(row) for row in rows]}


@routes.post("/keys", status_code=201, response_model=shapes.NewKey)
async def create_key(house: AnyHouse, grant: KeysManage, wanted: shapes.CreateKey) -> Response:
    """A key of this side with at most the rights of the key that asks."""
    now = house.clock.now()
    scopes = _within(grant, wanted)

    def create(tx: Transaction) -> tuple[str, str]:
        return access.create_key(
            tx,
            side=grant.side,
            mode=grant.mode,
            kind=wanted.kind,
            name=wanted.name,
            scopes=scopes,
            expires_at=now + timedelta(seconds=wanted.expires_in_s) if wanted.expires_in_s else None,
            now=now,
            spend_cap=parse_amount(wanted.spend_cap) if wanted.spend_cap is not None else None,
            asker_cap=grant.cap,
        )

    key_id, key = await house.commands.run(create)
    return JSONResponse({"id": key_id, "key": key}, 201)


@routes.post("/keys/{key_id}/rotate", status_code=201, response_model=shapes.NewKey)
async def rotate_key(house: AnyHouse, grant: KeysManage, key_id: KeyId, wanted: shapes.RotateKey) -> Response:
    """A new key with the same rights, sharing the spend cap; the old one works on for `overlap_s`."""
    now = house.clock.now()

    def rotate(tx: Transaction) -> tuple[str, str]:
        return access.rotate_key(
            tx,
            side=grant.side,
            mode=grant.mode,
            key=key_id,
            within=grant.scopes,
            overlap_s=wanted.overlap_s,
            now=now,
            asker_cap=grant.cap,
        )

    new_id, key = await house.commands.run(rotate)
    return JSONResponse({"id": new_id, "key": key}, 201)


@routes.delete("/keys/{key_id}", status_code=204)
async def revoke_key(house: AnyHouse, grant: KeysManage, key_id: KeyId) -> Response:
    """Ends the key at once, and its sockets within a second."""
    now = house.clock.now()
    await house.commands.run(lambda tx: access.revoke_key(tx, side=grant.side, key=key_id, now=now))
    return Response(status_code=204)


def _within(grant: Grant, wanted: shapes.CreateKey) -> tuple[str, ...]:
    """The scopes of a new key: those named, else what the kind and the asker have in common; never more than the asker's.

    Raises InvalidInput, ScopeMissing.
    """
    scopes = check_scopes(tuple(wanted.scopes), wanted.kind)
    if not wanted.scopes:
        scopes = tuple(scope for scope in scopes if scope in grant.scopes) or scopes
    for scope in scopes:
        grant.demand(scope)
    return scopes


def _key(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "name": row.name,
        "last4": row.last4,
        "scopes": row.scopes,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at) if row.expires_at else None,
        "revoked_at": rfc3339(row.revoked_at) if row.revoked_at else None,
        "last_used_on": row.last_used_on.isoformat() if row.last_used_on else None,
        "spend_cap": format_amount(row.spend_cap) if row.spend_cap is not None else None,
        "spent": format_amount(row.spent) if row.spent is not None else None,
    }
