"""From the spool to the platform, against a real HTTP server that answers as each test says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from onceline.agent import sender as sending
from onceline.agent import serve
from onceline.agent.message import Message
from onceline.agent.sender import DENIED_PAUSE_S, IDLE_S, Outcome, Sender, meaning
from onceline.agent.spool import NEW, REFUSED, UNMAPPED, Spool
from onceline.core.clock import SystemClock
from tests.agent.site import Site, beats, is_genuine, messages
from tests.receiver import Answer, Received, Receiver

CLOCK = SystemClock()


@pytest.fixture(autouse=True)
def settings(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCELINE_AGENT_CONFIG", str(site.config))


@pytest.fixture
def spool(site: Site) -> Iterator[Spool]:
    made = Spool(serve.read_config(), CLOCK)
    with made.owned():
        yield made


@pytest.fixture
def sender(spool: Spool) -> Sender:
    return Sender(serve.read_config, serve.open_door, spool, CLOCK)


def put(spool: Spool, *names: str, text: str = "Your code is 482913", to: str = "+447700900123") -> None:
    for name in names:
        spool.put(Message(name, to, "Telegram", text, "now", "modem-9"))


def rounds(sender: Sender, count: int) -> list[float]:
    return [sender.round() for _ in range(count)]


def left(spool: Spool, folder: str = NEW) -> list[str]:
    return [found.id for path in spool.oldest(folder, 1000) if (found := spool.read(path))]


def refusing(platform: Receiver, *bad: str, status: int = 400) -> None:
    """Whatever holds one of these messages is refused as a whole, as the edge does."""

    def answer(one: Received) -> Answer:
        return Answer(status if {found["id"] for found in messages([one])} & set(bad) else 204)

    platform.answer = answer


# What is sent.


def test_a_message_is_posted_with_a_signature_and_then_gone(
    platform: Receiver, sender: Sender, spool: Spool
) -> None:
    put(spool, "a")
    assert rounds(sender, 3) == [0.0, 0.0, IDLE_S]
    assert all(is_genuine(one) for one in platform.received)
    assert {one.path for one in platform.received} == {"/in/rack-1"}
    (message,) = messages(platform.received)
    assert message == {
        "id": "a",
        "to": "+447700900123",
        "from": "Telegram",
        "text": "Your code is 482913",
        "received_at": "now",
        "device": "modem-9",
        "waited_s": 0,
    }
    assert left(spool) == []


def test_fifty_travel_together_the_oldest_first(platform: Receiver, sender: Sender, spool: Spool) -> None:
    names = [f"m{at:03}" for at in range(120)]
    put(spool, *names)
    rounds(sender, 4)
    assert [len(messages([one])) for one in platform.received] == [0, 50, 50, 20]
    assert [one["id"] for one in messages(platform.received)] == names


def test_a_batch_of_long_messages_is_no_larger_than_the_platform_takes(
    platform: Receiver, sender: Sender, spool: Spool
) -> None:
    put(spool, *(f"m{at}" for at in range(9)), text="\ud83d\0" * 5000)
    while left(spool):
        sender.round()
    assert len(messages(platform.received)) == 9
    assert max(len(one.body) for one in platform.received) <= 205 * 1024


def test_a_heartbeat_says_what_waits_here_and_since_when(
    platform: Receiver, sender: Sender, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(spool, "a", "b")
    rounds(sender, 3)
    (beat,) = beats(platform.received)
    facts = {"spool_depth": 2, "spool_oldest_s": 0, "unmapped": 0, "refused": 0}
    assert beat == {"device": "rack-1", "facts": facts, "warning": ""}
    monkeypatch.setattr(time, "monotonic", lambda later=time.monotonic() + 31: later)
    rounds(sender, 2)
    assert len(beats(platform.received)) == 2


def test_a_heartbeat_warns(platform: Receiver, sender: Sender, spool: Spool, site: Site) -> None:
    put(spool, "a", to="")
    sender.round()
    site.configure(spool_messages=1)
    full = Sender(serve.read_config, serve.open_door, Spool(serve.read_config(), CLOCK), CLOCK)
    full.round()
    spool.set_aside(spool.oldest(UNMAPPED, 1)[0])
    Sender(serve.read_config, serve.open_door, spool, CLOCK).round()
    assert [beat["warning"] for beat in beats(platform.received)] == [
        "number-unknown",
        "spool-full",
        "messages-refused",
    ]


# What is answered.


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((200, 202, 204), Outcome.TAKEN),
        ((400, 413, 422), Outcome.BROKEN),
        ((301, 401, 403, 404, 405, 410), Outcome.DENIED),
        ((408, 425, 429, 500, 502, 503, 504, 599), Outcome.AWAY),
    ],
)
def test_every_status_means_something(statuses: tuple[int, ...], outcome: Outcome) -> None:
    assert {meaning(status) for status in statuses} == {outcome}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_answer_that_is_none_is_asked_for_again(
    platform: Receiver, sender: Sender, spool: Spool, status: int
) -> None:
    put(spool, "a")
    sender.round()
    platform.say(status)
    first, second = rounds(sender, 2)
    assert 0.5 <= first <= 1.0 <= second <= 2.0
    assert left(spool) == ["a"]
    platform.say(204)
    assert (rounds(sender, 1), left(spool)) == ([0.0], [])


def test_the_pauses_grow_to_a_minute_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [sending._pause_s(failures) <= 2.0 ** (failures - 1) for failures in range(1, 7)] == [True] * 6
    pauses = [sending._pause_s(failures) for failures in (7, 50, 10_000)]
    assert all(30 <= pause <= 60 for pause in pauses)
    assert len(set(pauses)) == 3


def test_a_connection_that_drops_loses_nothing(platform: Receiver, sender: Sender, spool: Spool) -> None:
    put(spool, "a")
    sender.round()
    platform.answer = lambda _: Answer(drop=True)
    assert sender.round() > IDLE_S
    assert left(spool) == ["a"]


@pytest.mark.parametrize("status", [301, 401, 403, 404])
def test_an_agent_that_is_sent_away_pauses_says_so_and_keeps_all(
    platform: Receiver, sender: Sender, spool: Spool, status: int
) -> None:
    put(spool, "a")
    sender.round()
    platform.say(status, Date="Sat, 21 Nov 2026 12:00:00 GMT")
    with capture_logs() as logs:
        assert sender.round() == DENIED_PAUSE_S
    assert left(spool) == ["a"]
    (said,) = logs
    assert (said["event"], said["status"], said["log_level"]) == ("agent_denied", status, "error")
    assert "signing key" in said["advice"]
    assert ("clock_ahead_s" in said) is (status in (401, 403))


def test_one_message_that_cannot_be_read_is_set_aside_and_the_others_go(
    platform: Receiver, sender: Sender, spool: Spool
) -> None:
    names = [f"m{at:02}" for at in range(50)]
    put(spool, *names)
    refusing(platform, "m07", "m08", "m49")
    rounds(sender, 2)
    assert (left(spool), left(spool, REFUSED)) == ([], ["m07", "m08", "m49"])
    arrived = [one["id"] for one in messages(platform.received) if one["id"] not in ("m07", "m08", "m49")]
    assert set(arrived) == set(names) - {"m07", "m08", "m49"}
    assert len(platform.received) < 40


def test_nothing_is_set_aside_when_even_a_heartbeat_cannot_be_read(
    platform: Receiver, sender: Sender, spool: Spool
) -> None:
    """Something else answers there: a proxy, or an address that is not ours."""
    put(spool, "a", "b", "c")
    sender.round()
    platform.say(400)
    with capture_logs() as logs:
        assert sender.round() == DENIED_PAUSE_S
    assert (left(spool), left(spool, REFUSED)) == (["a", "b", "c"], [])
    assert "agent_denied" in [one["event"] for one in logs]


def test_a_platform_that_goes_away_while_a_batch_is_taken_apart_gets_the_rest_later(
    platform: Receiver, sender: Sender, spool: Spool
) -> None:
    put(spool, "a", "bad", "c", "d")
    sender.round()
    refusing(platform, "bad")
    usual, count = platform.answer, iter(range(100))
    platform.answer = lambda one: Answer(503) if next(count) == 3 else usual(one)
    assert sender.round() > IDLE_S
    platform.answer = usual
    while left(spool):
        sender.round()
    assert left(spool, REFUSED) == ["bad"]
    assert {one["id"] for one in messages(platform.received)} == {"a", "bad", "c", "d"}


# Settings that change meanwhile.


def test_a_new_key_is_used_without_a_restart(
    platform: Receiver, sender: Sender, spool: Spool, site: Site
) -> None:
    sender.round()
    (site.folder / "agent.key").write_text("the-key-that-takes-over-from-it\n")
    put(spool, "a")
    sender.round()
    assert is_genuine(platform.received[-1], "the-key-that-takes-over-from-it")


def test_a_number_that_is_named_later_sends_what_waited_for_it(
    platform: Receiver, sender: Sender, spool: Spool, site: Site
) -> None:
    put(spool, "a", to="")
    rounds(sender, 2)
    assert (messages(platform.received), left(spool, UNMAPPED)) == ([], ["a"])
    site.numbers["modem-9"] = "+447700900129"
    site.configure()
    sender._beat_at = 0.0
    rounds(sender, 2)
    assert [one["to"] for one in messages(platform.received)] == ["+447700900129"]
    assert left(spool, UNMAPPED) == []


def test_settings_that_became_wrong_leave_the_old_ones(
    platform: Receiver, sender: Sender, spool: Spool, site: Site
) -> None:
    site.config.write_text("url = 7")
    put(spool, "a")
    with capture_logs() as logs:
        rounds(sender, 2)
    assert [one["event"] for one in logs if one["log_level"] == "error"] == ["agent_config_refused"]
    assert left(spool) == []


def test_a_key_that_is_gone_stops_posting_and_loses_nothing(sender: Sender, spool: Spool, site: Site) -> None:
    put(spool, "a")
    (site.folder / "agent.key").unlink()
    with capture_logs() as logs:
        assert sender.round() == DENIED_PAUSE_S
    assert "agent.key" in str(logs[-1]["detail"])
    assert left(spool) == ["a"]


def test_no_log_line_holds_text_sender_or_number(platform: Receiver, sender: Sender, spool: Spool) -> None:
    with capture_logs() as logs:
        for status in (204, 400, 403, 503):
            put(spool, "a", "b")
            platform.say(status)
            rounds(sender, 2)
    words = json.dumps(logs)
    assert len(logs) > 3
    assert not any(secret in words for secret in ("482913", "Telegram", "7700900", "signing-key-of"))


def test_it_ends_when_it_is_told(sender: Sender, spool: Spool) -> None:
    stopping = threading.Event()
    thread = threading.Thread(target=sender.run, args=(stopping,))
    thread.start()
    put(spool, "a")
    deadline = time.monotonic() + 10
    while left(spool) and time.monotonic() < deadline:
        time.sleep(0.02)
    stopping.set()
    thread.join(5)
    assert (left(spool), thread.is_alive()) == ([], False)


def test_the_note_for_status_names_the_last_outcome(platform: Receiver, sender: Sender, site: Site) -> None:
    sender.round()
    noted = json.loads((Path(site.spool) / "last.json").read_bytes())
    assert (noted["outcome"], noted["status"]) == ("taken", 204)
