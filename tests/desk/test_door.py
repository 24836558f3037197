"""The way in: who is nobody, who is somebody, and what the outermost layer adds."""

from __future__ import annotations

import pytest
import structlog

from tests.desk.visitors import Pages


def test_nobody_reads_what_this_is(pages: Pages) -> None:
    answer = pages.browser().get("/")
    assert (answer.status_code, answer.templates[0].name) == (200, "pages/home.html")


def test_who_is_logged_in_comes_to_the_order_page(pages: Pages) -> None:
    alice = pages.visitor()
    assert alice.get("/", follow=True).redirect_chain == [("/test/", 302)]


def test_nobody_is_led_to_the_log_in_and_back(pages: Pages) -> None:
    assert pages.browser().get("/live/")["location"] == "/account/login/?next=/live/"


def test_private_pages_stay_in_no_cache(pages: Pages) -> None:
    assert pages.visitor().get("/test/")["cache-control"] == "no-store"


def test_a_fault_of_ours_is_logged_by_its_place_and_nothing_that_was_asked(
    pages: Pages, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("secret-of-the-error")

    monkeypatch.setattr("onceline.desk.context.last_mode", broken)
    alice = pages.visitor()
    alice.browser.raise_request_exception = False
    with structlog.testing.capture_logs() as lines:
        answer = alice.get("/test/?secret-of-the-query")
        pages.browser().get("/secret-of-the-path/")
    assert (answer.status_code, b"This is our fault" in answer.content) == (500, True)
    assert [(line["event"], line["error"]) for line in lines] == [("page failed", "ValueError")]
    assert "secret-of" not in f"{lines}{caplog.text}"


def test_another_host_is_not_answered(pages: Pages, caplog: pytest.LogCaptureFixture) -> None:
    """Links in mails are made of the host: nobody else's may be."""
    answer = pages.browser().get("/account/login/", headers={"Host": "evil.example"})
    assert (answer.status_code, "evil" in f"{answer.content!r}{caplog.text}") == (400, False)
