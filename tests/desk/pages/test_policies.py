"""Policies: complete, made of this installation's own figures, in versions of which the customers were told first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.template import engines

from onceline.core.deposits import model as deposits
from onceline.core.exports import model as exports
from onceline.core.notices import commands as notices
from onceline.core.notices import model as notice_rules
from onceline.core.retention import commands as retention
from onceline.desk.house import house
from onceline.desk.pages import figures, policies, promised
from onceline.desk.pages.policies import Version
from onceline.desk.people import passwords, sessions, team
from tests.command import CommandLine
from tests.conftest import NOON
from tests.desk.pages.readers import CHINESE, decide, read, words
from tests.desk.visitors import Pages

TEMPLATES = Path(policies.__file__).parent / "templates" / "pages"
WITHOUT_FIGURES = [
    *sorted((TEMPLATES / "policies").rglob("*.html")),
    *(
        TEMPLATES / f"{name}.html"
        for name in ("home", "board", "official", "operator", "processors", "processor_list")
    ),
]
UNITS = r"(?:milli)?seconds?|minutes?|hours?|days?|weeks?|months?|years?|requests?|orders?|keys?|characters?|per ?cent"
NOT_YET = frozenset(
    re.findall(
        r"^\| ([A-Z]\d+) \|[^|]*\| not yet \|",
        (Path(__file__).parents[3] / "docs" / "promises.md").read_text(),
        re.MULTILINE,
    )
)
SPEAKS_OF = {
    "terms": "who:P17 what:D1,D3,P6 account:P3 prices:M1 use:A1 limits:A3 availability:D11 liability: end:P9,A5 "
    "changes:P15,M4 law:",
    "acceptable-use": "for: not-offered:A1 forbidden: checks:A6 origin:A2 limits:A3 report:A4 consequences:A5",
    "privacy": "who: short:P1,P2,P4 stored:P2 logs:P1 passwords:P3,P13,P14 cookies:P4 numbers:P5,P6 processors:P16 "
    "authorities: rights:P7,P8 deletion:P9,P10",
    "delivery": "number:D1,M3 window:D3 speed:D2 ways:D4,D5,D6,D7 always:D8,D9 availability:D11 help:D10",
    "refunds": "rule:M1,M3 cancel:M1 balance:M2 deposits:M4,M5,M10 ask:M6 records:M7,M8 closed:M4,P9",
}
"""The promises that each section speaks of."""
SPELLED = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|fourteen|fifteen|twenty|thirty|forty|sixty|ninety|hundred)"
    rf"(?:[ -]\w+)? (?:{UNITS})\b",
    re.IGNORECASE,
)


@pytest.fixture
def second_terms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A second version of the terms ships with the program."""
    terms = policies.find("terms")
    assert terms is not None
    second = Version(2, date(2026, 2, 1), "Two lines are new.", significant=True)
    changed = policies.Policy("terms", terms.name, terms.summary, (*terms.versions, second))
    folder = tmp_path / "pages" / "policies" / "terms"
    folder.mkdir(parents=True)
    (folder / "2.html").write_text('<h2 id="new">New</h2><p>Another text: {{ window }}.</p>')
    engine: Any = engines["django"].engine  # type: ignore[attr-defined] - the stubs know the base class alone
    monkeypatch.setattr(policies, "POLICIES", (changed, *policies.POLICIES[1:]))
    monkeypatch.setattr(engine, "dirs", [*engine.dirs, tmp_path])
    for loader in engine.template_loaders:
        loader.reset()
    yield
    for loader in engine.template_loaders:
        loader.reset()


def announce(pages: Pages, days: int = notice_rules.NOTICE_DAYS) -> date:
    """As `onceline announce terms 2` does; from when it holds."""
    shipped = policies.to_announce("terms", "2")
    assert shipped is not None
    policy, version = shipped
    now = pages.shop.clock.now()
    since = now.date() + timedelta(days=days)
    with pages.shop.db.transaction() as tx:
        notices.announce(
            tx,
            policy=policy.name,
            version=str(version.number),
            effective_on=since,
            significant=version.significant,
            summary=version.note,
            now=now,
        )
    pages.shop.pass_time(6)
    return since


