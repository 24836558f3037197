"""Telnyx Messaging: inbound SMS by webhook."""
