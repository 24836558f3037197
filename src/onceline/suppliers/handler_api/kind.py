"""What the registry knows of handler_api: its settings, sessions, orders, and what `check` looks at."""

from __future__ import annotations

from collections.abc import Sequence

from onceline.suppliers import purchases
from onceline.suppliers.base import Configured, Finding, Kind, Session, Surroundings
from onceline.suppliers.handler_api import wire
from onceline.suppliers.handler_api.client import MOST_PRICES_BYTES, Client, NoAnswer
from onceline.suppliers.handler_api.market import Market, offers
from onceline.suppliers.handler_api.messages import Messages
from onceline.suppliers.handler_api.orders import HandlerApi
from onceline.suppliers.handler_api.settings import HandlerApiSettings


def sessions(configured: Configured, around: Surroundings) -> Sequence[Session]:
    return (Market(configured, around), Messages(configured, around))


def check(configured: Configured, around: Surroundings) -> Sequence[Finding]:
    client = Client(configured, around)
    return (_pool(client, around), _account(client), _prices(client))


def _pool(client: Client, around: Surroundings) -> Finding:
    with around.db.transaction() as tx:
        ok = purchases.feeds(tx, client.name, client.settings.pool)
    words = f"make it with: onceline pools add {client.settings.pool} --supplier {client.name}"
    return Finding("pool", ok, "" if ok else words)


def _account(client: Client) -> Finding:
    try:
        said = client.ask("getBalance")
    except NoAnswer as fault:
        return Finding("account", False, f"the server gave no answer ({fault}); look at url")
    balance = wire.balance(said)
    if balance is None:
        return Finding("account", False, f"the server says {said.word or 'no balance'}; look at api_key")
    return Finding("account", balance > 0, f"{balance:f} left")


def _prices(client: Client) -> Finding:
    try:
        found = offers(client.settings, client.ask("getPrices", most=MOST_PRICES_BYTES))
    except NoAnswer as fault:
        return Finding("prices", False, f"no price list came ({fault})")
    leasable = sum(count > 0 for _, count in (found or {}).values())
    return Finding("prices", leasable > 0, f"{leasable} offers that may be sold here")


KIND = Kind(
    name="handler-api",
    settings=HandlerApiSettings,
    secrets={"api_key": "the key of the account at the server"},
    sessions=sessions,
    orders=HandlerApi,
    check=check,
    asks=True,
)
