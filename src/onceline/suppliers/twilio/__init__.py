"""Twilio Programmable Messaging: inbound SMS by webhook."""
