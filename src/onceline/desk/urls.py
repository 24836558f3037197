"""Every address of the desk."""

from __future__ import annotations

from django.urls import include, path

from onceline.desk import faults

urlpatterns = [
    path("", include("onceline.desk.pages.urls")),
    path("account/", include("onceline.desk.people.urls")),
    path("<mode:mode>/", include("onceline.desk.dashboard.urls")),
]
handler400 = faults.bad_request
handler403 = faults.forbidden
handler404 = faults.not_found
handler500 = faults.server_error
