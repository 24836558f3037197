"""Django's registration of this part."""

from __future__ import annotations

from django.apps import AppConfig


class Pages(AppConfig):
    name = "onceline.desk.pages"
    label = "pages"
