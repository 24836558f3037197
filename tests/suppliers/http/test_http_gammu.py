"""A modem host in full: gammu-smsd with dummy phones, our hook, the spool, the agent, a real edge, a customer's order."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from onceline.core.clock import SystemClock
from tests.agent.gate import Gate
from tests.agent.site import KEY, Site
from tests.edge.door import eventually
from tests.suppliers.conftest import Gateway
from tests.suppliers.counterparts import need

FIRST, SECOND = "+447700900123", "+447700900124"
WAIT_S = 30
Sent = Callable[..., None]


class Phone:
    """A dummy of gammu's, and the daemon that looks after it. gammu keeps an SMS as a file in sms/1."""

    def __init__(self, folder: Path, site: Site, name: str, backend: str) -> None:
        self.name = name
        self._site = site
        self._rc = folder / f"{name}.rc"
        for part in ("sms/1", "sms/2", "sms/3", "sms/4", "sms/5", "phonebook", "note", "calendar", "todo"):
            (folder / name / part).mkdir(parents=True)
        inbox = folder / f"{name}-inbox"
        inbox.mkdir()
        lines = [
            *("[gammu]", "model = dummy", "connection = none", f"device = {folder / name}"),
            *("[smsd]", f"PhoneID = {name}", "CheckSecurity = 0", "CheckNetwork = 0", "CommTimeout = 1"),
            *(
                "ReceiveFrequency = 1",
                "LoopSleep = 1",
                "MultipartTimeout = 30",
                f"LogFile = {folder / name}.log",
            ),
            f"RunOnReceive = {sys.executable} -m onceline.agent gammu",
            f"Service = {backend}",
        ]
        if backend == "files":
            paths = ("InboxPath", "OutboxPath", "SentSMSPath", "ErrorSMSPath")
            lines += ["InboxFormat = unicode", *(f"{path} = {inbox}/" for path in paths)]
        self._rc.write_text("\n".join(lines) + "\n")

    def receive(self, sender: str, text: str, *options: str) -> None:
        command = [need("gammu"), "-c", str(self._rc), "savesms", "TEXT", "-folder", "1", "-unread"]
        done = subprocess.run(
            [*command, "-sender", sender, *options, "-text", text],
            env=self._env,
            capture_output=True,
            timeout=20,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @contextmanager
    def served(self) -> Iterator[None]:
        daemon = subprocess.Popen(
            [need("gammu-smsd"), "-c", str(self._rc)],
            env=self._env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            daemon.terminate()
            try:
                daemon.wait(15)
            finally:
                daemon.kill()
                daemon.wait()

    @property
    def _env(self) -> dict[str, str]:
        return self._site.environment | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def gate(gateway: Gateway) -> Iterator[Gate]:
    """The way to an edge that knows the site, at today's time: a signature is only good for minutes."""
    gateway.clock.advance((SystemClock().now() - gateway.clock.now()).total_seconds())
    gateway.supplier("rack-1", kind="http", secrets={"signing_key": [KEY]})
    for number in (FIRST, SECOND):
        gateway.own(number, supplier="rack-1")
    gate = Gate(urlsplit(gateway.url).port or 0)
    gate.open()
    yield gate
    gate.close()


@pytest.fixture
def site(tmp_path: Path, gate: Gate) -> Site:
    (tmp_path / "site").mkdir()
    return Site(tmp_path / "site", f"http://127.0.0.1:{gate.port}/in/rack-1")


def texts(gateway: Gateway, order: object) -> list[str]:
    return [message["text"] for message in gateway.shown(order)]  # type: ignore[arg-type]  # an Order


@pytest.mark.parametrize("backend", ["null", "files"])
def test_codes_from_two_modems_reach_their_customers(
    gateway: Gateway, site: Site, tmp_path: Path, backend: str
) -> None:
    phones = [Phone(tmp_path, site, name, backend) for name in ("modem-1", "modem-2")]
    orders = [gateway.order(number) for number in (FIRST, SECOND)]
    arabic = "رمز تيليجرام الخاص بك هو 73519"
    long = "Telegram code 48213. " + "Never give this code to anyone, even if they say they are from us. " * 5
    phones[0].receive("+447700900999", "Telegram code: 91736")
    phones[0].receive("Telegram", arabic, "-unicode")
    phones[1].receive("Telegram", long, "-autolen", str(len(long)))
    with site.running(), phones[0].served(), phones[1].served():
        eventually(
            lambda: len(texts(gateway, orders[0])) == 2 and len(texts(gateway, orders[1])) == 1, WAIT_S
        )
    assert sorted(texts(gateway, orders[0])) == sorted(["Telegram code: 91736", arabic])
    assert [text.strip() for text in texts(gateway, orders[1])] == [long.strip()]
    assert {message["code"] for order in orders for message in gateway.shown(order)} == {
        "91736",
        "73519",
        "48213",
    }
    assert {message["sender"] for message in gateway.shown(orders[1])} == {"Telegram"}
    assert gateway.unowned() == 0


def test_what_came_during_an_outage_arrives_once(
    gateway: Gateway, gate: Gate, site: Site, tmp_path: Path
) -> None:
    phone = Phone(tmp_path, site, "modem-1", "files")
    order = gateway.order(FIRST)
    gate.close()
    sent = [f"Telegram code: {81000 + at}" for at in range(20)]
    with ExitStack() as running:
        running.enter_context(site.running())
        running.enter_context(phone.served())
        for text in sent:
            phone.receive("Telegram", text)
        eventually(lambda: site.count() == 20, 60)
        assert texts(gateway, order) == []
        gate.open()
        eventually(lambda: len(texts(gateway, order)) >= 20 and site.count() == 0, WAIT_S)
    assert sorted(texts(gateway, order)) == sent
    assert {one["event"] for one in site.logged()} >= {"agent_away", "agent_taken"}


def test_staff_see_the_agent_and_the_modem(gateway: Gateway, site: Site) -> None:
    assert site.put("Telegram code: 91736", "--device", "modem-1") == 0
    seen = "select string_agg(device, ',' order by device) from supplier_devices where supplier = 'rack-1'"
    with site.running():
        eventually(lambda: gateway.shop.value(seen) == "modem-1,rack-1", WAIT_S)
    beat = "select facts ->> 'spool_depth' from supplier_devices where device = 'rack-1' and heartbeat_at is not null"
    assert gateway.shop.value(beat) == "1"


def test_a_key_that_is_not_the_platforms_keeps_everything_here(gateway: Gateway, site: Site) -> None:
    (site.folder / "agent.key").write_text("this-key-is-nobody-elses-business")
    order = gateway.order(FIRST)
    assert site.put("Telegram code: 91736") == 0
    with site.running():
        eventually(lambda: any(one["event"] == "agent_denied" for one in site.logged()), WAIT_S)
    denied = next(one for one in site.logged() if one["event"] == "agent_denied")
    assert (denied["status"], abs(denied["clock_ahead_s"]) < 60) == (403, True)
    assert (site.count(), texts(gateway, order)) == (1, [])
