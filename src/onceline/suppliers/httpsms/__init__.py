"""The kind `httpsms`: phones with the httpSMS app, whose server calls us."""

from onceline.suppliers.base import Kind
from onceline.suppliers.httpsms.inlet import SIGNING_KEY, HttpSmsInlet, HttpSmsSettings, check

KIND = Kind(
    name="httpsms",
    settings=HttpSmsSettings,
    secrets={SIGNING_KEY: "The signing key of the webhook, as httpSMS shows it: at least 20 characters"},
    inlet=HttpSmsInlet,
    check=check,
)
