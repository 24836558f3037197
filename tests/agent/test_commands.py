"""The commands as hooks and operators run them: processes with exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from onceline.agent import config
from onceline.agent.config import ConfigFault, demand_way, load
from tests.agent.site import KEY, SMSD, Site, is_genuine, messages
from tests.receiver import Receiver

HOOK = SMSD | {"PHONE_ID": "modem-1", "SMS_1_NUMBER": "Telegram", "SMS_1_TEXT": "رمز 482913"}


def settled(site: Site, receiver: Receiver, count: int) -> None:
    deadline = time.monotonic() + 20
    while len(messages(receiver.received)) < count or site.count():
        assert time.monotonic() < deadline, site.log.read_text()
        time.sleep(0.05)


# put.


def test_put_keeps_a_message_and_run_posts_it(site: Site, platform: Receiver) -> None:
    assert site.put("Your code is 482913") == 0
    assert [(one["to"], one["from"], one["text"]) for one in site.kept()] == [
        ("+447700900123", "Telegram", "Your code is 482913")
    ]
    with site.running() as process:
        settled(site, platform, 1)
        process.terminate()
        assert process.wait(10) == 0
    assert all(is_genuine(one) for one in platform.received)


def test_two_equal_texts_by_hand_are_two_messages(site: Site) -> None:
    assert [site.put("Your code is 482913") for _ in range(2)] == [0, 0]
    assert len({one["id"] for one in site.kept()}) == 2


@pytest.mark.parametrize("words", [["--id", "sms-17"], ["--received-at", "2026-11-21T12:00:00Z"]])
def test_a_text_with_a_name_or_a_time_is_the_same_message_again(site: Site, words: list[str]) -> None:
    assert [site.put("Your code is 482913", *words) for _ in range(2)] == [0, 0]
    assert len({one["id"] for one in site.kept()}) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "0770 0900123", "--from", "a", "--text", "b"], "--to has to be a number in E.164"),
        (["--to", "+447700900123", "--from", "a", "--text", "b" * 10_001], "10000 characters at most"),
        (["--to", "+447700900123", "--from", "a", "--text", "b", "--id", "a b"], "--id may have"),
        (["--to", "+447700900123", "--from", "a"], "Missing option"),
    ],
)
def test_what_put_cannot_take_is_said(site: Site, words: list[str], said: str) -> None:
    done = site.agent("put", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert site.kept() == []


def test_put_refuses_with_a_code_of_its_own_when_the_spool_is_full(site: Site) -> None:
    site.configure(spool_messages=1)
    assert site.put("first") == 0
    done = site.agent("put", "--to", "+447700900123", "--from", "a", "--text", "second")
    assert done.returncode == 3
    assert "NOT KEPT: the spool" in done.stderr
    assert "is full (1 messages" in done.stderr
    assert [one["text"] for one in site.kept()] == ["first"]


# Hooks.


def test_the_hook_of_gammu_keeps_a_message(site: Site) -> None:
    done = site.agent("gammu", "IN20261121_122901_00_Telegram_00.txt", told=HOOK)
    assert (done.returncode, done.stderr) == (0, "")
    (kept,) = site.kept()
    assert (kept["to"], kept["text"], kept["device"]) == ("+447700900123", "رمز 482913", "modem-1")


def test_a_hook_that_runs_again_is_the_same_message(site: Site) -> None:
    for name in ("IN20261121_122901_00_Telegram_00.txt", "IN20261121_122901_01_Telegram_00.txt"):
        assert site.agent("gammu", name, told=HOOK).returncode == 0
    assert len({one["id"] for one in site.kept()}) == 1


def test_a_hook_works_with_every_descriptor_closed(site: Site) -> None:
    """As gammu-smsd runs it."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -m onceline.agent gammu 0<&- 1>&- 2>&-"],
        env=site.environment | HOOK | {"PHONE_ID": "modem-9"},
        timeout=30,
    )
    assert done.returncode == 0
    assert [one["text"] for one in site.kept("unmapped")] == ["رمز 482913"]


def test_a_hook_for_a_device_without_number_keeps_the_message_and_says_so(site: Site) -> None:
    done = site.agent("gammu", told=HOOK | {"PHONE_ID": "modem-9"})
    assert done.returncode == 0
    assert "no number is set for device 'modem-9'" in done.stderr
    assert (site.kept(), len(site.kept("unmapped"))) == ([], 1)


def test_a_hook_says_that_the_locale_loses_letters(site: Site) -> None:
    done = site.agent("gammu", told=HOOK | {"LANG": "C", "LC_ALL": "C"})
    assert done.returncode == 0
    assert "start it with LANG=C.UTF-8" in done.stderr


def test_the_handler_of_smstools_keeps_what_was_received(site: Site, tmp_path: Path) -> None:
    head = b"From: 491721234567\nSent: 26-11-21 12:29:01\nModem: modem-2\nAlphabet: UCS2\n\n"
    file = tmp_path / "modem-2.Xa81kQ"
    file.write_bytes(head + "رمز 482913".encode("utf-16-be"))
    for event, code in (("RECEIVED", 0), ("SENT", 0), ("FAILED", 0), ("REPORT", 0), ("CALL", 0)):
        assert site.agent("smstools", event, str(file), "17").returncode == code
    assert [(one["to"], one["text"]) for one in site.kept()] == [("+447700900124", "رمز 482913")]


