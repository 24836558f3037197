"""Vonage: inbound SMS by the SMS API (kind `vonage`) and by the Messages API (kind `vonage-messages`)."""
