"""The export of a whole account holds all that is stored about it (promise P7): column by column, or with a reason."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from onceline.core.access import commands as access
from onceline.core.access.sessions import open_session
from onceline.core.deposits import commands as deposits
from onceline.core.exports import account, pages, sections
from onceline.core.money import MICROS
from onceline.core.notices import settings as notices
from onceline.core.processors import store as processors
from onceline.core.vault import account_key
from onceline.core.webhooks import commands as webhooks
from onceline.workers import export as worker
from tests.core.deposits.till import Till
from tests.core.exports.clerk import as_json, ask, exported, file_of, make
from tests.personas import ALICE, CHARLIE
from tests.shop import FOUR_HOURS, Customer, Shop

INVENTORY = Path(__file__).resolve().parents[3] / "docs" / "reference" / "tables.md"
HOWTO = INVENTORY.parents[1] / "howto" / "exports.md"
ABOUT_CUSTOMERS = {"account", "key", "order", "message", "ledger"}

SHOWN = {
    "accounts": {"id": "account.id", "name": "account.name", "state": "account.state", "opened_at": "account.opened_at"},
    "sides": {
        "mode": "balances.mode", "available": "balances.available", "held": "balances.held",
        "refund_pending": "balances.refund_pending", "disputed": "balances.disputed", "debt": "balances.debt",
        "live_orders": "balances.live_orders",
    },
    "grants": {
        "created_at": "keys.created_at", "expires_at": "keys.expires_at", "revoked_at": "keys.revoked_at",
    },
    "api_keys": {
        "id": "keys.id", "kind": "keys.kind", "name": "keys.name", "last4": "keys.last4", "scopes": "keys.scopes",
        "last_used_on": "keys.last_used_on",
    },
    "spend_caps": {"cap": "keys.spend_cap", "spent": "keys.spent"},
    "transfers": {
        "id": "transfers.id", "mode": "transfers.mode", "kind": "transfers.kind", "debit": "transfers.debit",
        "credit": "transfers.credit", "amount": "transfers.amount", "pending_id": "transfers.order",
        "made_at": "transfers.made_at",
    },
    "deposits": {
        "side_id": "deposits.mode", **{name: f"deposits.{name}" for name in (
            "id", "method", "state", "amount", "fee", "bonus", "credited", "place", "refunds", "processor_id", "payment_id",
            "network", "asset", "created_at", "expires_at", "credited_at", "ended_at")},
    },
    "deposit_refunds": {
        "deposit_id": "deposit_refunds.deposit", **{name: f"deposit_refunds.{name}" for name in (
            "id", "state", "amount", "reason", "processor_id", "asked_at", "sent_at", "ended_at")},
    },
    "disputes": {
        "deposit_id": "disputes.deposit", **{name: f"disputes.{name}" for name in (
            "method", "id", "state", "claimed", "amount", "fee", "owed", "bonus", "opened_at", "closed_at")},
    },
    "openings": {
        "side_id": "deposit_keys.mode", "key": "deposit_keys.name", "deposit_id": "deposit_keys.deposit",
        "return_url": "deposit_keys.return_url", "url": "deposit_keys.url", "made_at": "deposit_keys.made_at",
    },
    "orders": {
        "id": "orders.id", "side_id": "orders.mode", "kind": "orders.kind", "state": "orders.state",
        "service_id": "orders.service", "country": "orders.country", "pool_id": "orders.pool",
        "network": "orders.network", "e164": "orders.number", "e164_sealed": "orders.number",
        "price": "orders.base_price", "money": "orders.money", "created_at": "orders.created_at",
        "ends_at": "orders.ends_at", "expires_at": "orders.expires_at", "cancel_from": "orders.cancel_available_at",
        "cancel_until": "orders.cancel_until", "closed_at": "orders.closed_at",
        "first_shown_at": "orders.first_shown_at", "first_valid_at": "orders.first_valid_at",
        "captured_at": "orders.captured_at", "withheld": "orders.withheld", "revision": "orders.revision",
        "client_reference": "orders.client_reference",
    },
    "auto_extensions": {"order_id": "orders.auto_extend", "agreed": "orders.auto_extend_price"},
    "extensions": {
        "order_id": "orders.extensions", "amount": "orders.extensions", "duration_s": "orders.extensions",
        "made_at": "orders.extensions",
    },
    "idempotency": {
        "side_id": "idempotency_keys.mode", "key": "idempotency_keys.name", "serials": "idempotency_keys.orders",
        "made_at": "idempotency_keys.made_at",
    },
    "messages": {
        "id": "messages.id", "order_id": "messages.order", "received_at": "messages.received_at",
        "sealed": "messages.text", "has_code": "messages.code", "late": "messages.late",
        "revision": "messages.revision",
    },
    "events": {
        "side_id": "events.mode", "seq": "events.seq", "at": "events.at", "type": "events.type",
        "order_id": "events.order", "revision": "events.revision", "message_id": "events.message",
        "subject": "events.subject",
    },
    "exports": {
        "id": "exports.id", "side_id": "exports.mode", "kind": "exports.kind", "format": "exports.format",
        "from_at": "exports.since", "until_at": "exports.until", "as_of": "exports.created_at",
        "state": "exports.state", "reason": "exports.reason", "finished_at": "exports.finished_at",
        "expires_at": "exports.expires_at",
    },
    "webhooks": {
        "id": "webhooks.id", "side_id": "webhooks.mode", "url": "webhooks.url", "description": "webhooks.description",
        "types": "webhooks.types", "payload": "webhooks.payload", "concurrency": "webhooks.concurrency",
        "state": "webhooks.state", "disabled_reason": "webhooks.disabled_reason",
        "disabled_at": "webhooks.disabled_at", "cursor": "webhooks.cursor", "created_at": "webhooks.created_at",
        "strikes": "webhooks.strikes", "open_until": "webhooks.open_until", "failing_since": "webhooks.failing_since",
        "failed_attempts": "webhooks.failed_attempts", "last_success_at": "webhooks.last_success_at",
        "last_attempt_at": "webhooks.last_attempt_at",
    },
    "webhook_secrets": {
        "id": "webhooks.secrets", "webhook_id": "webhooks.secrets", "kind": "webhooks.secrets",
        "public": "webhooks.secrets", "created_at": "webhooks.secrets", "expires_at": "webhooks.secrets",
    },
    "deliveries": {
        "webhook_id": "deliveries.webhook", "event": "deliveries.event", "seq": "deliveries.seq",
        "type": "deliveries.type", "order_id": "deliveries.order", "state": "deliveries.state",
        "attempts": "deliveries.attempts", "next_at": "deliveries.next_at",
        "made_at": "deliveries.made_at",
    },
    "webhook_attempts": {
        "delivery_id": "deliveries.attempts", "number": "deliveries.attempts", "webhook_id": "deliveries.attempts",
        "at": "deliveries.attempts", "status": "deliveries.attempts", "outcome": "deliveries.attempts",
        "duration_ms": "deliveries.attempts", "sealed": "deliveries.attempts",
    },
    "notice_settings": {
        "side_id": "notice_settings.mode", "mailbox": "notice_settings.address",
        "confirmed_at": "notice_settings.confirmed_at", "pending": "notice_settings.pending_address",
        "pending_at": "notice_settings.pending_until", "muted": "notice_settings.muted",
        "low_balance": "notice_settings.low_balance", "low_told": "notice_settings.low_told",
        "low_told_at": "notice_settings.low_told_at",
    },
    "code_mails": {"side_id": "notice_settings.codes", "with_code": "notice_settings.codes"},
    "notifications": {
        "seq": "notifications.seq", "kind": "notifications.kind", "mode": "notifications.mode",
        "facts": "notifications.facts", "at": "notifications.at", "read_at": "notifications.read_at",
    },
    "mails": {
        "side_id": "mails.mode", "mode": "mails.mode", "kind": "mails.kind", "facts": "mails.facts",
        "seq": "mails.seq", "state": "mails.state", "attempts": "mails.attempts", "made_at": "mails.made_at",
        "next_at": "mails.next_at",
    },
}  # fmt: skip
"""Table and column to section and field."""

OWNER = "whose it is: the whole file is one account's"
INSIDE = "a number or mark inside the house, for nobody to use"
DERIVED = "follows from what is shown"
LEFT_OUT = {
    "sides": {"id": INSIDE, "account_id": OWNER, "wallet": "the ledger's name for the side: random, and for nobody"},
    "grants": {"id": INSIDE, "side_id": "the key's mode says it", "kind": DERIVED},
    "spend_caps": {"id": INSIDE, "side_id": "the key's mode says it"},
    "api_keys": {"grant_id": INSIDE, "spend_cap_id": INSIDE, "hash": "a secret's fingerprint: worth nothing to its owner, something to a thief"},
    "socket_tickets": {
        "hash": "as of a key, for 90 s at most", "grant_id": INSIDE, "expires_at": "gone before the file is read",
    },
    "transfers": {"wallet": "as of a side"},
    "numbers": {"holder": "the order says it"},
    "orders": {"serial": "would tell how many orders there are in the house", "number_id": INSIDE, "hold_id": INSIDE,
               "spend_cap_id": INSIDE},
    "auto_extensions": {"told_for": "a notification says it"},
    "extensions": {"hold_id": INSIDE, "spend_cap_id": INSIDE},
    "messages": {"side_id": "the order says it"},
    "idempotency": {"request": "a keyed hash of what was asked, of use only with the house's secret"},
    "supplier_calls": {
        "order_id": "what a supplier has yet to be told follows from the order, and is gone in moments", "verb": DERIVED,
    },
    "inbound": {
        "id": INSIDE, "supplier": "messages say what was shown; who carried it is the house's business",
        "supplier_message_id": "the supplier's own name for it", "number_id": INSIDE,
        "holder": "messages name the order", "received_at": "messages have the same instant",
        "state": "shown ones are in messages, withheld ones are counted in the order",
        "payload": "sealed with the day's key, before it is anybody's",
    },
    "hubs": {
        "side_id": INSIDE, "sealed": "a secret of the other hub's making, which has it", "key_hash": "a secret's fingerprint",
    },
    "hub_pushes": dict.fromkeys(("message_id", "side_id", "order_id"), "what a hub has yet to hear: gone within the hour"),
    "hub_cancels": dict.fromkeys(("order_id", "side_id"), "what the hub asked for, done within two minutes"),
    "purchases": dict.fromkeys(
        ("reference", "state", "supplier_order_id", "number", "network", "service", "country", "asked_at", "polled_at", "ends_at",
         "heard", "heard_sealed", "heard_kept"),
        "the house's dealings with a supplier; the order has all of it that is its owner's",
    ),
    "export_pieces": {"sealed": "the files themselves: copies of what is here"},
    "webhooks": {"noticed": DERIVED},
    "webhook_secrets": {"sealed": "a secret is shown once", "serial": DERIVED},
    "deliveries": {"id": INSIDE, "turn": INSIDE, "tries": DERIVED, "claimed_until": INSIDE},
    "notice_counters": {"account_id": OWNER, "seq": "the newest notification's"},
    "notifications": {"account_id": OWNER},
    "notice_settings": {"account_id": OWNER, "pending_tries": "guesses left at a code that lives for minutes"},
    "code_mails": {"seq": DERIVED},
    "mails": {"id": INSIDE, "account_id": OWNER},
    "letters": {"sealed": "to a person's address, not an account's, sealed with the day's key; gone when it is sent"},
    "letter_counts": dict.fromkeys(("recipient", "posted"), "an address's digest, of no account, for an hour"),
    "deposits": {"look_at": "when a processor is asked next, which follows from its age"},
    "deposit_refunds": {"look_at": "as of a deposit"},
    "openings": {"request": "a keyed hash of what was asked, of use only with the house's secret"},
    "payment_exceptions": dict.fromkeys(
        ("id", "method", "code", "object_id", "deposit_id", "amount", "currency", "first_at", "last_at", "times", "resolved_at"),
        "a note for staff about what fits nothing; what fits a deposit, the deposit says",
    ),
    "sandbox_payments": dict.fromkeys(
        ("id", "processor", "deposit", "amount", "currency", "state", "paid", "refund", "made_at", "expires_at", "paid_at",
         "refunded_at"),
        "the sandbox's own notes of test money; the deposit says what came of it",
    ),
    "voucher_batches": dict.fromkeys(
        ("id", "mode", "issuer", "face_value", "size", "state", "created_at", "approved_at", "voided_at", "expires_at"),
        "what was printed for a reseller, of no account; the deposit says what came of one",
    ),
    "vouchers": {
        **dict.fromkeys(("batch_id", "number", "redeemed_deposit", "redeemed_at", "voided_at"), "the deposit says what came of it"),
        "code_hash": "a secret's fingerprint", "redeem_key": "a mark of one request; the deposit says what came of it",
    },
    "voucher_guesses": {"account_id": OWNER, "at": "wrong codes of the last hour, gone before the file is read"},
    "house_days": dict.fromkeys(("day", "mode", "account", "debit", "credit", "through"), "sums of all accounts together"),
    "reports": dict.fromkeys(("method", "day", "lines", "fees", "others"), "a day of a processor as a whole"),
    "report_lines": dict.fromkeys(
        ("method", "day", "kind", "object_id", "deposit", "amount", "currency", "at"),
        "a processor's words as they were compared; the deposit says what came of it",
    ),
    "cash_receipts": dict.fromkeys(("deposit_id", "document", "recorded_at"), "the deposit says it; its owner has the paper"),
    "cash_decisions": dict.fromkeys(("deposit_id", "verdict", "decided_at"), "the deposit says it"),
}  # fmt: skip
"""Table and column to the reason why an account's file does not have it."""


