"""The kind `textbee`: phones with the textbee app, whose server calls us."""

from onceline.suppliers.base import Kind
from onceline.suppliers.textbee.inlet import SIGNING_SECRET, TextbeeInlet, TextbeeSettings, check

KIND = Kind(
    name="textbee",
    settings=TextbeeSettings,
    secrets={SIGNING_SECRET: "The signing secret of the webhook subscription: at least 20 characters"},
    inlet=TextbeeInlet,
    check=check,
)
