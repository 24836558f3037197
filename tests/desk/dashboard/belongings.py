"""What an account may have, for the tests that look at it through the pages."""

from __future__ import annotations

from typing import Any, NamedTuple

from onceline.core.access import commands as access
from onceline.core.exports import commands as exports
from onceline.core.exports.model import Export, Request
from onceline.core.orders.model import Order
from onceline.core.webhooks import commands as webhooks
from onceline.core.webhooks import store
from onceline.core.webhooks.commands import Wanted
from onceline.core.webhooks.store import Owner, Sealed
from onceline.desk.dashboard import care
from onceline.workers.export import export_round
from tests.desk.dashboard.looking import Page
from tests.desk.visitors import Pages, Visitor
from tests.shop import Customer

ADDRESS = "https://93.184.215.14/hook?token=secret"
"""A literal address, so that nothing has to be looked up; nothing is sent there."""


class Webhook(NamedTuple):
    id: str
    secret: str
    event: str
    """Of a test that waits to be sent, or was sent with `answer`."""


def customer(who: Visitor) -> Customer:
    return Customer(who.person.username, who.person.account, who.side, "")


def order(pages: Pages, who: Visitor, **rest: Any) -> Order:
    return pages.shop.place(customer(who), **rest)


def message(
    pages: Pages, who: Visitor, text: str = "Telegram code: 48291", sender: str = "Telegram", **rest: Any
) -> Order:
    """An order that got this message."""
    made = order(pages, who, **rest)
    pages.shop.sms(made.e164, text, sender)
    return made


def key(pages: Pages, who: Visitor, name: str = "shop", **rest: Any) -> tuple[str, str]:
    wanted: dict[str, Any] = {"kind": "api", "scopes": (), "expires_at": None, "mode": "test"} | rest
    with pages.shop.db.transaction() as tx:
        side = access.side_of(tx, who.person.account, wanted["mode"])
        return access.create_key(tx, side=side, name=name, now=pages.shop.clock.now(), **wanted)


def webhook(pages: Pages, who: Visitor, description: str = "", types: list[str] | None = None) -> Webhook:
    shop, owner = pages.shop, Owner(who.person.account, who.side)
    wanted = Wanted(ADDRESS, description, types, "full", 4)
    with shop.db.transaction() as tx:
        made, secret = webhooks.create(tx, shop.context.vault, owner, wanted, "v1", shop.clock.now())
        event = webhooks.send_test(tx, owner, made, shop.clock.now())
    return Webhook(made, secret.shown() or "", event)


def attempt(
    pages: Pages, who: Visitor, hook: Webhook, *, body: str = "{}", answer: str = "no", header: str = "x"
) -> None:
    """The test was tried once, and the server said 500."""
    shop = pages.shop
    with shop.db.transaction() as tx:
        row = store.delivery(tx, hook.id, hook.event)
    said = Sealed({"webhook-id": hook.event}, body, [("x-note", header)], answer, False)
    sealed = store.seal_attempt(shop.context.vault, who.person.account, row.id, 1, said)
    shop.run(
        "insert into webhook_attempts (delivery_id, number, webhook_id, at, status, outcome, duration_ms, sealed)"
        " values (%(row)s, 1, %(hook)s, %(now)s, 500, 'status', 12, %(sealed)s)",
        row=row.id,
        hook=hook.id,
        now=shop.clock.now(),
        sealed=sealed,
    )
    shop.run(
        "update deliveries set state = 'failed', attempts = 1, next_at = null where id = %(row)s", row=row.id
    )


def export(
    pages: Pages, who: Visitor, kind: str = "orders", *, made: bool = True, format: str = "json"
) -> Export:
    shop = pages.shop
    with shop.db.transaction() as tx:
        grant = access_grant(who)
        asked = exports.ask(tx, grant, Request(kind, format), shop.clock.now())
    while made and export_round(shop.db, shop.context):
        pass
    return asked


def access_grant(who: Visitor) -> Any:
    """What the visitor's own session acts with on the test side."""
    from onceline.core.access import sessions  # noqa: PLC0415 - Django's models are loaded first
    from onceline.desk.house import house  # noqa: PLC0415 - as above

    grants = who.browser.session["grants"]
    with house().db.statement() as tx:
        return sessions.session_grant(tx, grants["test"], house().clock.now())


def form(page: Page | None = None, **fields: Any) -> dict[str, Any]:
    """What a form sends: the page's mark, or a fresh one."""
    return {care.FIELD: page.mark if page else care.form_mark(), **fields}