# Figures --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", CHINESE])
@pytest.mark.parametrize("slug", [policy.slug for policy in policies.POLICIES])
def test_every_policy_is_there_with_its_figures_and_its_contents(
    pages: Pages, slug: str, language: str
) -> None:
    answer = pages.browser().get(f"/policies/{slug}/", headers={"accept-language": language})
    assert answer.status_code == 200
    assert len(answer.context["contents"]) >= 5
    text = answer.content.decode()
    assert all(f'id="{entry.anchor}"' in text for entry in answer.context["contents"])
    assert figures.exactly(1200) in text or slug != "refunds"
    assert "{{" not in text
    assert "%(" not in text


@pytest.mark.parametrize(
    ("setting", "value", "page", "figure"),
    [
        ("activation_window_s", 1500, "/policies/refunds/", "after 25 minutes"),
        ("activation_window_s", 1500, "/policies/terms/", "yours for 25 minutes"),
        ("activation_window_s", 1500, "/", "for 25 minutes"),
        ("activation_window_s", 1500, "/docs/api/", "waits for 25 minutes"),
        ("cancel_lock_s", 150, "/policies/refunds/", "from 150 seconds after the order"),
        ("cancel_lock_s", 150, "/", "From 150 seconds after the order"),
        ("rental_cancel_s", 2400, "/policies/refunds/", "within the first 40 minutes"),
        ("grace_s", 300, "/policies/delivery/", "another 5 minutes"),
        ("cooldown_s", 2700, "/policies/privacy/", "rests for 45 minutes"),
        ("cooldown_s", 300, "/policies/delivery/", "another 5 minutes"),
        ("rental_cooldown_s", 60 * 86400, "/policies/privacy/", "after a rental for 60 days"),
        ("drain_s", 3.5, "/policies/delivery/", "we wait 3.5 seconds"),
        ("live_orders", 321, "/policies/terms/", "321 running orders"),
        ("live_orders", 321, "/policies/acceptable-use/", "(321 at once)"),
        ("requests_per_s", 77, "/policies/terms/", "77 requests a second"),
        ("request_burst", 1234, "/docs/api/", "1,234 at once"),
        ("limits", "off", "/policies/terms/", "switched off"),
        ("limits", "off", "/policies/acceptable-use/", "switched off"),
        ("limits", "off", "/docs/api/", "Rate limits are switched off"),
        ("access_log_days", 3, "/policies/privacy/", "deleted after 3 days"),
        ("access_log_days", 3, "/", "deleted after 3 days"),
        ("sign_up", "invited", "/policies/terms/", "by invitation only"),
        ("sign_up", "invited", "/", "by invitation here"),
        ("operator_name", "Example Ltd", "/policies/terms/", "Example Ltd"),
        ("operator_law", "Iceland", "/policies/terms/", "law of Iceland"),
        ("operator_contact", "us@example.org", "/policies/acceptable-use/", "us@example.org"),
        ("smtp_url", "smtp://u:p@mail.example:587", "/policies/privacy/", "mail.example"),
        ("smtp_url", "smtp://u:p@mail.example:587", "/processors/", "mail.example"),
        ("official_addresses", "https://a.example, @ours", "/official/", "@ours"),
    ],
)
def test_a_setting_that_changes_is_what_the_pages_say(
    pages: Pages, setting: str, value: Any, page: str, figure: str
) -> None:
    assert figure not in words(pages, page)
    decide(pages, **{setting: value})
    assert figure in words(pages, page)


