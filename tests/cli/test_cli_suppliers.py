"""`onceline suppliers`: configured, looked at and checked by the real command line; no secret is ever printed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from onceline.cli import supplier_check
from onceline.cli.supplier_check import SILENT_FOR
from onceline.core.clock import SystemClock
from onceline.core.money import MICROS
from onceline.core.suppliers import store
from onceline.core.suppliers.store import Alert, Beat
from onceline.suppliers.base import Configured, Finding, Kind, KindSettings, NotConfigured, Surroundings
from onceline.suppliers.registry import KINDS
from tests.command import CommandLine, Said
from tests.shop import Shop, numbers

SECRET, SECOND = "a-secret-of-more-than-twenty", "another-secret-of-some-length"
PUBLIC = "https://otp.example.com"


class SpokenSettings(KindSettings):
    """`host`: where the box is."""

    host: str
    port: int = 2775
    way: str = "plain"


@pytest.fixture
def cli(
    conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    monkeypatch.setenv("ONCELINE_PUBLIC_URL", PUBLIC)
    return CommandLine(conninfo, tmp_path, monkeypatch, capsys)


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A kind whose own check a test says: `box`, with settings and a secret."""

    def known(check: Callable[[Configured, Surroundings], Sequence[Finding]] | None = None) -> None:
        made = Kind("box", SpokenSettings, {"password": "what the box expects"}, check=check)
        monkeypatch.setitem(KINDS, "box", made)

    known()
    return known


@pytest.fixture
def box(cli: CommandLine, kind: Callable[..., None], shop: Shop) -> None:
    """A supplier with all that it needs."""
    words = ("--kind", "box", "--set", "host=10.0.0.7", "--secret", "password=-")
    assert cli("suppliers", "add", "mill", *words, stdin=SECRET.encode()).code == 0
    shop.pool("mill-gb", MICROS, mode="live", supplier="mill")
    shop.stock("GB", numbers(2), pool="mill-gb")


def findings(said: Said, supplier: str = "mill") -> dict[str, tuple[bool, str]]:
    (checked,) = [one for one in said.facts["suppliers"] if one["supplier"] == supplier]
    return {one["what"]: (one["ok"], one["words"]) for one in checked["findings"]}


def beat(shop: Shop, device: str, *, ago: timedelta = timedelta(), warning: str = "") -> None:
    at = SystemClock().now() - ago
    with shop.db.transaction() as tx:
        store.beat(tx, [Beat("mill", device, {"signal": 17}, warning, at, None)])


def test_every_kind_says_what_can_be_set(cli: CommandLine, kind: Callable[..., None]) -> None:
    (told,) = cli.facts("suppliers", "kinds", "box")["kinds"]
    assert told == {
        "kind": "box",
        "asks": False,
        "inlet": False,
        "about": "`host`: where the box is.",
        "settings": [
            {"name": "host", "required": True, "type": "string", "default": None, "about": None},
            {"name": "port", "required": False, "type": "integer", "default": 2775, "about": None},
            {"name": "way", "required": False, "type": "string", "default": "plain", "about": None},
        ],
        "secrets": {"password": "what the box expects"},
    }
    assert {one["kind"] for one in cli.facts("suppliers", "kinds")["kinds"]} == set(KINDS)


def test_a_supplier_is_configured_and_shown_without_its_secret(cli: CommandLine, shop: Shop) -> None:
    told = cli.facts(
        "suppliers",
        "add",
        "acme",
        "--kind",
        "http",
        "--secret",
        "signing_key=-",
        stdin=f"{SECRET}\n".encode(),
    )
    assert told == {"supplier": "acme", "kind": "http", "url": f"{PUBLIC}/in/acme"}
    with shop.db.transaction() as tx:
        assert store.opened(tx, shop.context.vault, "acme") == {"acme": {"signing_key": (SECRET,)}}
    for words in (
        ("show", "acme"),
        ("show", "acme", "--json"),
        ("secret", "list", "acme"),
        ("check",),
        ("list",),
    ):
        said = cli("suppliers", *words)
        assert SECRET not in said.out + said.err
        assert "acme" in said.out or words[0] == "secret"
    shown = cli.facts("suppliers", "show", "acme")
    assert (shown["url"], shown["enabled"], [one["name"] for one in shown["secrets"]]) == (
        f"{PUBLIC}/in/acme", True, ["signing_key"],
    )  # fmt: skip


def test_values_are_json_where_they_can_be_and_text_where_the_kind_wants_text(
    cli: CommandLine, kind: Callable[..., None]
) -> None:
    words = ("--set", "host=12345", "--set", "port=7", "--set", "way=a=b c")
    assert cli("suppliers", "add", "mill", "--kind", "box", *words).code == 0
    settings = {"host": "12345", "port": 7, "way": "a=b c"}
    assert cli.facts("suppliers", "show", "mill")["settings"] == settings


