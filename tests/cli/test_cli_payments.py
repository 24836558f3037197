"""`onceline payments` and `onceline refunds`: configured, looked at and decided by the real command line; no secret is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onceline.core.deposits import store as deposits
from onceline.core.deposits.model import Deposit
from onceline.core.money import MICROS
from onceline.core.processors import store
from onceline.payments.sandbox import paying
from onceline.payments.till import Till as Desk
from tests.command import CommandLine
from tests.core.deposits.till import Till
from tests.personas import ALICE
from tests.shop import Shop

KEY, SIGNING, NEXT = "sk_live_of_some_length", "whsec_of_some_length", "whsec_the_next_one"
PUBLIC = "https://otp.example.com"
CARDS = ("payments", "add", "cards", "--kind", "stripe", "--mode", "live")


@pytest.fixture
def cli(
    conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    monkeypatch.setenv("ONCELINE_PUBLIC_URL", PUBLIC)
    return CommandLine(conninfo, tmp_path, monkeypatch, capsys)


def listed(cli: CommandLine) -> dict[str, dict[str, Any]]:
    return {one["processor"]: one for one in cli.facts("payments", "list")["processors"]}


def test_a_processor_is_added_with_what_it_costs_and_says_what_it_has_to_call(cli: CommandLine) -> None:
    costs = (
        "--least",
        "10",
        "--most",
        "200.50",
        "--fee",
        "0.30",
        "--fee-percent",
        "2.9",
        "--bonus-percent",
        "5",
    )
    secrets = ("--secret", "api_key=-", "--secret", "webhook_secret=-")
    added = cli.facts(*CARDS, *costs, *secrets, stdin=f"{KEY}\n{SIGNING}\n".encode())
    assert added == {"processor": "cards", "kind": "stripe", "mode": "live", "url": f"{PUBLIC}/pay/cards"}
    assert listed(cli)["cards"] == {
        "processor": "cards", "kind": "stripe", "mode": "live", "enabled": True, "least": "10.0000", "most": "200.5000",
        "fee": "0.3000", "fee_percent": "2.9000", "bonus_percent": "5.0000",
    }  # fmt: skip


def test_the_sandbox_is_there_from_the_start_and_works(cli: CommandLine) -> None:
    assert list(listed(cli)) == ["sandbox"]
    assert cli.facts("payments", "check")["processors"] == [
        {"processor": "sandbox", "enabled": True, "url": None, "ok": True, "faults": []}
    ]


def test_every_kind_says_what_can_be_set_and_whether_its_deposits_go_back(cli: CommandLine) -> None:
    kinds = {one["kind"]: one for one in cli.facts("payments", "kinds")["kinds"]}
    assert {name: one["refunds"] for name, one in kinds.items()} == {
        "sandbox": "source", "stripe": "source", "cryptomus": "origin", "btcpay": "never",
    }  # fmt: skip
    assert kinds["sandbox"]["modes"] == ["test"]
    words = cli("payments", "kinds").out
    assert "stripe: test or live money, refunds: source" in words
    assert "--secret api_key=-" in words


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("payments", "add", "play", "--kind", "sandbox", "--mode", "live"), "test money only"),
        (("payments", "add", "x", "--kind", "nothing", "--mode", "live"), "'nothing' is no kind"),
        (("payments", "add", "Cards!", "--kind", "stripe", "--mode", "live"), "no name for a processor"),
        (("payments", "add", "revenue", "--kind", "stripe", "--mode", "live"), "no name for a processor"),
        (("payments", "add", "sandbox", "--kind", "sandbox", "--mode", "test"), "already"),
        ((*CARDS, "--set", "uri=x"), "'uri' is no setting of stripe"),
        ((*CARDS, "--set", "url=http://api.stripe.com"), "scheme must be https"),
        ((*CARDS, "--secret", "api_key=sk_live_seen_by_all"), "read from standard input"),
        ((*CARDS, "--secret", "pass=-"), "has no secret 'pass'"),
        ((*CARDS, "--least", "0"), "least is above 0"),
        ((*CARDS, "--least", "10", "--most", "9"), "most is not below it"),
        ((*CARDS, "--fee", "-1"), "not an amount"),
        ((*CARDS, "--fee-percent", "101"), "from 0 to 100"),
        ((*CARDS, "--fee-percent", "0.00001"), "four decimals"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_added(
    cli: CommandLine, words: tuple[str, ...], told: str
) -> None:
    said = cli(*words, stdin=b"secret\n")
    assert (said.code, told in said.err) == (2, True), said.err
    assert list(listed(cli)) == ["sandbox"]


def test_what_is_not_named_stays_when_something_is_changed(cli: CommandLine) -> None:
    assert cli(*CARDS, "--fee", "0.30").code == 0
    assert cli("payments", "set", "cards", "--most", "50", "--set", "adaptive_pricing=true").code == 0
    found = listed(cli)["cards"]
    assert (found["fee"], found["most"], found["least"]) == ("0.3000", "50.0000", "5.0000")
    assert cli("payments", "set", "nobody", "--most", "50").code == 2


def test_a_processor_is_switched_off_and_on(cli: CommandLine) -> None:
    cli(*CARDS)
    assert cli("payments", "disable", "cards").code == 0
    assert not listed(cli)["cards"]["enabled"]
    assert cli("payments", "enable", "cards").code == 0
    assert listed(cli)["cards"]["enabled"]


def test_a_secret_is_sealed_replaced_and_never_shown(cli: CommandLine, shop: Shop) -> None:
    cli(*CARDS, "--secret", "webhook_secret=-", stdin=f"{SIGNING}\n".encode())
    assert cli("payments", "secret", "cards", "webhook_secret", stdin=f"{NEXT}\n".encode()).code == 0
    (row,) = shop.rows("select sealed from processor_secrets")
    assert NEXT.encode() not in bytes(row.sealed)
    said = [cli("payments", *words).out for words in (("list",), ("check",), ("kinds",))]
    assert all(SIGNING not in out and NEXT not in out for out in said)
    assert cli("payments", "secret", "cards", "nothing", stdin=b"x\n").code == 2


def test_the_check_says_what_is_missing(cli: CommandLine) -> None:
    cli(*CARDS)
    said = cli("payments", "check", "cards", "--json")
    (found,) = said.facts["processors"]
    assert (said.code, found["ok"]) == (1, False)
    assert any("secret api_key is not set" in one for one in found["faults"])
    assert cli("payments", "check", "nobody").code == 2


def test_a_secret_that_its_settings_do_not_ask_for_is_not_missed(cli: CommandLine) -> None:
    """Port 9 of this machine answers nobody."""
    settings = ("merchant_id=8b03432e-385b-4670-8d06-064591096795", "base_url=http://127.0.0.1:9")
    named = ("coins", "--kind", "cryptomus", "--mode", "live", "--secret", "payment_key=-")
    sets = [word for one in settings for word in ("--set", one)]
    cli("payments", "add", *named, *sets, stdin=b"a key\n")
    (found,) = cli("payments", "check", "coins", "--json").facts["processors"]
    assert [one.partition(":")[0] for one in found["faults"]] == ["its report cannot be read"]

    assert cli("payments", "set", "coins", "--set", "refund_key=payout").code == 0
    (found,) = cli("payments", "check", "coins", "--json").facts["processors"]
    assert [one.partition(":")[0] for one in found["faults"]] == ["The secret payout_key is not set"]


def test_without_an_address_of_its_own_the_report_is_asked_for_all_the_same(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ONCELINE_PUBLIC_URL")
    secrets = ("--secret", "api_key=-", "--secret", "webhook_secret=-")
    said = cli(*CARDS, "--set", "url=http://127.0.0.1:9", *secrets, stdin=f"{KEY}\n{SIGNING}\n".encode())
    assert "set ONCELINE_PUBLIC_URL" in said.out
    (found,) = cli("payments", "check", "cards", "--json").facts["processors"]
    assert [one.partition(":")[0] for one in found["faults"]] == [
        "set ONCELINE_PUBLIC_URL",
        "its report cannot be read",
    ]


# Exceptions and refunds -------------------------------------------------------------------------------------------------


@pytest.fixture
def till(shop: Shop) -> Till:
    return Till(shop, shop.customer(ALICE, balance=0))


def note(shop: Shop, code: str = "unknown_payment") -> None:
    with shop.db.transaction() as tx:
        deposits.note_exception(tx, "cards", code, "cs_1", shop.clock.now(), amount=MICROS, currency="USD")


def test_what_fits_nothing_is_listed_resolved_and_opens_anew_when_it_is_said_again(
    cli: CommandLine, shop: Shop
) -> None:
    note(shop)
    note(shop)
    (found,) = cli.facts("payments", "exceptions")["exceptions"]
    assert (found["what"], found["object"], found["amount"], found["times"]) == (
        "unknown_payment",
        "cs_1",
        "1.0000",
        2,
    )
    assert cli("payments", "resolve", str(found["number"]), "--staff", "Olga").code == 0
    assert cli.facts("payments", "exceptions")["exceptions"] == []
    (known,) = cli.facts("payments", "exceptions", "--all")["exceptions"]
    assert known["resolved_by"] == "olga"
    assert cli("payments", "resolve", str(found["number"]), "--staff", "Olga").code == 2
    note(shop)
    assert len(cli.facts("payments", "exceptions")["exceptions"]) == 1


def test_exceptions_come_page_by_page(cli: CommandLine, shop: Shop) -> None:
    for code in ("a", "b", "c"):
        note(shop, code)
    first = cli.facts("payments", "exceptions", "--limit", "2")
    second = cli.facts("payments", "exceptions", "--limit", "2", "--after", first["next"])
    assert [one["what"] for one in first["exceptions"] + second["exceptions"]] == ["c", "b", "a"]
    assert second["next"] is None


def test_a_large_refund_takes_two_persons(cli: CommandLine, till: Till) -> None:
    asked = till.ask_back(till.paid(150), approvals=2)
    (waiting,) = cli.facts("refunds", "list")["refunds"]
    assert (waiting["refund"], waiting["amount"], waiting["state"]) == (asked.id, "150.0000", "asked")
    assert cli.facts("refunds", "approve", asked.id, "--staff", "Olga")["state"] == "asked"
    again = cli("refunds", "approve", asked.id, "--staff", " OLGA ")
    assert (again.code, "another person" in again.err) == (2, True)
    assert till.claimed() == []
    assert cli.facts("refunds", "approve", asked.id, "--staff", "Ben")["state"] == "approved"
    assert cli.facts("refunds", "list")["refunds"] == []
    assert len(cli.facts("refunds", "list", "--all")["refunds"]) == 1


def fresh(till: Till, dollars: int) -> Deposit:
    """One that came just now: the command line lives by the real clock."""
    found = till.paid(dollars)
    till.shop.run("update deposits set credited_at = now() where id = %(id)s", id=found.id)
    return found


def test_staff_ask_for_a_refund_by_the_rule_of_its_owner(cli: CommandLine, till: Till, shop: Shop) -> None:
    found = fresh(till, 10)
    assert cli.facts("refunds", "ask", found.id, "--staff", "Olga")["state"] == "approved"
    assert (till.refund(found).asked_by, till.dollars) == ("olga", (0, 10, 0, 0))
    spent = fresh(till, 5)
    shop.place(till.who)
    refused = cli("refunds", "ask", spent.id, "--staff", "Olga")
    assert (refused.code, "Something of this deposit was spent" in refused.err) == (2, True)
    assert till.look(spent).state == "credited"


def test_who_asked_for_a_large_refund_as_staff_does_not_approve_it(cli: CommandLine, till: Till) -> None:
    found = fresh(till, 150)
    asked = cli.facts("refunds", "ask", found.id, "--staff", "Olga")
    assert asked["state"] == "asked"
    assert cli("refunds", "approve", asked["refund"], "--staff", "olga").code == 2
    for staff, state in (("Ann", "asked"), ("Ben", "approved")):
        assert cli.facts("refunds", "approve", asked["refund"], "--staff", staff)["state"] == state


def test_a_declined_refund_is_available_again(cli: CommandLine, till: Till) -> None:
    asked = till.ask_back(till.paid(150), approvals=2)
    assert till.dollars[0] == 0
    assert (
        cli.facts("refunds", "decline", asked.id, "--staff", "Olga", "--reason", "too fast")["state"]
        == "refused"
    )
    assert till.dollars[0] == 150
    assert cli("refunds", "approve", asked.id, "--staff", "Ben").code == 0
    assert till.claimed() == []


def test_a_refund_that_is_not_there_is_not_found(cli: CommandLine) -> None:
    assert cli("refunds", "approve", "rfd_aaaaaaaaaaaaaaaa", "--staff", "Olga").code == 2


def test_no_command_takes_a_place_for_money_to_go_to(cli: CommandLine) -> None:
    for words in (("refunds", "approve"), ("refunds", "decline"), ("payments", "resolve")):
        help_text = cli(*words, "--help").out.lower()
        assert "address" not in help_text
        assert "--to" not in help_text


def test_a_processors_secrets_go_where_it_goes(shop: Shop) -> None:
    with shop.db.transaction() as tx:
        store.set_secret(tx, shop.context.vault, "sandbox", "key", "value", shop.clock.now())
        assert store.opened(tx, shop.context.vault, "sandbox") == {"key": "value"}
    shop.run("update processor_secrets set processor = 'sandbox', name = 'other'")
    with pytest.raises(Exception, match="does not open"), shop.db.transaction() as tx:
        store.opened(tx, shop.context.vault, "sandbox")


def test_what_came_of_a_deposit_under_review_is_credited_by_hand(cli: CommandLine, shop: Shop) -> None:
    """Half of the least amount came: too little to be credited by itself."""
    alice = shop.customer(ALICE, balance=0)
    desk = Desk(shop.db, shop.context, None)
    begun = desk.begin(alice.side, "sandbox", MICROS, "key", "/").deposit
    with shop.db.transaction() as tx:
        paying.pay(tx, alice.side, begun.id, "under", shop.clock.now())
    assert desk.ask(begun.id).state == "review"
    assert cli("payments", "credit", begun.id, "--staff", "Olga").out == f"0.5000 of {begun.id} is credited\n"
    assert shop.balance(alice).available == MICROS // 2
    assert cli.facts("payments", "exceptions")["exceptions"] == []
    (known,) = cli.facts("payments", "exceptions", "--all")["exceptions"]
    assert (known["what"], known["resolved_by"]) == ("too_little", "olga")
    assert cli("payments", "credit", begun.id, "--staff", "Olga").code == 2
    assert shop.balance(alice).available == MICROS // 2
    shop.assert_books_are_true()
