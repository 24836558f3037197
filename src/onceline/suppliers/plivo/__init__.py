"""Plivo Messaging: inbound SMS by webhook."""
