"""The public pages: landing, prices, policies, official addresses. None of them sets a cookie for whoever only reads."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from onceline.desk.dashboard.acting import last_mode
from onceline.desk.pages import official, policies, prices
from onceline.desk.pages.figures import figures
from onceline.desk.pages.policies import Edition, Policy


def public(request: HttpRequest, template: str, facts: dict[str, Any]) -> HttpResponse:
    """With the figures that texts quote, and the page's own address where the installation knows its name."""
    known = figures()
    canonical = f"{known['public_url']}{request.path}" if known["public_url"] else ""
    return render(request, template, {**known, "canonical": canonical, **facts})


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Who is logged in works; everybody else reads what this is."""
    if request.user.is_authenticated:
        return redirect("order", mode=last_mode(request))
    return public(request, "pages/home.html", {"board": prices.board()})


@require_safe
def price_list(request: HttpRequest) -> HttpResponse:
    asked = prices.Asked(
        request.GET.get("service", "").strip()[: prices.LONGEST_SEARCH],
        request.GET.get("country", "").strip()[: prices.LONGEST_SEARCH],
        prices.read_cursor(request.GET.get("after", "")),
    )
    facts = {"asked": asked, "page": prices.search(asked), "countries": prices.countries().items()}
    return public(request, "pages/prices.html", facts)


@require_safe
def policy_list(request: HttpRequest) -> HttpResponse:
    listed = [(policy, _current(policies.editions(policy))) for policy in policies.POLICIES]
    return public(request, "pages/policies.html", {"policies": listed})


@require_safe
def policy(request: HttpRequest, slug: str, version: int | None = None) -> HttpResponse:
    """The version that is in force, or the one that is asked for by its number."""
    found = policies.find(slug)
    if found is None:
        raise Http404
    known = policies.editions(found)
    shown = _current(known) if version is None else _numbered(known, version)
    return public(request, "pages/policy.html", _told(found, known, shown))


@require_safe
def official_addresses(request: HttpRequest) -> HttpResponse:
    return public(request, "pages/official.html", {"addresses": official.addresses()})


@require_safe
def processors(request: HttpRequest) -> HttpResponse:
    facts = {"processors": official.processors(), "takes_payments": official.takes_payments()}
    return public(request, "pages/processors.html", facts)


@require_safe
def security_txt(_: HttpRequest) -> HttpResponse:
    text = official.security_txt()
    if text is None:
        raise Http404
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@require_safe
def robots_txt(_: HttpRequest) -> HttpResponse:
    return HttpResponse(official.robots_txt(), content_type="text/plain; charset=utf-8")


@require_safe
def favicon(_: HttpRequest) -> HttpResponse:
    return redirect(static("desk/favicon.svg"))


def _current(known: list[Edition]) -> Edition:
    return next(edition for edition in known if edition.state == "current")


def _numbered(known: list[Edition], number: int) -> Edition:
    for edition in known:
        if edition.version.number == number:
            return edition
    raise Http404


def _told(policy: Policy, known: list[Edition], shown: Edition) -> dict[str, Any]:
    body = policies.body(policy, shown)
    return {
        "policy": policy,
        "shown": shown,
        "editions": known,
        "current": _current(known),
        "coming": [edition for edition in known if edition.state == "coming"],
        "contents": policies.contents(body),
        "body": body,
    }
