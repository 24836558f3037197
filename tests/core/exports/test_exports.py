"""An export's life: asked for, made page by page, resumed, failed, expired, deleted; and what stands in the file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from onceline.core.clock import rfc3339
from onceline.core.errors import Busy, InvalidInput, LimitExceeded, NotFound
from onceline.core.exports import commands, model, pages, sections
from onceline.core.vault import account_key
from onceline.workers import export as worker
from onceline.workers.export import export_round
from tests.core.exports.clerk import as_json, as_table, ask, exported, file_of, grant_of, make, see
from tests.personas import ALICE, CHARLIE
from tests.shop import DRAIN_S, FOUR_HOURS, WINDOW_S, Customer, Shop

HOSTILE = '=HYPERLINK("http://evil","482913"),\r\nYour code is 482913 \x00\u202e＝1'


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of a few rows, and no rest between them."""
    monkeypatch.setattr(sections, "STEP_ROWS", 2)
    monkeypatch.setattr(sections, "WINDOW", 3)
    monkeypatch.setattr(pages, "PAGE_ROWS", 4)
    monkeypatch.setattr(worker, "MOST_REST_S", 0)


def busy_life(shop: Shop, who: Customer, orders: int = 7) -> None:
    """Orders of every kind of end, with messages that mean no good."""
    for n in range(orders):
        order = shop.place(who, client_reference=f"=ref{n}")
        if n % 3:
            shop.sms(order.e164, HOSTILE, "+Evil")
            shop.sms(order.e164, f"Your code is 10000{n}")
        shop.clock.advance(1)
    rental = shop.place(who, kind="rental", duration_s=FOUR_HOURS)
    shop.sms(rental.e164, "Hello from nobody")
    shop.extend(who, rental, FOUR_HOURS, "k")
    shop.wait(WINDOW_S + DRAIN_S)


