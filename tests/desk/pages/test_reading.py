"""Every public page: readable by anybody in both languages, without a cookie, without another origin."""

from __future__ import annotations

import re

import pytest

from tests.desk.pages.readers import CHINESE, ENGLISH, PUBLIC, decide, read
from tests.desk.visitors import Pages

LOADS = re.compile(
    r"<(?:script|img|link|form|use|iframe|source|video|audio)\b[^>]*?(?:src|href|action)=\"([^\"]*)\""
)


@pytest.mark.parametrize("language", [ENGLISH, CHINESE])
@pytest.mark.parametrize("path", PUBLIC)
def test_it_has_a_title_a_description_and_a_language(pages: Pages, path: str, language: str) -> None:
    page = read(pages, path, language)
    assert f'<html lang="{language}"' in page
    assert re.search(r"<title>\s*[^<–]{3,}", page)
    assert re.search(r'<meta name="description" content="[^"]{20,}">', page)
    assert page.count("<h1") == 1


@pytest.mark.promise("P4")
@pytest.mark.parametrize("path", [*PUBLIC, "/robots.txt", "/favicon.ico", "/.well-known/security.txt"])
def test_who_only_reads_gets_no_cookie(pages: Pages, path: str) -> None:
    answer = pages.browser().get(path)
    assert not answer.cookies
    assert "set-cookie" not in answer.headers


@pytest.mark.promise("P4")
@pytest.mark.parametrize("path", PUBLIC)
def test_nothing_is_loaded_from_elsewhere(pages: Pages, path: str) -> None:
    sources = LOADS.findall(read(pages, path))
    assert sources
    assert [
        source for source in sources if not source.startswith(("/", "#", "?")) or source.startswith("//")
    ] == []


@pytest.mark.parametrize("path", PUBLIC)
def test_nothing_needs_what_the_policy_of_content_forbids(pages: Pages, path: str) -> None:
    page = read(pages, path)
    assert not re.search(r"<[^>]+\s(?:style|on[a-z]+)=", page)
    assert "<style" not in page


def test_its_own_address_is_named_where_it_is_known(pages: Pages) -> None:
    assert 'rel="canonical"' not in read(pages, "/policies/terms/")
    decide(pages, public_url="https://otp.example.com")
    assert '<link rel="canonical" href="https://otp.example.com/policies/terms/">' in read(
        pages, "/policies/terms/"
    )


@pytest.mark.parametrize("path", PUBLIC)
def test_ids_are_given_once(pages: Pages, path: str) -> None:
    ids = re.findall(r'\sid="([^"]+)"', read(pages, path))
    assert len(ids) == len(set(ids))


def test_every_link_between_public_pages_leads_somewhere(pages: Pages) -> None:
    browser = pages.browser()
    links = {link for path in PUBLIC for link in re.findall(r'<a [^>]*href="(/[^"]*)"', read(pages, path))}
    ours = {link for link in links if not link.startswith("/api/")}
    assert "/policies/privacy/" in ours
    assert {
        link: browser.get(link).status_code for link in ours if browser.get(link).status_code != 200
    } == {}


def test_who_is_logged_in_reads_the_policies_too(pages: Pages) -> None:
    assert pages.visitor().get("/policies/terms/").status_code == 200
    assert pages.visitor().get("/prices/").status_code == 200


def test_a_form_sent_to_a_page_that_is_only_read_is_refused(pages: Pages) -> None:
    for path in PUBLIC:
        assert pages.browser().post(path).status_code == 405
