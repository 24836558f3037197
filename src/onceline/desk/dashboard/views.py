"""The order page and the rentals page: choose a service and country, order with one click, see the number at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from onceline.core.catalog import store as catalog
from onceline.core.catalog.store import OfferFilter
from onceline.core.errors import OncelineError, Unavailable
from onceline.core.ledger import store as ledger
from onceline.core.orders.commands import Placed
from onceline.core.orders.model import ACTIVATION, RENTAL
from onceline.desk.dashboard import cards, choosing, offers, ordering
from onceline.desk.dashboard.acting import Acting, Desked, acts
from onceline.desk.dashboard.changes import QUESTIONS
from onceline.desk.dashboard.ordering import Fault, Refused, Typed
from onceline.desk.house import house

PAGE_OF = {ACTIVATION: "order", RENTAL: "rentals"}
_TEMPLATES = {ACTIVATION: "dashboard/order.html", RENTAL: "dashboard/rentals.html"}
_FIRST_SERVICE, _FIRST_COUNTRY = "other", "GB"
_WORTH_KEEPING = ("q", "service", "country", "sort", "pool", "network", "duration")


@require_GET
@acts()
def order(request: Desked) -> HttpResponse:
    return _page(request, Typed.of(request.GET, ACTIVATION))


@require_GET
@acts()
def rentals(request: Desked) -> HttpResponse:
    return _page(request, Typed.of(request.GET, RENTAL))


@require_GET
@acts()
def offer_list(request: Desked) -> HttpResponse:
    """What fits what was typed, as a part of the page; a browser that comes by itself gets the whole page."""
    typed = Typed.of(request.GET, _kind(request.GET))
    address = _address(request.acting, typed)
    if not request.htmx:
        return redirect(address)
    response = render(request, "dashboard/choice.html", _choice(request.acting, typed))
    response["HX-Replace-Url"] = address
    return response


@require_GET
@acts()
def service_list(request: Desked) -> HttpResponse:
    """Suggestions under the search field while somebody types."""
    kind = _kind(request.GET)
    typed = Typed.of(request.GET, kind)
    acting = request.acting
    found = choosing.search(typed.q, acting.mode, choosing.SUGGESTED, kind) if typed.q.strip() else []
    with house().db.statement() as tx:
        known = choosing.known(tx, acting.person, acting.side, acting.mode, kind)
    return render(
        request,
        "dashboard/suggestions.html",
        {"found": found, "known": known, "typed": typed, "acting": acting},
    )


@require_POST
@acts("buyer")
def place(request: Desked) -> HttpResponse:
    """Order what the pressed button says. For htmx the new cards, for a plain form a redirect to them."""
    typed = Typed.of(request.POST, _kind(request.POST))
    wanted = None
    try:
        wanted = ordering.wish(request.POST, typed)
        placed = ordering.place(request.acting, wanted)
    except Unavailable:
        raise
    except (Fault, OncelineError) as error:
        return _refuse(request, typed, ordering.refused(error, wanted))
    if request.htmx:
        return _placed(request, typed, placed)
    return redirect(f"{_address(request.acting, typed)}#order-{placed.ids[0]}")


@require_POST
@acts()
def favourite(request: Desked) -> HttpResponse:
    """Star a service, or a service in a country, or take the star away."""
    typed = Typed.of(request.POST, _kind(request.POST))
    service, _, country = request.POST.get("favourite", "").partition(":")
    known = choosing.exactly(service, request.acting.mode, typed.kind)
    if known and (not country or choosing.country_name(country) != country):
        choosing.star(request.acting.person, known.slug, country)
    if request.htmx:
        return render(request, "dashboard/choice.html", _choice(request.acting, typed))
    return redirect(_address(request.acting, typed))


def _placed(request: Desked, typed: Typed, placed: Placed) -> HttpResponse:
    found = cards.cards_of(request.acting, placed.ids)
    context = {"cards": found, "typed": typed, "key": cards.new_key(), **_shared(request.acting)}
    return render(request, "dashboard/placed.html", context)


def _refuse(request: Desked, typed: Typed, refusal: Refused) -> HttpResponse:
    if not request.htmx:
        return _page(request, typed, refusal)
    context = {"refusal": refusal, "typed": typed, "acting": request.acting}
    response = render(request, "dashboard/refusal.html", context, status=refusal.status)
    response["HX-Retarget"] = "#order-answer"
    response["HX-Reswap"] = "innerHTML"
    return response


def _page(request: Desked, typed: Typed, refusal: Refused | None = None) -> HttpResponse:
    acting = request.acting
    listed = cards.live_list(acting, kind=RENTAL if typed.kind == RENTAL else None)
    context = {
        **_choice(acting, typed),
        **_shared(acting),
        "listed": listed,
        "cards": listed.cards,
        "key": cards.new_key(),
        "refusal": refusal,
        "country_options": choosing.country_options(),
        "questions": QUESTIONS,
    }
    return render(request, _TEMPLATES[typed.kind], context, status=refusal.status if refusal else 200)


def _choice(acting: Acting, typed: Typed) -> dict[str, Any]:
    """Offers of the chosen service; services to choose from where none is."""
    service = typed.meant(acting.mode)
    countries = choosing.countries_named(typed.country)
    with house().db.statement() as tx:
        known = choosing.known(tx, acting.person, acting.side, acting.mode, typed.kind)
        durations = catalog.rental_durations(tx, acting.mode) if typed.kind == RENTAL else []
        pools = catalog.pools(tx, acting.mode)
        networks = catalog.networks(tx, acting.mode, *countries) if countries and len(countries) == 1 else []
    duration_s = typed.duration_s(durations)
    found = None
    if service is not None:
        wanted = typed.filter(acting.mode, service.slug, duration_s)
        names = {pool.slug: pool.name for pool in pools}
        found = offers.page(wanted, countries=countries, sort=typed.sort, after=typed.after, pools=names)
    typed = replace(
        typed, duration=str(duration_s) if duration_s else "", service=service.slug if service else ""
    )
    return {
        **ordering.context_of(typed),
        "acting": acting,
        "may_order": acting.may("buyer"),
        "service": service,
        "matches": choosing.search(typed.q, acting.mode, choosing.SERVICES_SHOWN, typed.kind)
        if typed.q.strip()
        else choosing.usual(acting.mode, typed.kind, choosing.SERVICES_SHOWN),
        "known": known,
        "durations": durations,
        "duration_s": duration_s,
        "pools": pools,
        "networks": networks,
        "page": found,
        "first_page": _address(acting, typed),
        "next_page": _address(acting, typed, found.next if found else None),
        "test_services": [one for one in choosing.orderable(acting.mode) if one.category == "test"]
        if typed.kind == ACTIVATION
        else [],
        "starred": known.is_starred(service.slug) if service else False,
    }


def _shared(acting: Acting) -> dict[str, Any]:
    """What the page says around the form: balance, and whether the first code has come yet."""
    with house().db.statement() as tx:
        balance = ledger.balance(tx, acting.side)
        begun = cards.first_orders(tx, acting) if acting.mode == "test" and acting.may("buyer") else None
    steps = None if begun is None else _first_steps(begun)
    return {"balance": balance, "steps": steps, "acting": acting}


def _first_steps(begun: list[dict[str, Any]]) -> dict[str, Any]:
    """How far somebody has come on the way to their first code, by the orders they have begun.

    Never inside a statement: the offers are read with a connection of their own.
    """
    first = offers.cheapest(OfferFilter("test", service=_FIRST_SERVICE, country=_FIRST_COUNTRY))
    return {
        "offer": f"{first.service}:{first.country}:{first.pool}:{first.amount}" if first else "",
        "ordered": bool(begun),
        "sent": any(one["messages"] for one in begun),
        "seen": any(one["code"] for one in begun),
    }


def _kind(data: QueryDict) -> str:
    return RENTAL if data.get("kind") == RENTAL else ACTIVATION


def _address(acting: Acting, typed: Typed, after: str | None = None) -> str:
    """The page with what was chosen; never what was typed as a price."""
    page = reverse(PAGE_OF[typed.kind], args=[acting.mode])
    kept = {name: value for name in _WORTH_KEEPING if (value := getattr(typed, name))}
    if kept.get("sort") == "cheapest":
        del kept["sort"]
    if after:
        kept["after"] = after
    return f"{page}?{urlencode(kept)}" if kept else page