@pytest.fixture
def alice(shop: Shop) -> Customer:
    """With something in every section, on the test side."""
    alice = shop.customer(ALICE)
    order = shop.place(alice, client_reference="mine", key="abc")
    shop.sms(order.e164, "Your code is 482913")
    rental = shop.place(alice, kind="rental", duration_s=FOUR_HOURS)
    shop.extend(alice, rental, FOUR_HOURS, "k")
    with shop.db.transaction() as tx:
        open_session(tx, alice.account, shop.clock.now(), shop.clock.now() + timedelta(days=1))
        _webhook(tx, shop, alice)
        _notices(tx, shop, alice)
    _deposits(shop, alice)
    exported(shop, alice, "statement")
    return alice


def _deposits(shop: Shop, alice: Customer) -> None:
    """One on its way back, one that its payer's bank disputes; the account is open again after that."""
    till = Till(shop, alice)
    asked, disputed = till.paid(10), till.paid(20)
    till.ask_back(asked, approvals=2)
    till.dispute(disputed, dollars=20)
    with shop.db.transaction() as tx:
        processors.add_opening(
            tx, alice.side, "mine", b"hash", asked.id, "https://shop.example/", shop.clock.now()
        )
        access.set_account_state(tx, alice.account, "open")


def _webhook(tx: Any, shop: Shop, alice: Customer) -> None:
    owner = webhooks.store.Owner(alice.account, alice.side)
    wanted = webhooks.Wanted("https://example.com/hook?token=t0k", "mine", None, "full", 4)
    webhook, _ = webhooks.create(tx, shop.context.vault, owner, wanted, "v1", shop.clock.now())
    webhooks.send_test(tx, owner, webhook, shop.clock.now())