def test_settings_come_from_a_file_too(cli: CommandLine, kind: Callable[..., None]) -> None:
    file = cli.file("mill.json", '{"host": "10.0.0.7", "port": 9}')
    assert cli("suppliers", "add", "mill", "--kind", "box", "--settings", file, "--set", "port=8").code == 0
    assert cli.facts("suppliers", "show", "mill")["settings"] == {"host": "10.0.0.7", "port": 8}


def test_settings_are_changed_one_by_one(cli: CommandLine, box: None) -> None:
    assert cli("suppliers", "set", "mill", "--set", "port=9", "--set", "way=fancy").code == 0
    assert cli("suppliers", "set", "mill", "--unset", "way").code == 0
    assert cli.facts("suppliers", "show", "mill")["settings"] == {"host": "10.0.0.7", "port": 9}
    assert cli("suppliers", "set", "mill", "--unset", "host").code == 2
    assert cli.facts("suppliers", "show", "mill")["settings"] == {"host": "10.0.0.7", "port": 9}


@pytest.mark.parametrize(
    ("words", "right"),
    [
        (("--set", "hots=x"), "'hots' is no setting of box"),
        (("--set", "port=1"), "host is missing"),
        (("--set", "host=x", "--set", "port=many"), "port: Input should be a valid integer"),
        (("--set", "host"), "write key=value"),
        (("--settings", "/nowhere.json"), "cannot be read"),
        (("--set", "host=x", "--secret", "password=hunter2"), "write --secret name=-"),
        (("--set", "host=x", "--secret", "pasword=-"), "box has no secret 'pasword'; it has password"),
        (("--set", "host=x", "--secret", "password=-"), "there is no line with the secret"),
    ],
)
def test_a_misconfiguration_says_what_would_be_right(
    cli: CommandLine, kind: Callable[..., None], words: tuple[str, ...], right: str
) -> None:
    said = cli("suppliers", "add", "mill", "--kind", "box", *words)
    assert (said.code, right in said.err, "hunter2" in said.err) == (2, True, False)
    assert cli.facts("suppliers", "list") == {"suppliers": []}


@pytest.mark.parametrize(
    "words",
    [
        ("add", "mill", "--kind", "nothing"),
        ("add", "A b", "--kind", "http"),
        ("add", "sandbox", "--kind", "http"),
        ("show", "nobody"),
        ("set", "nobody", "--set", "a=1"),
        ("enable", "nobody"),
        ("check", "nobody"),
        ("devices", "nobody"),
        ("alerts", "nobody"),
        ("secret", "list", "nobody"),
        ("secret", "add", "nobody", "password"),
        ("secret", "drop", "nobody", "1"),
        ("kinds", "nothing"),
    ],
)
def test_a_misuse_is_refused_in_words(cli: CommandLine, words: tuple[str, ...]) -> None:
    said = cli("suppliers", *words)
    assert (said.code, said.out, bool(said.err), "Traceback" in said.err) == (2, "", True, False)


def test_a_secret_is_rotated_without_a_gap(cli: CommandLine, box: None, shop: Shop) -> None:
    assert cli("suppliers", "secret", "add", "mill", "password", stdin=f"{SECOND}\n".encode()).code == 0
    newest, oldest = cli.facts("suppliers", "secret", "list", "mill")["secrets"]
    with shop.db.transaction() as tx:
        assert store.opened(tx, shop.context.vault, "mill") == {"mill": {"password": (SECOND, SECRET)}}
    assert cli("suppliers", "secret", "drop", "mill", str(oldest["number"])).code == 0
    assert [one["number"] for one in cli.facts("suppliers", "secret", "list", "mill")["secrets"]] == [
        newest["number"]
    ]


def test_a_supplier_that_has_all_it_needs_is_well(
    cli: CommandLine, box: None, kind: Callable[..., None]
) -> None:
    kind(lambda configured, around: [Finding("bind", True, f"as {configured.settings.host}")])
    said = cli("suppliers", "check", "--json")
    assert (said.code, said.facts["ok"]) == (0, True)
    found = findings(said)
    assert found["pool mill-gb"] == (True, "2 free")
    assert found["bind"] == (True, "as 10.0.0.7")
    assert found["secret password"][1].startswith("1 active, the newest ")
    assert list(found) == [
        "enabled", "configuration", "secret password", "pool mill-gb", "last message", "bind",
    ]  # fmt: skip


def test_what_is_missing_is_said_with_the_command_that_mends_it(
    cli: CommandLine, kind: Callable[..., None], shop: Shop
) -> None:
    cli("suppliers", "add", "mill", "--kind", "box", "--set", "host=x")
    said = cli("suppliers", "check", "mill", "--json")
    assert (said.code, findings(said)["pools"]) == (
        1,
        (False, "none: onceline pools add SLUG --supplier mill"),
    )
    shop.pool("mill-gb", mode="live", supplier="mill")
    ok, words = findings(cli("suppliers", "check", "--json"))["pool mill-gb"]
    assert (ok, "onceline numbers import" in words, "onceline prices set" in words) == (False, True, True)


