"""Answers to what cannot be done: a page that says what is wrong and what would be right, with its status."""

from __future__ import annotations

import sys
import traceback
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from onceline.core.errors import OncelineError, Unavailable
from onceline.desk import refusals

_LOG = structlog.get_logger(__name__)
RETRY_S = 5


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001 - Django's signature
    return page(
        request, 400, _("This request makes no sense to us"), _("Go back, reload the page and try again.")
    )


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001 - Django's signature
    text = _("Your role in this account does not allow it. Ask its owner.")
    return page(request, 403, _("This is not for you"), text)


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's signature
    """A form without its token: the page is older than the session, or the browser keeps no cookies."""
    text = _(
        "The page was open for too long, you logged in or out meanwhile, or your browser keeps no cookies. "
        "Nothing was changed. Go back, reload the page and send the form again."
    )
    return page(request, 403, _("This form is no longer valid"), text)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001 - Django's signature
    text = _("There is no such page, or it is not yours to see.")
    return page(request, 404, _("Nothing here"), text)


def wrong_method(request: HttpRequest) -> HttpResponse:
    """Somebody came by address to where only a form leads, as after a log-in in between."""
    text = _("This address takes a form that was filled in. Nothing was changed.")
    return page(request, 405, _("There is no page here"), text)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django asks for it also where a middleware finds the database away, before any view was reached."""
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        return away(request)
    text = _("This is our fault, and it is in our log. What you sent before is kept; try again in a moment.")
    return page(request, 500, _("Something broke"), text, bare=True)


def away(request: HttpRequest) -> HttpResponse:
    text = _(
        "Our database does not answer at the moment. Your balance and your orders are safe, and messages that arrive "
        "now are delivered when it is back. Try again in a few seconds."
    )
    return page(request, 503, _("We will be back in a moment"), text, bare=True)


def busy(request: HttpRequest) -> HttpResponse:
    text = _("Very many people are logging in at this moment. Try again in a few seconds.")
    return page(request, 503, _("One moment, please"), text, bare=True)


def refused(request: HttpRequest, error: OncelineError) -> HttpResponse:
    """A refusal that no view expected. For a part of a page, the sentence alone."""
    status = refusals.status_of(error)
    if isinstance(error, Unavailable):
        return away(request)
    return page(request, status, _("That did not work"), refusals.sentence(error))


def note(**_: Any) -> None:
    """Logs where an error happened, never what it says or what was asked: that may quote data. Django calls it."""
    error = sys.exception()
    if error is None:
        return
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    _LOG.error("page failed", error=type(error).__qualname__, places=places[-12:])


def page(request: HttpRequest, status: int, title: str, text: str, *, bare: bool = False) -> HttpResponse:
    """`bare`: without anything that asks the database, such as who is logged in."""
    facts: dict[str, Any] = {"title": title, "text": text, "status": status, "retry_s": RETRY_S}
    if getattr(request, "htmx", False):
        body = render_to_string("desk/fault_part.html", facts)
    else:
        body = render_to_string("desk/fault.html", facts, None if bare else request)
    response = HttpResponse(body, status=status)
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_S)
    return response
