"""Every kind of supplier that an operator can configure: the one place that knows their folders."""

from __future__ import annotations

from onceline.suppliers.agents.kind import KIND as AGENT
from onceline.suppliers.android import KIND as ANDROID
from onceline.suppliers.base import Kind
from onceline.suppliers.gammu.kind import KIND as GAMMU
from onceline.suppliers.handler_api.kind import KIND as HANDLER_API
from onceline.suppliers.http import KIND as HTTP
from onceline.suppliers.httpsms import KIND as HTTPSMS
from onceline.suppliers.mapper import KIND as MAPPER
from onceline.suppliers.plivo.inlet import KIND as PLIVO
from onceline.suppliers.smpp.kind import KIND as SMPP
from onceline.suppliers.telnyx.inlet import KIND as TELNYX
from onceline.suppliers.textbee import KIND as TEXTBEE
from onceline.suppliers.twilio.inlet import KIND as TWILIO
from onceline.suppliers.vonage.messages import KIND as VONAGE_MESSAGES
from onceline.suppliers.vonage.sms import KIND as VONAGE

_ALL: tuple[Kind, ...] = (
    AGENT,
    HTTP,
    GAMMU,
    HANDLER_API,
    ANDROID,
    HTTPSMS,
    MAPPER,
    TEXTBEE,
    PLIVO,
    SMPP,
    TELNYX,
    TWILIO,
    VONAGE,
    VONAGE_MESSAGES,
)
KINDS = {kind.name: kind for kind in _ALL}
