"""A real Kannel between an SMSC and the gateway, with the configuration that docs/howto/kannel.md offers."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from onceline.core.suppliers import store
from tests.edge.door import eventually
from tests.suppliers.conftest import Gateway
from tests.suppliers.counterparts import need
from tests.suppliers.kannel.smsc import Smsc, in_parts

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "howto" / "kannel.md").read_text()
TOKEN = "f3b1c2d4e5f60718293a4b5c"
NUMBER, OTHER = "+447700900123", "+447700900124"
UCS2, LATIN1, UDHI, ALPHANUMERIC = 8, 3, 0x40, 5
WITHIN_S = 30


def configuration(gateway: Gateway, smsc: Smsc, folder: Path) -> str:
    """The page's own, with this run's ports, folder and token."""
    [text] = re.findall(r"```\n(group = core.+?)```", PAGE, re.DOTALL)
    for old, new in {
        "13000": str(free_port()),
        "13001": str(free_port()),
        "13013": str(free_port()),
        "2775": str(smsc.port),
        "/var/spool/kannel": str(folder),
        "http://127.0.0.1:8000": gateway.url,
        "TOKEN": TOKEN,
        "http-queue-delay = 5": "http-queue-delay = 1",
    }.items():
        assert old in text
        text = text.replace(old, new)
    return text


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@contextmanager
def running(program: str, config: Path) -> Iterator[None]:
    with (config.parent / f"{Path(program).name}.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-v", "3", str(config)], stdout=log, stderr=log, cwd=config.parent
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


@pytest.fixture
def smsc() -> Iterator[Smsc]:
    made = Smsc()
    yield made
    made.close()


@pytest.fixture
def kannel(gateway: Gateway, smsc: Smsc, tmp_path: Path) -> Iterator[Gateway]:
    [settings] = re.findall(r"```json\n(.+?)\n```", PAGE, re.DOTALL)
    gateway.supplier("kannel", "mapper", json.loads(settings), {"path_token": [TOKEN]})
    folder = tmp_path / "kannel"
    folder.mkdir()
    config = folder / "kannel.conf"
    config.write_text(configuration(gateway, smsc, folder))
    with ExitStack() as boxes:
        boxes.enter_context(running(need("bearerbox"), config))
        assert smsc.bound.wait(WITHIN_S), (folder / "bearerbox.log").read_text()[-2000:]
        boxes.enter_context(running(need("smsbox"), config))
        yield gateway


def enable(gateway: Gateway, enabled: bool) -> None:
    with gateway.shop.db.transaction() as tx:
        store.set_enabled(tx, "kannel", enabled)


def listening() -> set[tuple[str, int]]:
    """(address in the kernel's hexadecimal, port) of every listening socket of this machine."""
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    pairs = [row[1].split(":") for row in rows if row[3] == "0A"]
    return {(address, int(port, 16)) for address, port in pairs}


def test_a_message_comes_through_kannel_as_it_was_sent(kannel: Gateway, smsc: Smsc, tmp_path: Path) -> None:
    kannel.own(NUMBER, "kannel")
    order = kannel.order(NUMBER)
    gsm = b"Telegram code 54321 \x02{\x1b\x28 \x1be \x00+&=%"
    assert smsc.deliver("447700900999", NUMBER.lstrip("+"), gsm) == 0
    [shown] = kannel.await_shown(order)
    assert (shown["sender"], shown["text"]) == ("+447700900999", "Telegram code 54321 $ä{ € @+&=%")
    logs = "".join((tmp_path / "kannel" / f"{box}.log").read_text() for box in ("bearerbox", "smsbox"))
    assert "54321" not in logs


@pytest.mark.parametrize(
    ("octets", "coding", "text"),
    [
        ("Telegram: код 54321 🙂 用".encode("utf-16-be"), UCS2, "Telegram: код 54321 🙂 用"),
        ("Telegram: code 54321 é".encode("latin-1"), LATIN1, "Telegram: code 54321 é"),
    ],
)
def test_other_alphabets_come_as_they_were_sent(
    kannel: Gateway, smsc: Smsc, octets: bytes, coding: int, text: str
) -> None:
    kannel.own(NUMBER, "kannel")
    order = kannel.order(NUMBER)
    assert smsc.deliver("Telegram", NUMBER, octets, coding=coding, sender_ton=ALPHANUMERIC) == 0
    [shown] = kannel.await_shown(order)
    assert (shown["sender"], shown["text"]) == ("Telegram", text)


def test_long_messages_to_two_numbers_come_whole_and_to_the_right_one(kannel: Gateway, smsc: Smsc) -> None:
    """The parts come mixed, out of order, under one reference."""
    orders = {}
    for number in (NUMBER, OTHER):
        kannel.own(number, "kannel")
        orders[number] = kannel.order(number)
    long = {
        number: f"Telegram code {code} " + "длинный " * 14 + "🙂"
        for number, code in ((NUMBER, 11111), (OTHER, 22222))
    }
    parts = {number: in_parts(text, reference=7) for number, text in long.items()}
    for index in (1, 0):
        for number in (NUMBER, OTHER):
            assert (
                smsc.deliver(
                    "Telegram",
                    number,
                    parts[number][index],
                    coding=UCS2,
                    esm_class=UDHI,
                    sender_ton=ALPHANUMERIC,
                )
                == 0
            )
    assert {len(one) for one in parts.values()} == {2}
    for number, order in orders.items():
        assert [one["text"] for one in kannel.await_shown(order)] == [long[number]]


def test_what_came_while_we_were_away_comes_again_and_once(
    kannel: Gateway, smsc: Smsc, capfd: pytest.CaptureFixture[str]
) -> None:
    kannel.own(NUMBER, "kannel")
    order = kannel.order(NUMBER)
    enable(kannel, False)
    for code in ("11111", "22222"):
        assert (
            smsc.deliver("Telegram", NUMBER, f"Telegram code {code}".encode(), sender_ton=ALPHANUMERIC) == 0
        )
    heard = ""

    def was_refused_often() -> bool:
        nonlocal heard
        heard += capfd.readouterr().out
        return heard.count("Disabled") >= 4

    eventually(was_refused_often, WITHIN_S)
    assert kannel.shown(order) == []
    enable(kannel, True)
    eventually(lambda: len(kannel.shown(order)) >= 2, WITHIN_S)
    assert sorted(one["text"] for one in kannel.shown(order)) == [
        "Telegram code 11111",
        "Telegram code 22222",
    ]


def test_the_page_has_kannel_listen_on_loopback_alone(kannel: Gateway, smsc: Smsc, tmp_path: Path) -> None:
    config = (tmp_path / "kannel" / "kannel.conf").read_text()
    ports = {
        int(port) for port in re.findall(r"^(?:admin|smsbox|sendsms)-port = (\d+)$", config, re.MULTILINE)
    }
    eventually(lambda: ports <= {port for _, port in listening()}, WITHIN_S)
    assert {address for address, port in listening() if port in ports} == {"0100007F"}
    assert len(ports) == 3
    assert smsc.bound.is_set()
    assert kannel.shop.value("select count(*) from inbound") == 0
