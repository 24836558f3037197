"""What the account is told: notifications in the house, and the settings of the mails that go with them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response

from onceline.core.access.model import Grant
from onceline.core.db import Transaction
from onceline.core.errors import ConfirmationRefused, InvalidInput
from onceline.core.money import parse_amount
from onceline.core.notices import commands, settings
from onceline.core.notices.commands import Reader
from onceline.core.notices.settings import Owner, Wanted
from onceline.edge import shapes
from onceline.edge.api import router
from onceline.edge.api.paging import Cursor, Limit, read_cursor, write_cursor
from onceline.edge.auth import NoticesManage
from onceline.edge.house import AnyHouse, House

routes = router("notices")


@routes.get("/notifications", response_model=shapes.Notifications)
async def list_notifications(
    house: AnyHouse,
    grant: NoticesManage,
    unread: Annotated[bool, Query(description="Only those that are not read.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Newest first: what this side was told, and what the account as a whole was told."""
    place = read_cursor(cursor, int)
    before = int(place[0]) if place else None
    found = await house.commands.run(
        lambda tx: commands.notifications(tx, _reader(grant), unread=unread, before=before, limit=limit)
    )
    return {**found, "next": write_cursor(found["next"]) if found["next"] else None}


@routes.post("/notifications/read", response_model=shapes.Unread)
async def mark_read(house: AnyHouse, grant: NoticesManage, wanted: shapes.MarkRead) -> dict[str, int]:
    """Those named, or all up to the newest that you saw: what came meanwhile stays unread."""
    if (wanted.up_to is None) == (not wanted.ids):
        raise InvalidInput("Send up_to, the newest id that you saw, or ids.")
    now = house.clock.now()

    def mark(tx: Transaction) -> dict[str, int]:
        commands.mark_read(tx, _reader(grant), up_to=wanted.up_to, ids=wanted.ids, now=now)
        return {"unread": commands.unread_count(tx, _reader(grant))}

    return await house.commands.run(mark)


@routes.get("/notices", response_model=shapes.NoticeSettings)
async def read_notices(house: AnyHouse, grant: NoticesManage) -> dict[str, Any]:
    """Where this side's notices are mailed, and which. Everything is off until it is set."""
    return await house.commands.run(lambda tx: _overview(tx, house, grant))


@routes.put("/notices", response_model=shapes.NoticeSettings)
async def change_notices(
    house: AnyHouse, grant: NoticesManage, wanted: shapes.ChangeNotices
) -> dict[str, Any]:
    """Replaces all choices. Without `address` the address stays; a new one is sent a code, and counts once confirmed."""
    now = house.clock.now()
    chosen = Wanted(
        wanted.address,
        wanted.codes,
        parse_amount(wanted.low_balance) or None if wanted.low_balance else None,
        wanted.muted,
    )

    def change(tx: Transaction) -> dict[str, Any]:
        settings.change(tx, house.context.vault, _owner(grant), chosen, now)
        return _overview(tx, house, grant)

    return await house.commands.run(change)


@routes.post("/notices/confirm", response_model=shapes.NoticeSettings)
async def confirm_address(
    house: AnyHouse, grant: NoticesManage, wanted: shapes.ConfirmAddress
) -> dict[str, Any]:
    """The code that was mailed to the new address; from then on it takes the place of the old one."""
    now = house.clock.now()

    def confirm(tx: Transaction) -> dict[str, Any] | None:
        if not settings.confirm(tx, house.context.vault, _owner(grant), wanted.code, now):
            return None  # not raised here: the try counts, so it is committed
        return _overview(tx, house, grant)

    confirmed = await house.commands.run(confirm)
    if confirmed is None:
        raise ConfirmationRefused
    return confirmed


@routes.delete("/notices", status_code=204)
async def remove_notices(house: AnyHouse, grant: NoticesManage) -> Response:
    """Forgets the address and every choice of this side."""
    now = house.clock.now()
    await house.commands.run(lambda tx: settings.remove(tx, _owner(grant), now))
    return Response(status_code=204)


def _overview(tx: Transaction, house: House, grant: Grant) -> dict[str, Any]:
    return settings.overview(tx, house.context.vault, _owner(grant))


def _reader(grant: Grant) -> Reader:
    return Reader(grant.account, grant.mode)


def _owner(grant: Grant) -> Owner:
    return Owner(grant.account, grant.side, grant.mode)