def _notices(tx: Any, shop: Shop, alice: Customer) -> None:
    owner = notices.Owner(alice.account, alice.side, "test")
    wanted = notices.Wanted("alice@example.com", "without_code", None, [])
    notices.change(tx, shop.context.vault, owner, wanted, shop.clock.now())


def live_customer(shop: Shop, alice: Customer) -> Customer:
    """The same account, with a key of its live side."""
    with shop.db.transaction() as tx:
        now, side = shop.clock.now(), access.side_of(tx, alice.account, "live")
        deposits.give(tx, side, MICROS, "sandbox", now)
        _, key = access.create_key(
            tx, side=side, mode="live", kind="api", name="live", scopes=(), expires_at=None, now=now
        )
    return Customer(alice.name, alice.account, side, key)


def columns_about_customers() -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for title, text in re.findall(
        r"^### (\w+)\n(.*?)(?=^### |\Z)", INVENTORY.read_text(), re.DOTALL | re.MULTILINE
    ):
        rows = re.findall(r"^\| `(\w+)` \|.*\| (\w+) \|[^|]*\|$", text, re.MULTILINE)
        found |= {(title, column) for column, category in rows if category in ABOUT_CUSTOMERS}
    return found


def entries(table: dict[str, dict[str, str]]) -> set[tuple[str, str]]:
    return {(name, column) for name, columns in table.items() for column in columns}


