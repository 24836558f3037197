"""Messages of a side over all its orders: what came lately, and who wrote it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response
from fastapi.responses import JSONResponse

from onceline.core.db import Transaction
from onceline.core.exports.model import parse_instant
from onceline.core.orders import history
from onceline.core.orders.history import MessageFilter
from onceline.edge import shapes
from onceline.edge.api import router
from onceline.edge.api.paging import (
    Cursor,
    From,
    Limit,
    NumberEnd,
    OfOrder,
    Until,
    foreign_cursor,
    read_cursor,
    write_cursor,
)
from onceline.edge.auth import OrdersRead
from onceline.edge.house import AnyHouse

routes = router("messages")

Part = Annotated[
    str | None,
    Query(min_length=1, max_length=100, description="A part of it. Found in the latest 1,000 messages only."),
]


@routes.get("/messages", response_model=shapes.SideMessages)
async def list_side_messages(
    house: AnyHouse,
    grant: OrdersRead,
    sender: Part = None,
    text: Part = None,
    service: shapes.Slug | None = None,
    number: NumberEnd = None,
    since: From = None,
    until: Until = None,
    order: OfOrder = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Newest first, each with its order. A page that was filtered may be short and have a `next`."""
    ids = house.context.installation.message_ids
    place = read_cursor(cursor, str)
    before = ids.row(str(place[0])) if place else None
    if place and before is None:
        raise foreign_cursor()
    wanted = MessageFilter(sender, text, service, number, parse_instant(since), parse_instant(until), order)

    def read(tx: Transaction) -> dict[str, Any]:
        found = history.messages_of(tx, house.context, grant.side, wanted, before, limit)
        return {
            "messages": found.views,
            "next": write_cursor(ids.public(found.next)) if found.next else None,
            "searched": found.searched,
            "complete": found.complete,
        }

    return JSONResponse(await house.commands.run(read))
