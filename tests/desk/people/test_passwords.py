"""Passwords: what is stored of them, how many are checked at once."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
from django.contrib.auth.hashers import check_password, make_password

from onceline.desk.people import passwords
from onceline.desk.people.passwords import AT_ONCE, COST, KeyedBcrypt, TooManyAtOnce
from tests.desk.pages.readers import decide
from tests.desk.visitors import PASSWORD, Pages

pytestmark = pytest.mark.usefixtures("pages")
START = "x" * 72


@pytest.mark.promise("P3")
def test_a_password_is_a_bcrypt_hash_of_the_full_cost(pages: Pages) -> None:
    person = pages.person("alice")
    with mock.patch.object(KeyedBcrypt, "cost", COST):
        stored = make_password(PASSWORD)
        assert re.match(r"^keyed_bcrypt\$\$2b\$12\$", stored)
        assert check_password(PASSWORD, stored)
        person.refresh_from_db()
        assert person.check_password(PASSWORD)
    person.refresh_from_db()
    assert "$12$" in person.password, "a hash of former times is renewed when its password is typed"


def test_passwords_that_differ_after_72_bytes_are_different() -> None:
    stored = make_password(START + "a" * 28)
    assert check_password(START + "a" * 28, stored)
    assert not check_password(START + "b" * 28, stored)


def test_what_follows_a_nul_counts() -> None:
    stored = make_password("before\0after")
    assert check_password("before\0after", stored)
    assert not check_password("before\0other", stored)


def test_the_hash_opens_only_with_the_key_of_the_house() -> None:
    stored = make_password(PASSWORD)
    with mock.patch("onceline.desk.people.passwords.derived", return_value=b"another key"):
        assert not KeyedBcrypt().verify(PASSWORD, stored)


class Gate:
    """Hashing takes until it opens; `most` at once were let through to it."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.most = self._inside = 0
        self._lock = threading.Lock()

    def slow(self, *_: bytes) -> bytes:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        assert self.opened.wait(20)
        with self._lock:
            self._inside -= 1
        return b"hash"


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    with mock.patch.object(passwords.bcrypt, "hashpw", gate.slow):
        yield gate


@pytest.mark.parametrize(("threads", "places"), [(6, 3), (1, 1), (3, 1), (64, 32)])
def test_a_flood_of_passwords_takes_half_of_the_threads_and_the_rest_is_refused(
    pages: Pages, gate: Gate, threads: int, places: int
) -> None:
    decide(pages, desk_threads=threads)
    crowd = places + 10

    def one(_: int) -> str:
        try:
            return KeyedBcrypt().encode("secret", "$2b$04$salt")
        except TooManyAtOnce:
            return "refused"

    with ThreadPoolExecutor(crowd) as pool:
        asked = [pool.submit(one, n) for n in range(crowd)]
        deadline = time.monotonic() + 10
        while sum(one.done() for one in asked) < 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        gate.opened.set()
        answers = [one.result() for one in asked]
    assert answers.count("refused") == 10
    assert gate.most <= AT_ONCE


def test_who_is_refused_reads_when_to_come_back(pages: Pages) -> None:
    pages.person("alice")
    with mock.patch.object(passwords, "_inside", passwords.places()):
        answer = pages.browser().post("/account/login/", {"login": "alice", "password": PASSWORD})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "One moment" in answer.content.decode()
