"""Events, outcomes and health of webhooks in words for people; and the forms that owners fill in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from onceline.core.webhooks.commands import Wanted
from onceline.core.webhooks.model import LONGEST_URL, MOST_CONCURRENCY

EVENTS: dict[str, Any] = {
    "order.message": _("A message came"),
    "order.message_completed": _("The missing parts of a message came"),
    "order.received": _("A code came, and the price was taken"),
    "order.placed": _("An order was placed"),
    "order.number": _("An order got its number"),
    "order.failed": _("An order got no number"),
    "order.withheld": _("A message came that must not be shown"),
    "order.resend": _("Another code was asked for"),
    "order.extended": _("A rental was extended"),
    "order.auto_extend": _("A rental was told to extend itself, or no more"),
    "order.finished": _("An order ended with a code"),
    "order.cancelled": _("An order was cancelled"),
    "order.expired": _("An order ended without a code"),
    "deposit.credited": _("Money came in"),
    "deposit.refund_asked": _("A deposit is to go back, and is set aside"),
    "deposit.refunded": _("A deposit went back"),
    "deposit.refund_undone": _("A deposit could not go back, and is in the balance again"),
    "deposit.disputed": _("The payer's bank wants a deposit back"),
    "deposit.lost": _("The payer's bank took a deposit back"),
    "balance.low": _("The balance is low"),
    "export.ready": _("An export is ready"),
    "export.failed": _("An export failed"),
    "key.created": _("A key was made"),
    "key.rotated": _("A key was rotated"),
    "key.revoked": _("A key was revoked"),
    "webhook.failing": _("Another webhook fails"),
    "webhook.disabled": _("Another webhook was switched off"),
}
PAYLOADS = (
    ("full", _("The order and the message with its text")),
    ("thin", _("Ids only; fetch the rest with a key")),
)
SECRET_KINDS = (
    ("v1", _("One shared secret (HMAC-SHA256), which most libraries know")),
    ("v1a", _("A pair of keys (Ed25519): you keep no secret")),
)
REASONS: dict[str, Any] = {
    "customer": _("Switched off by hand."),
    "failures": _("Switched off by us: for five days nothing arrived."),
    "gone": _("Switched off by us: your server answered 410, which means that it wants nothing more."),
}
DELIVERY_STATES: dict[str, Any] = {
    "pending": _("On its way"),
    "delivered": _("Delivered"),
    "failed": _("Failed"),
    "dropped": _("Not sent"),
}
OUTCOMES: dict[str, Any] = {
    "delivered": _("Delivered"),
    "status": _("Your server did not accept it"),
    "refused_address": _("The address does not lead to a public server"),
    "dns": _("The name of your server could not be resolved"),
    "connect": _("Your server could not be reached"),
    "tls": _("Your server's certificate or encryption is not in order"),
    "timeout": _("Your server took too long"),
    "too_large": _("Your server's answer is too large"),
    "protocol": _("What your server said is no HTTP answer"),
    "erased": _("The content was erased"),
    "pruned": _("The event is kept no more"),
    "unrenderable": _("This is our fault; it is in our log"),
}
OVERLAPS = (
    ("0", _("The old ones end now")),
    ("3600", _("The old ones sign for one more hour")),
    ("86400", _("The old ones sign for one more day")),
    ("604800", _("The old ones sign for seven more days")),
)
REPLAYS = (
    ("3600", _("The last hour")),
    ("86400", _("The last day")),
    ("604800", _("The last seven days")),
    ("2592000", _("The last 30 days")),
)
_ONE_LINE = RegexValidator(r"\A[^\x00-\x1f\x7f]*\Z", _("Write one line of visible characters."))


class Endpoint(forms.Form):
    """`types` that were set through the API and have no sentence here are offered as they are, so that none is lost."""

    url = forms.CharField(
        label=_("Address"),
        max_length=LONGEST_URL,
        widget=forms.URLInput({"autocomplete": "off", "placeholder": "https://example.com/onceline"}),
        help_text=_("It begins with https:// and leads to a public server, on port 443 or 8443."),
    )
    description = forms.CharField(
        label=_("Description"), required=False, max_length=200, validators=[_ONE_LINE]
    )
    every = forms.BooleanField(
        label=_("Send every event"),
        required=False,
        initial=True,
        help_text=_("Also those that we add later. Otherwise tick some below."),
    )
    types = forms.MultipleChoiceField(label=_("Events"), required=False, widget=forms.CheckboxSelectMultiple)
    payload = forms.ChoiceField(
        label=_("Content"), choices=PAYLOADS, initial="full", widget=forms.RadioSelect
    )
    concurrency = forms.IntegerField(
        label=_("Requests at once"), min_value=1, max_value=MOST_CONCURRENCY, initial=4
    )

    def __init__(self, *args: Any, types: list[str] | None = None, **rest: Any) -> None:
        super().__init__(*args, **rest)
        others = [(one, one) for one in types or [] if one not in EVENTS]
        self.fields["types"].choices = [*EVENTS.items(), *others]  # type: ignore[attr-defined]  # it is a choice field

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if not found.get("every") and not found.get("types") and "types" not in self.errors:
            self.add_error("types", _("Tick at least one event, or send every event."))
        return found

    def wanted(self) -> Wanted:
        found = self.cleaned_data
        types = None if found["every"] else list(found["types"])
        return Wanted(found["url"], found["description"], types, found["payload"], found["concurrency"])


class NewEndpoint(Endpoint):
    secret_kind = forms.ChoiceField(
        label=_("Signature"), choices=SECRET_KINDS, initial="v1", widget=forms.RadioSelect
    )
