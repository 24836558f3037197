"""Inbound messages: kept before they are acknowledged, joined, matched to an order, read for a code and a service."""