@pytest.mark.promise("P7")
def test_every_column_about_a_customer_is_exported_or_left_out_for_a_reason() -> None:
    """A new table or column fails here until somebody decides."""
    about = columns_about_customers()
    assert len(about) > 90
    assert sorted(about - entries(SHOWN) - entries(LEFT_OUT)) == []
    assert sorted(entries(SHOWN) & entries(LEFT_OUT)) == []


def test_the_decisions_speak_of_columns_that_exist(shop: Shop) -> None:
    rows = shop.rows(
        "select table_name, column_name from information_schema.columns where table_schema = 'public'"
    )
    real = {(row.table_name, row.column_name) for row in rows}
    assert sorted((entries(SHOWN) | entries(LEFT_OUT)) - real) == []


@pytest.mark.promise("P7")
def test_every_column_that_is_called_exported_is_there(shop: Shop, alice: Customer) -> None:
    file = as_json(exported(shop, alice, "account"))
    assert file["schema"] == "onceline.account/1"
    assert [name for name in file if name not in ("schema", "as_of")] == [
        one.name for one in account.SECTIONS
    ]
    empty = [name for name, rows in file.items() if rows == []]
    assert empty == []
    fields = {path for columns in SHOWN.values() for path in columns.values()}
    missing = [path for path in sorted(fields) if path.split(".")[1] not in file[path.split(".")[0]][0]]
    assert missing == []


