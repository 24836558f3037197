"""A person's session at the edge: its sockets hear the side and end with it, and it is no key."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import pytest

from onceline.core.access import commands as access
from onceline.core.access.sessions import SessionGrants, end_grants, open_session, session_grant
from onceline.core.errors import KeyRefused
from onceline.edge import hub
from tests.edge.door import Client, Live, Town, assert_problem
from tests.edge.test_live import NOT_ALLOWED, TOO_MANY, closes, stays_silent


@pytest.fixture
def session(town: Town, alice: Client) -> SessionGrants:
    """Alice is logged in for a minute."""
    assert alice.who is not None
    now = town.shop.clock.now()
    with town.shop.db.transaction() as tx:
        return open_session(tx, alice.who.account, now, now + timedelta(minutes=1))


def ticket(town: Town, grant: int) -> str:
    now = town.shop.clock.now()
    with town.shop.db.transaction() as tx:
        return access.issue_tickets(tx, [session_grant(tx, grant, now)], now)[0]


@contextlib.contextmanager
def live(town: Town, alice: Client, grant: int) -> Iterator[Live]:
    with alice.line() as line:
        line.send({"type": "auth", "ticket": ticket(town, grant)})
        line.ready()
        yield line


def log_out(town: Town, session: SessionGrants) -> None:
    with town.shop.db.transaction() as tx:
        end_grants(tx, session, town.shop.clock.now())


def is_over(town: Town, session: SessionGrants) -> bool:
    with town.shop.db.transaction() as tx:
        try:
            session_grant(tx, session.test, town.shop.clock.now())
        except KeyRefused:
            return True
    return False


def test_a_sessions_socket_hears_its_side_until_the_log_out(
    town: Town, alice: Client, session: SessionGrants
) -> None:
    with live(town, alice, session.test) as line:
        order = alice.sms(alice.order())
        assert [line.event()[1] for _ in range(3)] == ["order.placed", "order.message", "order.received"]
        with closes(line, NOT_ALLOWED, within=1):
            log_out(town, session)
    assert alice.json(f"/orders/{order['id']}")["code"]


def test_a_log_out_ends_the_sockets_of_both_sides_and_no_others(
    town: Town, alice: Client, session: SessionGrants
) -> None:
    with (
        live(town, alice, session.test) as test,
        live(town, alice, session.live) as other,
        alice.live() as key,
    ):
        key.ready()
        with closes(test, NOT_ALLOWED, within=1), closes(other, NOT_ALLOWED, within=1):
            log_out(town, session)
        alice.order()
        assert key.event()[1] == "order.placed"


def test_a_live_sides_socket_hears_nothing_of_the_test_side(
    town: Town, alice: Client, session: SessionGrants
) -> None:
    with live(town, alice, session.live) as line:
        order = alice.order()
        stays_silent(line)
    assert alice.read(order) == order


def test_a_session_that_expires_takes_its_sockets_along(
    town: Town, alice: Client, session: SessionGrants
) -> None:
    with live(town, alice, session.test) as line, closes(line, NOT_ALLOWED, within=1.5):
        town.shop.clock.advance(60)
    assert is_over(town, session)


def test_a_log_out_in_another_process_is_noticed_by_the_poll(
    town: Town, alice: Client, session: SessionGrants
) -> None:
    """No wake-up at all: the rows alone."""
    with live(town, alice, session.test) as line, closes(line, NOT_ALLOWED, within=1.5):
        town.shop.run("update grants set revoked_at = now() where id = any(%(ids)s)", ids=list(session))
    assert is_over(town, session)


def test_a_session_has_so_many_sockets_and_leaves_the_keys_their_room(
    town: Town, alice: Client, session: SessionGrants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MOST_OF_SESSION", 2)
    with live(town, alice, session.test), live(town, alice, session.test):
        with alice.line() as third, closes(third, TOO_MANY):
            third.send({"type": "auth", "ticket": ticket(town, session.test)})
        with live(town, alice, session.live), alice.live() as key:
            assert key.ready()


@pytest.mark.parametrize("text", ["session", "{grant}", "{ticket}"])
def test_nothing_of_a_session_authenticates_a_request(
    town: Town, alice: Client, session: SessionGrants, text: str
) -> None:
    key = text.format(grant=session.test, ticket=ticket(town, session.test))
    answer = alice.http.get(f"{alice.url}/api/v1/orders", headers={"Authorization": f"Bearer {key}"})
    assert_problem(answer, 401, "invalid_key")