@pytest.mark.parametrize(
    ("module", "constant", "value", "page", "figure"),
    [
        (retention, "WITHHELD_FOR", timedelta(hours=31), "acceptable-use", "31 hours"),
        (retention, "UNOWNED_FOR", timedelta(days=13), "privacy", "13 days"),
        (retention, "NUMBER_LINK_FOR", timedelta(days=37), "acceptable-use", "37 days"),
        (retention, "INBOUND_ROWS_FOR", timedelta(days=38), "privacy", "38 days"),
        (retention, "EVENTS_FOR", timedelta(days=39), "delivery", "39 days"),
        (retention, "IDEMPOTENCY_FOR", timedelta(days=11), "privacy", "11 days"),
        (retention, "SESSIONS_FOR", timedelta(days=12), "privacy", "12 days"),
        (retention, "UNOWNED_FOR", timedelta(days=17), "privacy", "until they are sent, 17 days at most"),
        (sessions, "LONGEST", timedelta(days=95), "privacy", "95 days after the log-in at most"),
        (team, "OPEN_FOR", timedelta(days=19), "privacy", "not used within 19 days"),
        (notice_rules, "NOTIFICATIONS_FOR", timedelta(days=91), "privacy", "91 days"),
        (notice_rules, "MAILS_FOR", timedelta(days=31), "privacy", "31 days"),
        (notice_rules, "NOTICE_DAYS", 21, "terms", "21 days"),
        (exports, "KEPT_FOR", timedelta(days=8), "delivery", "8 days"),
        (exports, "ROWS_FOR", timedelta(days=32), "privacy", "32 days"),
        (exports, "LINK_S", 900, "delivery", "15 minutes"),
        (figures, "KEYS_PER_SIDE", 97, "terms", "97 keys"),
        (passwords, "LONG", 17, "terms", "17 characters"),
        (passwords, "COST", 13, "privacy", "cost 13"),
        (deposits, "REFUND_FOR", timedelta(days=16), "refunds", "16 days"),
        (promised, "UPTIME_PER_MILLE", 995, "delivery", "99.5 %"),
        (promised, "MAINTENANCE_NOTICE", timedelta(hours=36), "terms", "36 hours"),
        (promised, "SHARE_MEDIAN_MS", 90, "delivery", "90 milliseconds"),
        (promised, "ROUTE_P95", timedelta(seconds=9), "delivery", "9 seconds"),
    ],
)
def test_a_constant_that_changes_is_what_the_policies_say(
    pages: Pages,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    constant: str,
    value: Any,
    page: str,
    figure: str,
) -> None:
    assert figure not in words(pages, f"/policies/{page}/")
    monkeypatch.setattr(module, constant, value)
    assert figure in words(pages, f"/policies/{page}/")


@pytest.mark.parametrize("template", WITHOUT_FIGURES, ids=lambda path: path.relative_to(TEMPLATES).as_posix())
def test_no_figure_is_typed_into_a_text(template: Path) -> None:
    text = _prose(template.read_text())
    assert len(text) > 100
    assert re.findall(r"\S*\d\S*", text) == []
    assert SPELLED.findall(text) == []


def test_no_figure_is_typed_into_a_title_or_a_note() -> None:
    told = [
        text for one in policies.POLICIES for text in (one.name, one.summary, *(v.note for v in one.versions))
    ]
    assert [text for text in told if re.search(r"\d", text) or SPELLED.search(text)] == []


def test_every_figure_is_quoted_somewhere(pages: Pages) -> None:
    quoted = "\n".join(path.read_text() for path in TEMPLATES.rglob("*.html"))
    code = "\n".join(path.read_text() for path in Path(policies.__file__).parent.glob("*.py"))
    for name in figures.figures():
        assert re.search(rf"\b{name}\b", quoted) or f'["{name}"]' in code, name


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1200, "20 minutes"),
        (120, "2 minutes"),
        (90, "90 seconds"),
        (150, "150 seconds"),
        (86400, "24 hours"),
        (3888000, "45 days"),
        (5400, "90 minutes"),
        (1, "1 second"),
        (0, "0 seconds"),
        (2.0, "2 seconds"),
        (2.5, "2.5 seconds"),
    ],
)
def test_a_length_is_never_rounded(seconds: float, text: str) -> None:
    assert figures.exactly(seconds) == text


def test_what_is_not_kept_yet_is_said_to_be_the_operators_work(pages: Pages) -> None:
    """Every section is marked with the promises that it speaks of; one that is not kept yet is no function of the site."""
    decide(pages, operator_contact="us@example.org")
    for policy in policies.POLICIES:
        edition = policies.editions(policy)[0]
        told = dict(
            re.findall(r'<h2 id="([a-z-]+)">(.*?)(?=<h2|\Z)', policies.body(policy, edition), re.DOTALL)
        )
        marked = dict(one.split(":") for one in SPEAKS_OF[policy.slug].split())
        assert list(told) == list(marked)
        for anchor, promises in marked.items():
            if NOT_YET & set(promises.split(",")):
                assert re.search(r"the operator|aim: the program does not", told[anchor], re.IGNORECASE), (
                    anchor
                )


@pytest.mark.parametrize(
    "claim",
    [
        "register",
        "every half-year",
        "checked are worked on",
        "is written down",
        "take it back",
        "Backups are at most",
    ],
)
def test_no_policy_claims_what_no_part_of_the_program_does(pages: Pages, claim: str) -> None:
    assert [one.slug for one in policies.POLICIES if claim in words(pages, f"/policies/{one.slug}/")] == []


def _prose(source: str) -> str:
    """What is to be read in a template: its text, and the strings of its translate tags."""
    strings = re.findall(r'\{% translate "([^"]*)" %\}', source)
    rest = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", " ", source, flags=re.DOTALL)
    return " ".join([*strings, rest])


