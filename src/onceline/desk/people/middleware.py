"""Around every page: the person's language, time zone and day of use; refusals of core as answers a person can read."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils import timezone

from onceline.core.errors import OncelineError
from onceline.desk import faults
from onceline.desk.people import sessions
from onceline.desk.people.passwords import TooManyAtOnce

Answer = Callable[[HttpRequest], HttpResponse]


class Preferences:
    """The person's time zone, and their language where the browser's own cookie does not say another.

    A session that is over is logged out here, whatever page it asks for.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        person = request.user
        if not person.is_authenticated:
            return self._answer(request)
        if not sessions.goes_on(request.session, person):
            logout(request)
            return self._answer(request)
        if person.language:
            request.COOKIES.setdefault(settings.LANGUAGE_COOKIE_NAME, person.language)
        with timezone.override(zoneinfo.ZoneInfo(person.time_zone)):
            return self._answer(request)


class Refusals:
    """What a view did not expect: core's refusal as a page with its status, never a stack trace.

    It also keeps the client's address and browser out of the session: allauth puts a whole request there when it asks
    for the password in between.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self._answer(request)
        if request.method == "POST":
            sessions.forget_whence(request.session)
        if isinstance(answer, HttpResponseNotAllowed):
            allowed, answer = answer.headers["Allow"], faults.wrong_method(request)
            answer.headers["Allow"] = allowed
        return answer

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, OncelineError):
            return faults.refused(request, error)
        if isinstance(error, TooManyAtOnce):
            return faults.busy(request)
        return None
