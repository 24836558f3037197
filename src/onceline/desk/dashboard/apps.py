"""Django's registration of this part, and of what its addresses begin with."""

from __future__ import annotations

from django.apps import AppConfig
from django.urls import register_converter

from onceline.desk.dashboard.modes import ModeConverter


class Dashboard(AppConfig):
    name = "onceline.desk.dashboard"
    label = "dashboard"

    def ready(self) -> None:
        register_converter(ModeConverter, "mode")
