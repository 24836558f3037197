"""Bearer key to grant: Authorization: Bearer ol_… and nothing else. Keys are never read from a URL."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from onceline.core.access import commands as access
from onceline.core.access.keys import hash_of
from onceline.core.access.model import Grant
from onceline.core.errors import KeyRefused, WrongMode
from onceline.edge.house import House, house_of

BEARER = HTTPBearer(auto_error=False, description="An API key: ol_test_… or ol_live_…")


async def _grant(request: Request) -> Grant:
    house = house_of(request)
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise KeyRefused("Send your key as: Authorization: Bearer ol_…")
    grant = await _checked(house, key.strip())
    allowance = request.state.allowance = house.gate.spend(grant.key)
    if allowance:
        allowance.demand()
    return grant


async def _checked(house: House, key: str) -> Grant:
    key_hash = hash_of(key)
    grant = house.gate.remembered(key_hash)
    if grant is None:
        grant = await house.commands.run(lambda tx: access.authenticate(tx, key, house.clock.now()))
        house.gate.remember(key_hash, grant)
    if grant.kind != "api":
        raise KeyRefused("This is a key for the old protocols; /api/v1 wants one of kind api.")
    return grant


def granted(scope: str) -> Callable[..., Coroutine[Any, Any, Grant]]:
    """A dependency: the grant of the request's key, if it has the scope. Raises KeyRefused, ScopeMissing."""

    async def check(grant: Annotated[Grant, Depends(_grant)], _: Annotated[object, Depends(BEARER)]) -> Grant:
        grant.demand(scope)
        return grant

    return check


OrdersRead = Annotated[Grant, Depends(granted("orders:read"))]
OrdersWrite = Annotated[Grant, Depends(granted("orders:write"))]
BalanceRead = Annotated[Grant, Depends(granted("balance:read"))]
DepositsWrite = Annotated[Grant, Depends(granted("deposits:write"))]
EventsRead = Annotated[Grant, Depends(granted("events:read"))]
WebhooksManage = Annotated[Grant, Depends(granted("webhooks:manage"))]
NoticesManage = Annotated[Grant, Depends(granted("notices:manage"))]
ExportsManage = Annotated[Grant, Depends(granted("exports:manage"))]
KeysManage = Annotated[Grant, Depends(granted("keys:manage"))]
_TestMessages = Annotated[Grant, Depends(granted("test:messages"))]


async def _test_only(grant: _TestMessages) -> Grant:
    if grant.mode != "test":
        raise WrongMode("Test messages go to the test side; use a key that starts with ol_test_.")
    return grant


TestMessages = Annotated[Grant, Depends(_test_only)]
