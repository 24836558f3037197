"""Addresses of the public pages."""

from __future__ import annotations

from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.i18n import set_language

from onceline.desk.pages import manual, views

urlpatterns = [
    path("", views.home, name="home"),
    path("language/", csrf_exempt(set_language), name="set_language"),  # a taste, and visitors get no cookie
    path("prices/", views.price_list, name="prices"),
    path("docs/api/", manual.api_docs, name="api_docs"),
    path("policies/", views.policy_list, name="policies"),
    path("policies/<slug:slug>/", views.policy, name="policy"),
    path("policies/<slug:slug>/<int:version>/", views.policy, name="policy_version"),
    path("official/", views.official_addresses, name="official"),
    path("processors/", views.processors, name="processors"),
    path(".well-known/security.txt", views.security_txt, name="security_txt"),
    path("robots.txt", views.robots_txt, name="robots_txt"),
    path("favicon.ico", views.favicon, name="favicon"),
]
