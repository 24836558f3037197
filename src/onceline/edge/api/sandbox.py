"""Test mode: send an SMS to a number that a test order of yours has, or had last."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Header, Response
from fastapi.responses import JSONResponse

from onceline.core.db import Transaction
from onceline.core.errors import NotFound, OncelineError
from onceline.core.inbox.store import Kept
from onceline.core.orders import store
from onceline.core.orders.settle import settle
from onceline.edge import shapes
from onceline.edge.api import router
from onceline.edge.auth import TestMessages
from onceline.edge.house import AnyHouse, House
from onceline.suppliers.sandbox import inlet

routes = router("test mode")
MessageKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", max_length=255, pattern=r"^[\x21-\x7e]+$", description="Same key, one SMS."
    ),
]
_SETTLING: set[asyncio.Task[None]] = set()


@routes.post("/test/messages", status_code=202, response_model=shapes.Accepted)
async def send_message(
    house: AnyHouse, grant: TestMessages, wanted: shapes.SendTestMessage, idempotency_key: MessageKey = None
) -> Response:
    """The SMS is kept before this answers, and matched right after."""

    def keep(tx: Transaction) -> Kept:
        if store.sandbox_owner(tx, wanted.number) != grant.side:
            raise NotFound("test number of yours", wanted.number)
        name = f"{grant.side}-{idempotency_key}" if idempotency_key else None
        return inlet.send(
            tx, house.context, number=wanted.number, sender=wanted.sender, text=wanted.text, message_id=name
        )

    kept = await house.commands.run_statement(keep)
    settling = asyncio.create_task(_settle(house, kept.id))
    _SETTLING.add(settling)
    settling.add_done_callback(_SETTLING.discard)
    return JSONResponse({"message_id": house.context.installation.message_ids.public(kept.id)}, 202)


async def _settle(house: House, message: int) -> None:
    """T2 right after T1; what fails here the sweeper finishes."""
    try:
        await house.commands.run(lambda tx: settle(tx, house.context, message))
    except OncelineError:
        return