# The operator ---------------------------------------------------------------------------------------------------------


def test_an_operator_that_has_not_named_itself_is_said_not_to_have(pages: Pages) -> None:
    for page in ("/policies/terms/", "/policies/privacy/", "/official/"):
        assert "has not named itself" in words(pages, page)
    assert "has not said whose law" in words(pages, "/policies/terms/")


def test_an_operator_is_named_with_address_and_contact(pages: Pages) -> None:
    decide(
        pages,
        operator_name="<b>Example</b> Ltd",
        operator_address="1 Road, Town",
        operator_contact="us@example.org",
    )
    for page in ("/policies/terms/", "/policies/privacy/", "/official/"):
        text = words(pages, page)
        assert "1 Road, Town" in text
        assert "us@example.org" in text
        assert "has not named itself" not in text
        assert "<b>Example</b>" not in read(pages, page)


# Versions (P15) -------------------------------------------------------------------------------------------------------


def test_the_first_version_holds_from_the_day_it_was_written(pages: Pages) -> None:
    assert "Version 1, in force since 21 November 2026" in words(pages, "/policies/terms/")
    assert "Version 1, in force since" in words(pages, "/policies/terms/1/")


def test_what_is_no_policy_or_no_version_is_not_found(pages: Pages) -> None:
    for path in (
        "/policies/nonsense/",
        "/policies/terms/9/",
        "/policies/terms/0/",
        "/policies/terms/x/",
        "/policies/../",
    ):
        assert pages.browser().get(path).status_code == 404


def test_a_policy_is_called_in_announcements_as_on_its_page(pages: Pages) -> None:
    assert [one.title for one in policies.POLICIES] == [one.name for one in policies.POLICIES]


@pytest.mark.promise("P15")
@pytest.mark.usefixtures("second_terms")
def test_a_version_nobody_was_told_of_does_not_hold(pages: Pages) -> None:
    assert "Version 1, in force" in words(pages, "/policies/terms/")
    assert pages.browser().get("/policies/terms/2/").status_code == 404


@pytest.mark.promise("P15")
@pytest.mark.usefixtures("second_terms")
def test_a_version_that_was_announced_can_be_read_before_it_holds(pages: Pages) -> None:
    announce(pages)
    text = words(pages, "/policies/terms/")
    assert "Version 1, in force" in text
    assert "Version 2 takes effect on 15 March 2026. Two lines are new." in text
    assert "Version 2, which takes effect on 15 March 2026" in words(pages, "/policies/terms/2/")


@pytest.mark.promise("P15")
@pytest.mark.usefixtures("second_terms")
def test_from_its_day_on_the_new_version_holds_and_the_former_stays_readable(pages: Pages) -> None:
    announce(pages)
    pages.shop.pass_time(notice_rules.NOTICE_DAYS * 86400)
    assert "Version 2, in force since 15 March 2026" in words(pages, "/policies/terms/")
    assert "Another text: 20 minutes." in words(pages, "/policies/terms/")
    former = words(pages, "/policies/terms/1/")
    assert "This is a former version." in former
    assert "What you get" in former


@pytest.mark.usefixtures("second_terms")
def test_a_new_version_makes_no_other_policy_new(pages: Pages) -> None:
    announce(pages)
    pages.shop.pass_time(notice_rules.NOTICE_DAYS * 86400)
    assert "Version 1, in force" in words(pages, "/policies/privacy/")
    assert words(pages, "/policies/").count("Version 2") == 1


def test_the_command_says_which_versions_there_are_to_announce(pages: Pages) -> None:
    with pytest.raises(ValueError, match="there is no later one"):
        policies.to_announce("terms", "2")
    assert policies.to_announce("House rules", "2026-03") is None


@pytest.mark.usefixtures("second_terms")
def test_the_command_announces_a_shipped_version_in_its_own_words(
    pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = CommandLine(pages.shop.db.conninfo, tmp_path, monkeypatch, capsys)
    said = line("announce", "terms", "3", "--effective", "2099-01-01")
    assert (said.code, said.err) == (2, "onceline: terms has no version 3 to announce; there are 2\n")
    said = line("announce", "terms", "2", "--effective", "2099-01-01")
    assert (said.code, said.out) == (0, "Terms of service 2 is announced\n")
    told = pages.shop.rows("select policy, version, effective_on, significant, summary from policy_changes")
    assert [tuple(row) for row in told] == [
        ("Terms of service", "2", date(2099, 1, 1), True, "Two lines are new.")
    ]
    assert house().clock.now() == NOON
