"""The product without any framework: plain synchronous Python and named SQL.

A command takes what it needs (open transaction, clock, vault), never commits, and returns a value or raises one of
the errors of `onceline.core.errors`. Nothing here knows HTTP, settings or a client's address.
"""
