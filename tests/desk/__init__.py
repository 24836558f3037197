"""The desk as people meet it: pages through Django, on a real database."""

import os

import django

from onceline.desk.door import SETTINGS

os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
django.setup(set_prefix=False)
