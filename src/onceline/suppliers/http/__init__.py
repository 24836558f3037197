"""The kind `http`: our own signed request, for gateways without a protocol of their own and for `onceline agent`."""

from onceline.suppliers.base import Kind
from onceline.suppliers.http.inlet import SIGNING_KEY, HttpSettings, SignedInlet, check

KIND = Kind(
    name="http",
    settings=HttpSettings,
    secrets={
        SIGNING_KEY: "What both sides sign with: at least 20 characters, such as `openssl rand -hex 32` gives."
    },
    inlet=SignedInlet,
    check=check,
)
