"""Django's registration of this part; log-in and log-out are heard from here on."""

from __future__ import annotations

from django.apps import AppConfig


class People(AppConfig):
    name = "onceline.desk.people"
    label = "people"

    def ready(self) -> None:
        from onceline.desk.people import signals  # noqa: PLC0415 - Django's models exist only from here on

        signals.connect()
