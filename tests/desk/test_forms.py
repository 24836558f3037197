"""A field with very many options is written quickly, and as Django would write it."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms

from onceline.desk.forms import LongSelect
from tests.desk.looking import words_of_html

CHOICES = [("", "Any"), ("a&b", "<Bold> & 'quoted'"), ("GB", "United Kingdom")]


class Usual(forms.Form):
    place = forms.ChoiceField(label="Place", choices=CHOICES, help_text="where", required=False)


class Long(Usual):
    place = forms.ChoiceField(
        label="Place", choices=CHOICES, help_text="where", required=False, widget=LongSelect
    )


@pytest.mark.parametrize("data", [None, {}, {"place": "GB"}, {"place": "a&b"}, {"place": "nowhere"}])
def test_it_says_what_djangos_own_says(data: dict[str, Any] | None) -> None:
    assert words_of_html(str(Long(data)["place"])) == words_of_html(str(Usual(data)["place"]))
