"""The kind `android`: phones with SMS Gateway for Android (capcom6), which call us themselves."""

from onceline.suppliers.android.inlet import SIGNING_KEY, AndroidInlet, check
from onceline.suppliers.android.settings import AndroidSettings
from onceline.suppliers.base import Kind

KIND = Kind(
    name="android",
    settings=AndroidSettings,
    secrets={
        SIGNING_KEY: "What the app signs with: Settings, Webhooks, Signing key; the same on all phones of this supplier"
    },
    inlet=AndroidInlet,
    check=check,
)
