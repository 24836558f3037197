"""Commands that travel together: each gets its own outcome, and nobody waits without an end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from onceline.core.db import Database, Transaction
from onceline.core.errors import Busy, DatabaseAway, NotFound, OncelineError
from onceline.edge import lanes, pool
from onceline.edge.lanes import MOST, WIDTH, Lane
from onceline.edge.pool import CommandPool

Together = Callable[[Transaction, Sequence[Any]], Sequence[Any]]


class Road:
    """A lane whose statements are held up until `go`, and that remembers what travelled together."""

    def __init__(self, together: Together) -> None:
        self.together = together
        self.travelled: list[list[Any]] = []
        self.go = threading.Event()

    def __call__(self, tx: Transaction, asked: Sequence[Any]) -> Sequence[Any]:
        self.travelled.append(list(asked))
        assert self.go.wait(5)
        return self.together(tx, asked)


def run(db: Database, story: Callable[[CommandPool], Coroutine[Any, Any, None]]) -> None:
    async def told() -> None:
        commands = CommandPool(db)
        try:
            await story(commands)
        finally:
            commands.close()

    asyncio.run(told())


async def occupy(lane: Lane[Any, Any], road: Road, asked: Sequence[Any]) -> list[asyncio.Task[Any]]:
    """WIDTH statements of one request each, which hang."""
    asking = []
    for alone, one in enumerate(asked[:WIDTH]):
        asking.append(asyncio.create_task(lane.ask(one)))
        while len(road.travelled) <= alone:  # noqa: ASYNC110  # what is waited for happens in a thread
            await asyncio.sleep(0.005)
    return asking


async def ask_all(lane: Lane[Any, Any], road: Road, asked: Sequence[Any]) -> list[Any]:
    """The first WIDTH leave alone, the others gather behind them."""
    asking = await occupy(lane, road, asked)
    asking += [asyncio.create_task(lane.ask(one)) for one in asked[WIDTH:]]
    await asyncio.sleep(0.02)
    road.go.set()
    return await asyncio.gather(*asking, return_exceptions=True)


def doubled(_: Transaction, asked: Sequence[Any]) -> list[Any]:
    return [one * 2 for one in asked]


def test_a_lone_request_does_not_wait_for_company(db: Database) -> None:
    async def story(commands: CommandPool) -> None:
        assert await Lane(commands, doubled).ask(21) == 42

    run(db, story)


def test_who_waits_at_the_same_time_travels_together_and_gets_its_own_answer(db: Database) -> None:
    road = Road(doubled)

    async def story(commands: CommandPool) -> None:
        asked = list(range(2 + MOST + 5))
        assert await ask_all(Lane(commands, road), road, asked) == [one * 2 for one in asked]

    run(db, story)
    assert [len(one) for one in road.travelled] == [1, 1, MOST, 5]


def test_who_asks_again_the_moment_it_is_answered_is_not_forgotten(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "COMMAND_DEADLINE_S", 2)

    async def story(commands: CommandPool) -> None:
        lane = Lane(commands, doubled)

        async def again_and_again() -> None:
            for turn in range(200):
                assert await lane.ask(turn) == turn * 2

        await asyncio.gather(*(again_and_again() for _ in range(WIDTH)))

    run(db, story)


def test_two_of_one_identity_never_travel_together(db: Database) -> None:
    road = Road(doubled)

    async def story(commands: CommandPool) -> None:
        asked = ["x", "y", "a", "a", "b", "a"]
        lane: Lane[str, str] = Lane(commands, road, identity=lambda one: one)
        assert await ask_all(lane, road, asked) == [one * 2 for one in asked]

    run(db, story)
    assert all(len(set(one)) == len(one) for one in road.travelled)
    assert sorted(one for some in road.travelled for one in some) == sorted(["x", "y", "a", "a", "b", "a"])


def test_a_refusal_is_raised_to_the_one_that_it_is_for(db: Database) -> None:
    def some_are_refused(_: Transaction, asked: Sequence[Any]) -> list[int | OncelineError]:
        return [one if one % 2 else NotFound("order", one) for one in asked]

    road = Road(some_are_refused)

    async def story(commands: CommandPool) -> None:
        outcomes = await ask_all(Lane(commands, road), road, [1, 2, 3, 4, 5])
        assert [one if isinstance(one, int) else type(one) for one in outcomes] == [
            1,
            NotFound,
            3,
            NotFound,
            5,
        ]

    run(db, story)


@pytest.mark.parametrize("fault", [ValueError("poison"), Busy()])
def test_one_that_breaks_the_statement_of_all_breaks_only_its_own(db: Database, fault: Exception) -> None:
    def breaks(_: Transaction, asked: Sequence[Any]) -> Sequence[Any]:
        if "poison" in asked:
            raise fault
        return asked

    road = Road(breaks)

    async def story(commands: CommandPool) -> None:
        outcomes = await ask_all(Lane(commands, road), road, ["a", "b", "c", "poison", "d"])
        assert outcomes == ["a", "b", "c", fault, "d"]

    run(db, story)


def test_a_database_that_is_away_is_not_asked_again_for_each(db: Database) -> None:
    def away(_: Transaction, asked: Sequence[Any]) -> Sequence[Any]:
        raise DatabaseAway

    road = Road(away)

    async def story(commands: CommandPool) -> None:
        outcomes = await ask_all(Lane(commands, road), road, range(7))
        assert [type(one) for one in outcomes] == [DatabaseAway] * 7

    run(db, story)
    assert [len(one) for one in road.travelled] == [1, 1, 5]


def test_who_waits_behind_a_statement_that_hangs_is_answered_in_time(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    road = Road(doubled)

    async def story(commands: CommandPool) -> None:
        monkeypatch.setattr(pool, "COMMAND_DEADLINE_S", 0.5)
        lane, began = Lane(commands, road), time.monotonic()
        hanging = await occupy(lane, road, [1, 2])
        waiting = [asyncio.create_task(lane.ask(one)) for one in range(2)]
        outcomes = await asyncio.gather(*hanging, *waiting, return_exceptions=True)
        assert [type(one) for one in outcomes] == [DatabaseAway] * 4
        assert time.monotonic() - began < 0.8, "not a deadline of their own behind that of others"
        monkeypatch.undo()
        road.go.set()
        assert await lane.ask(9) == 18

    run(db, story)


def test_who_gave_up_waiting_is_left_out(db: Database) -> None:
    road = Road(doubled)

    async def story(commands: CommandPool) -> None:
        lane = Lane(commands, road)
        hanging = await occupy(lane, road, [1, 2])
        gone = asyncio.create_task(lane.ask("gone"))
        await asyncio.sleep(0.01)
        gone.cancel()
        road.go.set()
        await asyncio.gather(*hanging)
        assert await lane.ask(9) == 18

    run(db, story)
    assert "gone" not in [one for some in road.travelled for one in some]


def test_what_is_handed_over_is_done_and_its_failure_hurts_nobody(db: Database) -> None:
    def picky(_: Transaction, asked: Sequence[Any]) -> Sequence[Any]:
        if "poison" in asked:
            raise ValueError("poison")
        return [Busy() if one == "busy" else one for one in asked]

    road = Road(picky)

    async def story(commands: CommandPool) -> None:
        lane = Lane(commands, road)
        for one in ("poison", "busy", "good"):
            lane.hand(one)
        road.go.set()
        assert await lane.ask("asked") == "asked"

    run(db, story)
    assert {one for some in road.travelled for one in some} == {"poison", "busy", "good", "asked"}


def test_a_flood_of_what_nobody_waits_for_is_left_to_the_sweeper(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MOST_HANDED", 3)
    road = Road(doubled)

    async def story(commands: CommandPool) -> None:
        lane = Lane(commands, road)
        hanging = await occupy(lane, road, [1, 2])
        for one in range(10, 20):
            lane.hand(one)
        road.go.set()
        await asyncio.gather(*hanging)
        assert await lane.ask(9) == 18

    run(db, story)
    assert sorted(one for some in road.travelled for one in some) == [1, 2, 9, 10, 11, 12]
