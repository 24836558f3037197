"""Hubs that sell our numbers on: customers who speak the field's agent protocol instead of our API."""
