"""Deposits: what can be paid with, begin one, see what became of it, ask for it back."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Path, Response
from fastapi.responses import JSONResponse

from onceline.core.db import Transaction
from onceline.core.deposits import store
from onceline.core.deposits.model import Deposit
from onceline.core.deposits.view import deposit_views
from onceline.core.errors import InvalidInput, NotFound, WrongMode
from onceline.core.money import format_amount
from onceline.edge import deposit_shapes as shapes
from onceline.edge.api import router
from onceline.edge.api.orders import IdempotencyKey
from onceline.edge.api.paging import Cursor, Limit, foreign_cursor, read_cursor, write_cursor
from onceline.edge.auth import BalanceRead, DepositsWrite
from onceline.edge.house import AnyHouse, House
from onceline.payments.sandbox.paying import pay
from onceline.payments.till import Begun, Way

routes = router("deposits")
DepositId = Annotated[str, Path(pattern=r"^dep_[a-z2-7]{16}$")]
OPENS_WITHIN_S = 25.0
"""A processor that does not answer by then is away; what it opened, the same key finds."""
_PPM_OF_A_PERCENT = 100


@routes.get("/deposits/methods", response_model=shapes.WaysToPay)
async def list_methods(house: AnyHouse, grant: BalanceRead) -> Response:
    """What can be paid with on this side, and what that costs."""
    ways = await house.commands.call(partial(house.till.ways, grant.mode))
    currency = house.context.installation.currency
    return JSONResponse({"methods": [_way(one, currency) for one in ways]})


@routes.get("/deposits", response_model=shapes.Deposits)
async def list_deposits(
    house: AnyHouse, grant: BalanceRead, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Newest first."""
    place = read_cursor(cursor, str)
    before = str(place[0]) if place else None

    def read(tx: Transaction) -> dict[str, Any]:
        if before is not None:
            _demand_own(tx, before, grant.side)
        page = store.listed(tx, grant.side, before=before, limit=limit)
        return {
            "deposits": _views(house, tx, page.rows),
            "next": write_cursor(page.next) if page.next else None,
        }

    return JSONResponse(await house.commands.run(read))


@routes.post("/deposits", status_code=201, response_model=shapes.Deposit)
async def begin_deposit(
    house: AnyHouse, grant: DepositsWrite, wanted: shapes.BeginDeposit, idempotency_key: IdempotencyKey
) -> Response:
    """A deposit, and the page where it is paid. It is credited when the processor says that it was."""
    return_url = wanted.return_url or house.settings.public_url
    if return_url is None:
        raise InvalidInput("return_url is missing, and this installation knows no address of its own.")

    def begin() -> tuple[Begun, dict[str, Any]]:
        amount = house.till.amount(wanted.method, wanted.amount)
        begun = house.till.begin(grant.side, wanted.method, amount, idempotency_key, return_url)
        with house.db.transaction() as tx:
            return begun, _views(house, tx, [begun.deposit])[0]

    begun, view = await house.paying.call(begin, OPENS_WITHIN_S)
    return JSONResponse(view, 201, {"Idempotent-Replayed": "true"} if begun.replayed else None)


@routes.get("/deposits/{deposit_id}", response_model=shapes.Deposit)
async def read_deposit(house: AnyHouse, grant: BalanceRead, deposit_id: DepositId) -> Response:
    """One deposit, as far as it is known here; the processor is not asked."""
    return JSONResponse(await _read(house, deposit_id, grant.side))


@routes.post("/deposits/{deposit_id}/refund", status_code=202, response_model=shapes.Deposit)
async def refund_deposit(house: AnyHouse, grant: DepositsWrite, deposit_id: DepositId) -> Response:
    """Have a whole, unspent deposit sent back to where it came from: set aside at once, sent soon after. Asked again, the same."""
    await house.commands.call(partial(house.till.send_back, grant.side, deposit_id))
    return JSONResponse(await _read(house, deposit_id, grant.side), 202)


@routes.post("/test/deposits/{deposit_id}/pay", status_code=202, response_model=shapes.Deposit)
async def pay_deposit(
    house: AnyHouse, grant: DepositsWrite, deposit_id: DepositId, wanted: shapes.PayTestDeposit
) -> Response:
    """Pay a test deposit, or let it go wrong. It is credited a moment later, as after a callback."""
    if grant.mode != "test":
        raise WrongMode("Test money goes to the test side; use a key that starts with ol_test_.")
    now = house.clock.now()
    await house.commands.run(lambda tx: pay(tx, grant.side, deposit_id, wanted.outcome, now))
    return JSONResponse(await _read(house, deposit_id, grant.side), 202)


async def _read(house: House, deposit_id: str, side: int) -> dict[str, Any]:
    return await house.commands.run(lambda tx: _views(house, tx, [store.deposit(tx, deposit_id, side)])[0])


def _views(house: House, tx: Transaction, found: list[Deposit]) -> list[dict[str, Any]]:
    return deposit_views(tx, found, house.context.installation.currency, house.clock.now())


def _demand_own(tx: Transaction, deposit_id: str, side: int) -> None:
    try:
        store.deposit(tx, deposit_id, side)
    except NotFound as error:
        raise foreign_cursor() from error


def _way(way: Way, currency: str) -> dict[str, Any]:
    terms = way.terms
    return {
        "name": way.name,
        "kind": way.kind,
        "least": format_amount(terms.least),
        "most": format_amount(terms.most),
        "fee": format_amount(terms.fee),
        "fee_percent": format_amount(terms.fee_ppm * _PPM_OF_A_PERCENT),
        "bonus_percent": format_amount(terms.bonus_ppm * _PPM_OF_A_PERCENT),
        "refunds": terms.refunds.value,
        "currency": currency,
    }
