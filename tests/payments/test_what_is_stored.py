"""What is kept of a payment (M7): what the processor calls it, and where it came from; of who paid, nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import sql

from tests.counterparts.stripe.process import FakeStripe
from tests.payments.by_card import call, intent_of
from tests.payments.counter import Counter
from tests.shop import Shop

PAYER = {"name": "Grizelda Umberfield", "email": "grizelda@umberfield.example", "phone": "+15550102233"}
CARD = {"brand": "umbercard", "last4": "7391", "fingerprint": "fpUmberfield7391"}
WORDS = ("grizelda", "umberfield", "umbercard", "5550102233")


def kept(shop: Shop) -> Iterator[tuple[str, str]]:
    """Every row of every table as text, with its table."""
    tables = shop.rows(
        "select table_name as name from information_schema.tables where table_schema = 'public'"
    )
    assert len(tables) > 30
    with shop.db.transaction() as tx:
        for table in tables:
            wanted = sql.SQL("select row_to_json(a_row)::text as text from {} a_row").format(
                sql.Identifier(table.name)
            )
            yield from ((table.name, row.text) for row in tx.all(wanted.as_string()))


@pytest.mark.promise("M7")
def test_of_a_payment_by_card_its_ids_are_kept_and_nothing_of_who_paid(
    counter: Counter, cards: FakeStripe
) -> None:
    deposit = counter.begun("10.00", "cards")
    session = counter.processor_id(deposit)
    cards.tell("set", id=session, fields={"customer_details": PAYER})
    cards.pay(session)
    intent = intent_of(cards, session)
    cards.tell(
        "set", id=intent, fields={"receipt_email": PAYER["email"], "payment_method_details": {"card": CARD}}
    )
    assert call(counter, cards, "checkout.session.completed") == 200
    assert PAYER["name"] in str(cards.events("checkout.session.completed")[-1])
    counter.work()

    rows = list(kept(counter.shop))
    named = {table for table, text in rows if intent in text or session in text}
    assert {"deposits"} <= named <= {"deposits", "processor_hints", "openings"}
    assert [table for table, text in rows if any(word in text.lower() for word in WORDS)] == []