def interrupted(shop: Shop, pages_first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that stores some pages and is then gone as if killed: in the middle of reading, nothing given back."""
    left = [pages_first]
    real = pages.read_page

    def dying(*args: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(pages, "read_page", dying)
        with pytest.raises(KeyboardInterrupt):
            make(shop)


# What stands in the file -----------------------------------------------------------------------------------------


@pytest.mark.promise("D9")
@pytest.mark.parametrize("kind", ["orders", "codes", "statement"])
def test_both_formats_hold_the_same_rows(shop: Shop, alice: Customer, kind: str) -> None:
    busy_life(shop, alice)
    document, table = as_json(exported(shop, alice, kind)), as_table(exported(shop, alice, kind, "csv"))
    assert document["schema"] == f"onceline.{kind}/1"
    assert document["as_of"] == rfc3339(shop.clock.now())
    assert [row["id"] for row in table] == [str(row["id"]) for row in document["rows"]]
    assert len(table) == {"orders": 8, "codes": 9, "statement": 19}[kind]


def test_a_table_keeps_every_text_of_a_stranger_and_calculates_none(shop: Shop, alice: Customer) -> None:
    busy_life(shop, alice)
    text = exported(shop, alice, "codes", "csv")
    hostile = [row for row in as_table(text) if row["text"] == HOSTILE]
    assert {(row["sender"], row["number"][0]) for row in hostile} == {("+Evil", "+")}
    assert len(hostile) == 4
    assert b"'+Evil" in text


def test_an_export_holds_what_was_there_when_it_was_asked_for(shop: Shop, alice: Customer) -> None:
    shop.place(alice)
    export = ask(shop, alice)
    shop.clock.advance(1)
    shop.place(alice)
    make(shop)
    assert len(as_json(file_of(shop, alice, export))["rows"]) == 1


@pytest.mark.parametrize("kind", ["orders", "codes", "statement"])
def test_a_span_takes_its_beginning_and_leaves_its_end(shop: Shop, alice: Customer, kind: str) -> None:
    moments = []
    for _ in range(9):
        shop.clock.advance(60)
        moments.append(shop.clock.now())
        shop.sms(shop.place(alice).e164)
    found = as_json(exported(shop, alice, kind, since=moments[4], until=moments[7]))["rows"]
    name = {"orders": "created_at", "codes": "received_at", "statement": "made_at"}[kind]
    assert sorted({row[name] for row in found}) == [rfc3339(one) for one in moments[4:7]]


def test_an_empty_export_is_a_whole_document(shop: Shop) -> None:
    nobody = shop.customer(CHARLIE, balance=0)
    assert as_json(exported(shop, nobody, "codes"))["rows"] == []
    assert exported(shop, nobody, "codes", "csv") == (",".join(sections.COLUMNS["codes"]) + "\r\n").encode()


def test_an_export_holds_nothing_of_a_stranger(shop: Shop, alice: Customer) -> None:
    busy_life(shop, alice)
    charlie = shop.customer(CHARLIE)
    for kind in ("orders", "codes"):
        assert as_json(exported(shop, charlie, kind))["rows"] == []
    assert [row["kind"] for row in as_json(exported(shop, charlie, "statement"))["rows"]] == ["deposit"]


def test_withheld_messages_are_in_no_export(shop: Shop, alice: Customer) -> None:
    shop.sms(shop.place(alice).e164, "PayPal: Your security code is 482913", "PayPal")
    assert as_json(exported(shop, alice, "codes"))["rows"] == []
    assert b"482913" not in exported(shop, alice, "account")


def test_a_long_message_stands_in_several_pieces(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice, kind="rental", duration_s=FOUR_HOURS)
    for n in range(40):
        shop.sms(order.e164, f"{n} " + "ü" * 9_000)
    text = exported(shop, alice, "codes")
    assert len(text) > 2 * model.PIECE_BYTES
    assert [row["text"] for row in as_json(text)["rows"]] == [f"{n} " + "ü" * 9_000 for n in range(40)]


def test_the_file_is_sealed_where_it_is_stored(shop: Shop, alice: Customer) -> None:
    busy_life(shop, alice)
    exported(shop, alice, "codes")
    stored = b"".join(bytes(row.sealed) for row in shop.rows("select sealed from export_pieces"))
    assert stored
    assert b"code" not in stored


# Asking ----------------------------------------------------------------------------------------------------------


def test_at_most_three_are_made_at_once_and_a_fourth_is_told_so(shop: Shop, alice: Customer) -> None:
    for _ in range(3):
        ask(shop, alice)
    with pytest.raises(LimitExceeded) as refusal:
        ask(shop, alice)
    assert refusal.value.facts["limit"] == "live exports"
    make(shop)
    assert ask(shop, alice).state == "queued"


def test_three_at_once_are_three_also_when_they_are_asked_for_at_once(shop: Shop, alice: Customer) -> None:
    outcomes: list[object] = []

    def one() -> None:
        try:
            outcomes.append(ask(shop, alice).state)
        except LimitExceeded as refusal:
            outcomes.append(refusal.code)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == ["limit_exceeded"] * 5 + ["queued"] * 3


def test_at_most_twenty_are_kept(shop: Shop, alice: Customer) -> None:
    for _ in range(20):
        ask(shop, alice, "statement")
        make(shop)
    with pytest.raises(LimitExceeded) as refusal:
        ask(shop, alice)
    assert refusal.value.facts["limit"] == "kept exports"
    shop.clock.advance(model.KEPT_FOR.total_seconds())
    assert ask(shop, alice).state == "queued"


@pytest.mark.parametrize(
    "wanted",
    [{"kind": "account", "format": "csv"}, {"kind": "account", "since": 1}, {"since": 2, "until": 1}, {"since": 1, "until": 1}],
)  # fmt: skip
def test_an_export_that_makes_no_sense_is_not_made(
    shop: Shop, alice: Customer, wanted: dict[str, Any]
) -> None:
    span = {
        name: shop.clock.now() + timedelta(days=value) if isinstance(value, int) else value
        for name, value in wanted.items()
    }
    with pytest.raises(InvalidInput):
        ask(shop, alice, **span)


# Making ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csv", "json"])
@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_a_resumed_export_is_the_same_to_the_byte(
    shop: Shop, alice: Customer, format: str, killed_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy_life(shop, alice, 12)
    whole = exported(shop, alice, "codes", format)
    export = ask(shop, alice, "codes", format)
    interrupted(shop, killed_after, monkeypatch)
    assert see(shop, export).state == "running"
    assert export_round(shop.db, shop.context) == 0  # it is leased
    shop.clock.advance(model.LEASE.total_seconds())
    make(shop)
    assert file_of(shop, alice, export) == whole
    assert see(shop, export).rows_done == see(shop, export).rows_total == 17


def test_two_workers_never_both_write(shop: Shop, alice: Customer) -> None:
    busy_life(shop, alice, 12)
    whole = exported(shop, alice)
    export = ask(shop, alice)
    slow = stalled(shop)
    shop.clock.advance(model.LEASE.total_seconds())
    make(shop)
    slow()
    assert file_of(shop, alice, export) == whole


def stalled(shop: Shop) -> Callable[[], None]:
    """A worker that read its first page and then froze; call it to let it go on."""
    with shop.db.transaction() as tx:
        claimed = commands.claim(tx, shop.clock.now())
    assert claimed is not None
    with shop.db.statement() as tx:
        page = pages.read_page(tx, shop.context, claimed)

    def go_on() -> None:
        with pytest.raises(commands.ClaimLost), shop.db.transaction() as tx:
            commands.keep(tx, shop.context, claimed, page)

    return go_on


def test_many_workers_at_once_make_each_export_once(shop: Shop, alice: Customer) -> None:
    busy_life(shop, alice, 12)
    whole = exported(shop, alice)
    asked = [ask(shop, alice) for _ in range(3)]
    threads = [threading.Thread(target=make, args=(shop,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    make(shop)
    assert [file_of(shop, alice, one) for one in asked] == [whole] * 3


def test_an_export_that_is_long_lets_others_have_their_turn(
    shop: Shop, alice: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SLICE_S", 0)
    busy_life(shop, alice, 12)
    long = ask(shop, alice)
    export_round(shop.db, shop.context)
    shop.clock.advance(1)
    short = ask(shop, shop.customer(CHARLIE), "statement")
    for _ in range(3):
        export_round(shop.db, shop.context)
        shop.clock.advance(1)
    assert (see(shop, short).state, see(shop, long).state) == ("ready", "running")
    make(shop)
    assert see(shop, long).state == "ready"


def broken(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> None:
    left, real = [times], pages.read_page

    def read(*args: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return real(*args)

    monkeypatch.setattr(pages, "read_page", read)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), Busy()])
def test_a_page_that_fails_is_tried_again_later(
    shop: Shop, alice: Customer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    export = ask(shop, alice)
    broken(monkeypatch, error, 2)
    for pause in (2, 4):
        make(shop)
        shop.clock.advance(pause - 1)
        assert export_round(shop.db, shop.context) == 0
        shop.clock.advance(1)
    make(shop)
    assert see(shop, export).state == "ready"


def test_after_five_failures_it_is_given_up_and_said_so(
    shop: Shop, alice: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = ask(shop, alice)
    broken(monkeypatch, RuntimeError("a bug"), 99)
    for _ in range(5):
        make(shop)
        shop.clock.advance(60)
    assert (see(shop, export).state, see(shop, export).reason) == ("failed", "internal")
    assert told(shop) == ["export.failed"]
    assert export_round(shop.db, shop.context) == 0


def told(shop: Shop) -> list[str]:
    """What the event stream and the notifications say about exports: both the same."""
    events = shop.rows("select type, subject from events where type like 'export.%%' order by seq")
    notices = shop.rows("select kind, facts ->> 'export' as subject from notifications order by seq")
    assert [tuple(row) for row in events] == [tuple(row) for row in notices]
    return [row.type for row in events]


def test_a_ready_export_is_told(shop: Shop, alice: Customer) -> None:
    exported(shop, alice)
    assert told(shop) == ["export.ready"]


def test_without_the_accounts_key_an_export_fails_as_erased(shop: Shop, alice: Customer) -> None:
    busy_life(shop, alice, 2)
    export = ask(shop, alice)
    shop.context.vault.destroy(account_key(alice.account))
    make(shop)
    assert (see(shop, export).state, see(shop, export).reason) == ("failed", "erased")
    assert shop.value("select count(*) from export_pieces") == 0


def test_what_cannot_be_opened_any_more_stands_as_null(shop: Shop, alice: Customer) -> None:
    """As when the key goes between the reading of a page and the page before."""
    busy_life(shop, alice, 2)
    export = ask(shop, alice, "codes")
    shop.context.vault.destroy(account_key(alice.account))
    with shop.db.statement() as tx:
        page = pages.read_page(tx, shop.context, export)
    assert {(row["text"], row["code"]) for row in as_json(page.text)["rows"]} == {(None, None)}


def test_progress_can_be_watched(shop: Shop, alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    busy_life(shop, alice, 12)
    export = ask(shop, alice)
    assert (export.rows_done, export.rows_total) == (0, None)
    interrupted(shop, 2, monkeypatch)
    half = see(shop, export)
    assert (half.rows_done, half.rows_total) == (8, 13)
    assert half.bytes > 0


# The end ---------------------------------------------------------------------------------------------------------


def test_a_file_is_destroyed_after_a_week_and_its_row_after_a_month(shop: Shop, alice: Customer) -> None:
    export = ask(shop, alice)
    make(shop)
    shop.clock.advance(model.KEPT_FOR.total_seconds() - 1)
    commands.destroy(shop.db, shop.clock.now())
    assert see(shop, export).state == "ready"
    shop.clock.advance(1)
    assert model.state_at(see(shop, export), shop.clock.now()) == "expired"
    assert commands.destroy(shop.db, shop.clock.now()) == 1
    assert see(shop, export).state == "expired"
    shop.clock.advance((model.ROWS_FOR - model.KEPT_FOR).total_seconds() + 1)
    commands.destroy(shop.db, shop.clock.now())
    with pytest.raises(NotFound):
        see(shop, export)


def test_a_deleted_export_is_gone_at_once_and_its_pieces_soon(shop: Shop, alice: Customer) -> None:
    export = ask(shop, alice)
    make(shop)
    grant = grant_of(shop, alice)
    made = see(shop, export)
    with shop.db.transaction() as tx:
        commands.delete(tx, grant, export.id)
    with pytest.raises(NotFound):
        see(shop, export)
    with shop.db.transaction() as tx:
        assert commands.piece(tx, shop.context, made, 0, grant.id) is None
    commands.destroy(shop.db, shop.clock.now())
    assert shop.value("select (select count(*) from exports) + (select count(*) from export_pieces)") == 0


def test_deleting_stops_the_making(shop: Shop, alice: Customer) -> None:
    busy_life(shop, alice, 12)
    export = ask(shop, alice)
    slow = stalled(shop)
    with shop.db.transaction() as tx:
        commands.delete(tx, grant_of(shop, alice), export.id)
    slow()
    assert export_round(shop.db, shop.context) == 0
    assert told(shop) == []