def test_a_file_of_smstools_that_is_not_there_is_said(site: Site, tmp_path: Path) -> None:
    done = site.agent("smstools", "RECEIVED", str(tmp_path / "gone"))
    assert done.returncode == 3
    assert "No such file" in done.stderr


def test_a_hook_loads_no_client_and_starts_fast(site: Site) -> None:
    """Modem hosts are small; a hook may not cost more than three times what Python itself does, and some."""
    done = site.agent("gammu", told=HOOK | {"PYTHONPROFILEIMPORTTIME": "1"})
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "onceline.agent.spool" in loaded
    assert not loaded & {"httpcore", "structlog", "typer", "ssl", "asyncio", "pydantic", "psycopg"}


# status.


def test_status_says_what_waits(site: Site, platform: Receiver) -> None:
    assert site.put("one") == 0
    done = site.agent("status")
    assert done.returncode == 1
    assert "new       1 messages, the oldest 0 s old" in done.stdout
    assert "nothing was posted yet" in done.stdout
    with site.running():
        settled(site, platform, 1)
    done = site.agent("status", "--json")
    facts = json.loads(done.stdout)
    assert (done.returncode, facts["new"]["count"], facts["last"]["outcome"]) == (0, 0, "taken")


def test_status_asks_for_a_person_when_messages_were_refused(site: Site, platform: Receiver) -> None:
    with site.running():
        assert site.put("one") == 0
        settled(site, platform, 1)
    (site.spool / "refused" / "1.json").write_text("{}")
    assert site.agent("status").returncode == 1


# run, and what it is told.


def test_a_second_agent_on_the_same_spool_is_refused(site: Site, platform: Receiver) -> None:
    assert site.put("one") == 0
    with site.running():
        settled(site, platform, 1)
        done = site.agent("run")
    assert done.returncode == 2
    assert "another agent already empties" in done.stderr


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"url": ""}, "set url"),
        ({"url": "https://sms.example.com/"}, "set url"),
        ({"url": "https://sms.example.com/in/rack-1/"}, "set url"),
        ({"url": "http://sms.example.com/in/rack-1"}, "url has to be https"),
        ({"url": "http://10.0.0.7/in/rack-1"}, "url has to be https"),
        ({"url": "http://localhost.example.com/in/rack-1"}, "url has to be https"),
        ({"url": "https://user@sms.example.com/in/rack-1"}, "set url"),
        ({"secret_file": ""}, "set secret_file"),
        ({"secret_file": "/nowhere/agent.key"}, "No such file"),
        ({"ca_file": "/nowhere/ca.pem"}, "ca_file /nowhere/ca.pem is no file"),
        ({"spool_messages": 0}, "spool_messages has to be a whole number"),
        ({"spool_megabytes": "many"}, "spool_megabytes has to be a whole number"),
        ({"name": "ü"}, "name has to be printable ASCII"),
        ({"colour": "red"}, "there is no setting colour"),
    ],
)
def test_a_wrong_setting_is_named(site: Site, changed: dict[str, object], said: str) -> None:
    site.configure(**changed)
    with pytest.raises(ConfigFault) as refused:
        demand_way(load(site.environment))
    assert said in str(refused.value)
    assert KEY not in str(refused.value)


def test_run_says_a_wrong_setting_and_ends(site: Site) -> None:
    site.configure(url="")
    done = site.agent("run")
    assert done.returncode == 2
    assert "set url" in done.stderr


@pytest.mark.parametrize("number", ['"0770"', "7", '"+44 7700"'])
def test_a_number_that_is_none_is_named_with_its_device(site: Site, number: str) -> None:
    site.config.write_text(f"[numbers]\nmodem-1 = {number}\n")
    with pytest.raises(ConfigFault, match=r"modem-1 needs a number in E\.164"):
        load(site.environment)


def test_a_file_that_is_no_toml_is_named(site: Site) -> None:
    site.config.write_text("url: x")
    with pytest.raises(ConfigFault, match=r"agent\.toml"):
        load(site.environment)
    site.config.unlink()
    with pytest.raises(ConfigFault, match="does not exist"):
        load(site.environment)


def test_a_key_of_two_lines_is_refused(site: Site) -> None:
    (site.folder / "agent.key").write_text("one\ntwo\n")
    with pytest.raises(ConfigFault, match="one line"):
        demand_way(load(site.environment))


def test_the_environment_goes_over_the_file(site: Site, tmp_path: Path) -> None:
    told = {
        "ONCELINE_AGENT_SPOOL": str(tmp_path / "other"),
        "ONCELINE_AGENT_URL": "https://sms.example.com:8443/in/rack-2",
        "ONCELINE_AGENT_SPOOL_MESSAGES": "7",
    }
    found = load(site.environment | told)
    demand_way(found)
    assert (found.spool, found.spool_messages, found.name) == (tmp_path / "other", 7, "rack-1")
    assert found.numbers["modem-1"] == "+447700900123"


def test_without_any_file_the_defaults_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "DEFAULT_FILE", tmp_path / "agent.toml")
    found = load({})
    assert (str(found.spool), found.spool_messages, found.numbers) == ("/var/spool/onceline", 20_000, {})
