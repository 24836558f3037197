"""Letters leave at once and before all other mail, and leave nothing behind, however it ends."""

from __future__ import annotations

import threading
import time
from email import policy
from email.parser import BytesParser

import pytest
from structlog.testing import capture_logs

from onceline.core.notices import letters, queue
from onceline.core.notices.commands import MAILS_WORD
from onceline.core.notices.letters import Letter
from onceline.workers.clock import Worker
from onceline.workers.mail import Mailer
from tests.edge.door import eventually
from tests.mailbox import HERS, SENDER, Notices
from tests.personas import ALICE
from tests.shop import Shop
from tests.test_post import Server, post_to, serving


@pytest.fixture
def notices(shop: Shop) -> Notices:
    return Notices(shop)


def post(shop: Shop, recipient: str = HERS, subject: str = "Your link", body: str = "https://…\n") -> None:
    with shop.db.transaction() as tx:
        letters.post(tx, shop.context.vault, Letter(recipient, subject, body), shop.clock.now())


def left(shop: Shop) -> int:
    return int(shop.value("select count(*) from letters"))


def test_a_letter_is_sent_as_it_was_posted_and_is_gone(notices: Notices, shop: Shop) -> None:
    post(shop, subject="重置密码", body="Grüße\nhttps://onceline.example/x\n")
    assert notices.post() == 1
    mail = BytesParser(policy=policy.SMTP).parsebytes(notices.box.mails[0].as_bytes())
    assert (mail["From"], mail["To"]) == ("Onceline <notices@onceline.example>", HERS)
    assert (mail["Subject"], mail["Auto-Submitted"]) == ("重置密码", "auto-generated")
    assert mail.get_content() == "Grüße\r\nhttps://onceline.example/x\r\n"
    assert mail["Message-ID"].endswith("@onceline.example>")
    assert notices.box.recipients == [HERS]
    assert left(shop) == 0


def test_a_letter_leaves_over_smtp_within_a_second_of_its_commit(shop: Shop) -> None:
    """The worker would look again in a minute; the wake-up brings it."""
    server = Server()
    stopping = threading.Event()
    with serving(server) as port:
        mailer = Mailer(shop.db, shop.context, post_to(port), SENDER)
        worker = Worker("mail", 60, mailer.mail_round, wake_word=MAILS_WORD)
        shop.db.bell.listen(worker.hear)
        thread = threading.Thread(target=worker.run, args=(stopping,))
        thread.start()
        try:
            time.sleep(0.3)  # its first round is over
            started = time.monotonic()
            post(shop)
            eventually(lambda: server.got)
            assert time.monotonic() - started < 1
            eventually(lambda: left(shop) == 0)
        finally:
            stopping.set()
            worker.wake()
            thread.join(20)
    assert b"Subject: Your link\r\n" in server.got[0]


def test_people_are_not_kept_waiting_for_notices(notices: Notices, shop: Shop) -> None:
    alice = shop.customer(ALICE)
    notices.settle(alice)
    for _ in range(3):
        notices.tell(alice)
    post(shop)
    notices.box.before = lambda: None if notices.box.mails else post(shop, subject="Another")
    assert notices.post() == 5
    assert notices.box.subjects[:2] == ["Your link", "Another"]


def test_a_letter_is_tried_again_with_its_message_id_and_then_given_up(notices: Notices, shop: Shop) -> None:
    post(shop)
    for wait in queue.RETRIES:
        notices.box.outcomes = ["later"]
        assert notices.post() == 1
        assert notices.post() == 0
        assert shop.value("select next_at from letters") - shop.clock.now() == wait
        shop.pass_time(wait.total_seconds())
    notices.box.outcomes = ["later"]
    assert notices.post() == 1
    assert left(shop) == 0
    assert notices.box.mails == []


def test_every_attempt_has_the_same_message_id_and_date(notices: Notices, shop: Shop) -> None:
    """Its note is lost twice: the row stands there as if nothing had been sent."""
    post(shop)
    row = shop.rows("select id, intake_key, sealed, made_at from letters")[0]
    for _ in range(2):
        notices.post()
        shop.run(
            "insert into letters (id, intake_key, sealed, made_at, next_at)"
            " values (%(id)s, %(intake_key)s, %(sealed)s, %(made_at)s, %(made_at)s)",
            **row._asdict(),
        )
        shop.pass_time(60)
    first, second = notices.box.mails
    assert (first["Message-ID"], first["Date"]) == (second["Message-ID"], second["Date"])


def test_two_letters_are_two_mails(notices: Notices, shop: Shop) -> None:
    post(shop)
    post(shop)
    notices.post()
    assert len({mail["Message-ID"] for mail in notices.box.mails}) == 2


@pytest.mark.parametrize("outcome", ["refused", "nobody"])
def test_a_letter_that_is_refused_is_gone_and_no_line_says_for_whom(
    notices: Notices, shop: Shop, outcome: str
) -> None:
    post(shop)
    notices.box.outcomes = [outcome]  # type: ignore[list-item]  # one of the outcomes
    with capture_logs() as lines:
        assert notices.post() == 1
    assert left(shop) == 0
    assert [line["outcome"] for line in lines] == [outcome]
    assert "alice" not in str(lines)


def test_a_letter_that_no_server_took_for_a_day_is_given_up(notices: Notices, shop: Shop) -> None:
    post(shop)
    shop.pass_time(queue.GIVE_UP_AFTER.total_seconds() + 1)
    assert notices.post() == 1
    assert (left(shop), notices.box.mails) == (0, [])


def test_a_letter_whose_key_is_gone_is_given_up(notices: Notices, shop: Shop) -> None:
    post(shop)
    shop.context.vault.destroy(shop.value("select intake_key from letters"))
    assert notices.post() == 1
    assert (left(shop), notices.box.mails) == (0, [])


def test_a_server_that_is_away_costs_a_letter_no_attempt(notices: Notices, shop: Shop) -> None:
    post(shop)
    notices.box.away = True
    assert notices.post() == 0
    assert shop.value("select attempts from letters") == 0
    notices.box.away = False
    assert notices.post() == 1


def test_a_letter_whose_worker_died_goes_to_the_next_after_the_lease(notices: Notices, shop: Shop) -> None:
    post(shop)
    with shop.db.transaction() as tx:
        lost = letters.claim(tx, shop.clock.now())
    assert notices.post() == 0
    shop.pass_time(queue.LEASE.total_seconds())
    with shop.db.transaction() as tx:
        held = letters.claim(tx, shop.clock.now())
        assert held is not None
        assert lost is not None
        assert not letters.end(tx, lost)
        assert not letters.retry(tx, lost, shop.clock.now())
        assert letters.retry(tx, held, shop.clock.now())
    assert left(shop) == 1


def test_two_workers_send_each_letter_once(notices: Notices, shop: Shop) -> None:
    for number in range(12):
        post(shop, f"person{number}@mail.example")
    threads = [threading.Thread(target=notices.post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(set(notices.box.recipients)) == len(notices.box.recipients) == 12
