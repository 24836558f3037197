"""What may be posted, how often, and how little of it the database knows."""

from __future__ import annotations

import threading

import pytest

from onceline.core.errors import InvalidInput
from onceline.core.notices import letters
from onceline.core.notices.commands import MAILS_WORD
from onceline.core.notices.letters import (
    BY_STRANGERS,
    LONGEST_BODY,
    LONGEST_SUBJECT,
    NEWS,
    RESETS,
    Budget,
    Letter,
)
from onceline.core.retention.commands import destroy_and_prune
from tests.shop import Shop

HERS = "alice@mail.example"
HOUR, DAY = 3600, 86400


def post(
    shop: Shop,
    recipient: str = HERS,
    subject: str = "Your link",
    body: str = "https://…",
    budget: Budget = NEWS,
) -> set[str]:
    """The words that are told after the commit."""
    with shop.db.transaction() as tx:
        letters.post(tx, shop.context.vault, Letter(recipient, subject, body), shop.clock.now(), budget)
        return set(tx.words)


def waiting(shop: Shop) -> list[Letter | None]:
    rows = shop.rows("select id, intake_key, sealed, attempts from letters order by made_at, id")
    return [letters.read(shop.context.vault, row) for row in rows]


def test_a_letter_waits_sealed_and_the_worker_is_told(shop: Shop) -> None:
    assert post(shop, "Alice@Mail.Example", "重置密码", "Line one\r\nLine two\n") == {MAILS_WORD}
    assert waiting(shop) == [Letter("Alice@mail.example", "重置密码", "Line one\r\nLine two\n")]


def test_nothing_of_a_letter_stands_in_clear(shop: Shop) -> None:
    post(shop, HERS, "A subject", "A body")
    stored = shop.value("select string_agg(l::text, '') from letters l") + shop.value(
        "select string_agg(c::text, '') from letter_counts c"
    )
    raw = bytes(shop.value("select sealed from letters"))
    for word in ("alice", "mail.example", "subject", "body"):
        assert word not in stored.lower()
        assert word.encode() not in raw.lower()


@pytest.mark.parametrize(
    "recipient",
    ["", "alice", "alice@", "@mail.example", "a@b", "alice@mail.example\r\nBcc: x@y.example", "a b@mail.example",
     "alice@mail.example,bob@mail.example", "alice@[127.0.0.1]", "<alice@mail.example>", "älice@mail.example"],
)  # fmt: skip
def test_a_recipient_that_is_no_address_is_refused(shop: Shop, recipient: str) -> None:
    with pytest.raises(InvalidInput):
        post(shop, recipient)
    assert waiting(shop) == []


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "a\rb",
        "a\nBcc: x@y.example",
        "a\x00b",
        "a\u2028b",
        "a\u0085b",
        "\ud800",
        "x" * (LONGEST_SUBJECT + 1),
    ],
)
def test_a_subject_that_is_not_one_line_is_refused(shop: Shop, subject: str) -> None:
    with pytest.raises(InvalidInput):
        post(shop, subject=subject)


@pytest.mark.parametrize("body", ["x" * (LONGEST_BODY + 1), "é" * (LONGEST_BODY // 2 + 1), "\ud800"])
def test_a_body_that_is_too_long_or_no_text_is_refused(shop: Shop, body: str) -> None:
    with pytest.raises(InvalidInput):
        post(shop, body=body)


def test_the_longest_letter_is_taken(shop: Shop) -> None:
    post(shop, subject="x" * LONGEST_SUBJECT, body="x" * LONGEST_BODY)
    assert len(waiting(shop)) == 1


def test_an_address_gets_so_many_letters_an_hour_and_the_rest_is_dropped_in_silence(shop: Shop) -> None:
    for _ in range(NEWS.an_hour):
        assert post(shop)
    assert post(shop, HERS.upper()) == set()
    assert len(waiting(shop)) == NEWS.an_hour
    assert post(shop, "bob@mail.example")


def test_what_strangers_ask_for_leaves_the_room_of_news_and_resets(shop: Shop) -> None:
    posted = [bool(post(shop, budget=BY_STRANGERS)) for _ in range(BY_STRANGERS.an_hour + 1)]
    assert posted == [True] * BY_STRANGERS.an_hour + [False]
    assert [bool(post(shop, budget=RESETS)) for _ in range(RESETS.an_hour + 1)].count(True) == RESETS.an_hour
    assert [bool(post(shop, budget=NEWS)) for _ in range(NEWS.an_hour + 1)].count(True) == NEWS.an_hour


def test_an_hour_is_any_hour(shop: Shop) -> None:
    """Half of them now, half in half an hour: then there is room for the first half again, not for more."""
    for _ in range(2):
        for _ in range(NEWS.an_hour // 2):
            assert post(shop)
        shop.pass_time(HOUR / 2)
    assert [bool(post(shop)) for _ in range(NEWS.an_hour // 2 + 1)] == [True] * (NEWS.an_hour // 2) + [False]


def test_midnight_gives_nobody_another_twenty(shop: Shop) -> None:
    """It is noon: the last letter of the day goes at five to midnight, and the key changes then."""
    shop.pass_time(12 * HOUR - 300)
    for _ in range(NEWS.an_hour):
        assert post(shop)
    shop.pass_time(600)
    assert post(shop) == set()
    assert post(shop, "bob@mail.example")
    shop.pass_time(HOUR)
    assert post(shop)


def test_letters_of_one_moment_are_counted_one_by_one(shop: Shop) -> None:
    threads = [
        threading.Thread(target=lambda: [post(shop) for _ in range(NEWS.an_hour // 2)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(waiting(shop)) == NEWS.an_hour


def test_a_letter_is_unreadable_two_days_after_its_day(shop: Shop) -> None:
    post(shop)
    row = shop.rows("select id, intake_key, sealed from letters")[0]
    shop.pass_time(12 * HOUR + 2 * DAY)
    done = destroy_and_prune(shop.db, shop.context)
    assert (done["letters"], done["intake_keys"]) == (1, 1)
    assert letters.read(shop.context.vault, row) is None
    assert waiting(shop) == []


def test_a_letter_that_was_moved_to_another_row_does_not_open(shop: Shop) -> None:
    post(shop)
    shop.run("update letters set id = 'let_another'")
    assert waiting(shop) == [None]


def test_a_count_is_forgotten_after_an_hour(shop: Shop) -> None:
    post(shop)
    shop.pass_time(HOUR - 1)
    assert destroy_and_prune(shop.db, shop.context)["letter_counts"] == 0
    shop.pass_time(1)
    assert destroy_and_prune(shop.db, shop.context)["letter_counts"] == 1
