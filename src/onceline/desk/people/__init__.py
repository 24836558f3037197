"""Humans who log in: accounts' people, their passwords, second factors, sessions and settings."""
