"""The queue of mails: sent at least once, tried again, given up in words, whatever server or worker does."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from email import policy
from email.parser import BytesParser

import pytest

from onceline.core.notices import queue
from onceline.core.notices.model import MAILS_A_DAY, MAILS_FOR
from onceline.core.notices.texts import clean
from onceline.core.retention.commands import destroy_and_prune
from tests.mailbox import HERS, Notices
from tests.personas import ALICE
from tests.shop import Customer, Shop


@pytest.fixture
def notices(shop: Shop) -> Notices:
    return Notices(shop)


@pytest.fixture
def alice(shop: Shop, notices: Notices) -> Customer:
    """With a confirmed address."""
    who = shop.customer(ALICE)
    notices.settle(who)
    return who


def test_a_mail_says_who_it_is_from_and_that_a_machine_wrote_it(notices: Notices, alice: Customer) -> None:
    notices.tell(alice, "key.revoked", name="shop", last4="wxyz")
    notices.post()
    mail = BytesParser(policy=policy.SMTP).parsebytes(notices.box.mails[0].as_bytes())
    assert (mail["From"], mail["To"]) == ("Onceline <notices@onceline.example>", HERS)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@onceline.example>")
    assert mail.get_content_type() == "text/plain"
    assert mail["Date"].datetime == notices.shop.clock.now()


HOSTILE = "x\r\nBcc: victim@mail.example\r\n\r\n.\r\n<b>\u202egro\u200b.live\x00\ud800"


def test_hostile_words_stay_in_their_line(notices: Notices, alice: Customer) -> None:
    notices.tell(
        alice, "policy.changed", policy=HOSTILE.replace("\x00", "").replace("\ud800", ""), version="2"
    )
    notices.post()
    raw = notices.box.mails[0].as_bytes()
    mail = BytesParser(policy=policy.SMTP).parsebytes(raw)
    assert mail["Bcc"] is None
    assert mail["Subject"] == "x  Bcc: victim@mail.example    .  <b>\ufffdgro\ufffd.live changes on –"
    assert not {"\u202e", "\u200b"} & set(mail["Subject"] + mail.get_content())
    assert b"\r\n.\r\n" not in raw


@pytest.mark.parametrize(
    "text", ["\x00", "\u202e", "\u2028", "\ud800", "\u200f", "\ufeff", "\x1b[2J", "\u0085"]
)
def test_what_does_not_show_is_replaced_by_what_does(text: str) -> None:
    assert clean(text).replace("[2J", "") in ("\ufffd", " ")


def test_a_mail_is_tried_again_later_and_later_and_then_given_up(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    notices.tell(alice)
    notices.box.outcomes = ["later"] * 20
    waits = []
    for _ in range(len(queue.RETRIES) + 1):
        assert notices.post() == 1
        assert notices.post() == 0
        at = shop.value("select next_at from mails where kind = 'export.ready'")
        waits.append(at - shop.clock.now())
        shop.pass_time(waits[-1].total_seconds())
    assert tuple(waits[:-1]) == queue.RETRIES
    assert notices.states("export.ready") == ["failed"]
    assert notices.told(alice)[0] == "export.ready"  # nothing is silent: it is in the house


def test_a_mail_keeps_its_message_id_over_all_attempts(notices: Notices, shop: Shop, alice: Customer) -> None:
    seen = []
    notices.tell(alice)
    notices.box.before = _raise
    with pytest.raises(RuntimeError):
        notices.post()
    notices.box.before = lambda: None
    for _ in range(2):
        shop.pass_time(queue.LEASE.total_seconds() + 1)
        notices.post()
        seen.append((notices.box.mails[-1]["Message-ID"], notices.box.mails[-1]["Date"]))
        shop.run(
            "update mails set state = 'due' where kind = 'export.ready'"
        )  # the note was lost with its worker
    assert seen[0] == seen[1]


def _raise() -> None:
    raise RuntimeError


def test_a_refused_mail_is_not_tried_again(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.tell(alice)
    notices.box.outcomes = ["refused"]
    notices.post()
    assert notices.states("export.ready") == ["failed"]
    assert notices.overview(alice)["confirmed_at"] is not None


def test_an_address_where_nobody_lives_is_used_no_more(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.tell(alice)
    notices.tell(alice)
    notices.box.outcomes = ["nobody"]
    notices.post()
    assert notices.states("export.ready") == ["failed", "dropped"]
    found = notices.overview(alice)
    assert (found["address"], found["confirmed_at"]) == (HERS, None)
    assert notices.told(alice)[0] == "mail.refused"
    notices.choose(alice, HERS)
    assert notices.overview(alice)["pending_address"] == HERS


def test_an_unconfirmed_address_where_nobody_lives_is_forgotten(notices: Notices, alice: Customer) -> None:
    notices.choose(alice, "nobody@mail.example")
    notices.box.outcomes = ["sent", "nobody"]
    notices.post()
    found = notices.overview(alice)
    assert (found["address"], found["pending_address"]) == (HERS, None)
    assert found["confirmed_at"] is not None


def test_a_server_that_is_away_costs_no_mail_an_attempt(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    notices.tell(alice)
    notices.box.away = True
    mailer = notices.mailer()
    assert [mailer.mail_round() for _ in range(3)] == [0, 0, 0]
    assert shop.value("select attempts from mails where kind = 'export.ready'") == 0
    notices.box.away = False
    assert mailer.mail_round() == 0  # it rests a moment
    notices.post()
    assert len(notices.box.mails) == 1


def test_a_mail_that_no_server_took_for_a_day_is_given_up(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    notices.tell(alice)
    shop.pass_time(queue.GIVE_UP_AFTER.total_seconds() + 1)
    notices.post()
    assert notices.states("export.ready") == ["failed"]
    assert notices.box.mails == []


def test_two_workers_send_each_mail_once(notices: Notices, alice: Customer) -> None:
    for number in range(12):
        notices.tell(alice, export=f"exp_{number}")
    threads = [threading.Thread(target=notices.post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len({mail["Message-ID"] for mail in notices.box.mails}) == len(notices.box.mails) == 12


def test_a_mail_in_other_hands_is_neither_taken_nor_waited_for(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    notices.tell(alice)
    notices.tell(alice)
    with shop.db.transaction() as one, shop.db.transaction() as other:
        taken = [queue.claim(tx, shop.clock.now()) for tx in (one, other, other)]
    first, second, none = taken
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert none is None


def test_a_worker_that_lost_its_claim_notes_nothing(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.tell(alice)
    with shop.db.transaction() as tx:
        first = queue.claim(tx, shop.clock.now())
    shop.pass_time(queue.LEASE.total_seconds())
    with shop.db.transaction() as tx:
        second = queue.claim(tx, shop.clock.now())
        assert first is not None
        assert second is not None
        assert not queue.end(tx, first, "failed")
        assert not queue.retry(tx, first, shop.clock.now())
        assert queue.end(tx, second, "sent")


def test_an_account_that_makes_much_ado_is_mailed_only_so_much(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    shop.run(
        "insert into mails (account_id, side_id, kind, facts, state, made_at, next_at) select %(account)s, %(side)s,"
        " 'key.created', '{}', 'sent', %(now)s, %(now)s from generate_series(1, %(count)s)",
        account=alice.account, side=alice.side, now=shop.clock.now(), count=MAILS_A_DAY - 2,
    )  # fmt: skip
    for _ in range(3):
        notices.tell(alice)
    assert len(notices.states("export.ready")) == 1  # one more went for the confirmation
    assert notices.told(alice)[:3] == ["export.ready"] * 3


def test_rows_of_mails_are_kept_for_thirty_days(notices: Notices, shop: Shop, alice: Customer) -> None:
    shop.pass_time(MAILS_FOR.total_seconds() + 1)
    assert destroy_and_prune(shop.db, shop.context)["mails"] == 1
    assert notices.states() == []


_CLAIM_AND_DIE = """
import os, signal, sys
from onceline.core.clock import SystemClock
from onceline.core.db import Database
from onceline.core.notices import queue
from tests.conftest import NOON
with Database(sys.argv[1], size=1) as db:
    with db.statement() as tx:
        assert queue.claim(tx, NOON)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_mail_goes_out_though_the_worker_that_had_it_was_killed(
    notices: Notices, shop: Shop, conninfo: str, alice: Customer
) -> None:
    notices.tell(alice)
    died = subprocess.run([sys.executable, "-c", _CLAIM_AND_DIE, conninfo], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert notices.post() == 0
    shop.pass_time(queue.LEASE.total_seconds())
    assert notices.post() == 1
    assert notices.states("export.ready") == ["sent"]