def test_a_supplier_that_cannot_be_read_is_told_and_not_asked(
    cli: CommandLine, box: None, kind: Callable[..., None], shop: Shop
) -> None:
    kind(_explodes)
    shop.run("update suppliers set settings = '{}'")
    said = cli("suppliers", "check", "--json")
    assert (said.code, findings(said)["configuration"]) == (1, (False, "host: Field required"))
    shop.run("update suppliers set kind = 'gone'")
    assert findings(cli("suppliers", "check", "--json"))["configuration"][0] is False


def test_devices_that_warn_or_fell_silent_are_wrong(cli: CommandLine, box: None, shop: Shop) -> None:
    beat(shop, "modem-1")
    assert cli("suppliers", "check").code == 0
    beat(shop, "modem-2", warning="android-too-new")
    beat(shop, "modem-3", ago=SILENT_FOR + timedelta(minutes=5))
    found = findings(cli("suppliers", "check", "--json"))
    assert found["device modem-1"][0] is True
    assert (found["device modem-2"][0], "android-too-new" in found["device modem-2"][1]) == (False, True)
    assert (found["device modem-3"][0], "silent for 35m" in found["device modem-3"][1]) == (False, True)
    first = cli.facts("suppliers", "devices", "mill", "--limit", "2")
    then = cli.facts("suppliers", "devices", "mill", "--limit", "2", "--after", first["next"])
    assert [one["device"] for one in first["devices"] + then["devices"]] == ["modem-1", "modem-2", "modem-3"]
    assert first["devices"][0]["facts"] == {"signal": 17}


def test_alerts_of_the_last_day_are_wrong_until_they_are_forgotten(
    cli: CommandLine, box: None, shop: Shop
) -> None:
    with shop.db.transaction() as tx:
        now = SystemClock().now()
        store.alert(tx, [Alert("mill", "old_news", "", 1)], now - timedelta(days=2))
        store.alert(tx, [Alert("mill", "not_authentic", "\x1b[2Jx", 7)], now)
    said = cli("suppliers", "check", "--json")
    assert (said.code, "old_news" in said.out, findings(said)["alert not_authentic"][0]) == (1, False, False)
    (alert,) = cli.facts("suppliers", "alerts")["alerts"]
    assert (alert["alert"], alert["times"]) == ("not_authentic", 7)
    assert "\x1b" not in cli("suppliers", "alerts").out + cli("suppliers", "check").out
    assert cli.facts("suppliers", "alerts", "mill", "--clear") == {"cleared": 2}
    assert (cli("suppliers", "check").code, cli("suppliers", "alerts").out) == (0, "no alerts\n")


def _explodes(*_: object) -> Sequence[Finding]:
    raise RuntimeError(f"the password {SECRET} was refused")


def _lacks(configured: Configured, _: Surroundings) -> Sequence[Finding]:
    raise NotConfigured("set the password first")


def _hangs(*_: Any) -> Sequence[Finding]:
    time.sleep(30)
    return []


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (_explodes, "it ended with RuntimeError"),
        (_lacks, "set the password first"),
        (_hangs, "did not answer within"),
    ],
)
def test_a_check_that_goes_wrong_is_a_finding_and_quotes_nothing(
    cli: CommandLine, box: None, kind: Callable[..., None], monkeypatch: pytest.MonkeyPatch,
    check: Callable[..., Sequence[Finding]], words: str,
) -> None:  # fmt: skip
    kind(check)
    monkeypatch.setattr(supplier_check, "CHECK_S", 0.5)
    began = time.monotonic()
    said = cli("suppliers", "check")
    assert (said.code, words in said.out, SECRET in said.out + said.err) == (1, True, False)
    assert time.monotonic() - began < 10


def test_a_disabled_supplier_is_told_and_not_asked(
    cli: CommandLine, box: None, kind: Callable[..., None]
) -> None:
    kind(_explodes)
    assert cli("suppliers", "disable", "mill").code == 0
    said = cli("suppliers", "check", "--json")
    assert (said.code, findings(said)["enabled"][1].startswith("no"), "RuntimeError" in said.out) == (
        0,
        True,
        False,
    )
    assert cli("suppliers", "enable", "mill").code == 0
    assert "RuntimeError" in cli("suppliers", "check").out


def test_an_inlet_needs_the_installations_address(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("suppliers", "add", "acme", "--kind", "http", "--secret", "signing_key=-", stdin=SECRET.encode())
    assert findings(cli("suppliers", "check", "--json"), "acme")["inlet"] == (True, f"{PUBLIC}/in/acme")
    monkeypatch.delenv("ONCELINE_PUBLIC_URL")
    found = findings(cli("suppliers", "check", "--json"), "acme")["inlet"]
    assert (found[0], "ONCELINE_PUBLIC_URL" in found[1]) == (False, True)


def test_empty_lists_say_so(cli: CommandLine) -> None:
    said = {words: cli("suppliers", *words.split()).out for words in ("list", "check", "devices", "alerts")}
    assert all(one.startswith("no ") for one in said.values())