@pytest.mark.promise("P7")
def test_the_account_is_told_what_it_knows_to_be_true(shop: Shop, alice: Customer) -> None:
    file = as_json(exported(shop, alice, "account"))
    order, rental = file["orders"]
    assert (order["client_reference"], order["number"][0], order["money"]) == ("mine", "+", "captured")
    assert [one["duration_s"] for one in rental["extensions"]] == [FOUR_HOURS]
    assert [one["code"] for one in file["messages"]] == ["482913"]
    assert file["webhooks"][0]["url"] == "https://example.com/hook?token=t0k"
    assert [one["event"][:4] for one in file["deliveries"]] == ["evt_"]
    assert file["notice_settings"][0]["pending_address"] == "alice@example.com"
    assert {one["name"]: one["orders"] for one in file["idempotency_keys"]}["abc"] == [order["id"]]
    assert [one["seq"] for one in file["events"]] == list(range(1, file["balances"][0]["events"] + 1))


def test_no_secret_is_in_the_file(shop: Shop, alice: Customer) -> None:
    text = exported(shop, alice, "account")
    assert b"whsec_" not in text
    assert alice.key.encode() not in text
    (stored,) = shop.rows("select hash from api_keys")
    assert bytes(stored.hash).hex().encode() not in text


def test_what_cannot_be_opened_any_more_stands_as_null(shop: Shop, alice: Customer) -> None:
    """As far as the reading goes; the file itself could not be sealed any more."""
    export = ask(shop, alice, "account")
    shop.context.vault.destroy(account_key(alice.account))
    with shop.db.statement() as tx:
        file = as_json(pages.read_page(tx, shop.context, export).text)
    assert (file["webhooks"][0]["url"], file["messages"][0]["text"]) == (None, None)
    assert file["notice_settings"][0]["pending_address"] is None


def test_a_test_key_has_the_test_side_and_a_live_key_both(shop: Shop, alice: Customer) -> None:
    live = live_customer(shop, alice)
    of_test = as_json(exported(shop, alice, "account"))
    of_both = as_json(exported(shop, live, "account"))
    assert [row["mode"] for row in of_test["balances"]] == ["test"]
    assert [row["mode"] for row in of_both["balances"]] == ["test", "live"]
    assert [row["name"] for row in of_both["keys"]] == ["test", "live"]
    assert [row["mode"] for row in of_both["transfers"]].count("live") == 1


def test_the_file_holds_nothing_of_another_account(shop: Shop, alice: Customer) -> None:
    charlie = shop.customer(CHARLIE)
    text = exported(shop, charlie, "account")
    file = as_json(text)
    assert alice.account.encode() not in text
    assert [row["id"] for row in file["account"]] == [charlie.account]
    holding = sorted(name for name, rows in file.items() if isinstance(rows, list) and rows)
    assert holding == [
        "account",
        "balances",
        "deposits",
        "events",
        "exports",
        "keys",
        "notice_settings",
        "transfers",
    ]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_the_steps_of_the_reading_do_not_show_in_the_file(
    shop: Shop, alice: Customer, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = live_customer(shop, alice)
    export = ask(shop, live, "account")
    with shop.db.statement() as tx:
        whole = pages.read_page(tx, shop.context, export)
    assert whole.place is None
    monkeypatch.setattr(sections, "STEP_ROWS", step)
    monkeypatch.setattr(account, "FEW_ROWS", step)
    monkeypatch.setattr(sections, "WINDOW", step + 1)
    monkeypatch.setattr(pages, "PAGE_ROWS", step)
    monkeypatch.setattr(worker, "MOST_REST_S", 0)
    shop.clock.advance(timedelta(seconds=1).total_seconds())
    make(shop)
    without_itself = as_json(whole.text)
    again = as_json(file_of(shop, live, export))
    assert again.pop("exports")[-1]["id"] == without_itself.pop("exports")[-1]["id"] == export.id
    assert again == without_itself


# What the page says --------------------------------------------------------------------------------------------


def test_the_page_names_every_column_and_section() -> None:
    text = HOWTO.read_text()
    for kind, columns in sections.COLUMNS.items():
        (line,) = re.findall(rf"^\| {kind} \| (.+) \|$", text, re.MULTILINE)
        assert tuple(re.findall(r"`(\w+)`", line)) == columns
    (listed,) = re.findall(r"The sections of `account`: (.+?)\. No secret", text, re.DOTALL)
    assert re.findall(r"`(\w+)`", listed) == [section.name for section in account.SECTIONS]
