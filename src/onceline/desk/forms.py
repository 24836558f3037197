"""How every form of the desk is written: label, help, field, its errors beside it."""

from __future__ import annotations

from django.forms.renderers import TemplatesSetting


class Renderer(TemplatesSetting):
    form_template_name = "desk/form.html"
    field_template_name = "desk/field.html"
