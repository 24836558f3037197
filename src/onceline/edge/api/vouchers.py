"""Vouchers: a printed code becomes money of the side."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Response
from fastapi.responses import JSONResponse

from onceline.core.errors import NotFound
from onceline.core.money import format_amount
from onceline.core.vouchers import commands
from onceline.core.vouchers.commands import Asking
from onceline.edge import shapes
from onceline.edge.api import router
from onceline.edge.api.orders import KEY_PATTERN
from onceline.edge.auth import DepositsWrite
from onceline.edge.house import AnyHouse

routes = router("vouchers")
MaybeKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY_PATTERN,
        description="The same key and code give the same answer again. Without one, a second answer says that you have it already.",
    ),
]


@routes.post("/vouchers/redeem", status_code=201, response_model=shapes.RedeemedVoucher)
async def redeem(
    house: AnyHouse, grant: DepositsWrite, wanted: shapes.RedeemVoucher, idempotency_key: MaybeKey = None
) -> Response:
    """The code's value is available at once, and never expires. Five wrong codes an hour; a mistyped one is told, and not counted."""
    now, home = house.clock.now(), house.context.installation
    asking = Asking(grant.account, grant.side, wanted.code, idempotency_key)
    redeemed = await house.commands.run(lambda tx: commands.redeem(tx, home.secret, asking, now))
    if redeemed is None:  # not raised inside: the guess counts, so it is committed
        raise NotFound(commands.NO_VOUCHER)
    body = {
        "deposit": redeemed.deposit,
        "amount": format_amount(redeemed.amount),
        "currency": home.currency,
        "mode": grant.mode,
    }
    return JSONResponse(body, 201, {"Idempotent-Replayed": "true"} if redeemed.replayed else None)
