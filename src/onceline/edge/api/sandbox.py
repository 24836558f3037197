"""Test mode: send an SMS to a number that a test order of yours has, or had last."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Response
from fastapi.responses import JSONResponse

from onceline.core.access.model import Grant
from onceline.edge import shapes
from onceline.edge.api import router
from onceline.edge.api.orders import KEY_PATTERN
from onceline.edge.auth import TestMessages
from onceline.edge.house import AnyHouse, House
from onceline.suppliers.sandbox.inlet import Sending

routes = router("test mode")
MessageKey = Annotated[
    str | None, Header(alias="Idempotency-Key", pattern=KEY_PATTERN, description="Same key, one SMS.")
]


@routes.post("/test/messages", status_code=202, response_model=shapes.Accepted)
async def send_message(
    house: AnyHouse, grant: TestMessages, wanted: shapes.SendTestMessage, idempotency_key: MessageKey = None
) -> Response:
    """The SMS is kept before this answers, and matched right after."""
    return await sent(house, grant, wanted, idempotency_key)


async def sent(house: House, grant: Grant, wanted: shapes.SendTestMessage, key: str | None) -> Response:
    kept = await house.sending.ask(Sending(grant.side, wanted.number, wanted.sender, wanted.text, key))
    house.settling.hand(kept.id)  # T2 right after T1; what fails there the sweeper finishes
    return JSONResponse({"message_id": house.context.installation.message_ids.public(kept.id)}, 202)
